"""Noise by its moments, warps against scipy, OpenCV, kornia and torchvision's formula, and what holds for any image."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import ndimage

from zehn import distort
from zehn.distort import projection
from zehn.errors import ConfigError, InputError

DISTORTIONS: tuple[Any, ...] = (distort.gaussian_noise, distort.projective)
BOTH = pytest.mark.parametrize("distortion", DISTORTIONS)
BYTES = npst.arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.just(3)))


def pictures(n: int = 6, size: tuple[int, int] = (32, 32), seed: int = 0) -> Any:
    """Smooth images, because interpolation of noise says little."""
    noise = np.random.default_rng(seed).random((n, *size, 3))
    smooth = ndimage.gaussian_filter(noise, (0, 2, 2, 0))
    return ((smooth - smooth.min()) / np.ptp(smooth)).astype(np.float32)


def as_bytes(images: Any) -> Any:
    return np.round(images * 255).astype(np.uint8)


# noise --------------------------------------------------------------------------------------------------------------


def test_noise_has_the_strength_that_was_asked_for() -> None:
    grey = np.full((50, 32, 32, 3), 0.5, np.float32)
    for strength in (0.04, 0.1):
        distorted, _, parameters = next(distort.gaussian_noise(grey, strength, batch_size=50))
        noise = (distorted - grey).astype(np.float64)
        assert noise.std() == pytest.approx(strength, rel=0.01)
        assert noise.mean() == pytest.approx(0, abs=strength / 100)
        assert (parameters.strength == strength).all()


def test_noise_on_bytes_is_that_on_floats_rounded() -> None:
    images = as_bytes(pictures())
    by_bytes, _, _ = next(distort.gaussian_noise(images, 0.1, batch_size=6))
    by_floats, _, _ = next(distort.gaussian_noise((images / np.float32(255)), 0.1, batch_size=6))
    np.testing.assert_array_equal(by_bytes, as_bytes(by_floats))


def test_strengths_are_drawn_from_their_range() -> None:
    images = pictures(200, (8, 8))
    for distortion in DISTORTIONS:
        _, _, parameters = next(distortion(images, (0.1, 0.4), batch_size=200))
        assert 0.1 <= parameters.strength.min() < 0.12
        assert 0.38 < parameters.strength.max() <= 0.4


# warp ---------------------------------------------------------------------------------------------------------------


def by_scipy(image: Any, matrix: Any) -> Any:
    """One image by scipy's interpolation with black all around, its pixels' centres at whole numbers."""
    height, width, _ = image.shape
    y, x = np.mgrid[:height, :width] + 0.5
    back = np.linalg.inv(matrix) @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    places = (back[:2] / back[2] - 0.5)[::-1]
    channels = [ndimage.map_coordinates(image[..., c], places, order=1, mode="grid-constant") for c in range(3)]
    return np.stack(channels, axis=-1).reshape(image.shape)


@pytest.mark.parametrize("size", [(32, 32), (20, 33)])
@pytest.mark.parametrize("outwards", [False, True])
def test_a_warp_is_scipy_s(size: tuple[int, int], outwards: bool) -> None:
    images = pictures(size=size)
    for distorted, clean, parameters in distort.projective(images, 0.5, outwards=outwards):
        np.testing.assert_allclose(distorted, by_scipy(clean, parameters.matrix), atol=2e-6)


@pytest.mark.parametrize("strength", [0.2, 0.5])
def test_a_warp_is_opencv_s(strength: float) -> None:
    """OpenCV counts from the first pixel's centre; it may round places to 1/32 of a pixel, so by 1/64 either way."""
    import cv2

    shift = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    for distorted, clean, parameters in distort.projective(pictures(), strength):
        height, width, _ = clean.shape
        matrix = shift @ parameters.matrix @ np.linalg.inv(shift)
        expected = cv2.warpPerspective(clean, matrix, (width, height), flags=cv2.INTER_LINEAR)
        steepest = max(np.abs(np.diff(np.pad(clean, ((1, 1), (1, 1), (0, 0))), axis=axis)).max() for axis in (0, 1))
        np.testing.assert_allclose(distorted, expected, atol=2 * steepest / 64)
        assert np.abs(distorted - expected).mean() < 2e-3


def test_the_corners_go_where_the_parameters_say() -> None:
    """By the eight equations that torchvision's RandomPerspective solves (functional._get_perspective_coeffs)."""
    for _, clean, parameters in distort.projective(pictures(size=(24, 32)), 0.5):
        height, width, _ = clean.shape
        start = [(0, 0), (width, 0), (width, height), (0, height)]
        rows, values = [], []
        for (x, y), (u, v) in zip(start, parameters.corners, strict=True):
            rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
            values += [u, v]
        expected = np.append(np.linalg.solve(np.array(rows), np.array(values)), 1).reshape(3, 3)
        np.testing.assert_allclose(parameters.matrix, expected, atol=1e-9)


