"""The contrastive losses against loops over their formulas and against values of other implementations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from zehn import models, objectives, plugins
from zehn.errors import ConfigError
from zehn.objectives import code_contrastive, code_neighbours, contrastive
from zehn.objectives._kernels import nearest, squared_distances, student_t

PYTORCH_METRIC_LEARNING_NT_XENT = 5.943104
"""pytorch-metric-learning 2.9.0, NTXentLoss(temperature=0.2) on ``vectors(2, 6, seed=0)``."""
PYTORCH_METRIC_LEARNING_SUP_CON = 5.145223
"""pytorch-metric-learning 2.9.0, SupConLoss(temperature=0.2) on ``vectors(3, 5, seed=1)``."""
T_SIMCNE = 2.790028
T_SIMCNE_SCALED = 3.566198
"""berenslab/t-simcne, tsimcne/losses/infonce.py, InfoNCECauchy() and InfoNCECauchy(0.5, 2.0), on the former."""


def vectors(n_views: int, n_images: int, seed: int, width: int = 4) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=(n_views, n_images, width)), dtype=torch.float32)


def by_loop(similarities: np.ndarray, n_views: int, exaggeration: float = 1.0) -> float:
    """InfoNCE of exp(similarities), pair by pair."""
    n = len(similarities) // n_views
    losses = []
    for i in range(len(similarities)):
        others = np.exp([similarities[i, k] for k in range(len(similarities)) if k != i]).sum()
        positives = [similarities[i, j] for j in range(len(similarities)) if j != i and j % n == i % n]
        losses += [np.log(others) - exaggeration * positive for positive in positives]
    return float(np.mean(losses))


@pytest.mark.parametrize(("n_views", "n_images"), [(2, 6), (3, 5), (4, 1)])
def test_nt_xent_is_its_formula(n_views: int, n_images: int) -> None:
    projections = vectors(n_views, n_images, seed=3)
    flat = projections.flatten(0, 1).double().numpy()
    unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    expected = by_loop(unit @ unit.T / 0.3, n_views)
    assert contrastive.nt_xent(projections, 0.3).item() == pytest.approx(expected, rel=1e-4)


def test_nt_xent_is_that_of_pytorch_metric_learning() -> None:
    two, three = vectors(2, 6, seed=0), vectors(3, 5, seed=1)
    assert contrastive.nt_xent(two, 0.2).item() == pytest.approx(PYTORCH_METRIC_LEARNING_NT_XENT, rel=1e-5)
    assert contrastive.nt_xent(three, 0.2).item() == pytest.approx(PYTORCH_METRIC_LEARNING_SUP_CON, rel=1e-5)
    assert contrastive.nt_xent(7 * two, 0.2).item() == pytest.approx(PYTORCH_METRIC_LEARNING_NT_XENT, rel=1e-5)


def test_cauchy_info_nce_is_its_formula() -> None:
    codes = vectors(3, 4, seed=2)
    flat = codes.flatten(0, 1).double().numpy()
    distances = ((flat[:, None] - flat) ** 2).sum(axis=2)
    expected = by_loop(-np.log(1 + 4 * distances), 3, 1.5)
    assert code_contrastive.cauchy_info_nce(codes, 2.0, 1.0, 1.5).item() == pytest.approx(expected, rel=1e-4)


def test_cauchy_info_nce_is_that_of_the_authors() -> None:
    codes = vectors(2, 6, seed=0)
    assert code_contrastive.cauchy_info_nce(codes).item() == pytest.approx(T_SIMCNE, rel=1e-5)
    assert code_contrastive.cauchy_info_nce(codes, 0.5, 1.0, 2.0).item() == pytest.approx(T_SIMCNE_SCALED, rel=1e-5)


def test_coinciding_codes_have_a_gradient() -> None:
    codes = torch.ones(2, 3, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(code_contrastive.cauchy_info_nce(codes), codes)
    assert torch.isfinite(gradient).all()


def test_far_codes_keep_their_small_distances() -> None:
    codes = 1000 + vectors(1, 8, seed=0)[0]
    expected = torch.cdist(codes.double(), codes.double()).square()
    torch.testing.assert_close(squared_distances(codes, codes).double(), expected, rtol=1e-3, atol=1e-3)


def test_students_kernel_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    distances = np.linspace(0, 9, 7)
    for degrees in (1.0, 4.5):
        expected = stats.t.logpdf(distances, degrees) - stats.t.logpdf(0, degrees)
        ours = student_t(torch.tensor(distances**2), degrees)
        np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_neighbour_info_nce_is_its_formula() -> None:
    codes, neighbours = vectors(2, 5, seed=4), vectors(5, 3, seed=5)
    losses = []
    for view in codes.double().numpy():
        for i, own in enumerate(neighbours.double().numpy()):
            near = 1 / (1 + ((view[i] - own) ** 2).sum(axis=1))
            far = sum(1 / (1 + ((view[i] - view[j]) ** 2).sum()) for j in range(5) if j != i)
            losses += list(-np.log(near / (near + far)))
    assert code_neighbours.neighbour_info_nce(codes, neighbours).item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_nearest_are_the_most_similar_but_oneself() -> None:
    known = vectors(1, 9, seed=6)[0]
    products = (known[:4] @ known.T).numpy()
    expected = [[j for j in np.argsort(-products[i]) if j != i][:3] for i in range(4)]
    assert nearest(known[:4], known, 3, are_known=True).tolist() == expected
    assert nearest(known[:4], known, 20).shape == (4, 9)
    assert nearest(known[:1], known[:1], 5, are_known=True).tolist() == [[0]]


@pytest.mark.parametrize("name", ["contrastive", "code_contrastive"])
def test_training_brings_views_together(name: str) -> None:
    network = models.build("conv", options={"widths": (4, 8)}).train()
    mixture = objectives.build({name: 1.0}, {}, network).train()
    optimizer = torch.optim.Adam([*network.parameters(), *mixture.parameters()], lr=3e-3)
    images = torch.rand(16, 3, 4, 4, generator=torch.Generator().manual_seed(0)).repeat_interleave(8, 2)
    images = images.repeat_interleave(8, 3)
    losses = []
    for batch in range(30):
        loss = mixture(objectives.Step(network, images, torch.Generator().manual_seed(batch)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.95 * np.mean(losses[:5])


def test_a_teacher_finds_the_neighbours() -> None:
    network, teacher = (models.build("conv", options={"widths": (4, width)}).train() for width in (8, 6))
    mixture = objectives.build(
        {"code_neighbours": 1.0}, {"code_neighbours": {"teacher": "big"}}, network, load_network=lambda _: teacher
    )
    mixture(objectives.Step(network, torch.rand(5, 3, 32, 32), torch.Generator().manual_seed(0), 1.0))
    queue = mixture.state_dict()
    assert queue["objectives.code_neighbours.queue.features"].shape == (16384, teacher.encoder.n_features)
    assert int(queue["objectives.code_neighbours.queue.n_filled"]) == 5


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("contrastive", {"temperature": 0}, "temperature must be above 0, came 0"),
        ("contrastive", {"n_views": 1}, "n_views must be at least 2, came 1"),
        ("contrastive", {"source": "pixels"}, "source must be one of features, codes, came 'pixels'"),
        ("code_contrastive", {"scale": -1}, "scale must be above 0"),
        ("code_contrastive", {"degrees": 0}, "degrees must be above 0"),
        ("code_neighbours", {"n_neighbours": 0}, "n_neighbours must be at least 1"),
    ],
)
def test_options_that_are_none(name: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plugins.options(plugins.load("objectives", name), options)
