"""Filters such as ``label = 'cat' and width >= 640``: SQL conditions over a few columns, values apart from the text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zehn.errors import ConfigError

COLUMNS: Mapping[str, type] = {
    "label": str, "path": str, "added": str, "mtime": str,
    "id": int, "width": int, "height": int, "size": int,
}  # fmt: skip
"""What a filter may speak of, and whether it is text or a number."""

_LONGEST = 10_000
_MOST_TERMS = 500
"""SQLite cannot go deeper than 1,000."""
_OPERATORS = {"EQ": "=", "NEQ": "<>", "GT": ">", "GTE": ">=", "LT": "<", "LTE": "<=", "Like": "LIKE"}
_PARTS = ("this", "expression", "expressions", "low", "high", "negate")
_ALLOWED = (
    "a filter is made of =, <>, <, <=, >, >=, [not] in (…), [not] like, [not] between … and, is [not] null, and, or, "
    f"not and parentheses over {', '.join(sorted(COLUMNS))}, numbers and 'text' in single quotes; such as "
    "label = 'cat' and width >= 640"
)


@dataclass(frozen=True)
class Condition:
    """A filter as SQL, with a placeholder for every value."""

    sql: str
    values: list[str | int | float]


@dataclass
class _Writer:
    columns: Mapping[str, str]
    placeholders: Mapping[type, str]
    like: str
    values: list[str | int | float] = field(default_factory=list)


def read(
    where: str, columns: Mapping[str, str], placeholders: Mapping[type, str], *, like: str = "({0} LIKE {1})"
) -> Condition:
    """Translate a filter for one engine.

    Args:
        where: What the user wrote.
        columns: The SQL expression of each of :data:`COLUMNS`.
        placeholders: What stands for a bound text (``str``) and a bound number (``int``).
        like: How the engine says LIKE as SQLite means it, of two terms.

    Raises:
        ConfigError: what is no filter, or speaks of anything but columns and values; the message says what is allowed.

    """
    # imported here: sqlglot takes a fifth of a second, and most searches have no filter
    from sqlglot import errors, exp

    if len(where) > _LONGEST:
        raise ConfigError(f"expected a filter of at most {_LONGEST:,} characters, came {len(where):,}; shorten it")
    writer = _Writer(columns, placeholders, like)
    try:
        tree = exp.condition(where)
        n_terms = 1 + sum(1 for _ in tree.find_all(exp.And, exp.Or))
        if n_terms > _MOST_TERMS:
            raise ConfigError(
                f"expected a filter of at most {_MOST_TERMS} conditions, came {n_terms:,}; write x in (1, 2, 3) for "
                "x = 1 or x = 2 or x = 3"
            )
        return Condition(_condition(tree, writer, where), writer.values)
    except (errors.SqlglotError, ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise _refusal(where, "that cannot be read") from error


def _condition(node: Any, writer: _Writer, where: str) -> str:
    kind = type(node).__name__
    # whatever else the library read into a node would be lost in silence: "symmetric", a subquery, …
    unknown = [name for name, value in node.args.items() if value and name not in _PARTS]
    if unknown or kind not in _CONDITIONS:
        raise _refusal(where, f"{node.sql()!r} is no condition of that kind")
    sql = _CONDITIONS[kind](node, writer, where)
    return f"(NOT {sql})" if node.args.get("negate") else sql


def _paren(node: Any, writer: _Writer, where: str) -> str:
    return _condition(node.this, writer, where)


def _not(node: Any, writer: _Writer, where: str) -> str:
    return f"(NOT {_condition(node.this, writer, where)})"


def _both(node: Any, writer: _Writer, where: str) -> str:
    word = type(node).__name__.upper()
    # a long chain of "and" is a deep tree to the left: it is walked, not recursed into
    parts = [_condition(part, writer, where) for part in node.flatten()]
    return "(" + f" {word} ".join(parts) + ")"


def _comparison(node: Any, writer: _Writer, where: str) -> str:
    operator = _OPERATORS[type(node).__name__]
    left, right = node.this, node.expression
    kind = _kind(left, where) if _is_column(left) else _kind(right, where)
    if operator == "LIKE" and kind is not str:
        raise _refusal(where, f"like is for text, {left.sql()} is a number")
    terms = _term(left, kind, writer, where), _term(right, kind, writer, where)
    return writer.like.format(*terms) if operator == "LIKE" else f"({terms[0]} {operator} {terms[1]})"


def _in(node: Any, writer: _Writer, where: str) -> str:
    kind = _kind(node.this, where)
    if not node.expressions:
        raise _refusal(where, f"{node.sql()!r} lists nothing")
    column = _term(node.this, kind, writer, where)
    return f"({column} IN ({', '.join(_term(value, kind, writer, where) for value in node.expressions)}))"


def _between(node: Any, writer: _Writer, where: str) -> str:
    kind = _kind(node.this, where)
    parts = [_term(part, kind, writer, where) for part in (node.this, node.args["low"], node.args["high"])]
    return f"({parts[0]} BETWEEN {parts[1]} AND {parts[2]})"


def _is(node: Any, writer: _Writer, where: str) -> str:
    if type(node.expression).__name__ != "Null":
        raise _refusal(where, f"{node.sql()!r} is no condition of that kind")
    return f"({_term(node.this, _kind(node.this, where), writer, where)} IS NULL)"


_CONDITIONS: dict[str, Callable[[Any, _Writer, str], str]] = {
    **dict.fromkeys(_OPERATORS, _comparison),
    "Paren": _paren, "Not": _not, "And": _both, "Or": _both, "In": _in, "Between": _between, "Is": _is,
}  # fmt: skip


def _is_column(node: Any) -> bool:
    return type(node).__name__ == "Column"


def _kind(node: Any, where: str) -> type:
    """Return whether a column is text or a number."""
    if not _is_column(node):
        raise _refusal(where, f"{node.sql()!r} is no column")
    name = node.name.lower()
    if name not in COLUMNS or node.table:
        hint = f"; text goes in single quotes: '{node.name}'" if node.this.args.get("quoted") else ""
        raise _refusal(where, f"there is no column {node.sql()}{hint}")
    return COLUMNS[name]


def _term(node: Any, kind: type, writer: _Writer, where: str) -> str:
    """Write a column or a value of a kind."""
    if _is_column(node):
        if _kind(node, where) is not kind:
            raise _refusal(where, f"{node.name} is compared with another kind of value")
        return writer.columns[node.name.lower()]
    value = _value(node, where)
    if isinstance(value, str) is not (kind is str):
        wanted = "text in single quotes" if kind is str else "a number"
        raise _refusal(where, f"expected {wanted}, came {node.sql()}")
    writer.values.append(value)
    return writer.placeholders[kind]


def _value(node: Any, where: str) -> str | int | float:
    kind = type(node).__name__
    if kind == "Neg":
        inner = _value(node.this, where)
        if isinstance(inner, str):
            raise _refusal(where, f"{node.sql()!r} is no value")
        return -inner
    if kind != "Literal":
        raise _refusal(where, f"{node.sql()!r} is no value")
    if node.is_string:
        return str(node.this)
    number = float(node.this)
    # SQL's whole numbers end at 64 bits; beyond them a float is as good for a comparison
    return int(node.this) if node.is_int and abs(number) < 2**62 else number


def _refusal(where: str, why: str) -> ConfigError:
    shown = where if len(where) <= 80 else where[:77] + "…"
    return ConfigError(f"cannot filter by {shown!r}: {why}; {_ALLOWED}")
