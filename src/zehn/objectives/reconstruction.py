"""Reconstruction: the decoder's images should be the encoder's.

The mean squared error over all pixels and channels and, if asked for, a share of 1 - SSIM (Wang et al., "Image
quality assessment", IEEE TIP 13(4), 2004; Gaussian window 11, σ 1.5), as kornia computes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from zehn import plugins
from zehn.errors import ConfigError
from zehn.models import Network
from zehn.objectives import Step
from zehn.objectives._checks import check_choice, check_least

_WINDOW = 11


@dataclass(frozen=True)
class Options:
    """Options of the reconstruction objective."""

    ssim_weight: float = 0.0
    """Weight of 1 - SSIM beside the mean squared error; 0 leaves it out."""

    view: str = "clean"
    """Which images are to come back: ``clean``, or ``augmented``, the first view of each, which costs no further pass
    through the encoder where other objectives look at views."""

    def __post_init__(self) -> None:
        """Refuse a weight that would reward bad reconstructions."""
        check_least(self, ssim_weight=0)
        check_choice("view", self.view, ("clean", "augmented"))


class Objective(nn.Module):
    """Mean squared error of the reconstructions on [0, 1] pixels."""

    def __init__(self, network: Network, options: Options) -> None:  # noqa: ARG002 - every objective is built alike
        super().__init__()
        self.ssim_weight, self.view = options.ssim_weight, options.view

    def forward(self, step: Step) -> Tensor:
        """Return the loss of one step, a scalar."""
        return distortion(*pair(step, self.view), self.ssim_weight)


def pair(step: Step, view: str) -> tuple[Tensor, Tensor]:
    """Return images and what they are decoded to, of one size: the ``clean`` ones or the first ``augmented`` views.

    Raises:
        ConfigError: augmented views of images that are distorted.

    """
    if view == "clean":
        return step.images, step.reconstructions
    if step.inputs is not step.images:
        raise ConfigError(
            "a reconstruction of augmented views has no clean image to come back to while train.distort distorts what "
            "the encoder sees; take view = 'clean', or the objective denoising"
        )
    first = step.views[0]
    return step.compare(first, resized(step.view_reconstructions, first.shape[-1]))


def distortion(images: Tensor, reconstructions: Tensor, ssim_weight: float) -> Tensor:
    """Return the mean squared error plus a share of 1 - SSIM, a scalar, of (n, 3, h, w) in [0, 1]."""
    loss = nn.functional.mse_loss(reconstructions, images)
    return loss + ssim_weight * (1 - ssim(reconstructions, images)) if ssim_weight else loss


def resized(images: Tensor, side: int) -> Tensor:
    """Return images (n, 3, h, w) at another size, smoothed before they shrink."""
    if images.shape[-1] == side:
        return images
    return nn.functional.interpolate(images, (side, side), mode="bilinear", antialias=True)


def ssim(images: Tensor, others: Tensor) -> Tensor:
    """Return the mean structural similarity of images in [0, 1], a scalar, at most 1.

    Raises:
        MissingExtraError: kornia is not installed.

    """
    metrics = plugins.require("kornia.metrics", "train")
    return metrics.ssim(images, others, _WINDOW).mean()
