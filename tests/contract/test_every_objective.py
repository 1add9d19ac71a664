"""What every objective owes to the training loop, whatever it minimises."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from zehn import models, objectives, plugins
from zehn.errors import UnknownNameError

NAMES = plugins.names("objectives")
NEEDED: Mapping[str, Mapping[str, Any]] = {"distillation": {"teacher": "any"}}
"""Options without which an objective cannot be."""
SMALL: Mapping[str, Any] = {"widths": (4, 8)}


def network(seed: int = 0) -> models.Network:
    return models.build("conv", options=SMALL, seed=seed).train()


def mixture(name: str, net: models.Network, seed: int = 0) -> objectives.Mixture:
    options = {name: NEEDED[name]} if name in NEEDED else {}
    return objectives.build({name: 1.0}, options, net, seed, load_network=lambda _: network(seed=9)).train()


def step(net: models.Network, batch: int = 0, n_images: int = 8, progress: float = 0.5) -> objectives.Step:
    images = torch.rand(n_images, 3, 32, 32, generator=torch.Generator().manual_seed(100 + batch))
    return objectives.Step(net, images, torch.Generator().manual_seed(batch), progress)


def learn(net: models.Network, mix: objectives.Mixture, first: int, last: int, optimizer: Any) -> list[float]:
    losses = []
    for batch in range(first, last):
        loss = mix(step(net, batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def optimizer_of(net: models.Network, mix: objectives.Mixture) -> torch.optim.Optimizer:
    trained = [parameter for module in (net, mix) for parameter in module.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(trained, lr=1e-3)


def gradients(net: models.Network) -> list[Tensor]:
    return [parameter.grad for parameter in net.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_a_finite_number_that_teaches_the_network(name: str) -> None:
    net = network()
    mix = mixture(name, net)
    mix(step(net, 0))  # what remembers has something to remember
    loss = mix(step(net, 1))
    assert loss.shape == ()
    assert loss.dtype == torch.float32
    loss.backward()
    found = gradients(net)
    assert any(gradient.abs().sum() > 0 for gradient in found)
    assert all(torch.isfinite(gradient).all() for gradient in found)


@pytest.mark.parametrize("name", NAMES)
def test_it_counts_from_its_beginning_on(name: str) -> None:
    net = network()
    mix = mixture(name, net)
    plugin = plugins.load("objectives", name)
    begin = getattr(plugins.options(plugin, NEEDED.get(name)), "begin", 0.0)
    mix(step(net, 0, progress=0.0))
    loss = mix(step(net, 1, progress=0.0))
    loss.backward()
    assert (loss.item() == 0) == (begin > 0)
    mix.eval()
    assert mix(step(net, 1, progress=0.0)).item() != 0


@pytest.mark.parametrize("name", NAMES)
def test_it_works_in_mixed_precision(name: str) -> None:
    net = network()
    mix = mixture(name, net)
    exact = copy.deepcopy((net, mix))
    losses = []
    for batch in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            loss = mix(step(net, batch))
        loss.backward()
        losses.append((loss.item(), exact[1](step(exact[0], batch)).item()))
    assert loss.dtype == torch.float32
    assert all(torch.isfinite(gradient).all() for gradient in gradients(net))
    assert losses[1][0] == pytest.approx(losses[1][1], rel=0.1, abs=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_a_resumed_training_goes_on_as_an_unbroken_one(name: str) -> None:
    net = network()
    mix = mixture(name, net)
    optimizer = optimizer_of(net, mix)
    learn(net, mix, 0, 2, optimizer)
    kept = copy.deepcopy((net.state_dict(), mix.state_dict(), optimizer.state_dict()))
    unbroken = learn(net, mix, 2, 5, optimizer)
    again = network(seed=5)
    fresh = mixture(name, again, seed=6)
    resumed = optimizer_of(again, fresh)
    again.load_state_dict(kept[0])
    fresh.load_state_dict(kept[1])
    resumed.load_state_dict(kept[2])
    assert learn(again, fresh, 2, 5, resumed) == pytest.approx(unbroken, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_changes_nothing(name: str) -> None:
    net = network()
    mix = mixture(name, net)
    learn(net, mix, 0, 2, optimizer_of(net, mix))
    net.eval()
    mix.eval()
    before = copy.deepcopy((net.state_dict(), mix.state_dict()))
    with torch.no_grad():
        first, second = mix(step(net, 7, progress=0.0)), mix(step(net, 7, progress=0.0))
    assert torch.isfinite(first)
    assert first == second
    for state, module in zip(before, (net, mix), strict=True):
        assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_one_image_is_no_accident(name: str) -> None:
    net = network()
    mix = mixture(name, net)
    learn(net, mix, 0, 1, optimizer_of(net, mix))
    net.eval()
    mix.eval()
    with torch.no_grad():
        assert torch.isfinite(mix(step(net, 1, n_images=1)))


@pytest.mark.parametrize("name", NAMES)
def test_it_owns_its_heads_and_not_the_network(name: str) -> None:
    net = network()
    objective = mixture(name, net)
    theirs = {id(parameter) for parameter in objective.parameters()}
    assert theirs.isdisjoint(id(parameter) for parameter in net.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_builds_the_same_heads(name: str) -> None:
    net = network()
    first, again, other = (mixture(name, net, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(value, again[key]) for key, value in first.items())
    drawn = [key for key, value in first.items() if "weight" in key and "slow" not in key and value.ndim > 1]
    assert all(not torch.equal(first[key], other[key]) for key in drawn)


@pytest.mark.parametrize("name", NAMES)
def test_an_option_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown option of {name} 'nonsense'"):
        objectives.build({name: 1.0}, {name: {"nonsense": 1}}, network())


@pytest.mark.parametrize("name", NAMES)
def test_its_docstring_names_its_source(name: str) -> None:
    assert "arXiv" in (plugins.load("objectives", name).__doc__ or "") or name in ("reconstruction", "denoising")
