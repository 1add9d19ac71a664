"""Write docs/reference/licences.md: the licence of every package that Zehn and its extras bring.

    python scripts/licences.py

read from the metadata of what is installed. A test fails where a package has come that is not on the page, or one whose
licence would bind those who use Zehn.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "licences.md"
EXTRAS = ("train", "report", "parquet", "serve", "scale")
PERMITTED = re.compile(
    r"0BSD|Apache|Artistic|BSD|CC0|HPND|ISC|MIT|MPL|Mozilla|PSF|Python|Unlicense|Zlib|zlib|LGPL|Lesser", re.IGNORECASE
)
"""Words of licences that let anybody use a package unchanged in any program. (LGPL and MPL bind changes to the package
itself alone, and none is changed here.)"""
_PREFIX = "License :: "


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """Return the page as markdown."""
    rows = [f"| {name} | {', '.join(extras) or '`zehn`'} | {licence(name)} |" for name, extras in packages().items()]
    head = [
        "# Licences of the dependencies",
        "",
        "What `pip install 'zehn[all]'` brings, with the licence that each package states in its metadata; written by",
        "`make docs-licences` and checked by a test. Zehn itself is under the MIT licence. Tools for development are",
        "not listed. `make sbom` writes a software bill of materials (CycloneDX).",
        "",
        "| package | comes with | licence |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *rows, ""])


def packages() -> dict[str, list[str]]:
    """Return every package that Zehn brings here, directly or not, by name, with the extras that bring it alone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = _closure(project["dependencies"])
    found: dict[str, list[str]] = {name: [] for name in own}
    for extra in EXTRAS:
        for name in _closure(project["optional-dependencies"][extra]) - own:
            found.setdefault(name, []).append(f"`{extra}`")
    return dict(sorted(found.items()))


def licence(name: str) -> str:
    """Return what a package's metadata say of its licence, in one line."""
    stated = distribution(name).metadata.json
    if expression := stated.get("license_expression"):
        return str(expression)
    classifiers = [one.rpartition(" :: ")[2] for one in stated.get("classifier", []) if one.startswith(_PREFIX)]
    words = next((line.strip() for line in str(stated.get("license", "")).splitlines() if line.strip()), "")
    named = sorted(set(classifiers) - {"OSI Approved"})
    return ", ".join(named) or words.replace("|", "/")


def _closure(needed: list[str]) -> set[str]:
    """Return all packages that some requirements bring on this machine, and what these bring."""
    found: set[str] = set()
    waiting, seen = [(Requirement(text), "") for text in needed], set[tuple[str, str]]()
    while waiting:
        asked, by_extra = waiting.pop()
        if asked.marker is not None and not asked.marker.evaluate({"extra": by_extra}):
            continue
        name = _canonical(asked.name)
        package = _distribution(name)
        for extra in ("", *asked.extras):
            if package is not None and (name, extra) not in seen:
                seen.add((name, extra))
                found.add(name)
                waiting += [(Requirement(text), extra) for text in package.requires or []]
    return found


def _distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
