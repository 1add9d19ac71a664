"""Principal components of images, without a float copy of them all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from zehn.measures import Purpose, generator

_IMAGES_PER_BLOCK = 4_096
_N_OVERSAMPLED, _N_PASSES = 20, 8

Bytes = UInt8[np.ndarray, "n h w 3"]


@dataclass(frozen=True, eq=False)
class Components:
    """The mean image, the directions of largest variance around it, and how far the training images spread there."""

    mean: Float32[np.ndarray, " d"]
    axes: Float32[np.ndarray, "d k"]
    """Orthonormal."""
    stds: Float64[np.ndarray, " k"]

    @classmethod
    def fit(cls, images: Bytes, n_components: int, seed: int = 0) -> Components:
        """Find the principal components of images on [0, 1], as many as there can be up to ``n_components``.

        By subspace iteration from a random start (Halko, Martinsson and Tropp, "Finding structure with randomness",
        arXiv 0909.4061, algorithm 4.4), the covariance applied block by block, and a Rayleigh-Ritz step at the end.
        """
        n_images, n_pixels = len(images), images[0].size
        n_kept = min(n_components, n_pixels, n_images)
        n_tried = min(n_kept + _N_OVERSAMPLED, n_pixels, n_images)
        total = sum((block.sum(axis=0, dtype=np.float64) for block in _blocks(images)), np.zeros(n_pixels))
        mean = (total / n_images).astype(np.float32)
        start = generator(seed, Purpose.COMPONENTS).normal(size=(n_pixels, n_tried))
        basis = np.linalg.qr(start)[0].astype(np.float32)
        for _ in range(_N_PASSES):
            product = _apply_covariance(images, mean, basis)
            projected = basis.T.astype(np.float64) @ product
            previous, basis = basis, np.linalg.qr(product)[0].astype(np.float32)
        variances, turns = np.linalg.eigh((projected + projected.T) / 2)
        axes = previous.astype(np.float64) @ turns[:, ::-1][:, :n_kept]
        return cls(mean, axes.astype(np.float32), np.sqrt(np.maximum(variances[::-1][:n_kept], 0)))

    def encode(self, images: Bytes) -> Float32[np.ndarray, "n k"]:
        """Return the components of images, scaled so that each has unit variance over the training images."""
        scales = np.divide(1, self.stds, out=np.zeros_like(self.stds), where=self.stds > 0).astype(np.float32)
        return np.concatenate([(block - self.mean) @ self.axes * scales for block in _blocks(images)])

    def errors(self, images: Bytes) -> Float64[np.ndarray, " n"]:
        """Return the mean squared error of each image's reconstruction from its components, on [0, 1]."""
        parts = []
        for block in _blocks(images):
            centered = block - self.mean
            left = centered - (centered @ self.axes) @ self.axes.T
            parts.append(np.square(left, dtype=np.float64).mean(axis=1))
        return np.concatenate(parts)


def _apply_covariance(
    images: Bytes, mean: Float32[np.ndarray, " d"], basis: Float32[np.ndarray, "d k"]
) -> Float64[np.ndarray, "d k"]:
    product = np.zeros(basis.shape)
    # what is centred is the projections alone: their sum is then zero, and with it what the mean image adds
    offset = mean @ basis
    for block in _blocks(images):
        product += block.T @ (block @ basis - offset)
    return product / len(images)


def _blocks(images: Bytes) -> Iterator[Float32[np.ndarray, "_ d"]]:
    for first in range(0, len(images), _IMAGES_PER_BLOCK):
        block = images[first : first + _IMAGES_PER_BLOCK]
        yield block.reshape(len(block), -1).astype(np.float32) / 255
