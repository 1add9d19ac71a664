"""Draw the figures of docs/tutorials from a finished run and from the model that ships.

    python scripts/figures.py runs/cifar10-robust

writes ``docs/images/course/*.webp`` and the README's ``docs/images/hits.webp``. A run draws its figures itself; they
are only made small enough for the web. Drawn anew are those on distances and on what single numbers do, from the
distances and the model, and the README's: of the run's queries the first of each class, so that nobody picks the fine
ones.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from zehn import codes, config, datasets, distances, figures, store
from zehn.figures import style

PLACE = Path(__file__).resolve().parent.parent / "docs" / "images" / "course"
DRAWN_BY_THE_RUN = {
    "samples": "data/samples.png",
    "ladder": "evolve/evolution.png",
    "architecture": "train/architecture.png",
    "training": "robust/training.png",
    "reconstructions": "check/reconstructions.png",
    "pairplot": "check/pairplot.png",
    "umap": "check/umap.png",
    "hits": "query/hits_euclidean.png",
    "precision": "query/precision.png",
    "overlap": "query/overlap.png",
    "distortions": "robust/distortions.png",
    "robustness": "robust/curves.png",
    "corruptions": "robust/corruptions.png",
    "tilted": "robust/queries_perspective.png",
}
N_HITS = 4
"""Of each query in the README's figure."""
MOST_WIDE = 1_400
"""Pixels; twice what a page of the site is wide."""
STEPS = np.linspace(-1.0, 1.0, 11)
GRID = np.linspace(-2.0, 2.0, 201)


def main() -> None:
    """Draw all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--out", type=Path, default=PLACE, help="where to (default: docs/images/course)")
    given = parser.parse_args()
    draw(store.Run.open(given.run), given.out)


def draw(run: store.Run, out: Path) -> list[Path]:
    """Write every figure whose source the run holds, and return their paths."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, source in DRAWN_BY_THE_RUN.items():
        if run.has(source):
            written.append(publish((run.path / source).read_bytes(), out / f"{name}.webp"))
    if run.has("query/query.json"):
        written.append(publish(figures.render(hits(run), "png"), out.parent / "hits.webp"))
    model = store.load_model(run.path / "train" / "model.h5")
    own: dict[str, Callable[[store.Model], Figure]] = {"neighbourhoods": neighbourhoods, "numbers": numbers}
    for name, drawn in own.items():
        written.append(publish(figures.render(drawn(model), "png"), out / f"{name}.webp"))
    return written


def publish(png: bytes, path: Path) -> Path:
    """Write a picture as WebP, no wider than a page needs."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    if picture.width > MOST_WIDE:
        picture = picture.resize(
            (MOST_WIDE, round(picture.height * MOST_WIDE / picture.width)), Image.Resampling.LANCZOS
        )
    picture.save(path, quality=82, method=6)
    return path


def hits(run: store.Run) -> Figure:
    """Draw one query of each class and its nearest images, from a run and the whole data set that it asked."""
    asked = run.read_json("query/query.json")
    data = datasets.load(config.read(run.path / "config.toml").data.name)
    places = first_of_each(asked["queries"])
    queries = [asked["queries"][place] for place in places]
    found = [asked["hits"]["euclidean"][place][:N_HITS] for place in places]
    query_images = data.images[[query["id"] for query in queries]]
    hit_images = np.stack([data.images[[hit["id"] for hit in row]] for row in found])
    return figures.hits(queries, found, query_images, hit_images, distance="euclidean", class_names=data.class_names)


def first_of_each(queries: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the places of each class's first query, in the order of the classes."""
    first: dict[int, int] = {}
    for place, query in enumerate(queries):
        first.setdefault(query["label"], place)
    return [first[label] for label in sorted(first)]


@mpl.rc_context(style.STYLE)
def neighbourhoods(model: store.Model) -> Figure:
    """Draw which codes of two numbers are equally far from one, by each distance; mahalanobis by the model's codes."""
    figure = Figure(figsize=(style.TEXT_WIDTH, 4.6), layout="constrained")
    pair = np.argsort(np.diag(model.code_covariance))[-2:]
    covariance = model.code_covariance[np.ix_(pair, pair)]
    covariance = covariance / np.diag(covariance).mean()
    query = np.array([[1.0, 0.5]])
    x, y = np.meshgrid(GRID, GRID)
    plane = np.stack([x.ravel(), y.ravel()], axis=1)
    for axes, name in zip(figure.subplots(2, 3).ravel(), distances.names(), strict=False):
        axes.set_title(name)
        axes.set(aspect="equal", xticks=[-2, 0, 2], yticks=[-2, 0, 2])
        if name == "correlation":
            style.clear(axes)
            why = "as cosine, once each code's\nmean is taken from its\nnumbers: three or more\nare needed to see it"
            axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes, color=style.MUTED)
            continue
        found = distances.between(name, query, plane, np.zeros(2), covariance).reshape(x.shape)
        levels = np.quantile(found, [0.03, 0.1, 0.2, 0.35, 0.55, 0.8])
        axes.contourf(x, y, found, levels=[found.min(), *levels], cmap="GnBu_r", alpha=0.55)
        axes.contour(x, y, found, levels=levels, colors=style.ACCENT, linewidths=0.8)
        axes.plot(*query[0], marker="o", color=style.SIGNAL, markersize=5)
    return figure


@mpl.rc_context(style.STYLE)
def numbers(model: store.Model) -> Figure:
    """Draw what the decoder paints from the mean code with one number moved, a row for each number."""
    spread = np.sqrt(np.diag(model.code_covariance))
    moved = np.repeat(model.code_mean[None, None], len(spread), axis=0).repeat(len(STEPS), axis=1)
    for number, deviation in enumerate(spread):
        moved[number, :, number] += STEPS * deviation
    shape = (len(spread), len(STEPS))
    painted = codes.decode(model, moved.reshape(-1, len(spread)).astype(np.float32))
    cell = style.TEXT_WIDTH / (len(STEPS) + 0.6)
    figure = Figure(figsize=(style.TEXT_WIDTH, cell * (len(spread) + 0.5)))
    for position, image in enumerate(painted):
        row, column = divmod(position, shape[1])
        left, top = (0.55 + column) * cell, (0.4 + row) * cell
        width, height = figure.get_size_inches()
        axes = figure.add_axes(
            (left / width, 1 - (top + 0.94 * cell) / height, 0.94 * cell / width, 0.94 * cell / height)
        )
        axes.imshow(image, interpolation="lanczos")
        style.clear(axes)
        if row == 0:
            axes.set_title(
                f"{STEPS[column]:+.1f} σ" if STEPS[column] else "mean",
                loc="center",
                fontsize=style.SMALL,
                fontweight="normal",
                pad=3,
            )
        if column == 0:
            axes.text(-0.18, 0.5, str(row + 1), ha="right", va="center", transform=axes.transAxes, color=style.MUTED)
    return figure


if __name__ == "__main__":
    main()
