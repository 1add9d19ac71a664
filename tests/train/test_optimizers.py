"""AdamW and Muon side by side: who moves what, and that Muon's step is what its formula says."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from zehn.config import TrainConfig
from zehn.errors import ConfigError
from zehn.train import optimizers

MUON = TrainConfig(optimizer="muon", muon_rate=0.1, learning_rate=0.01)


def layers() -> nn.Sequential:
    torch.manual_seed(0)
    free = nn.Conv2d(16, 20, 3, padding=1, bias=False)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16), free, nn.BatchNorm2d(20), nn.Conv2d(20, 4, 1)
    )


def moved(optimizer: torch.optim.Optimizer, module: nn.Module, n_steps: int = 1) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["peak"]
    for index in range(n_steps):
        images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(index))
        optimizer.zero_grad()
        module(images).square().mean().backward()
        optimizer.step()


def test_muon_moves_the_convolutions_that_a_normalisation_follows() -> None:
    module = layers()
    groups = optimizers.build(module, MUON).param_groups
    assert [len(group["params"]) for group in groups] == [2, 5, 1]
    assert groups[2]["params"][0] is module[2].weight
    assert [group["peak"] for group in groups] == [0.01, 0.01, 0.1]
    assert [group["weight_decay"] for group in groups] == [MUON.weight_decay, 0.0, 0.0]


def test_adamw_alone_moves_everything() -> None:
    groups = optimizers.build(layers(), TrainConfig(optimizer="adamw")).param_groups
    assert [len(group["params"]) for group in groups] == [3, 5]


def test_orthogonal_is_near_the_polar_factor() -> None:
    for shape in ((6, 40), (40, 6), (8, 8)):
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        left, spread, right = torch.linalg.svd(matrix, full_matrices=False)
        found = optimizers.orthogonal(matrix)
        # the same singular vectors, each singular value sent through the quintic three times
        values = spread / matrix.norm()
        for _ in range(3):
            values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
        torch.testing.assert_close(found, left @ torch.diag(values) @ right)
        assert values.min() > 0.3
        assert values.max() < 1.3


def test_muon_keeps_the_length_of_a_kernel_but_for_its_own_step() -> None:
    module = layers()
    optimizer = optimizers.build(module, MUON)
    kernel = module.get_parameter("2.weight")
    before = kernel.detach().clone() * len(kernel) ** 0.5 / kernel.norm().detach()
    moved(optimizer, module)
    step = (kernel.detach() - before).flatten(1) / MUON.muon_rate
    values = torch.linalg.svdvals(step)
    assert values.max() < 1.3
    assert values.median() > 0.5


def test_muon_and_adamw_leave_each_other_alone() -> None:
    module, alone = layers(), layers()
    moved(optimizers.build(module, MUON), module)
    plain = TrainConfig(optimizer="adamw", learning_rate=0.01)
    moved(optimizers.build(alone, plain), alone)
    torch.testing.assert_close(module.get_parameter("0.weight"), alone.get_parameter("0.weight"))
    assert not torch.allclose(module.get_parameter("2.weight"), alone.get_parameter("2.weight"))


def test_a_resumed_optimizer_goes_on_as_before() -> None:
    straight, broken = layers(), layers()
    optimizer = optimizers.build(straight, MUON)
    moved(optimizer, straight, 2)
    first = optimizers.build(broken, MUON)
    moved(first, broken)
    state = copy.deepcopy(first.state_dict())
    second = optimizers.build(broken, MUON)
    second.load_state_dict(state)
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    second.zero_grad()
    broken(images).square().mean().backward()
    second.step()
    for one, other in zip(straight.parameters(), broken.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_an_unknown_optimizer() -> None:
    with pytest.raises(ConfigError, match="optimizer must be one of adamw, muon, came 'sgd'"):
        optimizers.build(layers(), TrainConfig(optimizer="sgd"))