def test_corners_move_inwards_by_up_to_strength_times_half_the_side() -> None:
    _, _, inwards = next(distort.projective(pictures(500, (8, 16)), 0.5, batch_size=500))
    x, y = np.moveaxis(inwards.corners, 2, 0)
    moves = np.stack([x[:, 0], 16 - x[:, 1], 16 - x[:, 2], x[:, 3]]) / 8
    moves = np.concatenate([moves, np.stack([y[:, 0], y[:, 1], 8 - y[:, 2], 8 - y[:, 3]]) / 4])
    assert moves.min() >= 0
    assert moves.max() <= 0.5
    assert moves.mean(axis=1) == pytest.approx(np.full(8, 0.25), abs=0.03)
    _, _, both = next(distort.projective(pictures(500, (8, 16)), 0.5, outwards=True, batch_size=500))
    assert -4 <= both.corners[:, 0, 0].min() < -3.8
    assert 3.8 < both.corners[:, 0, 0].max() <= 4


def test_what_an_image_no_longer_covers_is_black() -> None:
    white = np.full((20, 32, 32, 3), 255, np.uint8)
    for distorted, _, parameters in distort.projective(white, (0.5, 0.6)):
        assert distorted.max() == 255
        left = int(parameters.corners[[0, 3], 0].min() - 1)
        assert not distorted[:, : max(left, 0)].any()


def test_a_shift_by_whole_pixels_moves_pixels() -> None:
    images = as_bytes(pictures(2))
    matrices = np.array([np.eye(3), [[1, 0, 2], [0, 1, -3], [0, 0, 1]]])
    warped = distort.warp(images, matrices)
    np.testing.assert_array_equal(warped[0], images[0])
    np.testing.assert_array_equal(warped[1, :-3, 2:], images[1, 3:, :-2])
    assert not warped[1, -3:].any()
    assert not warped[1, :, :2].any()


def test_many_pixels_are_warped_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures()
    whole, _, _ = next(distort.projective(images, 0.5, batch_size=6))
    monkeypatch.setattr(projection, "_PIXELS_PER_BLOCK", 32 * 32 * 4)
    blocks, _, _ = next(distort.projective(images, 0.5, batch_size=6))
    np.testing.assert_array_equal(blocks, whole)


# tensors ------------------------------------------------------------------------------------------------------------


def as_tensor(images: Any) -> Any:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


@pytest.mark.parametrize("strength", [0.0, 0.2, 0.5])
def test_tensors_are_warped_as_arrays_are(strength: float) -> None:
    images = pictures(size=(24, 32))
    expected, _, _ = next(distort.projective(images, strength, batch_size=6))
    found, clean, parameters = next(distort.projective(as_tensor(images), strength, batch_size=6))
    assert clean.shape == found.shape == (6, 3, 24, 32)
    assert parameters.corners.shape == (6, 4, 2)
    np.testing.assert_allclose(found.numpy().transpose(0, 2, 3, 1), expected, atol=1e-4)


def test_a_warp_is_kornia_s() -> None:
    from kornia.geometry import warp_perspective

    shift = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    images = pictures()
    distorted, _, parameters = next(distort.projective(images, 0.5, batch_size=6))
    matrices = torch.from_numpy((shift @ parameters.matrix @ np.linalg.inv(shift)).astype(np.float32))
    expected = warp_perspective(as_tensor(images), matrices, (32, 32), align_corners=True)
    np.testing.assert_allclose(distorted, expected.numpy().transpose(0, 2, 3, 1), atol=1e-4)


@BOTH
def test_tensors_keep_their_type_and_range(distortion: Any) -> None:
    for tensor in (as_tensor(as_bytes(pictures())), as_tensor(pictures())):
        for distorted, clean, _ in distortion(tensor, (0.1, 0.5), batch_size=4):
            assert distorted.dtype == clean.dtype == tensor.dtype
            assert distorted.shape == clean.shape
            assert not torch.equal(distorted, clean)
            assert 0 <= float(distorted.min()) <= float(distorted.max()) <= (255 if tensor.dtype == torch.uint8 else 1)
        (single, _, _), again = next(distortion(tensor, 0.2)), next(distortion(tensor, 0.2, batch_size=1))[0]
        assert torch.equal(single, again[0])


