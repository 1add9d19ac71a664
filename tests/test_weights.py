"""The models that ship: whole, small, usable without PyTorch, and described by their cards."""

from __future__ import annotations

import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from zehn import config, store
from zehn.autoencoder import Autoencoder

ROOT = Path(__file__).resolve().parent.parent
NAMES = ["cifar10", "cifar10-reconstruction", "cifar10-robust"]
MOST_BYTES = 12_000_000


def test_what_ships() -> None:
    assert store.shipped_names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_and_says_what_it_is(name: str) -> None:
    assert (files("zehn") / "weights" / f"{name}.h5").read_bytes().__len__() <= MOST_BYTES
    model = store.load_model(name)
    assert (model.n_components, model.image_size) == (10, 32)
    assert {weights.dtype.name for weights in model.weights.values()} <= {"float16", "int64"}
    assert {"name", "dataset", "seed", "seconds", "machine", "selection", "limits"} <= set(model.card)
    assert model.card["name"] == name
    page = (ROOT / "docs" / "models" / f"{name}.md").read_text(encoding="utf-8")
    assert model.fingerprint in page
    assert "P@10" in page


@pytest.mark.parametrize("name", NAMES)
def test_it_encodes_and_decodes_without_torch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("torch", "pytorch_lightning", "kornia"):
        monkeypatch.setitem(sys.modules, package, None)
    images = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)
    shipped = Autoencoder.load(name)
    codes = shipped.transform(images)
    assert codes.shape == (7, 10)
    assert np.isfinite(codes).all()
    decoded = shipped.inverse_transform(codes)
    assert decoded.shape == images.shape
    assert 0 <= decoded.min() <= decoded.max() <= 1
    np.testing.assert_allclose(codes[2:3], shipped.transform(images[2:3]), rtol=1e-4, atol=1e-4)


def test_a_mirror_image_has_the_same_code() -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    shipped = Autoencoder.load("cifar10")
    np.testing.assert_allclose(shipped.transform(images), shipped.transform(images[:, :, ::-1]), rtol=1e-3, atol=1e-3)


def test_the_full_preset_is_the_recipe_that_ships() -> None:
    shipped = tomllib.loads(store.load_model("cifar10").config_toml)
    full = tomllib.loads(config.to_toml(config.resolve("full", data={"name": "cifar10"})))
    shipped["train"]["precision"] = full["train"]["precision"]  # what "auto" had chosen on that machine
    full["train"] = {name: full["train"][name] for name in shipped["train"]}  # settings that came later are off
    assert {name: shipped[name] for name in ("model", "train", "data", "seed")} == {
        name: full[name] for name in ("model", "train", "data", "seed")
    }
