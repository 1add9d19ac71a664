"""Views stay images, depend on the generator alone, and each operation does what its formula says."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from zehn import augment
from zehn.augment import Options
from zehn.errors import ConfigError
from zehn.shares import Share

OFF = Options(least_area=1.0, stretch=1.0, flip_share=0.0, colour_share=0.0, grey_share=0.0)
N_COLUMNS = 24


def pictures(n_images: int = 8, size: int = 32, seed: int = 0) -> Tensor:
    """Smooth random images."""
    coarse = torch.rand(n_images, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")


def draw(images: Tensor, seed: int = 0, **changes: Any) -> Tensor:
    return augment.view(images, dataclasses.replace(OFF, **changes), torch.Generator().manual_seed(seed))


def uniforms(n_images: int, seed: int = 0) -> dict[str, Tensor]:
    """The numbers that a view with this seed is made from."""
    rows = torch.rand(n_images, N_COLUMNS, generator=torch.Generator().manual_seed(seed))
    return dict(zip(augment._COLUMNS, rows.unbind(1), strict=True))


@given(
    st.integers(1, 5),
    st.sampled_from([28, 32, 47]),
    st.integers(0, 2**31),
    st.fixed_dictionaries(
        {
            "least_area": st.floats(0.02, 1),
            "perspective": st.floats(0, 0.5),
            "hue": st.floats(0, 0.5),
            "contrast": st.floats(0, 1),
            "blur": st.one_of(st.floats(0, 3), st.floats(20, 100)),
            "blur_share": st.sampled_from([0.0, 0.5, 1.0]),
            "noise_share": st.sampled_from([0.0, 0.5, 1.0]),
        }
    ),
)
@settings(max_examples=40, deadline=None)
def test_views_are_images_of_the_same_shape(n: int, size: int, seed: int, changes: dict[str, Any]) -> None:
    images = pictures(n, size)
    before = images.clone()
    seen = augment.views(images, 2, Options(**changes), torch.Generator().manual_seed(seed))
    assert seen.shape == (2, n, 3, size, size)
    assert seen.dtype == torch.float32
    assert torch.isfinite(seen).all()
    assert 0 <= float(seen.min()) <= float(seen.max()) <= 1
    assert torch.equal(images, before)


def test_the_same_generator_gives_the_same_views() -> None:
    options = Options(perspective=0.3, blur_share=0.5, noise_share=0.5)
    images = pictures()
    first, again = (augment.views(images, 2, options, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, augment.views(images, 2, options, torch.Generator().manual_seed(6)))


def test_views_ignore_memory_layout_and_torchs_own_state() -> None:
    images = pictures()
    torch.manual_seed(0)
    plain = draw(images, least_area=0.3)
    state = torch.random.get_rng_state()
    torch.testing.assert_close(draw(images.contiguous(memory_format=torch.channels_last), least_area=0.3), plain)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_everything_off_changes_nothing() -> None:
    images = pictures()
    torch.testing.assert_close(draw(images), images, atol=1e-5, rtol=0)


def test_switching_one_operation_on_leaves_the_others_as_they_were() -> None:
    images = pictures()
    cropped = draw(images, least_area=0.3, flip_share=0.5)
    noisy = draw(images, least_area=0.3, flip_share=0.5, noise=0.01, noise_share=1.0)
    assert 0 < float((noisy - cropped).abs().max()) < 0.1


def test_flips_mirror_the_chosen_images() -> None:
    images = pictures(64)
    seen = draw(images, flip_share=0.5)
    mirrored = uniforms(64)["flip"] < 0.5
    assert 16 < int(mirrored.sum()) < 48
    torch.testing.assert_close(seen, torch.where(mirrored[:, None, None, None], images.flip(3), images))


def test_a_crop_is_the_resized_window() -> None:
    """The window of a view, cut at whole pixels, resized by torch's own bilinear interpolation."""
    images = pictures(1)
    draws = {name: torch.tensor([0.5]) for name in augment._COLUMNS}
    draws |= {"area": torch.tensor([0.0]), "left": torch.tensor([0.25]), "top": torch.tensor([0.75])}
    seen = augment._moved(images, draws, dataclasses.replace(OFF, least_area=0.25))
    window = images[:, :, 12:28, 4:20]
    expected = torch.nn.functional.interpolate(window, size=32, mode="bilinear", align_corners=False)
    torch.testing.assert_close(seen[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1])


