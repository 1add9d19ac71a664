"""Noise and projective transforms of images as seeded generators, and corruptions that training never sees.

:func:`gaussian_noise` and :func:`projective` yield (distorted, clean, parameters). Both take images one at a time or in
whole batches and keep their type, shape and range: arrays (n, H, W, 3) of uint8, or of float32 in [0, 1]; or PyTorch
tensors (n, 3, H, W) of the same types, on any device. They are lazy: no image is read before it is asked for. Whatever
is drawn follows from the seed and the place of an image alone, not from the size of the batches. (On tensors the noise
itself is drawn on their device, batch by batch; its strengths are not.)

Places in an image are in pixels, x to the right and y down, from its upper left edge: the first pixel's centre is at
(0.5, 0.5), the lower right edge at (W, H). Values between pixels are bilinear, and what lies outside an image is black,
so that an edge fades out over half a pixel on either side, as in OpenCV and in PyTorch's ``grid_sample``.

:func:`corrupt` does to uint8 images what CIFAR-10-C did to CIFAR-10. It is for measuring alone: a model that is robust
against what it was trained on may not be so against anything else.
"""

from zehn.distort.batches import Strength
from zehn.distort.corruptions import CORRUPTIONS, SEVERITIES, check_corruption, corrupt
from zehn.distort.noise import Noise, gaussian_noise
from zehn.distort.projection import Projection, projective, warp

__all__ = [
    "CORRUPTIONS",
    "SEVERITIES",
    "Noise",
    "Projection",
    "Strength",
    "check_corruption",
    "corrupt",
    "gaussian_noise",
    "projective",
    "warp",
]
