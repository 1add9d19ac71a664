"""Corruptions against OpenCV, scikit-image and the formulas of CIFAR-10-C, and what holds for each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import ndimage

from zehn import datasets, distort
from zehn.distort import corruptions
from zehn.errors import ConfigError, InputError, UnknownNameError

EACH = pytest.mark.parametrize("kind", distort.CORRUPTIONS)


@pytest.fixture(scope="module")
def images() -> Any:
    """Coloured images that fill the range of bytes."""
    noise = np.random.default_rng(0).random((80, 32, 32, 3))
    smooth = ndimage.gaussian_filter(noise, (0, 1.5, 1.5, 0))
    low, high = smooth.min(axis=(1, 2, 3), keepdims=True), smooth.max(axis=(1, 2, 3), keepdims=True)
    return np.round(255 * (smooth - low) / (high - low)).astype(np.uint8)


def at_most_one_off(found: Any, expected: Any) -> None:
    assert np.abs(found / 1.0 - np.round(255 * expected)).max() <= 1


# what holds for each ------------------------------------------------------------------------------------------------


def test_there_are_at_least_eight() -> None:
    assert len(distort.CORRUPTIONS) == len(set(distort.CORRUPTIONS)) >= 8
    assert distort.SEVERITIES == (1, 2, 3, 4, 5)


@EACH
def test_severities_lead_away_from_the_clean_image(kind: str, images: Any) -> None:
    made = [distort.corrupt(images, kind, severity) for severity in distort.SEVERITIES]
    for corrupted in made:
        assert corrupted.dtype == np.uint8
        assert corrupted.shape == images.shape
    errors = [np.square(corrupted / 255 - images / 255).mean() for corrupted in made]
    assert errors[0] > 0
    steps = np.diff(errors)
    if kind == "motion_blur":  # CIFAR-10-C's third and fourth have one sigma, and both reach farther than it matters
        assert abs(steps[2]) < 1e-5
        steps = np.delete(steps, 2)
    assert (steps > 0).all(), errors


@EACH
def test_the_seed_and_the_place_decide_and_nothing_else(
    kind: str, images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = images.copy()
    whole = distort.corrupt(images, kind, 4, seed=3)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(distort.corrupt(images, kind, 4, seed=3), whole)
    np.testing.assert_array_equal(distort.corrupt(images[:7], kind, 4, seed=3), whole[:7])
    monkeypatch.setattr(corruptions, "_PIXELS_PER_BLOCK", 32 * 32 * 3)
    np.testing.assert_array_equal(distort.corrupt(images, kind, 4, seed=3), whole)
    is_random = kind in ("shot_noise", "impulse_noise", "motion_blur", "fog")
    assert (distort.corrupt(images, kind, 4, seed=4) != whole).any() == is_random


@EACH
@given(
    images=npst.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.just(3))),
    severity=st.sampled_from(distort.SEVERITIES),
)
@settings(max_examples=15, deadline=None)
def test_images_of_any_size_keep_it(kind: str, images: Any, severity: int) -> None:
    corrupted = distort.corrupt(images, kind, severity)
    assert corrupted.dtype == np.uint8
    assert corrupted.shape == images.shape


def test_what_cannot_be_corrupted_is_refused(images: Any) -> None:
    with pytest.raises(UnknownNameError, match="unknown corruption 'fogg'; did you mean 'fog'"):
        distort.corrupt(images, "fogg", 1)
    for severity in (0, 6, -1):
        with pytest.raises(ConfigError, match=f"severity from 1 to 5, a whole number, came {severity}"):
            distort.corrupt(images, "fog", severity)
    with pytest.raises(InputError, match="at least one image"):
        distort.corrupt(images[:0], "fog", 1)
    with pytest.raises(InputError, match=r"arrays \(n, H, W, 3\) of uint8, came float32; convert"):
        distort.corrupt((images / 255).astype(np.float32), "fog", 1)
    with pytest.raises(InputError, match=r"of uint8 or float32, came float64"):
        distort.corrupt(images / 255, "fog", 1)
    with pytest.raises(InputError, match=r"of uint8, came torch.uint8"):
        distort.corrupt(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "fog", 1)
    with pytest.raises(InputError, match=r"came uint8 \(32, 32, 3\)"):
        distort.corrupt(images[0], "fog", 1)


# each against its definition ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("severity", [1, 3, 4, 5])
def test_defocus_is_opencv_s(severity: int, images: Any) -> None:
    import cv2

    radius, smoothing = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))[severity - 1]
    x, y = np.meshgrid(np.arange(-8, 9), np.arange(-8, 9))
    disk = (x**2 + y**2 <= radius**2).astype(np.float32)
    kernel = cv2.GaussianBlur(disk / disk.sum(), (3, 3), sigmaX=smoothing)
    expected = np.stack([cv2.filter2D(image / 255.0, -1, kernel) for image in images])
    at_most_one_off(distort.corrupt(images, "defocus_blur", severity), expected.clip(0, 1))


@pytest.mark.parametrize("severity", distort.SEVERITIES)
def test_brightness_is_scikit_image_s(severity: int, images: Any) -> None:
    from skimage import color

    colors = color.rgb2hsv(images / 255.0)
    colors[..., 2] = np.clip(colors[..., 2] + (0.05, 0.1, 0.15, 0.2, 0.3)[severity - 1], 0, 1)
    at_most_one_off(distort.corrupt(images, "brightness", severity), color.hsv2rgb(colors))


@pytest.mark.parametrize("severity", [1, 5])
def test_zoom_is_scipy_s(severity: int, images: Any) -> None:
    factors, total = np.arange(1, (1.06, 1.11, 1.16, 1.21, 1.26)[severity - 1], 0.01), images[:3] / 255.0
    for factor in factors:
        n_kept = int(np.ceil(32 / factor))
        top = (32 - n_kept) // 2
        for place, image in enumerate(images[:3] / 255.0):
            zoomed = ndimage.zoom(image[top : top + n_kept, top : top + n_kept], (factor, factor, 1), order=1)
            trim = (zoomed.shape[0] - 32) // 2
            total[place] += zoomed[trim : trim + 32, trim : trim + 32]
    at_most_one_off(distort.corrupt(images[:3], "zoom_blur", severity), total / (len(factors) + 1))


def test_noises_have_the_moments_of_their_kind() -> None:
    grey = np.full((40, 32, 32, 3), 128, np.uint8)
    shot = distort.corrupt(grey, "shot_noise", 3) / 255
    assert shot.mean() == pytest.approx(128 / 255, abs=0.001)
    assert shot.var() == pytest.approx(128 / 255 / 100, rel=0.03)
    impulse = distort.corrupt(grey, "impulse_noise", 5)
    assert (impulse == 0).mean() == pytest.approx(0.035, abs=0.002)
    assert (impulse == 255).mean() == pytest.approx(0.035, abs=0.002)
    assert ((impulse == 128) | (impulse == 0) | (impulse == 255)).all()


def test_motion_smears_along_a_line() -> None:
    """A single bright pixel becomes a line that begins at it, heads left by less than 45°, and keeps its light."""
    dark = np.zeros((50, 65, 65, 3), np.uint8)
    dark[:, 32, 32] = 255
    smeared = distort.corrupt(dark, "motion_blur", 5).astype(np.float64)[..., 0]
    assert smeared.sum(axis=(1, 2)) == pytest.approx(np.full(50, 255), abs=8)
    rows, columns = np.nonzero(smeared.max(axis=0))
    assert columns.max() == 32
    assert columns.min() < 26
    assert (np.abs(rows - 32) <= 32 - columns + 1).all()
    assert rows.min() < 30
    assert rows.max() > 34


def test_fog_is_grey_and_cloudy_and_makes_nothing_brighter_than_the_brightest(images: Any) -> None:
    dim = images // 2
    fogged = distort.corrupt(dim, "fog", 5)
    assert (fogged.max(axis=(1, 2, 3)) <= dim.max(axis=(1, 2, 3)) + 1).all()
    brightest = dim.max() / 255
    share = np.ptp(fogged / 1.0, axis=-1).mean() / np.ptp(dim / 1.0, axis=-1).mean()
    assert share == pytest.approx(brightest / (brightest + 1.5), rel=0.03)
    clouds = corruptions._plasma(20, 32, 2.0, np.random.default_rng(0))
    assert clouds.min(axis=(1, 2)) == pytest.approx(np.zeros(20))
    assert clouds.max(axis=(1, 2)) == pytest.approx(np.ones(20))
    beside = np.abs(np.diff(clouds, axis=2)).mean()
    apart = np.abs(clouds[:, :, 16:] - clouds[:, :, :16]).mean()
    assert beside < apart / 2


def test_contrast_keeps_the_mean_and_files_are_pillow_s(images: Any) -> None:
    import io

    from PIL import Image

    faded = distort.corrupt(images, "contrast", 5)
    assert faded.mean(axis=(1, 2)) == pytest.approx(images.mean(axis=(1, 2)), abs=0.2)
    assert faded.std(axis=(1, 2)) == pytest.approx(0.15 * images.std(axis=(1, 2)), rel=0.03)
    picture, file = Image.fromarray(images[0]), io.BytesIO()
    picture.save(file, "JPEG", quality=50)
    np.testing.assert_array_equal(distort.corrupt(images, "jpeg_compression", 4)[0], np.asarray(Image.open(file)))
    small = picture.resize((20, 20), Image.Resampling.BOX).resize((32, 32), Image.Resampling.BOX)
    np.testing.assert_array_equal(distort.corrupt(images, "pixelate", 5)[0], np.asarray(small))


@pytest.mark.cifar10
def test_real_images_get_farther_too(cifar10_dir: Path) -> None:
    photos = datasets.load("cifar10", data_dir=cifar10_dir).x_test[:200]
    for kind in distort.CORRUPTIONS:
        errors = [np.square(distort.corrupt(photos, kind, s) / 255 - photos / 255).mean() for s in (1, 2, 3, 5)]
        assert (np.diff(errors) > 0).all(), kind
