"""Image bytes come out as upright uint8 RGB, or as one error that says why not."""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal
from PIL import Image, ImageOps

from zehn import images
from zehn.errors import ImageError, InputError, UnknownNameError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def png(width: int, height: int, bits: int, colour: int, rows: bytes) -> bytes:
    """A PNG made by hand, for what Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF"])
def test_lossless_formats_come_back_exactly(kind: str) -> None:
    pixels = np.repeat(noise(5, 7, 1), 3, axis=-1) if kind == "GIF" else noise(5, 7, 3)
    picture = Image.fromarray(pixels).convert("L") if kind == "GIF" else Image.fromarray(pixels)
    options = {"lossless": True} if kind == "WEBP" else {}
    assert_array_equal(images.read_image(encoded(picture, kind, **options)), pixels)


def test_jpeg_comes_back_nearly() -> None:
    image = images.read_image(encoded(Image.new("RGB", (40, 30), (200, 100, 50)), "JPEG", quality=95))
    assert image.shape == (30, 40, 3)
    assert np.abs(image.astype(int) - (200, 100, 50)).max() <= 3


def test_a_path_and_a_string_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "dot.png"
    Image.new("RGB", (2, 3), RED).save(path)
    assert images.read_image(path).shape == (3, 2, 3)
    assert_array_equal(images.read_image(str(path)), images.read_image(path.read_bytes()))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(noise(24, 40, 3)), kind, exif=exif)
    with Image.open(BytesIO(data)) as picture:
        expected = np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    assert_array_equal(images.read_image(data), expected)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_counts_as_upright() -> None:
    plain = encoded(Image.new("RGB", (4, 2), RED), "JPEG", quality=95)
    broken = plain[:2] + b"\xff\xe1\x00\x12Exif\x00\x00II*\x00\x09\x00\x00\x00\x05\x00" + plain[2:]
    assert images.read_image(broken).shape == (2, 4, 3)


def test_greyscale_and_one_bit_become_rgb() -> None:
    grey = noise(4, 6)
    assert_array_equal(images.read_image(encoded(Image.fromarray(grey))), np.repeat(grey[..., None], 3, -1))
    bits = images.read_image(encoded(Image.fromarray(grey > 127)))
    assert_array_equal(bits[..., 0], np.where(grey > 127, 255, 0))


def test_palette_and_cmyk_become_rgb() -> None:
    palette = Image.new("RGB", (3, 3), BLUE).convert("P")
    assert_array_equal(images.read_image(encoded(palette))[0, 0], BLUE)
    cmyk = images.read_image(encoded(Image.new("RGB", (8, 8), RED).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(cmyk[4, 4].astype(int) - RED).max() <= 6


def test_alpha_lies_on_white() -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 3] = (0, 128, 255)
    assert_array_equal(images.read_image(encoded(Image.fromarray(pixels)))[0, :, 0], (255, 127, 0))
    grey_alpha = Image.fromarray(pixels[..., 2:])
    assert_array_equal(images.read_image(encoded(grey_alpha))[0, :, 0], (255, 127, 0))


def test_transparent_colour_of_a_palette_and_of_rgb_lies_on_white() -> None:
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([*RED, *BLUE])
    palette.putpixel((1, 0), 1)
    assert_array_equal(images.read_image(encoded(palette, transparency=0)), [[WHITE, BLUE]])
    assert_array_equal(images.read_image(encoded(Image.new("RGB", (1, 1), GREEN), transparency=GREEN)), [[WHITE]])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_high_byte(kind: str) -> None:
    grey = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    assert_array_equal(images.read_image(encoded(Image.fromarray(grey), kind))[0, :, 1], [0, 0, 1, 128, 255])


def test_16_bit_colour_keeps_its_high_byte() -> None:
    row = b"\x00" + struct.pack(">6H", 0, 256, 65535, 32768, 512, 255)
    assert_array_equal(images.read_image(png(2, 1, 16, 2, row)), [[[0, 1, 255], [128, 2, 0]]])


def test_wide_integers_and_floats_come_into_range() -> None:
    wide = Image.fromarray(np.array([[0, 65_536, 131_072]], np.int32))
    assert_array_equal(images.read_image(encoded(wide, "TIFF"))[0, :, 0], [0, 128, 255])
    unit = Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32))
    assert_array_equal(images.read_image(encoded(unit, "TIFF"))[0, :, 0], [0, 128, 255])
    byte = Image.fromarray(np.array([[0.0, 2.2, 255.0]], np.float32))
    assert_array_equal(images.read_image(encoded(byte, "TIFF"))[0, :, 0], [0, 2, 255])
    with pytest.raises(ImageError, match="no finite numbers"):
        images.read_image(encoded(Image.fromarray(np.array([[0.0, np.nan]], np.float32)), "TIFF"))


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_only_the_first_frame_counts(kind: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, BLUE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert_array_equal(images.read_image(data)[2, 2], RED)


def test_a_large_jpeg_may_be_decoded_smaller_but_not_below_the_least_side() -> None:
    data = encoded(Image.new("RGB", (800, 400), RED), "JPEG")
    assert images.read_image(data, least_side=64).shape == (100, 200, 3)
    assert images.read_image(data, least_side=500).shape == (400, 800, 3)
    assert images.read_square(data, 32).shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"just text, named .png", r"expected JPEG, PNG.*came a file that begins with b'just tex'"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "begins with b'%!PS-Ado'"),
        (b"\x89PNG\r\n\x1a\n", "damaged or cut short|begins with"),
    ],
)
def test_what_is_no_image_is_told(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        images.read_image(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_an_image_cut_short_is_told(kind: str) -> None:
    data = encoded(Image.fromarray(noise(64, 64, 3)), kind)
    with pytest.raises(ImageError, match=r"damaged or cut short|begins with"):
        images.read_image(data[: len(data) // 2])


@given(st.binary(max_size=40), st.integers(0, 400), st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]))
def test_damage_gives_an_image_or_an_image_error(junk: bytes, start: int, kind: str) -> None:
    data = encoded(Image.fromarray(noise(12, 12, 3)), kind)
    damaged = data[:start] + junk + data[start + len(junk) :]
    try:
        image = images.read_image(damaged, max_pixels=10_000)
    except ImageError:
        return
    assert image.dtype == np.uint8


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = png(30_000, 30_000, 8, 0, bytes(100))
    with pytest.raises(ImageError, match=r"too many pixels|more than the 89,478,485 allowed"):
        images.read_image(bomb)
    with pytest.raises(ImageError, match=r"9,000 × 9,000 pixels, more than the 1,000,000 allowed"):
        images.read_image(png(9_000, 9_000, 8, 0, bytes(100)), max_pixels=1_000_000)


def with_scans(n_more: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again: every one is a pass over all of its pixels."""
    data = encoded(Image.fromarray(noise(64, 64, 3)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * n_more + data[-2:]


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded() -> None:
    assert images.read_image(with_scans(20)).shape == (64, 64, 3)
    with pytest.raises(ImageError, match="more than 100 scans"):
        images.read_image(with_scans(200))
    # what fills the space between two of them is not read either
    padded = with_scans(200).replace(b"\xff\xda", b"\xff\xff\xff\xda")
    with pytest.raises(ImageError, match=r"more than 100 scans|damaged"):
        images.read_image(padded)


def test_what_only_looks_like_scans_is_none() -> None:
    plain, looks_like = encoded(Image.fromarray(noise(64, 64, 3)), "JPEG"), b"\xff\xda" * 200
    with_comment = plain[:2] + b"\xff\xfe" + struct.pack(">H", len(looks_like) + 2) + looks_like + plain[2:]
    # a film behind the picture, as telephones take them, and a segment of another program's
    for data in (plain + looks_like, with_comment):
        assert images.read_image(data).shape == (64, 64, 3)


def test_a_missing_file_and_a_folder_are_told_with_their_path(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nowhere\.png: the file cannot be read: No such file"):
        images.read_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="the file cannot be read: Is a directory"):
        images.read_image(tmp_path)


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.tif"
    with path.open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)
    with pytest.raises(ImageError, match=r"huge\.tif: the file has 536,870,913 bytes, more than"):
        images.read_image(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_regular_file_is_told_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    (tmp_path / "nothing.jpg").symlink_to(os.devnull)
    for name in ("pipe", "endless", "nothing"):
        with pytest.raises(ImageError, match=rf"{name}\.jpg: expected a file, came a pipe, a device or the like"):
            images.read_image(tmp_path / f"{name}.jpg")


def test_a_file_behind_a_link_is_read(tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(encoded(Image.new("RGB", (2, 3), RED)))
    (tmp_path / "link.png").symlink_to(tmp_path / "dot.png")
    assert images.read_image(tmp_path / "link.png").shape == (3, 2, 3)


def test_no_more_is_read_than_the_file_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "growing.png"
    path.write_bytes(bytes(100))
    status = os.stat_result((stat.S_IFREG, 0, 0, 1, 0, 0, 10, 0, 0, 0))
    monkeypatch.setattr("zehn.images.os.fstat", lambda _: status)
    assert len(images.read_bytes(path)) == 11


def test_resize_keeps_a_fitting_image_and_a_flat_colour() -> None:
    image = noise(32, 32, 3)
    assert_array_equal(images.resize(image, 32), image)
    flat = np.full((50, 20, 3), (10, 200, 30), np.uint8)
    for fit in ("crop", "stretch"):
        assert_array_equal(images.resize(flat, 28, fit), np.full((28, 28, 3), (10, 200, 30), np.uint8))


def test_resize_is_antialiased() -> None:
    chessboard = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    small = images.resize(np.repeat(chessboard[..., None], 3, -1), 32)
    assert np.abs(small.astype(int) - 127).max() <= 2


def test_crop_keeps_the_middle_stretch_and_pad_the_whole() -> None:
    stripes = np.zeros((30, 90, 3), np.uint8)
    stripes[:, 30:60] = GREEN
    assert (images.resize(stripes, 30, "crop") == GREEN).all()
    stretched = images.resize(stripes, 30, "stretch")
    assert_array_equal(stretched[15, [2, 15, 27]], [(0, 0, 0), GREEN, (0, 0, 0)])
    padded = images.resize(stripes, 30, "pad")
    assert (padded[:9] == 255).all()
    assert (padded[-9:] == 255).all()
    assert_array_equal(padded[15, 15], GREEN)


@pytest.mark.parametrize("fit", images.FITS)
def test_extreme_shapes_become_squares(fit: str) -> None:
    assert images.resize(noise(1, 2000, 3), 28, fit).shape == (28, 28, 3)
    assert images.resize(noise(1, 1, 3), 256, fit).shape == (256, 256, 3)


def test_resize_all_does_each_as_resize_does() -> None:
    batch = noise(3, 20, 30, 3)
    assert_array_equal(images.resize_all(batch, 32, "pad"), [images.resize(image, 32, "pad") for image in batch])
    assert_array_equal(images.resize_all(batch[:, :, :20], 20), batch[:, :, :20])


def test_an_unknown_fit_suggests_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="unknown fit 'padd'; did you mean 'pad'"):
        images.resize(noise(4, 6, 3), 28, "padd")


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0)))
def test_bytes_to_floats_and_back(batch: np.ndarray) -> None:
    floats = images.as_float(batch)
    assert floats.dtype == np.float32
    assert floats.size == 0 or (floats.min() >= 0 and floats.max() <= 1)
    assert_array_equal(images.as_uint8(floats), batch)


