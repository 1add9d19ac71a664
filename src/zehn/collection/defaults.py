"""How a collection is made and searched where nothing else is said: the only home of these numbers and names.

It imports nothing, so that the command line's help can say them at once. What a model is trained with where a
collection trains its own is the business of :mod:`zehn.config`.
"""

from __future__ import annotations

MODEL = "cifar10"
FIT = "crop"
"""How oblong images become squares."""
THUMBNAIL_SIZE = 96
"""Longest side of the thumbnails in pixels."""
N_HITS = 10
DISTANCE = "euclidean"
MAX_DIFFERENCE = 0.04
"""Root of the mean squared difference of two thumbnails, pixels in [0, 1], up to which they show one picture.

A photograph saved again as JPEG differs by 0.006, made half as large by 0.007, 5 % brighter by 0.03, and with 2 % cut
off each side by 0.03 to 0.05 (medians of 100; flat drawings differ twice as much)."""
