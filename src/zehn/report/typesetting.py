"""From a document to a PDF, by Typst.

The document reaches the template as a JSON file, whose strings Typst never reads as markup; pictures are copied under
names made here. Nothing is fetched: the template uses no packages, the sans-serif is matplotlib's copy of DejaVu Sans,
the serif and the typewriter face are those inside Typst. The same document and date give the same bytes.
"""

from __future__ import annotations

import shutil
from datetime import datetime
from importlib.resources import as_file, files
from pathlib import Path

import matplotlib as mpl

from zehn.errors import RunError
from zehn.figures import style
from zehn.plugins import require
from zehn.report.document import Document, pictures, to_plain
from zehn.store import to_json, writing

_TEMPLATE = "report.typ"
_THEME = {
    "ink": style.INK, "muted": style.MUTED, "rule": style.RULE, "wash": style.WASH, "accent": style.ACCENT,
    "signal": style.SIGNAL,
}  # fmt: skip


def typeset(document: Document, folder: Path, moment: datetime) -> bytes:
    """Return a document as the bytes of a PDF.

    Args:
        document: what to set.
        folder: an empty folder to work in.
        moment: the date of creation that the file bears.

    Raises:
        MissingExtraError: typst is not installed.
        RunError: a picture cannot be read, or Typst refuses.

    """
    typst = require("typst", "report")
    with writing(folder), as_file(files("zehn.report") / "templates") as templates:
        for template in Path(templates).glob("*.typ"):
            shutil.copy(template, folder)
        names = _copy_pictures(document, folder)
        plain = {"theme": _THEME, **to_plain(document, names)}
        (folder / "document.json").write_text(to_json(plain), encoding="utf-8")
    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    try:
        return typst.compile(
            folder / _TEMPLATE, root=folder, font_paths=[fonts], ignore_system_fonts=True, timestamp=moment
        )
    except typst.TypstError as error:
        raise RunError(f"the report cannot be set: {error.message}; is a picture in the run folder damaged?") from error


def _copy_pictures(document: Document, folder: Path) -> dict[Path, str]:
    names: dict[Path, str] = {}
    for picture in pictures(document):
        if picture.path not in names:
            names[picture.path] = f"picture-{len(names)}{picture.path.suffix}"
            shutil.copy(picture.path, folder / names[picture.path])
    return names