def test_as_uint8_forgives_rounding_only() -> None:
    assert_array_equal(images.as_uint8(np.array([-1e-5, 0.5, 1.0001])), [0, 128, 255])
    with pytest.raises(InputError, match="came values from 0 to 255; give 0 … 255 as uint8"):
        images.as_uint8(np.array([0.0, 255.0]))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_check_images_takes_bytes_and_floats(dtype: type) -> None:
    batch = noise(2, 4, 4, 3)
    assert images.check_images(batch) is batch
    assert_array_equal(images.check_images((batch / 255).astype(dtype)), batch)
    assert_array_equal(images.check_images(list(batch)), batch)


def _with_nan() -> np.ndarray:
    batch = np.zeros((1, 4, 4, 3), np.float32)
    batch[0, 0, 0, 0] = np.nan
    return batch


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: noise(4, 4, 3), r"came \(4, 4, 3\); put a single image into a batch"),
        (lambda: noise(5, 4, 4), r"came \(5, 4, 4\); repeat the one channel"),
        (lambda: noise(5, 4, 4, 1), "repeat the one channel"),
        (lambda: noise(5, 4, 4, 4), "drop the transparency"),
        (lambda: noise(5, 3, 4, 4), "put the channels last"),
        (lambda: noise(5, 48), r"expected images of shape \(n, H, W, 3\), came \(5, 48\)"),
        (lambda: noise(0, 4, 4, 3), "give at least one image"),
        (lambda: [noise(4, 4, 3), noise(5, 4, 3)], "came several sizes"),
        (lambda: noise(1, 4, 4, 3).astype(np.uint16), "came uint16; turn 16 bits into 8"),
        (lambda: noise(1, 4, 4, 3).astype(np.int64), "came int64; convert them"),
        (lambda: noise(1, 4, 4, 3).astype(np.float32), "give 0 … 255 as uint8"),
        (_with_nan, "no numbers"),
        (lambda: np.full((1, 4, 4, 3), np.inf), "came values from inf to inf"),
        (lambda: None, r"came \(\)"),
    ],
)
def test_check_images_says_what_is_wrong(make: Callable[[], Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        images.check_images(make())
