"""Label-free views of images for training: whole batches at once, on processor or GPU.

Crop, mirror and perspective are one homography per image and thus one resampling; brightness, contrast, saturation,
hue and greying are one colour matrix per image. The views are those of SimCLR (Chen et al., arXiv 2002.05709,
appendix A) with two differences that make them cheap: hue turns in the YIQ plane instead of HSV, and values are clipped
once, at the end, the colour operations coming in a fixed order.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from zehn.errors import ConfigError
from zehn.shares import WHOLE, Share

_COLUMNS = (
    "area", "shape", "left", "top", "flip", "perspective", "x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3",
    "colour", "brightness", "contrast", "saturation", "hue", "grey", "blur", "blur_sigma", "noise", "noise_sigma",
)  # fmt: skip
"""What an image's row of uniform random numbers is for; all are drawn whatever the options, so that switching one
operation on changes nothing about the others."""

_LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green, blue in luminance (ITU-R BT.601)."""
_BLUE_SCALE, _RED_SCALE = 0.492, 0.877
"""U = 0.492 (B - Y), V = 0.877 (R - Y): a plane in which a turn changes hue alone; YIQ's is the same, turned by 33°."""
_LEAST_BLUR = 0.1
"""Smallest blur drawn, as in SimCLR, in pixels of an image of 32 × 32, where it changes next to nothing."""
_REFERENCE_SIZE = 32
_SIDE_STEP = 8
"""Sides of smaller views are multiples of this, for networks that fold and halve."""
_BLUR_REACH = 2.0
"""The blur's kernel ends at this many standard deviations."""


