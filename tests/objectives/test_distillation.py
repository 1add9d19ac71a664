"""A student learns what its teacher says, and the teacher is asked once per image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from zehn import models, objectives, plugins
from zehn.errors import ConfigError
from zehn.objectives import _kernels, distillation
from zehn.objectives._teacher import Teacher, fingerprints


def build(width: int = 8, **given: Any) -> models.Network:
    return models.build("conv", options={"widths": (4, width)}, **given).train()


def bytes_as_images(n_images: int = 6, seed: int = 0) -> torch.Tensor:
    values = torch.randint(256, (n_images, 3, 32, 32), generator=torch.Generator().manual_seed(seed))
    return values.float() / 255


def mixture(network: models.Network, teacher: models.Network, **options: Any) -> objectives.Mixture:
    given = {"distillation": {"teacher": "big", **options}}
    return objectives.build({"distillation": 1.0}, given, network, load_network=lambda _: teacher)


def test_the_target_is_averaged_over_the_mirror_image() -> None:
    network, images = build(), bytes_as_images()
    teacher = Teacher(network, "codes")
    expected = (network.encoder(images) + network.encoder(images.flip(3))) / 2
    torch.testing.assert_close(teacher(images), expected)
    torch.testing.assert_close(teacher(images.flip(3)), expected)
    assert not network.training


def test_the_teacher_looks_at_no_batch_twice_that_it_knows() -> None:
    network, images = build(), bytes_as_images(6)
    seen: list[int] = []
    network.encoder.body.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    teacher = Teacher(network, "features")
    first = teacher(images[:4])
    again = teacher(images.flip(3))
    assert seen == [4, 4, 6, 6]
    torch.testing.assert_close(again[:4], first)
    torch.testing.assert_close(teacher(images[[5, 0]]), again[[5, 0]])
    assert seen == [4, 4, 6, 6]


def test_fingerprints_tell_images_apart_but_not_from_their_mirror_images() -> None:
    images = bytes_as_images(200)
    nearly = images.clone()
    nearly[:, 0, 5, 5] = (nearly[:, 0, 5, 5] + 1 / 255).fmod(1)
    keys = [*fingerprints(images).tolist(), *fingerprints(nearly).tolist()]
    assert len(set(keys)) == 400
    assert torch.equal(fingerprints(images), fingerprints(images.flip(3)))


def test_a_copy_of_the_teacher_has_nothing_to_learn() -> None:
    network, images = build().eval(), bytes_as_images()
    symmetric = torch.cat([images, images.flip(3)], dim=3)[:, :, :, 16:48]
    loss = mixture(network, network)(objectives.Step(network, symmetric, torch.Generator()))
    assert loss.item() == pytest.approx(0, abs=1e-9)


def test_regression_is_the_unexplained_share() -> None:
    rng = np.random.default_rng(0)
    student, teacher = rng.normal(size=(2, 50, 4))
    expected = ((student - teacher) ** 2).mean() / teacher.var(axis=0).mean()
    ours = _kernels.unexplained(torch.tensor(student).float(), torch.tensor(teacher).float())
    assert ours.item() == pytest.approx(expected, rel=1e-4)
    mean = torch.tensor(teacher.mean(axis=0)).float().expand(50, 4)
    assert _kernels.unexplained(mean, torch.tensor(teacher).float()).item() == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("source", ["codes", "features"])
def test_relational_is_its_formula(source: str) -> None:
    rng = np.random.default_rng(1)
    codes, taught = rng.normal(size=(5, 3)), rng.normal(size=(5, 7))

    def cauchys(x: np.ndarray) -> np.ndarray:
        return np.asarray(1 / (1 + ((x[:, None] - x) ** 2).sum(axis=2)))

    unit = taught / np.linalg.norm(taught, axis=1, keepdims=True)
    kernel = cauchys(taught) if source == "codes" else np.exp(unit @ unit.T / 0.2)
    losses = []
    for i in range(5):
        others = [j for j in range(5) if j != i]
        p, q = kernel[i, others] / kernel[i, others].sum(), cauchys(codes)[i, others] / cauchys(codes)[i, others].sum()
        losses.append(-(p * np.log(q)).sum())
    wanted = distillation.taught_similarities(torch.tensor(taught).float(), source, 0.2)
    ours = distillation.relational(torch.tensor(codes).float(), wanted)
    assert ours.item() == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize("options", [
    {"source": "features"}, {"form": "relational"}, {"form": "relational", "source": "features", "view": "augmented"},
])  # fmt: skip
def test_a_student_of_another_width_learns_too(options: dict[str, str]) -> None:
    network, teacher = build(8), build(6, n_components=4, seed=1)
    mix = mixture(network, teacher, **options).train()
    optimizer = torch.optim.Adam([*network.parameters(), *mix.parameters()], lr=3e-3)
    images, losses = bytes_as_images(8), []
    for batch in range(12):
        loss = mix(objectives.Step(network, images, torch.Generator().manual_seed(batch)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert not any("teacher" in name for name in mix.state_dict())


def test_a_teacher_that_does_not_fit() -> None:
    network = build()
    with pytest.raises(ConfigError, match="the teacher's codes have 4 components and the student's 10"):
        mixture(network, build(n_components=4))
    with pytest.raises(ConfigError, match="the teacher sees images of 40 pixels and the student of 32"):
        mixture(network, build(image_size=40))


def test_a_distillation_without_a_teacher() -> None:
    plugin = plugins.load("objectives", "distillation")
    with pytest.raises(ConfigError, match="distillation needs a teacher"):
        plugins.options(plugin, {})
    with pytest.raises(ConfigError, match="no way to load one was given"):
        objectives.build({"distillation": 1.0}, {"distillation": {"teacher": "big"}}, build())
