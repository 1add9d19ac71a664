"""Write docs/reference/settings.md and docs/reference/names.md: every setting, and what can be named in them.

    python scripts/settings.py

Both come from the dataclasses that hold the defaults and from the docstrings beside their fields. A test fails where a
page is not what this would write.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from zehn import augment, config, distances, distort, plugins
from zehn.config import PRESETS, Config

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
SETTINGS, NAMES = REFERENCE / "settings.md", REFERENCE / "names.md"
_WIDTH = 120
_WORDS = {int: "whole number", float: "number", str: "text", bool: "`true` or `false`"}
_PLURALS = {int: "whole numbers", float: "numbers", str: "texts", Any: "values"}
_FLAGS = {
    "data.name": "--dataset",
    "train.device": "--device",
    "train.start": "--from",
    "train.objectives": "--objective",
    "model.source": "--model",
    "query.query_ids": "--ids",
    "query.distances": "--distances",
    "seed": "--seed",
    "preset": "--preset",
}
"""Settings that have a flag of their own."""
_SETTINGS_HEAD = """# Settings

Every setting of a run by the name that `--set` takes; written by `make docs-commands` from `zehn.config` and checked by
a test. `--set train.epochs=12` may be repeated; the value is TOML, and a bare word is text: `--set data.name=digits`,
`--set 'robust.noise=[0.05, 0.1]'`. A file for `--config` holds the same, by section:

```toml
seed = 3

[train]
epochs = 12
objectives = {contrastive = 1.0, denoising = 20.0}
```

What counts, the weakest first: the defaults below, the preset, the file, `--set` and other flags. Objectives that are
given replace those there are, all of them; other tables are mixed entry by entry. What came of it is kept in the run,
as `config.toml`. `zehn.Autoencoder` takes the sections that training reads: `settings={"train": {"batch_size": 128}}`.
Objectives, architectures, distances, data sets and engines, with their options, are on [the page of names](names.md).
"""
_NAMES_HEAD = """# Objectives, architectures, distances, data sets, engines

