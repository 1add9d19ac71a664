"""VICReg, total coding rate and BYOL against loops over their formulas and values of other implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zehn import models, objectives, plugins
from zehn.errors import ConfigError
from zehn.objectives import byol, coding_rate, vicreg
from zehn.objectives._momentum import Momentum

PYTORCH_METRIC_LEARNING_VICREG = 48.046055
"""pytorch-metric-learning 2.9.0, VICRegLoss() with its default weights on ``vectors(2, 6, seed=0)``."""


def vectors(n_views: int, n_images: int, seed: int, width: int = 4) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=(n_views, n_images, width)), dtype=torch.float32)


def test_vicreg_is_that_of_pytorch_metric_learning() -> None:
    invariance, variance, covariance = vicreg.vicreg_terms(vectors(2, 6, seed=0))
    total = 25 * invariance + 25 * variance + covariance
    assert total.item() == pytest.approx(PYTORCH_METRIC_LEARNING_VICREG, rel=1e-5)


def test_vicreg_is_its_formula() -> None:
    projections = 0.8 * vectors(3, 7, seed=1)
    views = projections.double().numpy()
    pairs = [(0, 1), (0, 2), (1, 2)]
    invariance = np.mean([((views[a] - views[b]) ** 2).mean() for a, b in pairs])
    variance = np.mean([np.maximum(0, 1 - np.sqrt(view.var(axis=0, ddof=1) + 1e-4)).mean() for view in views])
    covariances = [np.cov(view, rowvar=False) for view in views]
    covariance = 2 * np.mean([((c - np.diag(np.diag(c))) ** 2).sum() / 4 for c in covariances])
    ours = [term.item() for term in vicreg.vicreg_terms(projections)]
    assert ours == pytest.approx([invariance, variance, covariance], rel=1e-4)


def test_vicreg_acts_on_the_code_itself_when_asked() -> None:
    network = models.build("conv", options={"widths": (4, 8)}).train()
    options = {"vicreg": {"source": "codes", "widths": [], "invariance_weight": 0, "covariance_weight": 0}}
    mixture = objectives.build({"vicreg": 1.0}, options, network)
    assert not list(mixture.parameters())
    step = objectives.Step(network, torch.rand(6, 3, 32, 32), torch.Generator().manual_seed(0))
    expected = 25 * (1 - (step.view_codes.var(dim=1) + 1e-4).sqrt()).clamp_min(0).mean()
    torch.testing.assert_close(mixture(step), expected)


@pytest.mark.parametrize(("n_images", "width"), [(9, 4), (4, 9)])
def test_coding_rate_is_its_formula(n_images: int, width: int) -> None:
    z = vectors(2, n_images, 2, width)
    rates = [
        0.5 * np.linalg.slogdet(np.eye(width) + width / (n_images * 0.2) * view.T @ view)[1]
        for view in z.double().numpy()
    ]
    assert coding_rate.coding_rate(z, 0.2).item() == pytest.approx(np.mean(rates), rel=1e-4)


def test_agreement_is_the_cosine_with_the_mean() -> None:
    z = vectors(3, 5, seed=3)
    views, mean = z.double().numpy(), z.double().numpy().mean(axis=0)
    cosines = [
        view[i] @ mean[i] / (np.linalg.norm(view[i]) * np.linalg.norm(mean[i])) for view in views for i in range(5)
    ]
    assert coding_rate.agreement_with_mean(z).item() == pytest.approx(np.mean(cosines), rel=1e-4)


def test_byol_is_its_formula() -> None:
    predictions, targets = vectors(2, 5, seed=4), vectors(2, 5, seed=5)

    def distance(left: Tensor, right: Tensor) -> float:
        q, z = left.double().numpy(), right.double().numpy()
        q, z = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (q, z))
        return float(((q - z) ** 2).sum(axis=1).mean())

    expected = distance(predictions[0], targets[1]) + distance(predictions[1], targets[0])
    assert byol.byol_loss(predictions, targets).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
def test_the_decay_follows_the_papers_cosine(progress: float) -> None:
    expected = 1 - (1 - 0.99) * (math.cos(math.pi * progress) + 1) / 2
    assert byol.decay_at(progress, 0.99) == pytest.approx(expected)
    assert byol.decay_at(0.0, 0.99) == pytest.approx(0.99)
    assert byol.decay_at(1.0, 0.99) == pytest.approx(1.0)


def test_the_slow_copy_starts_where_training_starts_and_follows() -> None:
    fast = nn.BatchNorm1d(3)
    slow = Momentum(fast)
    nn.init.constant_(fast.weight, 5.0)
    slow.update(fast, 0.9)
    torch.testing.assert_close(slow.copy.weight, torch.full((3,), 5.0))
    nn.init.constant_(fast.weight, 6.0)
    fast(torch.randn(4, 3))
    slow.update(fast, 0.9)
    torch.testing.assert_close(slow.copy.weight, torch.full((3,), 5.1))
    assert fast.running_mean is not None
    torch.testing.assert_close(slow.copy.running_mean, 0.1 * fast.running_mean)
    assert slow.copy.num_batches_tracked == 1
    assert not any(parameter.requires_grad for parameter in slow.parameters())


def test_byol_moves_its_copy_once_per_training_step() -> None:
    network = models.build("conv", options={"widths": (4, 8)}).train()
    mixture = objectives.build({"byol": 1.0}, {"byol": {"decay": 0.5}}, network).train()
    images = torch.rand(6, 3, 32, 32)
    objective = mixture.objectives["byol"]
    for expected in (1, 2):
        mixture(objectives.Step(network, images, torch.Generator().manual_seed(0)))
        assert objective.slow_encoder.n_updates == expected  # type: ignore[union-attr]
    mixture.eval()
    mixture(objectives.Step(network, images, torch.Generator().manual_seed(0)))
    assert objective.slow_encoder.n_updates == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vicreg", {"variance_weight": -1}, "variance_weight must be at least 0"),
        ("coding_rate", {"epsilon": 0}, "epsilon must be above 0"),
        ("byol", {"decay": -0.1}, "decay must be from 0 to 1"),
        ("byol", {"decay": 1.5}, "decay must be from 0 to 1"),
        ("perceptual", {"decay": 2}, "decay must be from 0 to 1"),
        ("perceptual", {"view": "both"}, "view must be one of clean, augmented, came 'both'"),
    ],
)
def test_options_that_are_none(name: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plugins.options(plugins.load("objectives", name), options)
