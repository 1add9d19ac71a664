"""What MkDocs asks while it builds the site: nothing is fetched, and links that lead out of docs/ lead into the site.

A page may link to any file of the project, as it does where it is read on a forge: ``../LOG.md`` becomes a page of the
site, ``../deploy/compose.yaml`` a file of it, both below ``source/``.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
DOCS, SOURCE = "docs", "source"
SHIM, OUR_SHIM = "https://unpkg.com/iframe-worker/shim", "assets/iframe-worker.js"
"""What search needs where the site is read from the disk: the theme would fetch it, we bring it along."""
ICON = "src/zehn/serve/page/icon.svg"
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "LOG.md", "README.md")
_LINK = re.compile(r"(\]\()(?!https?:|mailto:|#)([^)#\s]+)")


def on_files(files: Files, config: Any) -> Files:
    """Add what pages of docs/ link to outside of it, and the icon of Zehn's own page."""
    files.append(File.generated(config, "assets/icon.svg", abs_src_path=str(ROOT / ICON)))
    linked = {home for page in files.documentation_pages() for home in _homes(page) if not _is_in_docs(home)}
    for home in sorted(linked | set(PAGES)):
        if (ROOT / home).is_file():
            files.append(File.generated(config, f"{SOURCE}/{home}", abs_src_path=str(ROOT / home)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links of a page lead to where their files are in the site."""
    here = page.file.src_uri

    def replaced(link: re.Match[str]) -> str:
        return link[1] + posixpath.relpath(_place(_home(here, link[2])), posixpath.dirname(here) or ".")

    return _LINK.sub(replaced, markdown)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Let a page load from the site what the theme would load from elsewhere."""
    return output.replace(SHIM, posixpath.relpath(OUR_SHIM, posixpath.dirname(page.file.dest_uri) or "."))


def on_post_template(output_content: str, template_name: str, **_: Any) -> str:
    """Do the same for the page that says that there is no such page."""
    return output_content.replace(SHIM, f"/{OUR_SHIM}") if template_name.endswith(".html") else output_content


def _homes(page: File) -> set[str]:
    return {_home(page.src_uri, link[2]) for link in _LINK.finditer(page.content_string)}


def _home(page: str, target: str) -> str:
    """Return a link's target as a path within the project."""
    shown = page.removeprefix(f"{SOURCE}/") if page.startswith(f"{SOURCE}/") else f"{DOCS}/{page}"
    return posixpath.normpath(posixpath.join(posixpath.dirname(shown), target))


def _place(home: str) -> str:
    """Return where a file of the project is in the site."""
    return home.removeprefix(f"{DOCS}/") if _is_in_docs(home) else f"{SOURCE}/{home}"


def _is_in_docs(home: str) -> bool:
    return home.startswith(f"{DOCS}/")
