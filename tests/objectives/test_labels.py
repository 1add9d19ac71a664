"""Self-labelling and neighbour consistency against loops over their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from zehn import plugins
from zehn.errors import ConfigError
from zehn.objectives import neighbour_consistency, self_labelling
from zehn.objectives._queue import Queue


def scores(n_views: int = 2, n: int = 12, k: int = 3, seed: int = 0) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=(n_views, n, k)), dtype=torch.float32)


def sinkhorn_of_swav(given: np.ndarray, epsilon: float, n_iterations: int) -> np.ndarray:
    """The distributed_sinkhorn of facebookresearch/swav, main_swav.py, on one machine."""
    q = np.exp(given / epsilon).T
    n_prototypes, n_images = q.shape
    q /= q.sum()
    for _ in range(n_iterations):
        q /= q.sum(axis=1, keepdims=True)
        q /= n_prototypes
        q /= q.sum(axis=0, keepdims=True)
        q /= n_images
    return np.asarray((q * n_images).T)


def test_sinkhorn_is_that_of_swav() -> None:
    given = scores(1)[0]
    expected = sinkhorn_of_swav(given.double().numpy(), 0.5, 3)
    np.testing.assert_allclose(self_labelling.sinkhorn(given, 0.5, 3).numpy(), expected, rtol=1e-4, atol=1e-6)


def test_labels_add_up_and_use_every_prototype() -> None:
    labels = self_labelling.sinkhorn(scores(1, n=60)[0], 0.5, 100)
    torch.testing.assert_close(labels.sum(dim=1), torch.ones(60))
    torch.testing.assert_close(labels.sum(dim=0), torch.full((3,), 20.0), rtol=1e-3, atol=0)


def test_hard_labels_stay_finite() -> None:
    labels = self_labelling.sinkhorn(1000 * scores(1)[0], 0.01, 3)
    assert torch.isfinite(labels).all()


def test_swapped_prediction_is_its_formula() -> None:
    given = scores(3, seed=1)
    views = given.double().numpy()
    labels = [sinkhorn_of_swav(view, 0.4, 3) for view in views]
    log_shares = [np.log(np.exp(view / 0.3) / np.exp(view / 0.3).sum(axis=1, keepdims=True)) for view in views]
    losses = [-(labels[a] * log_shares[b]).sum(axis=1).mean() for a in range(3) for b in range(3) if a != b]
    assert self_labelling.swapped_prediction(given, 0.3, 0.4, 3).item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_similarities_are_cosines_on_features_and_cauchys_on_codes() -> None:
    vectors, prototypes = scores(2, 4, 5)
    cosines = torch.nn.functional.cosine_similarity(vectors[:, None], prototypes, dim=2)
    torch.testing.assert_close(self_labelling.log_similarities(vectors, prototypes, "features"), cosines)
    cauchys = -torch.log(1 + torch.cdist(vectors, prototypes).square())
    ours = self_labelling.log_similarities(vectors, prototypes, "codes")
    torch.testing.assert_close(ours, cauchys, rtol=1e-4, atol=1e-5)


def test_scan_is_its_formula() -> None:
    anchors = torch.softmax(scores(1, 6, 4, seed=2)[0], dim=1)
    neighbours = torch.softmax(scores(6, 2, 4, seed=3), dim=2)
    p, q = anchors.double().numpy(), neighbours.double().numpy()
    consistency = -np.mean([np.log(p[i] @ q[i, j]) for i in range(6) for j in range(2)])
    mean = p.mean(axis=0)
    expected = consistency - 5.0 * -(mean * np.log(mean)).sum()
    assert neighbour_consistency.scan_loss(anchors, neighbours, 5.0).item() == pytest.approx(expected, rel=1e-4)


def test_one_cluster_for_all_is_worse_than_a_fair_division() -> None:
    everyone = torch.tensor([[1.0, 0.0]]).expand(8, 2)
    divided = torch.eye(2).repeat(4, 1)
    losses = [neighbour_consistency.scan_loss(p, p[:, None], 5.0).item() for p in (everyone, divided)]
    assert losses == pytest.approx([0.0, -5.0 * np.log(2)], abs=1e-4)


def test_a_queue_forgets_the_oldest_first() -> None:
    queue = Queue(5, {"codes": 1, "features": 2})
    assert queue.rows("codes").shape == (0, 1)
    for start in (0, 2, 4):
        rows = torch.arange(start, start + 2).float()[:, None]
        queue.push(codes=rows, features=rows.expand(2, 2))
    assert sorted(queue.rows("codes")[:, 0].tolist()) == [1, 2, 3, 4, 5]
    assert torch.equal(queue.rows("features")[:, 1], queue.rows("codes")[:, 0])
    queue.push(codes=torch.full((9, 1), 7.0), features=torch.full((9, 2), 7.0))
    assert queue.rows("codes")[:, 0].tolist() == [7.0] * 5


def test_a_queue_survives_a_checkpoint() -> None:
    queue, again = Queue(4, {"codes": 1}), Queue(4, {"codes": 1})
    queue.push(codes=torch.ones(3, 1))
    again.load_state_dict(queue.state_dict())
    for each in (queue, again):
        each.push(codes=torch.full((2, 1), 2.0))
    assert torch.equal(queue.rows("codes"), again.rows("codes"))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("self_labelling", {"n_prototypes": []}, "n_prototypes must name sets of at least 2"),
        ("self_labelling", {"n_prototypes": [10, 1]}, "n_prototypes must name sets of at least 2"),
        ("self_labelling", {"epsilon": 0}, "epsilon must be above 0"),
        ("neighbour_consistency", {"n_clusters": 1}, "n_clusters must be at least 2"),
        ("neighbour_consistency", {"source": "images"}, "source must be one of features, codes"),
    ],
)
def test_options_that_are_none(name: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plugins.options(plugins.load("objectives", name), options)