All that can be named in [settings](settings.md) and commands, with what it takes; written by `make docs-commands` from
the files of `src/zehn` and checked by a test. Where a method comes from (paper, equation) is told in its file. A wrong
name is answered with the nearest right one. Models that ship have names too: [`cifar10`](../models/cifar10.md),
[`cifar10-robust`](../models/cifar10-robust.md), [`cifar10-reconstruction`](../models/cifar10-reconstruction.md)."""
_KINDS = {
    "objectives": (
        "Objectives",
        "What training minimises: `--objective NAME=WEIGHT`, or `train.objectives` (and `robust.objectives`), a table "
        "of names and weights. Options: `--set train.objective_options.contrastive.temperature=0.1`. Objectives that "
        "compare views share them: there are as many as the most demanding one asks for. Yours: "
        "[an objective](../howto/objective.md).",
    ),
    "models": (
        "Architectures",
        "`model.architecture`, or `architecture=` of `zehn.Autoencoder`. Options: `--set model.options.n_read=256`. "
        "Yours: [an architecture](../howto/architecture.md).",
    ),
    "datasets": (
        "Data sets",
        "`--dataset`, `data.name` or `zehn.load_dataset`; `auto` is `cifar10` where it can be had, else `digits`. "
        'Options are given in Python: `zehn.load_dataset("folder:photos", options={"fit": "pad"})`. Yours: '
        "[a data set](../howto/dataset.md).",
    ),
    "engines": (
        "Engines",
        "What keeps a collection and answers its queries; the address of the collection chooses. Options are given in "
        "Python, to `zehn.engines.create` and `zehn.engines.connect`. Yours: [an engine](../howto/engine.md).",
    ),
}
_DISTANCES_HEAD = (
    "`--distance`, or `query.distances` for what a run compares; smaller is nearer, ties go by id. A code without a "
    "direction (cosine: all zero; correlation: all numbers equal) is at 1 from every other. Yours: "
    "[a distance](../howto/distance.md)."
)
_VIEWS_HEAD = (
    "How the views differ that objectives compare: `train.augment`, such as `--set train.augment.least_area=0.25`. Of "
    "the defaults below, a run changes those that [`train.augment`](settings.md#train) names."
)
_CORRUPTIONS_HEAD = (
    "For measuring alone, no training sees them: what a run's old and new model are asked with at `robust.severities`, "
    "1 to 5 (CIFAR-10-C, Hendrycks and Dietterich, arXiv 1903.12261): "
)


class Field(NamedTuple):
    """A field of a dataclass, as it is shown."""

    name: str
    meaning: str
    kind: Any
    default: Any


def main() -> None:
    """Write both pages."""
    SETTINGS.write_text(settings(), encoding="utf-8")
    NAMES.write_text(names(), encoding="utf-8")


def settings() -> str:
    """Return the page of the settings as markdown."""
    top = [one for one in fields(Config) if not dataclasses.is_dataclass(one.kind)]
    parts = [_SETTINGS_HEAD + "\n" + _filled(_described(config, "PRESETS")), "## Of the run", _settings_table(top, "")]
    for one in fields(Config):
        if dataclasses.is_dataclass(one.kind):
            parts += _section(one.kind, one.default, one.name)
    return "\n\n".join(parts) + "\n"


def names() -> str:
    """Return the page of all that can be named as markdown."""
    parts = [_NAMES_HEAD]
    for kind, (title, use) in _KINDS.items():
        parts += [f"## {title}", _filled(use)]
        for name in plugins.names(kind):
            parts += _plugin(kind, name)
    parts += ["## Distances", _filled(_DISTANCES_HEAD), _distances_table()]
    parts += ["## Views", _filled(_VIEWS_HEAD), _options_table(list(fields(augment.Options)))]
    kinds = ", ".join(f"`{name}`" for name in distort.CORRUPTIONS)
    parts += ["## Corruptions", _filled(f"{_CORRUPTIONS_HEAD}{kinds}.")]
    return "\n\n".join(parts) + "\n"


def fields(kind: type[Any], given: Any = None) -> Iterator[Field]:
    """Yield the fields of a dataclass, with their defaults or the values of one that is given."""
    hints, said = get_type_hints(kind), meanings(kind)
    for one in dataclasses.fields(kind):
        default = one.default if one.default_factory is MISSING else one.default_factory()
        yield Field(one.name, said.get(one.name, ""), hints[one.name], getattr(given, one.name, default))


def meanings(kind: type[Any]) -> dict[str, str]:
    """Return the docstrings that stand below the fields of a dataclass."""
    tree = ast.parse(inspect.getsource(sys.modules[kind.__module__]))
    [body] = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__]
    return _docstrings(body)


def _docstrings(body: list[ast.stmt]) -> dict[str, str]:
    found = {}
    for node, following in pairwise(body):
        if isinstance(node, ast.AnnAssign) and isinstance(following, ast.Expr):
            found[ast.unparse(node.target)] = _prose(ast.literal_eval(following.value))
    return found


def _described(module: ModuleType, name: str) -> str:
    return _docstrings(ast.parse(inspect.getsource(module)).body)[name]


def _section(kind: type[Any], given: Any, path: str) -> list[str]:
    """Return a section of the settings, then those within it."""
    all_of_it = list(fields(kind, given))
    own = [one for one in all_of_it if not dataclasses.is_dataclass(one.kind)]
    parts = [f"{'#' * (path.count('.') + 2)} {path}", _filled(kind.__doc__ or ""), _settings_table(own, f"{path}.")]
    for one in all_of_it:
        if dataclasses.is_dataclass(one.kind):
            parts += _section(one.kind, one.default, f"{path}.{one.name}")
    return parts


def _settings_table(rows: list[Field], before: str) -> str:
    lines = ["| setting | means | is | default | other presets |", "|---|---|---|---|---|"]
    for one in rows:
        path = before + one.name
        cells = [
            f"`{path}`{_flag(path)}",
            one.meaning,
            _kind(one.kind) + _bounds(path),
            _value(one.default),
            _changes(path),
        ]
        lines.append(_row(cells))
    return "\n".join(lines)


def _plugin(kind: str, name: str) -> list[str]:
    """Return what one plug-in is, and its options."""
    plugin = plugins.load(kind, name)
    weight = Config().train.objectives.get(name) if kind == "objectives" else None
    said = _first(plugin)
    if kind == "engines":
        said += f" Addresses: {', '.join(f'`{one}://…`' if one else 'a path' for one in plugin.SCHEMES)}."
    if weight is not None:
        said += f" One of the default objectives, with the weight {weight:g}."
    rows = list(fields(plugin.Options))
    return [f"### {name}", _filled(said), _options_table(rows) if rows else "No options."]


def _options_table(rows: list[Field]) -> str:
    lines = ["| option | means | is | default |", "|---|---|---|---|"]
    return "\n".join(
        lines + [_row([f"`{one.name}`", one.meaning, _kind(one.kind), _value(one.default)]) for one in rows]
    )


def _distances_table() -> str:
    said = dict(re.findall(r"^- (\w+): (.+)$", distances.__doc__ or "", re.MULTILINE))
    return "\n".join(
        ["| distance | of codes u and v |", "|---|---|", *(_row([f"`{n}`", said[n]]) for n in distances.names())]
    )


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") or " " for cell in cells) + " |"


def _flag(path: str) -> str:
    return f" (`{_FLAGS[path]}`)" if path in _FLAGS else ""


def _kind(kind: Any) -> str:
    """Return a type in words."""
    if get_origin(kind) is tuple:
        return f"list of {_PLURALS[get_args(kind)[0]]}"
    if get_origin(kind) is Mapping:
        return f"table of {_PLURALS.get(get_args(kind)[1], 'tables')} by name"
    return _WORDS[kind]


def _bounds(path: str) -> str:
    section, _, name = path.partition(".")
    least, most = (bounds.get(section, {}).get(name) for bounds in (config._LEAST, config._MOST))
    if most is not None:
        return f", {least:g} to {most:g}" if least is not None else f", at most {most:g}"
    return f", from {least:g}" if least is not None else ""


def _changes(path: str) -> str:
    """Return what presets make of a setting."""
    section, _, name = path.partition(".")
    found = {preset: changes.get(section, {}).get(name) for preset, changes in PRESETS.items()}
    return ", ".join(f"{preset} {_value(value)}" for preset, value in found.items() if value is not None)


def _value(value: Any) -> str:
    return f"`{_toml(value)}`" if value is not MISSING else "none"


def _toml(value: Any) -> str:
    """Return a value as ``--set`` takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + "}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_toml(one) for one in value)}]"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _first(module: ModuleType) -> str:
    return _prose((module.__doc__ or "").partition("\n")[0])


def _filled(text: str) -> str:
    wrapper = textwrap.TextWrapper(_WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n\n".join(wrapper.fill(part) for part in _prose(text).split("\n\n"))


def _prose(text: str) -> str:
    """Return a docstring as markdown in one line a paragraph."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


if __name__ == "__main__":
    main()