def test_crops_lie_inside_and_cover_what_they_should() -> None:
    draws, options = uniforms(4000), Options(least_area=0.2)
    matrices = augment._crops(draws, options)
    width, height = matrices[:, 0, 0].abs(), matrices[:, 1, 1]
    assert (matrices[:, 0, 2].abs() + width <= 1 + 1e-6).all()
    assert (matrices[:, 1, 2].abs() + height <= 1 + 1e-6).all()
    area, ratio = width * height, width / height
    torch.testing.assert_close(area, 0.2 + 0.8 * draws["area"])
    assert float(area.max()) > 0.95
    assert 3 / 4 - 1e-4 <= float(ratio.min()) <= float(ratio.max()) <= 4 / 3 + 1e-4


@pytest.mark.parametrize("options", [Options(least_area=1.0, stretch=4.0), Options(weak_area=1.0).weak()])
def test_an_area_of_1_does_not_crop(options: Options) -> None:
    images = pictures(64)
    options = dataclasses.replace(options, flip_share=0.0, colour_share=0.0, grey_share=0.0)
    seen = augment.view(images, options, torch.Generator().manual_seed(0))
    torch.testing.assert_close(seen, images, atol=1e-5, rtol=0)


def test_the_strongest_perspective_folds_nothing() -> None:
    """The determinant of a homography's derivative keeps its sign all over the image as long as w does."""
    options = dataclasses.replace(OFF, perspective=0.5, perspective_share=1.0)
    matrices = augment._perspectives(uniforms(20_000), options)
    corners = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]])
    assert (torch.linalg.det(matrices) > 0).all()
    assert (matrices[:, 2] @ corners.T > 0).all()


def test_perspective_is_that_of_kornia() -> None:
    transform = pytest.importorskip("kornia.geometry.transform")
    rng = np.random.default_rng(0)
    corners = torch.tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=torch.float32)
    moved = corners + torch.tensor(rng.uniform(-0.4, 0.4, (5, 4, 2)), dtype=torch.float32)
    theirs = transform.get_perspective_transform(corners.expand(5, 4, 2), moved)
    ours = augment._square_to_quad(moved[..., 0].T, moved[..., 1].T)
    torch.testing.assert_close(ours / ours[:, 2:, 2:], theirs / theirs[:, 2:, 2:], rtol=1e-3, atol=1e-4)


def test_perspective_moves_the_corners() -> None:
    draws = uniforms(6)
    options = dataclasses.replace(OFF, perspective=0.4, perspective_share=1.0)
    corner = augment._perspectives(draws, options) @ torch.tensor([-1.0, -1.0, 1.0])
    expected = torch.stack([-1 + 0.4 * (2 * draws["x0"] - 1), -1 + 0.4 * (2 * draws["y0"] - 1)], dim=1)
    torch.testing.assert_close(corner[:, :2] / corner[:, 2:], expected)


def coloured(images: Tensor, **given: float) -> Tensor:
    """Apply one colour operation at full share with a chosen uniform number."""
    draws = {name: torch.full((len(images),), 0.5) for name in augment._COLUMNS}
    draws |= {name: torch.full((len(images),), value) for name, value in given.items()}
    options = Options(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, colour_share=1.0, grey_share=0.2)
    return augment._coloured(images, draws, options)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("brightness", lambda images, _: images * 1.2),
        ("contrast", lambda images, kornia: kornia.enhance.adjust_contrast_with_mean_subtraction(images, 1.2)),
        ("saturation", lambda images, kornia: kornia.enhance.adjust_saturation_with_gray_subtraction(images, 1.2)),
    ],
)
def test_a_colour_operation_is_that_of_kornia(name: str, reference: Any) -> None:
    kornia = pytest.importorskip("kornia")
    images = 0.3 + 0.2 * pictures(4)
    expected = reference(images, kornia)
    torch.testing.assert_close(coloured(images, **{name: 0.75}), expected, rtol=1e-3, atol=1e-3)


