from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zehn import config
from zehn.errors import ConfigError, UnknownNameError


@given(
    seed=st.integers(0, 2**31),
    epochs=st.integers(1, 500),
    rate=st.floats(1e-6, 1.0),
    ids=st.lists(st.integers(0, 9_999), max_size=5),
    name=st.text(st.characters(codec="utf-8"), min_size=1),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_toml_round_trip(tmp_path: Path, seed: int, epochs: int, rate: float, ids: list[int], name: str) -> None:
    made = config.Config(
        seed=seed,
        data=config.DataConfig(name=name),
        train=config.TrainConfig(epochs=epochs, learning_rate=rate),
        query=config.QueryConfig(query_ids=tuple(ids)),
    )
    path = tmp_path / "run.toml"
    path.write_text(config.to_toml(made), encoding="utf-8", newline="")
    assert config.read(path) == made


@pytest.mark.parametrize("preset", config.PRESETS)
def test_every_preset_resolves_and_survives_toml(preset: str, tmp_path: Path) -> None:
    resolved = config.resolve(preset)
    assert resolved.preset == preset
    path = tmp_path / "run.toml"
    path.write_text(config.to_toml(resolved))
    assert config.read(path) == resolved


def test_precedence_is_preset_then_file_then_assignment_then_override(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("seed = 5\n[train]\nepochs = 33\nbatch_size = 64\n")
    resolved = config.resolve("smoke", path=path, assignments=["train.batch_size=32", "data.name=digits"], seed=9)
    smoke = config.resolve("smoke")
    assert (resolved.seed, resolved.train.epochs, resolved.train.batch_size) == (9, 33, 32)
    assert resolved.data == dataclasses.replace(smoke.data, name="digits")


def test_a_file_may_name_the_preset_and_the_command_line_wins_over_it(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('preset = "smoke"\n')
    assert config.resolve(path=path).preset == "smoke"
    assert config.resolve("standard", path=path).preset == "standard"


def test_objectives_are_replaced_not_mixed_with_the_defaults() -> None:
    resolved = config.resolve(assignments=["train.objectives={denoising = 2}"])
    assert resolved.train.objectives == {"denoising": 2.0}


def test_objectives_may_be_named_one_by_one() -> None:
    assignments = ["train.objectives.reconstruction=5", "train.objectives.contrastive=1"]
    assert config.resolve(assignments=assignments).train.objectives == {"reconstruction": 5.0, "contrastive": 1.0}


def test_a_preset_is_no_setting() -> None:
    with pytest.raises(ConfigError, match="chosen with --preset"):
        config.resolve(assignments=["preset=smoke"])


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.epoch=3", "unknown setting 'train' 'epoch'; did you mean 'epochs'"),
        ("trian.epochs=3", "did you mean 'train'"),
        ("model.n_components=0", "model.n_components must be at least 2, came 0"),
        ("model.n_components=1000", "must be at most 512"),
        ("train.learning_rate=nan", "train.learning_rate must be at least 0, came nan"),
        ("train.epochs=many", "expected int, came 'many'"),
        ("train.epochs=1.5", "expected int, came 1.5"),
        ("train.epochs=true", "expected int, came True"),
        ("seed=-1", "seed must be at least 0, came -1"),
        ("train=3", "setting 'train': expected a table"),
        ("query.distances=euclidean", "expected a list"),
        ("query.query_ids=[1, 'a']", "expected int, came 'a'"),
        ("train.objectives={}", "train.objectives is empty"),
        ("train.objectives={reconstruction = 'x'}", "expected float, came 'x'"),
        ("data.image_size=8", "at least 28"),
        ("nonsense", "expected name=value"),
        ("=3", "expected name=value"),
    ],
)
def test_wrong_assignments_say_what_is_wrong(assignment: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        config.resolve(assignments=[assignment])


def test_unknown_preset_suggests_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'smoke'"):
        config.resolve("smokey")


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        config.resolve(path=path)
    path.write_text("seed = = 3")
    with pytest.raises(ConfigError, match="no valid TOML"):
        config.resolve(path=path)
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        config.resolve(path=tmp_path / "absent.toml")


def test_one_option_of_the_views_leaves_the_others() -> None:
    assignment = "train.augment.least_area=0.3"
    settings = config.resolve(assignments=[assignment])
    assert settings.train.augment == {"side": 0.75, "least_area": 0.3}
    assert config.changed(config.Config(), [assignment]) == settings


def test_changed_keeps_everything_else() -> None:
    base = config.resolve("smoke")
    assert config.changed(base, ["query.n_hits=5"]) == dataclasses.replace(
        base, query=dataclasses.replace(base.query, n_hits=5)
    )


@pytest.mark.parametrize("preset", sorted(config.PRESETS))
def test_every_presets_model_can_be_built(preset: str) -> None:
    models = pytest.importorskip("zehn.models")
    settings = config.resolve(preset).model
    assert models.build(settings.architecture, options=settings.options).architecture == "compact"