def test_tensor_noise_has_the_strength_that_was_asked_for() -> None:
    grey = torch.full((50, 3, 32, 32), 0.5)
    distorted, _, parameters = next(distort.gaussian_noise(grey, (0.1, 0.1), batch_size=50))
    assert float((distorted - grey).std()) == pytest.approx(0.1, rel=0.01)
    assert parameters.strength.tolist() == [0.1] * 50


# generators ---------------------------------------------------------------------------------------------------------


@BOTH
@given(images=BYTES, as_floats=st.booleans(), strength=st.floats(0, 1), seed=st.integers(0, 2**40))
@settings(max_examples=40, deadline=None)
def test_type_shape_and_range_are_kept_and_the_seed_decides(
    distortion: Any, images: Any, as_floats: bool, strength: float, seed: int
) -> None:
    given_images = images / np.float32(255) if as_floats else images
    results = [next(distortion(given_images, strength, seed=seed, batch_size=len(images))) for _ in range(2)]
    distorted, clean, parameters = results[0]
    assert distorted.dtype == given_images.dtype
    assert distorted.shape == given_images.shape
    assert np.isfinite(distorted).all()
    assert 0 <= distorted.min() <= distorted.max() <= (1 if as_floats else 255)
    assert (parameters.strength == strength).all()
    np.testing.assert_array_equal(clean, given_images)
    np.testing.assert_array_equal(distorted, results[1][0])
    if strength == 0:
        np.testing.assert_array_equal(distorted, clean)


@BOTH
@given(images=BYTES, as_floats=st.booleans(), seed=st.integers(0, 2**40))
@settings(max_examples=20, deadline=None)
def test_strength_zero_changes_nothing(distortion: Any, images: Any, as_floats: bool, seed: int) -> None:
    given_images = images / np.float32(255) if as_floats else images
    for distorted, clean, _ in distortion(given_images, 0.0, seed=seed):
        np.testing.assert_array_equal(distorted, clean)


@BOTH
@given(batch_size=st.integers(1, 9))
@settings(max_examples=9, deadline=None)
def test_an_image_is_distorted_the_same_way_in_a_batch_of_any_size(distortion: Any, batch_size: int) -> None:
    images = as_bytes(pictures(7, (9, 9)))
    alone = list(distortion(images, (0.1, 0.5), seed=3))
    assert [distorted.shape for distorted, _, _ in alone] == [(9, 9, 3)] * 7
    together = list(distortion(images, (0.1, 0.5), seed=3, batch_size=batch_size))
    np.testing.assert_array_equal([d for d, _, _ in alone], np.concatenate([d for d, _, _ in together]))
    strengths = np.concatenate([parameters.strength for _, _, parameters in together])
    assert [float(parameters.strength) for _, _, parameters in alone] == strengths.tolist()


@BOTH
def test_other_seeds_give_other_images(distortion: Any) -> None:
    images = as_bytes(pictures())
    first, second = (next(distortion(images, 0.3, seed=seed, batch_size=6))[0] for seed in (0, 1))
    assert (first != second).any()


@BOTH
def test_without_end_every_round_is_new(distortion: Any) -> None:
    images = pictures(3)
    rounds = list(itertools.islice(distortion(images, 0.3, batch_size=2, endless=True), 6))
    assert [len(distorted) for distorted, _, _ in rounds] == [2, 1] * 3
    np.testing.assert_array_equal(rounds[0][1], rounds[2][1])
    assert (rounds[0][0] != rounds[2][0]).any()
    assert len(list(distortion(images, 0.3, batch_size=2))) == 2


@BOTH
def test_an_iterable_is_taken_as_it_comes_and_no_sooner(distortion: Any) -> None:
    images, taken = pictures(3), []

    def stream() -> Any:
        for item in (images[0], images[1:], images[2]):
            taken.append(item.ndim)
            yield item

    distorted = distortion(stream(), 0.2)
    assert taken == []
    assert next(distorted)[0].shape == (32, 32, 3)
    assert taken == [3]
    assert [item.shape[0] for item, _, _ in distorted] == [2, 32]


@BOTH
@pytest.mark.parametrize("strength", [-0.1, (0.4, 0.2), float("nan"), float("inf")])
def test_impossible_strengths_are_refused(distortion: Any, strength: Any) -> None:
    with pytest.raises(ConfigError, match="expected a strength from 0"):
        distortion(pictures(), strength)


