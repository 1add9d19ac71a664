"""Write tests/public_names.txt: every public name of Zehn and of its public modules, with members and signatures.

    python scripts/public_names.py

A test fails where the file is not what this would write, so that no name or signature changes by accident.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import zehn
from zehn import errors

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "public_names.txt"
HEAD = "Public names of Zehn, written by `make public-names` and checked by tests/test_public.py."
MODULES: Mapping[str, tuple[str, ...]] = {
    "zehn.codes": ("Codes", "read"),
    "zehn.distances": ("Distance", "names", "get", "between", "ranked", "base_distances"),
    "zehn.distort": ("gaussian_noise", "projective", "corrupt"),
    "zehn.engines": ("Engine", "NewRecord", "Record", "Neighbors", "Index", "create", "connect", "exists"),
    "zehn.images": ("read_image", "read_square", "resize", "resize_all", "as_float", "as_uint8", "check_images"),
    "zehn.measures": (
        "Interval", "Resamples", "average_precision_at", "hit_at", "interval", "knn_accuracy", "map_at_r", "mse",
        "overlap", "paired", "precision_at", "psnr", "ssim",
    ),
    "zehn.models": ("Encoder", "Decoder", "build"),
    "zehn.objectives": ("Step", "build"),
    "zehn.scale.encoding": ("Encoded", "Options", "encode", "load"),
    "zehn.train": ("train",),
    "zehn.train.ranks": ("Ranks", "joined"),
}  # fmt: skip
"""What is public of modules that users and plug-ins import: what the pages of the reference show of them."""
_NOT_SHOWN = ("__post_init__", "__getattr__", "__dir__")


def main() -> None:
    """Write the file."""
    GOLDEN.write_text(text(), encoding="utf-8")


def text() -> str:
    """Return all public names, a block each: those of ``zehn``, the errors, those of modules."""
    blocks = ["\n".join(_described("zehn", name, getattr(zehn, name))) for name in zehn.__all__]
    known = (value for _, value in sorted(vars(errors).items()) if inspect.isclass(value))
    blocks += ["\n".join(f"zehn.errors.{_class_line(one)}" for one in known if one.__module__ == errors.__name__)]
    for module, names in MODULES.items():
        home = import_module(module)
        blocks += ["\n".join(_described(module, name, getattr(home, name))) for name in names]
    return "\n\n".join([HEAD, *blocks]) + "\n"


def _described(module: str, name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        yield f"{module}.{_class_line(value)}"
        seen: set[str] = set()
        for one in value.__mro__:
            if one.__module__.startswith("zehn."):
                members = list(_members(one))
                yield from (f"    {line}" for member, line in members if member not in seen)
                seen.update(member for member, _ in members)
    elif inspect.isfunction(value):
        yield f"{module}.{name}{_signature(_found(value), value)}"
    else:
        yield f"{module}.{name}: {type(value).__name__}"


def _class_line(one: type) -> str:
    bases = ", ".join(base.__name__ for base in one.__bases__ if base is not object)
    return f"{one.__name__}({bases})" if bases else one.__name__


def _members(one: type) -> Iterator[tuple[str, str]]:
    """Yield the fields, attributes, properties and methods that a class itself has, in the order of its source."""
    for node in _found(one).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and _is_public(node.target.id):
            known = isinstance(node.value, ast.Name | ast.Attribute)
            written = repr(getattr(one, node.target.id)) if known else node.value and ast.unparse(node.value)
            default = f" = {written}" if written else ""
            yield node.target.id, f"{node.target.id}: {ast.unparse(node.annotation)}{default}"
        if isinstance(node, ast.FunctionDef) and _is_public(node.name):
            kinds = [ast.unparse(decorator) for decorator in node.decorator_list]
            signature = _signature(node, getattr(one, node.name))
            yield node.name, f"{''.join(f'@{kind} ' for kind in kinds)}{node.name}{signature}"
            if node.name == "__init__":
                yield from ((name, name) for name in _attributes(node))


def _attributes(made: ast.FunctionDef) -> list[str]:
    """Return the public names that are given to ``self``."""
    given = (node for node in ast.walk(made) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store))
    return [node.attr for node in given if ast.unparse(node.value) == "self" and _is_public(node.attr)]


def _is_public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name not in _NOT_SHOWN)


def _signature(node: Any, function: Any) -> str:
    """Return a signature with annotations as they are written, and with the values of defaults, whatever names them."""
    given = node.args
    if given.defaults or any(given.kw_defaults):
        known = inspect.signature(function).parameters
        by_place = [*given.posonlyargs, *given.args]
        given.defaults = [_default(known, one) for one in by_place[len(by_place) - len(given.defaults) :]]
        pairs = zip(given.kwonlyargs, given.kw_defaults, strict=True)
        given.kw_defaults = [default and _default(known, one) for one, default in pairs]
    return f"({ast.unparse(given)}) -> {ast.unparse(node.returns) if node.returns else 'None'}"


def _default(known: Mapping[str, inspect.Parameter], argument: ast.arg) -> ast.Name:
    return ast.Name(repr(known[argument.arg].default))


def _found(value: Any) -> Any:
    """Return what defines a class or function, as it is written: annotations at run time may be decorated."""
    tree = ast.parse(Path(sys.modules[value.__module__].__file__ or "").read_text("utf-8"))
    return next(node for node in tree.body if getattr(node, "name", None) == value.__name__)


if __name__ == "__main__":
    main()