@dataclass(frozen=True)
class Options:
    """How views differ from their image. A ``…_share`` is the share of images that an operation is applied to."""

    side: float = 1.0
    """Side of a view as a share of the image's, rounded to a multiple of 8 pixels where it is less than 1: smaller
    views cost less, and show what is cropped at a size nearer to that of the whole image. Networks that see one size
    only get views of that size."""
    least_area: float = 0.2
    """A crop covers at least this share of the image, at most all of it; 1 does not crop."""
    stretch: float = 4 / 3
    """A crop's sides differ by at most this factor, and by less where the crop would else not fit into the image."""
    flip_share: float = 0.5
    """Share of images that are mirrored."""
    perspective: float = 0.0
    """Each corner moves at most by this share of half a side, each way; what was outside is mirrored in. Above 0.5 the
    corners could pass each other, and the image would fold."""
    perspective_share: float = 0.5
    """Share of images that are seen in perspective."""
    brightness: float = 0.4
    """Values are multiplied by 1 ± this at most."""
    contrast: float = 0.4
    """The distance from the mean grey is multiplied by 1 ± this at most."""
    saturation: float = 0.4
    """The distance of each pixel from its grey is multiplied by 1 ± this at most."""
    hue: float = 0.1
    """Hue turns by at most this share of the full circle, either way."""
    colour_share: float = 0.8
    """Share of images whose brightness, contrast, saturation and hue change."""
    grey_share: float = 0.2
    """Share of images that turn grey."""
    blur: float = 1.0
    """Largest standard deviation of the Gaussian blur, in pixels of a 32 × 32 image (it grows with the image)."""
    blur_share: float = 0.0
    """Share of images that are blurred."""
    noise: float = 0.1
    """Largest standard deviation of the Gaussian noise, on [0, 1] pixels."""
    noise_share: float = 0.0
    """Share of images that get noise."""
    n_weak: int = 0
    """This many views, the first ones, are only mirrored and cropped, and to no less than ``weak_area``."""
    weak_area: float = 0.6
    """A weak crop covers at least this share of the image."""

    def __post_init__(self) -> None:
        """Refuse what no view can be made with."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            least, most = _range(field.name)
            if not least <= value <= most:
                raise ConfigError(f"augment {field.name!r} must be from {least:g} to {most:g}, came {value!r}")

    def weak(self) -> Options:
        """Return the options of a weak view: mirrored, cropped by little, otherwise the image itself."""
        off = dict.fromkeys(("perspective_share", "colour_share", "grey_share", "blur_share", "noise_share"), 0.0)
        return dataclasses.replace(self, least_area=max(self.least_area, self.weak_area), n_weak=0, **off)


def views(
    images: Float[Tensor, "n 3 h w"],
    n_views: int,
    options: Options,
    generator: torch.Generator,
    share: Share = WHOLE,
) -> Float[Tensor, "v n 3 s s2"]:
    """Return several views of each image, in [0, 1]; the first ``options.n_weak`` of them are weak ones."""
    kinds = [options.weak() if index < options.n_weak else options for index in range(n_views)]
    return torch.stack([view(images, kind, generator, share) for kind in kinds])


def view(
    images: Float[Tensor, "n 3 h w"], options: Options, generator: torch.Generator, share: Share = WHOLE
) -> Float[Tensor, "n 3 s s2"]:
    """Return one view of each image, in [0, 1], drawn anew for each.

    The same generator state gives the same view on every device, within rounding (but for the noise, which is drawn
    on the device of the images). The generator may live on the processor while the images are on a GPU.

    Args:
        images: float images in [0, 1].
        options: the operations and their strengths.
        generator: where the random numbers come from.
        share: which part of a batch the images are: what is drawn for them is what the whole batch would draw.

    """
    rows = torch.rand(len(images) * share.n, len(_COLUMNS), generator=generator, device=generator.device)
    own = rows[share.rows(len(rows))]
    draws = dict(zip(_COLUMNS, own.to(images.device).unbind(1), strict=True))
    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        images = _coloured(_moved(images, draws, options), draws, options)
        if options.blur and options.blur_share:
            images = _blurred(images, draws, options)
        if options.noise and options.noise_share:
            noisy = rows[:, _COLUMNS.index("noise")] < options.noise_share
            images = _noised(images, draws, options, generator, noisy, share)
        return images.clamp_(0, 1)


def _moved(images: Tensor, draws: dict[str, Tensor], options: Options) -> Tensor:
    """Crop, mirror and tilt: one homography per image, resampled bilinearly once."""
    tilted = bool(options.perspective and options.perspective_share)
    matrices = _crops(draws, options)
    height, width = (view_side(side, options) for side in images.shape[2:])
    grid = _places(_perspectives(draws, options) @ matrices if tilted else matrices, height, width, tilted=tilted)
    return functional.grid_sample(images, grid.to(images.dtype), padding_mode="reflection", align_corners=False)


def view_side(image_side: int, options: Options) -> int:
    """Return the side of a view of an image of that side, in pixels."""
    if options.side == 1:
        return image_side
    return min(image_side, max(_SIDE_STEP, _SIDE_STEP * round(options.side * image_side / _SIDE_STEP)))


def _places(matrices: Float[Tensor, "n 3 3"], height: int, width: int, *, tilted: bool) -> Float[Tensor, "n h w 2"]:
    """Return where each pixel of a view lies in its image, both from -1 to 1 between their outer edges."""
    columns = (torch.arange(width, device=matrices.device) * 2 + 1) / width - 1
    rows = (torch.arange(height, device=matrices.device) * 2 + 1) / height - 1
    used = matrices if tilted else matrices[:, :2]
    along, down, start = (part[..., None, None] for part in used.unbind(2))
    places = along * columns + (down * rows[:, None] + start)
    return (places[:, :2] / places[:, 2:] if tilted else places).permute(0, 2, 3, 1)


def _crops(draws: dict[str, Tensor], options: Options) -> Float[Tensor, "n 3 3"]:
    """Return where each place of a view lies in its image, both from -1 to 1, as affine 3 × 3 matrices."""
    area = options.least_area + (1 - options.least_area) * draws["area"]
    # a crop of that area lies inside the image as long as its sides differ by at most the area's inverse
    reach = (-area.log()).clamp(max=math.log(options.stretch))
    shape = torch.exp((2 * draws["shape"] - 1) * reach)
    width, height = (area * shape).sqrt().clamp(max=1), (area / shape).sqrt().clamp(max=1)
    mirrored = torch.where(draws["flip"] < options.flip_share, -width, width)
    matrices = torch.zeros(len(area), 3, 3, device=area.device)
    matrices[:, 0, 0], matrices[:, 1, 1], matrices[:, 2, 2] = mirrored, height, 1.0
    matrices[:, 0, 2] = (2 * draws["left"] - 1) * (1 - width)
    matrices[:, 1, 2] = (2 * draws["top"] - 1) * (1 - height)
    return matrices


def _perspectives(draws: dict[str, Tensor], options: Options) -> Float[Tensor, "n 3 3"]:
    """Return homographies that move the four corners of [-1, 1]² a little, for the share of images that is chosen."""
    reach = torch.where(draws["perspective"] < options.perspective_share, options.perspective, 0.0)
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    x = torch.stack([corners[i][0] + reach * (2 * draws[f"x{i}"] - 1) for i in range(4)])
    y = torch.stack([corners[i][1] + reach * (2 * draws[f"y{i}"] - 1) for i in range(4)])
    return _square_to_quad(x, y)


def _square_to_quad(x: Float[Tensor, "4 n"], y: Float[Tensor, "4 n"]) -> Float[Tensor, "n 3 3"]:
    """Map [-1, 1]² onto quadrilaterals, corners clockwise from the top left.

    Source: Heckbert, "Fundamentals of texture mapping and image warping", Berkeley 1989, section 2.2.3.
    """
    dx1, dx2, sx = x[1] - x[2], x[3] - x[2], x[0] - x[1] + x[2] - x[3]
    dy1, dy2, sy = y[1] - y[2], y[3] - y[2], y[0] - y[1] + y[2] - y[3]
    scale = dx1 * dy2 - dx2 * dy1
    g, h = (sx * dy2 - dx2 * sy) / scale, (dx1 * sy - sx * dy1) / scale
    rows = [
        torch.stack([x[1] - x[0] + g * x[1], x[3] - x[0] + h * x[3], x[0]], dim=1),
        torch.stack([y[1] - y[0] + g * y[1], y[3] - y[0] + h * y[3], y[0]], dim=1),
        torch.stack([g, h, torch.ones_like(g)], dim=1),
    ]
    to_unit = torch.tensor([[0.5, 0.0, 0.5], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]], device=x.device)
    return torch.stack(rows, dim=1) @ to_unit


def _coloured(images: Tensor, draws: dict[str, Tensor], options: Options) -> Tensor:
    """Change brightness, contrast, saturation and hue, in this order, then grey some: one colour matrix per image.

    Saturation and hue scale and turn the colour plane, contrast pulls towards the mean grey, and none of the others
    changes a grey, so that all of it is ``gain × (keep + a × scale + b × turn) @ image + offset``.
    """
    chosen = draws["colour"] < options.colour_share
    brightness = _factors(draws["brightness"], options.brightness, chosen)
    contrast = _factors(draws["contrast"], options.contrast, chosen)
    saturation = _factors(draws["saturation"], options.saturation, chosen)
    saturation = torch.where(draws["grey"] < options.grey_share, 0.0, saturation)
    angle = torch.where(chosen, (2 * draws["hue"] - 1) * options.hue, 0.0) * (2 * math.pi)
    keep, scale, turn = (part.to(images.device) for part in _colour_parts())
    weights = torch.stack([saturation * angle.cos(), saturation * angle.sin()])[..., None, None]
    matrices = (brightness * contrast)[:, None, None] * (keep + weights[0] * scale + weights[1] * turn)
    grey = images.mean(dim=(2, 3)) @ torch.tensor(_LUMA, device=images.device)
    offsets = ((1 - contrast) * brightness * grey)[:, None, None].expand(-1, 3, 1)
    return torch.baddbmm(offsets, matrices, images.flatten(2)).view(images.shape)


def _factors(draws: Tensor, strength: float, chosen: Tensor) -> Tensor:
    return torch.where(chosen, 1 + strength * (2 * draws - 1), 1.0)


def _colour_parts() -> tuple[Float[Tensor, "3 3"], Float[Tensor, "3 3"], Float[Tensor, "3 3"]]:
    """Return what takes RGB to its grey, to its colour, and to its colour turned by a right angle in the UV plane."""
    luma = torch.tensor(_LUMA, dtype=torch.float64)
    grey = luma.expand(3, 3)
    red, _, blue = torch.eye(3, dtype=torch.float64)
    to_yuv = torch.stack([luma, _BLUE_SCALE * (blue - luma), _RED_SCALE * (red - luma)])
    quarter = torch.tensor([[0, 0, 0], [0, 0, -1], [0, 1, 0]], dtype=torch.float64)
    turn = torch.linalg.inv(to_yuv) @ quarter @ to_yuv
    return grey.float(), (torch.eye(3, dtype=torch.float64) - grey).float(), turn.float()


def _blurred(images: Tensor, draws: dict[str, Tensor], options: Options) -> Tensor:
    """Blur the chosen images by a separable Gaussian, its width drawn per image, edges mirrored."""
    chosen = (draws["blur"] < options.blur_share).nonzero()[:, 0]
    scale = images.shape[-1] / _REFERENCE_SIZE
    widest = max(options.blur, _LEAST_BLUR)
    sigmas = scale * (_LEAST_BLUR + (widest - _LEAST_BLUR) * draws["blur_sigma"][chosen])
    radius = min(max(1, round(_BLUR_REACH * widest * scale)), min(images.shape[2:]) - 1)
    reach = torch.arange(-radius, radius + 1, device=images.device)
    kernels = torch.softmax(-(reach**2) / (2 * sigmas[:, None] ** 2), dim=1)
    images[chosen] = _convolved(_convolved(images[chosen], kernels, 2), kernels, 3)
    return images


def _convolved(images: Tensor, kernels: Float[Tensor, "n k"], dim: int) -> Tensor:
    radius = kernels.shape[1] // 2
    margins = (0, 0, radius, radius) if dim == 2 else (radius, radius, 0, 0)
    padded = functional.pad(images, margins, mode="reflect")
    parts = (
        weight[:, None, None, None] * padded.narrow(dim, index, images.shape[dim])
        for index, weight in enumerate(kernels.unbind(1))
    )
    return torch.stack(list(parts)).sum(dim=0) if len(images) else images


def _noised(
    images: Tensor,
    draws: dict[str, Tensor],
    options: Options,
    generator: torch.Generator,
    noisy: Bool[Tensor, " all"],
    share: Share,
) -> Tensor:
    """Add Gaussian noise to those of the whole batch that are chosen, as far as they are here; widths are drawn."""
    own = share.rows(len(noisy))
    chosen = noisy[own].nonzero()[:, 0].to(images.device)
    n_before = int(noisy[: own.start].sum())
    sigmas = options.noise * draws["noise_sigma"][chosen]
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    source = torch.Generator(images.device).manual_seed(seed)
    noise = torch.randn(int(noisy.sum()), *images.shape[1:], generator=source, device=images.device)
    images[chosen] += sigmas[:, None, None, None] * noise[n_before : n_before + len(chosen)]
    return images


def _range(name: str) -> tuple[float, float]:
    if name in ("least_area", "weak_area"):
        return 0.01, 1.0
    if name == "side":
        return 0.25, 1.0
    if name == "stretch":
        return 1.0, 4.0
    if name in ("hue", "perspective"):
        return 0.0, 0.5
    return (
        (0.0, 1.0) if name.endswith("_share") or name in ("brightness", "contrast", "saturation") else (0.0, math.inf)
    )
