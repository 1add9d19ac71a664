"""Zehn: ten numbers for every image, learnt without labels."""
