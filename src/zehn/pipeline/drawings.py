"""The figures of each stage: what they need out of the run, and where in its folder they go."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from zehn import codes, distort, evaluate, figures, measures, models
from zehn.evaluate.projection import project
from zehn.pipeline.workshop import LOGS_PATH, Workshop

_N_PURITY_NEIGHBORS = 10
_N_DISTORTED = 4
"""Test images that are shown in every way that they are distorted."""
_LEAST_MAPPED = _N_PURITY_NEIGHBORS + 2
"""Codes below which there is no map: their neighbourhoods would be the whole."""


def draw_samples(workshop: Workshop) -> None:
    """A few images of each class."""
    dataset = workshop.dataset
    labels = None if dataset.y_train is None else dataset.y_train.ravel()
    _save(workshop, "data/samples", figures.samples(dataset.x_train, labels, dataset.class_names, seed=workshop.seed))


def draw_evolution(workshop: Workshop, rungs: Sequence[Mapping[str, Any]]) -> None:
    """The rungs of the ladder side by side."""
    _save(workshop, "evolve/evolution", figures.evolution(rungs))


def draw_architecture(workshop: Workshop) -> None:
    """The picture of both halves of the model, and its layers as JSON."""
    model = workshop.model
    layers = [dataclasses.asdict(layer) for layer in models.describe(codes.to_network(model))]
    workshop.run.write_json("train/architecture.json", layers)
    title = f"{model.architecture}, {model.n_components} latent neurons"
    _save(workshop, "train/architecture", figures.architecture(layers, title=title))


def draw_curves(workshop: Workshop, best_epoch: int | None) -> None:
    """The training curves, from the TensorBoard logs."""
    from zehn.train import read_scalars

    scalars = read_scalars(workshop.run.path / LOGS_PATH)
    _save(workshop, "train/curves", figures.training_curves(scalars, best_epoch=best_epoch))


def draw_reconstructions(workshop: Workshop, test_codes: Float32[np.ndarray, "n d"]) -> None:
    """The first test images above their reconstructions."""
    dataset, n_shown = workshop.dataset, workshop.config.check.n_reconstructions
    shown = dataset.x_test[:n_shown]
    decoded = codes.decode(workshop.model, test_codes[:n_shown])
    captions = [_class_name(workshop, dataset.n_train + position) for position in range(len(shown))]
    _save(workshop, "check/reconstructions", figures.reconstructions(shown, decoded, captions=captions))


def draw_pairplot(workshop: Workshop, test_codes: Float32[np.ndarray, "n d"]) -> list[int]:
    """The pairplot of a seeded choice of test codes; returns their positions in the test set."""
    chosen = _choose(workshop, len(test_codes), workshop.config.check.n_pairplot)
    labels = _test_labels(workshop)
    picked = None if labels is None else labels[chosen]
    _save(workshop, "check/pairplot", figures.pairplot(test_codes[chosen], picked, workshop.dataset.class_names))
    return [int(position) for position in chosen]


def draw_map(workshop: Workshop, test_codes: Float32[np.ndarray, "n d"]) -> dict[str, Any] | None:
    """The UMAP of the test codes; returns its trustworthiness and purity, None with too few codes for a map."""
    settings, labels = workshop.config.check, _test_labels(workshop)
    if len(test_codes) < _LEAST_MAPPED:
        return None
    workshop.say.line("check: projecting the test codes (UMAP)")
    chosen = _choose(workshop, len(test_codes), settings.n_mapped)
    mapped, names = test_codes[chosen], None if labels is None else labels[chosen]
    points = project(mapped, n_neighbors=settings.n_neighbors, min_dist=settings.min_dist, seed=workshop.seed)
    codes.write(
        workshop.run.path / "check/umap.npz",
        points,
        ids=chosen + workshop.dataset.n_train,
        labels=names,
        fingerprint=workshop.model.fingerprint,
    )
    trust = measures.trustworthiness(mapped, points, min(settings.n_neighbors, len(points) // 3))
    purity = None if names is None else float(np.mean(measures.neighbor_purity(points, names, _N_PURITY_NEIGHBORS)))
    drawn = figures.umap_scatter(points, names, workshop.dataset.class_names, trustworthiness=trust, purity=purity)
    _save(workshop, "check/umap", drawn)
    return {"trustworthiness": trust, "purity": purity, "n_points": len(points), **dataclasses.asdict(settings)}


def draw_query(workshop: Workshop, asked: Mapping[str, Any], comparison: Mapping[str, Any]) -> None:
    """The hits by each distance, the precision of each distance beside the baselines, and their overlap."""
    pictures, class_names = workshop.dataset.images, workshop.dataset.class_names
    query_images = pictures[[query["id"] for query in asked["queries"]]]
    for name, hits in asked["hits"].items():
        hit_images = np.stack([pictures[[hit["id"] for hit in found]] for found in hits])
        _save(
            workshop,
            f"query/hits_{name}",
            figures.hits(asked["queries"], hits, query_images, hit_images, distance=name, class_names=class_names),
        )
        if name == next(iter(asked["hits"])):
            _save(workshop, "query/cover", figures.cover(asked["queries"], hits, query_images, hit_images))
    _save(workshop, "query/precision", figures.precision(comparison["scores"], comparison["evaluation"]["baselines"]))
    _save(workshop, "query/overlap", figures.overlap(comparison["overlap"]))


def draw_robustness(workshop: Workshop, robust: Mapping[str, Any], history: Mapping[str, Any]) -> None:
    """The distortions, the retraining, both models over the strengths and corruptions, and the hits of both."""
    noise, perspective = workshop.config.robust.noise, workshop.config.robust.perspective
    shown = workshop.dataset.x_test[:_N_DISTORTED]
    noised = _distorted(shown, distort.gaussian_noise, noise, workshop.seed)
    projected = _distorted(shown, distort.projective, perspective, workshop.seed)
    drawn = figures.distortions(shown, noised, projected, noise=noise, perspective=perspective)
    _save(workshop, "robust/distortions", drawn)
    _save(workshop, "robust/training", figures.robust_training(history, best_epoch=history["best_epoch"]))
    _save(workshop, "robust/curves", figures.robustness_curves(robust))
    _save(workshop, "robust/corruptions", figures.corruption_bars(robust))
    if robust["queries"]:
        _draw_distorted_queries(workshop, robust["queries"], evaluate.shown_queries(workshop.dataset, dict(robust)))


def _distorted(
    images: UInt8[np.ndarray, "n h w 3"], generate: Callable[..., Any], strengths: Sequence[float], seed: int
) -> UInt8[np.ndarray, "s n h w 3"]:
    """Return the same images distorted at each strength."""
    rows = [next(generate(images, strength, seed=seed, batch_size=len(images)))[0] for strength in strengths]
    return np.stack(rows) if rows else np.empty((0, *images.shape), np.uint8)


def _draw_distorted_queries(
    workshop: Workshop, asked: Sequence[Mapping[str, Any]], distorted: UInt8[np.ndarray, "n h w 3"]
) -> None:
    """A figure for each way that the queries were distorted in."""
    pictures, names = workshop.dataset.images, workshop.dataset.class_names
    for kind in dict.fromkeys(query["kind"] for query in asked):
        rows = [place for place, query in enumerate(asked) if query["kind"] == kind]
        queries = [asked[row] for row in rows]
        old, new = (
            np.stack([pictures[[hit["id"] for hit in query[which]]] for query in queries]) for which in ("old", "new")
        )
        clean = pictures[[query["id"] for query in queries]]
        drawn = figures.distorted_queries(queries, clean, distorted[rows], old, new, class_names=names)
        _save(workshop, f"robust/queries_{kind}", drawn)


def _choose(workshop: Workshop, n_codes: int, n_most: int) -> Int64[np.ndarray, " n"]:
    """Return a seeded choice of positions, ascending; all of them where there are no more."""
    return np.sort(np.random.default_rng(workshop.seed).choice(n_codes, min(n_most, n_codes), replace=False))


def _save(workshop: Workshop, stem: str, figure: Any) -> None:
    figures.save(figure, workshop.run.path / stem)


def _test_labels(workshop: Workshop) -> Int64[np.ndarray, " n"] | None:
    labels = workshop.dataset.labels
    return None if labels is None else labels[workshop.dataset.n_train :]


def _class_name(workshop: Workshop, position: int) -> str:
    labels, names = workshop.dataset.labels, workshop.dataset.class_names
    return "" if labels is None else names[int(labels[position])]