def test_other_wrong_requests_are_refused() -> None:
    images = pictures()
    with pytest.raises(ConfigError, match="strength from 0 to 1"):
        distort.projective(images, 1.1)
    with pytest.raises(ConfigError, match="batch size from 1, came 0"):
        distort.projective(images, 0.1, batch_size=0)
    with pytest.raises(ConfigError, match="are for a batch of images"):
        distort.gaussian_noise(iter(images), 0.1, endless=True)
    with pytest.raises(InputError, match=r"arrays \(n, H, W, 3\) of uint8 or float32, came float64"):
        distort.gaussian_noise(images.astype(np.float64), 0.1)
    with pytest.raises(InputError, match=r"came float32 \(32, 32, 3\); make a single image a batch with image\[None\]"):
        distort.gaussian_noise(images[0], 0.1)
    with pytest.raises(InputError, match=r"tensors \(n, 3, H, W\)"):
        distort.gaussian_noise(torch.zeros(2, 8, 8, 3), 0.1)
    with pytest.raises(InputError, match="at least one image"):
        distort.gaussian_noise(images[:0], 0.1)
    with pytest.raises(InputError, match=r"pixels in \[0, 1\], came 0 to 255; divide"):
        next(distort.gaussian_noise(images * 255, 0.1))
    with pytest.raises(InputError, match="images with pixels"):
        distort.gaussian_noise(np.zeros((2, 0, 8, 3), np.uint8), 0.1)
    with pytest.raises(InputError, match="a batch of images, or an iterable of them, came NoneType"):
        distort.gaussian_noise(None, 0.1)
    with pytest.raises(InputError, match="a homography for each of 6 images"):
        distort.warp(images, np.eye(3)[None])
    with pytest.raises(InputError, match="lower right entry above 0"):
        distort.warp(images, -np.eye(3)[None].repeat(6, axis=0))


@BOTH
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.zeros((2, 8, 8), np.uint8), r"arrays \(n, H, W, 3\) of uint8 or float32, came uint8 \(1, 2, 8, 8\)"),
        (np.zeros((2, 8, 8, 4), np.uint8), r"came uint8 \(2, 8, 8, 4\); convert them first"),
        (np.zeros((2, 8, 8, 3), np.int64), r"came int64 \(2, 8, 8, 3\)"),
        (np.zeros((0, 8, 8, 3), np.uint8), "at least one image, came none"),
        (torch.zeros(0, 3, 8, 8), "at least one image, came none"),
        (np.full((2, 8, 8, 3), np.nan, np.float32), "came NaN among them; mend or leave out"),
        (torch.full((2, 3, 8, 8), torch.nan), "came NaN among them"),
        (np.full((2, 8, 8, 3), -0.5, np.float32), r"pixels in \[0, 1\], came -0.5 to -0.5"),
        ("cat.jpg", r"came str \(\)"),
    ],
    ids=["shape", "channels", "type", "empty", "empty tensor", "NaN", "NaN tensor", "range", "text"],
)
def test_what_is_no_batch_of_images_is_refused_alone_and_among_others(distortion: Any, wrong: Any, words: str) -> None:
    if wrong is not None and not isinstance(wrong, str) and wrong.ndim == 4:
        with pytest.raises(InputError, match=words):
            next(distortion(wrong, 0.1, batch_size=2))
    stream = distortion(iter([pictures(2), wrong]), 0.1)
    assert len(next(stream)[0]) == 2
    with pytest.raises(InputError, match=words):
        next(stream)


def test_a_single_wrong_value_is_found() -> None:
    images = pictures()
    images[3, 5, 7, 1] = np.nan
    with pytest.raises(InputError, match="NaN"):
        distort.warp(images, np.eye(3)[None].repeat(6, axis=0))
    with pytest.raises(InputError, match="at least one image"):
        distort.warp(images[:0], np.empty((0, 3, 3)))


def test_strengths_that_are_no_numbers_are_refused() -> None:
    """In a process of its own, where nothing else checks types."""
    program = (
        "import numpy as np; from zehn import distort; x = np.zeros((2, 8, 8, 3), np.uint8)\n"
        "for wrong in ('0.1', [0.1, 0.2], (0.1,), (0.1, 0.2, 0.3), None, (float('nan'), 0.2)):\n"
        "    try: distort.gaussian_noise(x, wrong)\n"
        "    except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    assert all(line.startswith("expected a strength from 0 to inf, or two of them in ascending") for line in lines)


def test_neither_torch_nor_scipy_is_imported() -> None:
    program = (
        "import sys, numpy as np; from zehn import distort; x = np.zeros((2, 8, 8, 3), np.uint8);"
        "next(distort.projective(x, 0.5)); next(distort.gaussian_noise(x, 0.5));"
        "print([name for name in ('torch', 'kornia', 'scipy', 'cv2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