def test_hue_turns_the_colour_plane_of_kornias_yuv() -> None:
    color = pytest.importorskip("kornia.color")
    images = pictures(4)
    angle = 2 * np.pi * 0.1 * (2 * 0.8 - 1)
    turned = color.rgb_to_yuv(coloured(images, hue=0.8))
    luma, u, v = color.rgb_to_yuv(images).unbind(1)
    expected = [luma, u * np.cos(angle) - v * np.sin(angle), u * np.sin(angle) + v * np.cos(angle)]
    torch.testing.assert_close(turned, torch.stack(expected, dim=1), rtol=0, atol=3e-3)


def test_grey_is_the_luminance() -> None:
    color = pytest.importorskip("kornia.color")
    images = pictures(4)
    torch.testing.assert_close(coloured(images, grey=0.1), color.rgb_to_grayscale(images).expand(-1, 3, -1, -1))


def test_blur_is_that_of_kornia() -> None:
    filters = pytest.importorskip("kornia.filters")
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    seen = draw(images, blur=1.5, blur_share=1.0)
    sigmas = 0.1 + 1.4 * uniforms(6)["blur_sigma"]
    expected = filters.gaussian_blur2d(images, (7, 7), torch.stack([sigmas, sigmas], dim=1), "reflect")
    torch.testing.assert_close(seen, expected, rtol=0, atol=1e-4)


def test_noise_has_the_spread_that_was_drawn() -> None:
    images = torch.full((400, 3, 32, 32), 0.5)
    seen = draw(images, noise=0.1, noise_share=0.5)
    spreads = (seen - images).flatten(1).std(dim=1)
    draws = uniforms(400)
    expected = torch.where(draws["noise"] < 0.5, 0.1 * draws["noise_sigma"], 0.0)
    torch.testing.assert_close(spreads, expected, rtol=0.1, atol=1e-3)


def test_weak_views_keep_their_colours() -> None:
    images = 0.2 + 0.6 * torch.rand(16, 3, 1, 1, generator=torch.Generator().manual_seed(0)).expand(16, 3, 32, 32)
    options = Options(n_weak=1, noise_share=1.0, blur_share=1.0, perspective=0.3)
    weak, strong = augment.views(images, 2, options, torch.Generator().manual_seed(0))
    torch.testing.assert_close(weak, images)
    assert float((strong - images).abs().mean()) > 0.02


def test_views_are_exact_under_mixed_precision() -> None:
    images = pictures()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = draw(images, colour_share=1.0, least_area=0.3)
    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, draw(images, colour_share=1.0, least_area=0.3))


@pytest.mark.parametrize(
    ("name", "value"),
    [("least_area", 0.0), ("least_area", 1.1), ("flip_share", -0.1), ("hue", 0.6), ("stretch", 0.9), ("noise", -1.0),
     ("perspective", 0.51), ("blur", float("nan")), ("n_weak", -1)],
)  # fmt: skip
def test_options_out_of_range(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"augment '{name}' must be from"):
        Options(**{name: value})


@pytest.mark.parametrize(
    ("size", "side", "expected"), [(32, 1.0, 32), (32, 0.75, 24), (28, 0.75, 24), (45, 1.0, 45), (30, 0.99, 30)]
)
def test_the_side_of_a_view(size: int, side: float, expected: int) -> None:
    assert draw(pictures(2, size), side=side).shape == (2, 3, expected, expected)


def test_a_smaller_view_is_the_image_resampled() -> None:
    images = pictures(3, 32)
    grid = torch.nn.functional.affine_grid(torch.eye(2, 3).expand(3, 2, 3), [3, 3, 24, 24], align_corners=False)
    expected = torch.nn.functional.grid_sample(images, grid, align_corners=False)
    torch.testing.assert_close(draw(images, side=0.75), expected)


@pytest.mark.parametrize("n_shares", [2, 3])
def test_views_of_shares_are_those_of_the_whole_batch(n_shares: int) -> None:
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    options = Options(perspective=0.2, blur_share=0.5, noise_share=0.6, n_weak=1, side=0.75)
    whole = augment.views(images, 3, options, torch.Generator().manual_seed(0))
    for share in (Share(index, n_shares) for index in range(n_shares)):
        own = share.rows(6)
        seen = augment.views(images[own], 3, options, torch.Generator().manual_seed(0), share)
        torch.testing.assert_close(seen, whole[:, own], rtol=0, atol=1e-6)
