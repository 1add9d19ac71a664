from __future__ import annotations

import importlib
from dataclasses import is_dataclass
from typing import Any

import pytest

from zehn import plugins
from zehn.errors import ConfigError, MissingExtraError, UnknownNameError

KINDS = ("datasets", "engines", "models", "objectives")


@pytest.mark.parametrize("kind", KINDS)
def test_every_plugin_is_a_file_with_frozen_options(kind: str) -> None:
    found = plugins.names(kind)
    assert found
    for name in found:
        options: Any = plugins.load(kind, name).Options
        assert options.__dataclass_params__.frozen
        assert is_dataclass(options)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_plugin_is_named_with_the_closest(kind: str) -> None:
    close = plugins.names(kind)[0]
    with pytest.raises(UnknownNameError, match=f"did you mean '{close}'"):
        plugins.load(kind, close + "x")


def test_options_of_the_wrong_name_or_type_are_refused() -> None:
    conv = plugins.load("models", "conv")
    with pytest.raises(UnknownNameError, match="unknown option of conv 'nonsense'"):
        plugins.options(conv, {"nonsense": 1})


def test_a_missing_module_names_its_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'zehn\[train\]'"):
        plugins.require("no_such_module_at_all", "train")


def test_a_module_that_fails_for_another_reason_is_not_called_missing(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str) -> None:
        raise ImportError("no libfoo", name="libfoo")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(ImportError, match="no libfoo") as caught:
        plugins.require("torch", "train")
    assert not isinstance(caught.value, MissingExtraError)


def test_config_error_is_a_value_error() -> None:
    assert issubclass(ConfigError, ValueError)
