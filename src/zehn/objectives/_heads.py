"""Heads that objectives put on the encoder while it trains, and what they read."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from zehn.models import Network
from zehn.objectives import Step


def width_of(network: Network, source: str) -> int:
    """Return how many numbers the encoder gives for an image: ``features`` or ``codes``."""
    return network.encoder.n_features if source == "features" else network.n_components


def read_views(step: Step, source: str, n_views: int) -> Tensor:
    """Return ``features`` or ``codes`` of the first views, (v, n, width)."""
    seen = step.view_features if source == "features" else step.view_codes
    return seen[:n_views]


def nothing(step: Step) -> Tensor:
    """Return a loss of zero that hangs on the network, for an objective that does not count yet."""
    return step.view_codes.float().sum() * 0


def projector(n_in: int, widths: Sequence[int]) -> nn.Sequential:
    """Build a perceptron: linear layers of these widths, batch norm and ReLU between them, nothing after the last."""
    layers: list[nn.Module] = []
    for index, width in enumerate(widths):
        if index:
            layers += [nn.BatchNorm1d(n_in), nn.ReLU(inplace=True)]
        layers.append(nn.Linear(n_in, width, bias=index == len(widths) - 1))
        n_in = width
    return nn.Sequential(*layers)


class ViewProjector(nn.Module):
    """A perceptron on the features or codes of views; without widths they come as they are."""

    def __init__(self, network: Network, source: str, widths: Sequence[int], n_views: int) -> None:
        super().__init__()
        self.source, self.n_views = source, n_views
        n_in = width_of(network, source)
        self.n_out = widths[-1] if widths else n_in
        self.layers = projector(n_in, widths)

    def forward(self, step: Step) -> Tensor:
        """Return the projections of the step's first views, float32 (v, n, n_out)."""
        seen = read_views(step, self.source, self.n_views)
        return self.layers(seen.flatten(0, 1)).float().view(*seen.shape[:2], -1)
