"""Sentences made from a run's numbers, and from nothing else.

Each function takes what was measured and says what it means, the unwelcome too: no better than PCA is called no better
than PCA. A difference is one only where the 95 % intervals do not overlap.
"""
