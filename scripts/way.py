"""Draw docs/images/way.svg: the way of the data through Zehn.

    python scripts/way.py

A test fails where the picture is not what this would draw, or names a module that is not there.
"""

from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "way.svg"
INK, MUTED, RULE, PAPER = "#1D2433", "#5B6472", "#C9CED6", "#FFFFFF"
ACCENT, TINT, OUTSIDE = "#0A5161", "#E7F1F3", "#F6F1EA"
WIDTH, HEIGHT = 980, 456
CELL, GAP, TALL, MARGIN = 160, 40, 84, 10
TOPS = (14, 168, 282)


@dataclass(frozen=True)
class Box:
    """One station of the way: a layer of the package, or what comes from and goes to the outside."""

    row: int
    column: int
    name: str
    lines: tuple[str, str]
    is_outside: bool = False
    plugins: str = ""
    """What of it is a folder of plug-ins, a file each."""

    @property
    def left(self) -> int:
        """Its left edge."""
        return MARGIN + self.column * (CELL + GAP)

    @property
    def top(self) -> int:
        """Its upper edge."""
        return TOPS[self.row]


BOXES = (
    Box(0, 0, "files", ("photographs, CIFAR-10,", "any folder"), is_outside=True),
    Box(0, 1, "images", ("decode, orient, resize:", "uint8 RGB, one door")),
    Box(0, 2, "datasets", ("arrays, checksums;", "training and test part"), plugins="data sets"),
    Box(0, 3, "train", ("models × objectives,", "no label; checkpoints"), plugins="models, objectives"),
    Box(0, 4, "store", ("model.h5: weights,", "ONNX graphs, statistics")),
    Box(1, 4, "codes", ("by ONNX Runtime:", "float32, (n, 10)")),
    Box(1, 3, "engines", ("nearest neighbours,", "exact, by six distances"), plugins="engines"),
    Box(1, 2, "collection", ("a user's own images:", "add, search, duplicates")),
    Box(1, 1, "cli, serve", ("zehn search; the page,", "REST, the client")),
    Box(1, 0, "hits", ("path, rank, distance,", "percentile"), is_outside=True),
    Box(2, 3, "evaluate", ("P@k, mAP, intervals,", "baselines, robustness")),
    Box(2, 2, "figures", ("every plot: arrays in,", "figures out")),
    Box(2, 1, "report", ("reads the run's folder", "and nothing else")),
    Box(2, 0, "report.pdf", ("every figure explained,", "every number stated"), is_outside=True),
)
NOTES = (
    "zehn run (pipeline) goes the upper and the lower row by stages, into one run folder, and goes on after any kill.",
    "scale does the step to codes on a cluster of workers, and keeps collections on PostgreSQL servers.",
    "Round: outside of Zehn. Square: a layer, of that name in src/zehn.",
)


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(picture(), encoding="utf-8")


def picture() -> str:
    """Return the picture as SVG, on paper of its own so that it can be read on a dark page too."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f"font-family=\"system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif\" role=\"img\">",
        "<title>The way of the data: files, images, data set, training, model; codes, engine, hits; report</title>",
        f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0 0.5 L7.5 4 L0 7.5 z" fill="{ACCENT}"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{PAPER}"/>',
        *(_box(box) for box in BOXES),
        *(_arrow(*ends) for ends in _ways()),
        *_words(),
        "</svg>",
        "",
    ]
    return "\n".join(parts)


def _box(box: Box) -> str:
    fill, radius = (OUTSIDE, TALL // 2) if box.is_outside else (TINT, 8)
    middle, weight = box.left + CELL // 2, "600"
    edge = RULE if box.is_outside else ACCENT
    rows = [_text(middle, box.top + 27, box.name, size=16, weight=weight, colour=INK if box.is_outside else ACCENT)]
    rows += [_text(middle, box.top + 48 + 17 * row, line, size=12) for row, line in enumerate(box.lines)]
    if box.plugins:
        rows.append(_text(middle, box.top + TALL + 15, f"plug-ins: {box.plugins}", size=11, colour=MUTED))
    frame = (
        f'<rect x="{box.left}" y="{box.top}" width="{CELL}" height="{TALL}" rx="{radius}" '
        f'fill="{fill}" stroke="{edge}" stroke-width="1.2"/>'
    )
    return "\n".join([frame, *rows])


def _ways() -> list[tuple[tuple[float, float], ...]]:
    """Return the corners of every arrow."""
    at = {box.name: box for box in BOXES}
    middle = TALL / 2
    ways: list[tuple[tuple[float, float], ...]] = []
    for first, then in pairwise(BOXES[:5]):  # to the right
        ways.append(((first.left + CELL, first.top + middle), (then.left - 3, then.top + middle)))
    for row in (BOXES[5:10], BOXES[10:]):  # to the left
        for first, then in pairwise(row):
            ways.append(((first.left, first.top + middle), (then.left + CELL + 3, then.top + middle)))
    store, codes, images = at["store"], at["codes"], at["images"]
    engines, evaluate = at["engines"], at["evaluate"]
    ways.append(((store.left + 110, store.top + TALL), (codes.left + 110, codes.top - 3)))
    turn = images.top + TALL + 32
    start, end = images.left + CELL // 2, codes.left + 40
    ways.append(((start, images.top + TALL), (start, turn), (end, turn), (end, codes.top - 3)))
    ways.append(((engines.left + 20, engines.top + TALL), (evaluate.left + 20, evaluate.top - 3)))
    return ways


def _arrow(*corners: tuple[float, float]) -> str:
    points = " ".join(f"{x:g},{y:g}" for x, y in corners)
    return f'<polyline points="{points}" fill="none" stroke="{ACCENT}" stroke-width="1.6" marker-end="url(#tip)"/>'


def _words() -> list[str]:
    images, codes = BOXES[1], BOXES[5]
    below, last = images.top + TALL + 48, TOPS[-1] + TALL + 38
    said = [
        _text(
            images.left + CELL / 2 + 8, below, "images of a collection, queries", size=12, colour=MUTED, anchor="start"
        ),
        _text(codes.left + 102, codes.top - 40, "the model", size=12, colour=MUTED, anchor="end"),
    ]
    for row, note in enumerate(NOTES):
        said.append(_text(MARGIN, last + 20 * row, note, size=12.5, colour=MUTED, anchor="start"))
    return said


def _text(
    x: float, y: float, words: str, *, size: float, weight: str = "400", colour: str = INK, anchor: str = "middle"
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )


if __name__ == "__main__":
    main()
