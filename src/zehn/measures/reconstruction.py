"""Measures of reconstruction: one value per image, from the images and what came out of the decoder.

Both are batches (n, H, W, channels), either uint8 (0 to 255) or floats in [0, 1]; every measure is on [0, 1] pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float64, UInt8

from zehn.errors import InputError

PSNR_CAP = 100.0
"""Decibels of an identical image, whose ratio would be infinite; no image gets more."""

_CHUNK_PIXELS = 2_000_000
_SSIM_SIGMA, _SSIM_RADIUS = 1.5, 5
_SSIM_C1, _SSIM_C2 = 0.01**2, 0.03**2

Images = UInt8[np.ndarray, "_ _ _ _"] | Float[np.ndarray, "_ _ _ _"]
Pixels = Float64[np.ndarray, "_ _ _ _"]
PerImage = Float64[np.ndarray, " _"]


def score_reconstructions(images: Images, reconstructions: Images) -> dict[str, PerImage]:
    """Return all measures of reconstruction of each image: "mse", "psnr", "ssim" and "channel_accuracy".

    Raises:
        InputError: two shapes, no images, or images below 11 × 11 pixels.

    """
    return {
        "mse": mse(images, reconstructions),
        "psnr": psnr(images, reconstructions),
        "ssim": ssim(images, reconstructions),
        "channel_accuracy": channel_accuracy(images, reconstructions),
    }


def mse(images: Images, reconstructions: Images) -> PerImage:
    """Return the mean squared error of each image over its pixels and channels.

    Raises:
        InputError: two shapes, or no images.

    """
    return _in_chunks(images, reconstructions, lambda x, y: np.square(x - y).mean(axis=(1, 2, 3)))


def psnr(images: Images, reconstructions: Images) -> PerImage:
    """Return the peak signal-to-noise ratio of each image in decibels: 10 log₁₀(1 / MSE), at most :data:`PSNR_CAP`.

    Raises:
        InputError: two shapes, or no images.

    """
    return -10 * np.log10(np.maximum(mse(images, reconstructions), 10 ** (-PSNR_CAP / 10)))


def ssim(images: Images, reconstructions: Images) -> PerImage:
    """Return the structural similarity of each image, at most 1: the mean over the channels and the inner pixels.

    SSIM = (2 μx μy + C₁)(2 σxy + C₂) / ((μx² + μy² + C₁)(σx² + σy² + C₂)), C₁ = 0.01², C₂ = 0.03², local moments under
    a Gaussian window of 11 × 11 pixels with σ 1.5 (Wang et al., "Image quality assessment: from error visibility to
    structural similarity", 2004, doi 10.1109/TIP.2003.819861). The same as scikit-image's with ``gaussian_weights=True,
    use_sample_covariance=False, data_range=1``: only windows that lie within the image count.

    Raises:
        InputError: two shapes, no images, or images below 11 × 11 pixels.

    """
    smallest = 2 * _SSIM_RADIUS + 1
    if min(images.shape[1:3]) < smallest:
        raise InputError(f"SSIM needs images of at least {smallest} × {smallest} pixels, came {images.shape[1:3]}")
    return _in_chunks(images, reconstructions, _ssim)


def channel_accuracy(images: Images, reconstructions: Images) -> PerImage:
    """Return the share of each image's pixels whose largest channel is the same in the reconstruction.

    What Keras prints as "accuracy" for an image autoencoder; of equal channels, the first counts as the largest.

    Raises:
        InputError: two shapes, or no images.

    """
    return _in_chunks(images, reconstructions, lambda x, y: (x.argmax(-1) == y.argmax(-1)).mean(axis=(1, 2)))


def _in_chunks(images: Images, reconstructions: Images, score: Callable[[Pixels, Pixels], PerImage]) -> PerImage:
    if images.shape != reconstructions.shape or images.size == 0:
        raise InputError(
            f"expected as many reconstructions as images and of their shape, at least one; came {images.shape} and "
            f"{reconstructions.shape}"
        )
    step = max(1, _CHUNK_PIXELS // images[0].size)
    chunks = (slice(start, start + step) for start in range(0, len(images), step))
    return np.concatenate([score(_scaled(images[part]), _scaled(reconstructions[part])) for part in chunks])


def _scaled(images: Images) -> Pixels:
    return images / 255.0 if images.dtype == np.uint8 else images.astype(np.float64)


def _ssim(x: Pixels, y: Pixels) -> PerImage:
    x, y = np.moveaxis(x, -1, 1), np.moveaxis(y, -1, 1)
    rows, columns = _window_means(x.shape[2]), _window_means(x.shape[3]).T

    def smoothed(z: Pixels) -> Pixels:
        return rows @ (z @ columns)

    mean_x, mean_y = smoothed(x), smoothed(y)
    covariance = smoothed(x * y) - mean_x * mean_y
    variances = smoothed(x * x) - mean_x * mean_x + smoothed(y * y) - mean_y * mean_y
    similarities = (2 * mean_x * mean_y + _SSIM_C1) * (2 * covariance + _SSIM_C2)
    similarities /= (mean_x * mean_x + mean_y * mean_y + _SSIM_C1) * (variances + _SSIM_C2)
    return similarities.mean(axis=(1, 2, 3))


def _window_means(n_pixels: int) -> Float64[np.ndarray, "inner n"]:
    """Return the matrix that takes a line of pixels to its Gaussian-weighted local means, inner windows only."""
    offsets = np.arange(-_SSIM_RADIUS, _SSIM_RADIUS + 1)
    weights = np.exp(-0.5 * (offsets / _SSIM_SIGMA) ** 2)
    matrix = np.zeros((n_pixels - 2 * _SSIM_RADIUS, n_pixels))
    for row, line in enumerate(matrix):
        line[row : row + len(weights)] = weights / weights.sum()
    return matrix
