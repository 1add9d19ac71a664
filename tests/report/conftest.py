"""A synthetic run folder with every file that a pipeline run writes, made in a second or two, without training."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zehn import figures, store

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DISTANCES = ("euclidean", "cosine", "manhattan", "chebyshev", "mahalanobis", "correlation")
_TINY = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c494441"
    "54789c636868680000030401814bd3d2100000000049454e44ae426082"
)
"""A PNG of one dot."""
STAGES = ("data", "evolve", "train", "check", "query", "robust")


@dataclass
class RunMaker:
    """Writes run folders; what is random follows from a fixed seed."""

    path: Path
    stages: Sequence[str] = STAGES
    class_names: Sequence[str] = CLASS_NAMES
    n_epochs: int = 3
    n_components: int = 4
    n_queries: int = 4
    distances: Sequence[str] = DISTANCES
    dataset: str = "cifar10"
    asked: str = "auto"
    notes: Sequence[str] = ()
    skipped: Sequence[dict[str, str]] = ()
    warnings: Sequence[dict[str, Any]] = ()
    n_train: int = 300
    n_test: int = 100
    severities: Sequence[int] = (1, 3, 5)
    draw: bool | None = None
    """Draw real figures, none, or (None) write a tiny picture in the place of each."""
    quality: float = 0.288
    gpu: str | None = None
    command: str = "zehn run --preset quick --out runs/synthetic"
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def make(self) -> store.Run:
        """Write the folder and return the run."""
        with store.Run.create(self.path) as run:
            self.run = run
            self.images = _images(self.n_train + self.n_test, self.rng)
            self.labels = np.arange(self.n_train + self.n_test) % max(len(self.class_names), 1)
            self.codes = self._make_codes()
            self._write_identity()
            for stage in self.stages:
                getattr(self, f"_write_{stage}")()
                run.mark_done(stage, store.inputs_hash(stage), 12.5 * (1 + len(stage)))
        return run

    @property
    def labelled(self) -> bool:
        return len(self.class_names) > 0

    def _make_codes(self) -> np.ndarray:
        centres = self.rng.normal(size=(max(len(self.class_names), 1), self.n_components)) * 1.2
        noise = self.rng.normal(size=(len(self.labels), self.n_components))
        return (centres[self.labels] + noise).astype(np.float32)

    def _save(self, stem: str, draw: Callable[[], Any]) -> None:
        if self.draw:
            figures.save(draw(), self.run.path / stem)
        elif self.draw is None:
            store.write_atomically(self.run.path / f"{stem}.png", _TINY)

    def _names(self, positions: Sequence[int]) -> list[str]:
        return [self.class_names[self.labels[position]] if self.labelled else "" for position in positions]

    def _write_identity(self) -> None:
        config = f"""preset = "quick"
seed = 3

[data]
name = "{self.asked}"
image_size = 32
validation_share = 0.04

[model]
source = "train"
architecture = "residual"
n_components = {self.n_components}

[train]
epochs = {self.n_epochs}
batch_size = 256
learning_rate = 0.003

[train.objectives]
reconstruction = 1.0

[check]
n_reconstructions = 10
n_pairplot = 50

[query]
n_queries = {self.n_queries}
query_ids = []

[robust.objectives]
distillation = 1.0
reconstruction = 20.0

[robust.distort]
noise = 0.2
perspective = 0.7
"""
        store.write_atomically(self.run.path / "config.toml", config)
        self.run.write_json(
            "run.json",
            {
                "version": "0.1.0",
                "command": self.command,
                "seed": 3,
                "preset": "quick",
                "dataset": self.dataset,
                "data_dir": None,
                "started": "2026-03-14T15:09:26+00:00",
                "machine": {
                    "processor": "A processor of some kind", "cores": 2, "memory_gb": 23.4, "python": "3.11.9",
                    "gpu": self.gpu, "platform": "Linux-6.1-x86_64",
                },
                "versions": {"zehn": "0.1.0", "numpy": "2.4.6", "torch": "2.13.0", "umap-learn": "0.5.12"},
                "note": " ".join(self.notes),
            },
        )  # fmt: skip

    def _write_data(self) -> None:
        arrays = {}
        for part, start, stop in (("train", 0, self.n_train), ("test", self.n_train, self.n_train + self.n_test)):
            arrays[f"x_{part}"] = {"shape": [stop - start, 32, 32, 3], "dtype": "uint8", "min": 0, "max": 255}
            if self.labelled:
                counts = np.bincount(self.labels[start:stop], minlength=len(self.class_names))
                arrays[f"y_{part}"] = {
                    "shape": [stop - start, 1], "dtype": "int64", "min": 0, "max": len(self.class_names) - 1,
                    "class_counts": dict(zip(self.class_names, counts.tolist(), strict=True)),
                }  # fmt: skip
        self.run.write_json(
            "data/data.json",
            {
                "name": self.dataset, "origin": "synthetic images, made for a test", "n_train": self.n_train,
                "n_test": self.n_test, "class_names": list(self.class_names), "arrays": arrays,
                "checksums": {"data_batch_1": "c99cafc152244af753f735de768cd75f"},
                "skipped": list(self.skipped), "notes": list(self.notes),
            },
        )  # fmt: skip
        labels = self.labels[: self.n_train] if self.labelled else None
        self._save("data/samples", lambda: figures.samples(self.images[: self.n_train], labels, self.class_names))

    def _write_evolve(self) -> None:
        rows = (
            ("dense", 3_160_074, 21.0, 0.0291, 0.2),
            ("conv", 301_741, 44.0, 0.0262, 0.214),
            ("residual", 1_465_782, 95.0, 0.0231, 0.247),
        )
        rungs = [
            {
                "architecture": name, "n_parameters": n, "seconds": seconds, "images_per_second": 20_000 / seconds,
                "mse": mse, "P@10": self._interval(p, 0.009), "mAP@1000": self._interval(p * 0.8, 0.006),
            }
            for name, n, seconds, mse, p in rows
        ]  # fmt: skip
        names = ("P@10", "mAP@1000", "MAP@R", "20-NN accuracy")
        objectives = [
            {
                "name": name, "why": f"Why {name}.", "kept": kept, "n_seeds": 1 + (std is not None),
                "seconds": {"mean": 150.0, "std": std}, "mse": {"mean": 0.03, "std": std},
                **{measure: {"mean": value, "std": std} for measure in names},
            }
            for name, value, std, kept in (("dense", 0.25, None, True), ("+ contrastive", 0.35, 0.01, False))
        ]  # fmt: skip
        ladder = {"budget": "Each rung had 2 minutes.", "command": "python benchmarks/ladder.py", "rungs": objectives}
        budget = {"n_train": 200, "epochs": 1, "n_queries": 50}
        self.run.write_json("evolve/evolve.json", {"budget": budget, "rungs": rungs, "objectives": ladder})
        self._save("evolve/evolution", lambda: figures.evolution(rungs))

    def _write_train(self) -> None:
        history = make_history(self.n_epochs, self.warnings)
        self.run.write_json("train/history.json", history)
        layers = make_layers(self.n_components)
        self.run.write_json("train/architecture.json", layers)
        self._save("train/architecture", lambda: figures.architecture(layers))
        scalars = figures.scalars_of(history)
        self._save("train/curves", lambda: figures.training_curves(scalars, best_epoch=history["best_epoch"]))

    def _write_check(self) -> None:
        test = self.codes[self.n_train :]
        labels = self.labels[self.n_train :] if self.labelled else None
        spreads = test.std(axis=0)
        dimensions = [
            {"mean": float(m), "std": float(s), "skew": 0.12, "kurtosis": -0.3, "dead": False}
            for m, s in zip(test.mean(axis=0), spreads, strict=True)
        ]
        self.run.write_json(
            "check/check.json",
            {
                "codes": {"dimensions": dimensions, "correlations": np.corrcoef(test.T).tolist()},
                "n_codes": len(test),
                "reconstruction": self._reconstruction(),
                "pairplot_ids": list(range(min(50, len(test)))),
                "umap": None if len(test) < 12 else {
                    "trustworthiness": 0.912, "purity": 0.341 if self.labelled else None, "n_points": len(test),
                    "n_neighbors": 15, "min_dist": 0.1,
                },
            },
        )  # fmt: skip
        shown = self.images[self.n_train : self.n_train + 10]
        decoded = np.clip(shown / 255 + self.rng.normal(0, 0.08, shown.shape), 0, 1).astype(np.float32)
        captions = self._names(range(self.n_train, self.n_train + len(shown)))
        self._save("check/reconstructions", lambda: figures.reconstructions(shown, decoded, captions=captions))
        picked = None if labels is None else labels[:50]
        self._save("check/pairplot", lambda: figures.pairplot(test[:50], picked, self.class_names))
        points = test[:, :2] + self.rng.normal(0, 0.2, (len(test), 2)).astype(np.float32)
        self._save(
            "check/umap",
            lambda: figures.umap_scatter(points, labels, self.class_names, trustworthiness=0.912, purity=0.341),
        )

    def _write_query(self) -> None:
        positions = self.n_train + self.rng.choice(self.n_test, self.n_queries, replace=False)
        queries = [
            {"id": int(p), "label": self._label(p), "class_name": self._names([p])[0] or None} for p in positions
        ]
        hits = {name: [self._find(p, norm) for p in positions] for norm, name in enumerate(self.distances)}
        scores = {name: self._scores(self.quality - 0.004 * i) for i, name in enumerate(self.distances)}
        paired = [
            {
                "a": a,
                "b": b,
                "measure": measure,
                "difference": self._interval(0.004 * (j - i), 0.003),
                "p_value": 0.02 / (j - i),
            }
            for i, a in enumerate(self.distances)
            for j, b in enumerate(self.distances)
            for measure in ("P@10", "mAP@1000", "MAP@R")
            if j > i
        ]
        overlap = {
            a: {b: 1.0 if a == b else 1 / (1.3 + 0.2 * abs(i - j)) for j, b in enumerate(self.distances)}
            for i, a in enumerate(self.distances)
        }
        comparison = {
            "scores": scores, "paired": paired if self.labelled else [], "overlap": overlap,
            "recommendation": f"Use {self.distances[0]}: by P@10 it is ahead of most, and it is the cheapest.",
            "evaluation": self._evaluation(),
        }  # fmt: skip
        self.run.write_json("query/query.json", {"queries": queries, "hits": hits, **comparison})
        self._draw_query(queries, hits, comparison)

    def _draw_query(self, queries: list[dict[str, Any]], hits: dict[str, Any], comparison: dict[str, Any]) -> None:
        asked = self.images[[query["id"] for query in queries]]
        for name, found in hits.items():
            shown = np.stack([self.images[[hit["id"] for hit in column]] for column in found])
            self._save(
                f"query/hits_{name}",
                partial(figures.hits, queries, found, asked, shown, distance=name, class_names=self.class_names),
            )
            if name == self.distances[0]:
                self._save("query/cover", partial(figures.cover, queries, found, asked, shown))
        self._save(
            "query/precision", lambda: figures.precision(comparison["scores"], comparison["evaluation"]["baselines"])
        )
        self._save("query/overlap", lambda: figures.overlap(comparison["overlap"]))

    def _write_robust(self) -> None:
        history = make_retraining(self.n_epochs)
        self.run.write_json("robust/train/history.json", history)
        seen = [(kind, at) for kind, most in (("gaussian_noise", 0.2), ("perspective", 0.7)) for at in (most / 2, most)]
        unseen = [(kind, float(at)) for kind in ("gaussian_blur", "fog") for at in self.severities]
        distortions = [self._distortion(kind, at, seen=True) for kind, at in seen]
        distortions += [self._distortion(kind, at, seen=False) for kind, at in unseen]
        share = {"difference": self._interval(0.2, 0.01), "p_value": 0.0002}
        queries = [self._ask(kind) for kind in ("gaussian_noise", "perspective") for _ in range(2)]
        comparison = {
            "models": {
                which: {"name": name, "fingerprint": f"zehn-{which}", "architecture": "residual", "n_components": 4}
                for which, name in (("old", "synthetic"), ("new", "synthetic-robust"))
            },
            "dataset": {"name": self.dataset, "n_train": self.n_train, "n_test": self.n_test},
            "distance": "euclidean", "n_queries": self.n_test, "n_database": self.n_train + self.n_test,
            "clean": {
                "old": self._clean(0.871), "new": self._clean(0.870), "overlap": 0.61,
                "paired": self._pairs({"P@10": (0.871, 0.870), "psnr": (17.6, 17.6)}),
            },
            "distortions": distortions,
            "unseen": {
                "severity": 3, "old": self._interval(0.6), "new": self._interval(0.8), "paired": share,
            } if self.labelled else None,
            "queries": queries, "explanation": "It keeps more, and costs next to nothing.", "seconds": 12.0,
        }  # fmt: skip
        self.run.write_json("robust/robust.json", comparison)
        self._draw_robust(comparison, history)

    def _distortion(self, kind: str, strength: float, *, seen: bool) -> dict[str, Any]:
        kept = {"old": max(0.9 - strength, 0.02), "new": max(0.95 - strength / 10, 0.05)}
        sides: dict[str, Any] = {}
        for which, share in kept.items():
            shares = {name: self._interval(share * factor) for name, factor in (("recall@1", 0.5), ("recall@10", 0.7))}
            precision = {"P@10": share * 0.87, "P@10 kept": share}
            sides[which] = {
                **{name: self._interval(value) if self.labelled else None for name, value in precision.items()},
                **shares, "overlap": self._interval(share * 0.6), "psnr": self._interval(17 * share, 0.05),
            }  # fmt: skip
        values = {
            name: (sides["old"][name]["mean"], sides["new"][name]["mean"])
            for name in sides["old"]
            if sides["old"][name]
        }
        return {"kind": kind, "strength": strength, "seen": seen, **sides, "paired": self._pairs(values)}

    def _clean(self, precision: float) -> dict[str, Any]:
        return {"P@10": self._interval(precision) if self.labelled else None, "psnr": self._interval(17.6, 0.05)}

    def _pairs(self, values: dict[str, tuple[float, float]]) -> list[dict[str, Any]]:
        return [
            {"measure": name, "difference": self._interval(new - old, 0.002), "p_value": 0.4}
            for name, (old, new) in values.items()
            if self.labelled or not name.startswith("P@")
        ]

    def _ask(self, kind: str) -> dict[str, Any]:
        position = int(self.n_train + self.rng.choice(self.n_test))
        return {
            "id": position, "label": self._label(position), "class_name": self._names([position])[0] or None,
            "kind": kind, "strength": 0.1 if kind == "gaussian_noise" else 0.35,
            "old": self._find(position, 0), "new": self._find(position, 1),
        }  # fmt: skip

    def _draw_robust(self, comparison: dict[str, Any], history: dict[str, Any]) -> None:
        shown = self.images[:3]
        again = np.stack([shown, shown])
        self._save(
            "robust/distortions",
            lambda: figures.distortions(shown, again, again, noise=(0.1, 0.2), perspective=(0.35, 0.7)),
        )
        self._save("robust/training", lambda: figures.robust_training(history, best_epoch=self.n_epochs))
        self._save("robust/curves", lambda: figures.robustness_curves(comparison))
        self._save("robust/corruptions", lambda: figures.corruption_bars(comparison))
        for kind in ("gaussian_noise", "perspective"):
            queries = [query for query in comparison["queries"] if query["kind"] == kind]
            asked = self.images[[query["id"] for query in queries]]
            old, new = (
                np.stack([self.images[[hit["id"] for hit in query[which]]] for query in queries])
                for which in ("old", "new")
            )
            draw = partial(figures.distorted_queries, queries, asked, asked, old, new, class_names=self.class_names)
            self._save(f"robust/queries_{kind}", draw)

    def _find(self, position: int, norm: int) -> list[dict[str, Any]]:
        apart = np.linalg.norm(self.codes - self.codes[position], ord=norm + 1, axis=1)
        nearest = [int(i) for i in np.argsort(apart, kind="stable") if i != position][:10]
        return [
            {
                "id": i, "rank": rank, "distance": float(apart[i]), "label": self._label(i),
                "match": bool(self.labels[i] == self.labels[position]) if self.labelled else None,
            }
            for rank, i in enumerate(nearest, start=1)
        ]  # fmt: skip

    def _label(self, position: int) -> int | None:
        return int(self.labels[position]) if self.labelled else None

    def _interval(self, mean: float, half: float = 0.004) -> dict[str, float]:
        return {"mean": mean, "low": mean - half, "high": mean + half}

    def _scores(self, precision: float) -> dict[str, Any]:
        factors = {
            "P@1": 1.2,
            "P@5": 1.07,
            "P@10": 1,
            "P@50": 0.9,
            "P@100": 0.86,
            "mAP@1000": 0.81,
            "MAP@R": 0.5,
            "hit@10": 2.6,
            "20-NN accuracy": 1.39,
        }
        shares = {
            name: self._interval(min(precision * f, 1.0)) if self.labelled else None for name, f in factors.items()
        }
        return {**shares, "ms_per_query": 0.41}

    def _reconstruction(self) -> dict[str, Any]:
        figures_of = {
            "mse": (0.0199, 0.0003),
            "psnr": (17.62, 0.05),
            "ssim": (0.431, 0.004),
            "channel_accuracy": (0.487, 0.003),
        }
        return {name: self._interval(*values) for name, values in figures_of.items()}

    def _evaluation(self) -> dict[str, Any]:
        baselines = None
        if self.labelled:
            named = {
                "random order": 0.1,
                "raw pixels": 0.302,
                f"PCA-{self.n_components}": 0.269,
                "colour histogram": 0.201,
                "untrained encoder": 0.221,
            }
            baselines = {name: self._scores(p) for name, p in named.items()}
            baselines[f"PCA-{self.n_components}"]["mse"] = self._interval(0.0214, 0.0003)
            baselines["random order"]["ms_per_query"] = None
        return {
            "model": {
                "name": "synthetic", "fingerprint": "zehn-0123456789abcdef", "architecture": "residual",
                "n_components": self.n_components, "n_parameters": 1_465_782,
            },
            "dataset": {
                "name": self.dataset, "n_train": self.n_train, "n_test": self.n_test,
                "n_classes": len(self.class_names) or None,
            },
            "distance": self.distances[0],
            "protocols": {"main": self._scores(self.quality), "literature": self._scores(self.quality - 0.003)},
            "reconstruction": self._reconstruction(), "baselines": baselines, "classes": self._classes(),
            "codes": self._geometry(), "label_free": self._label_free(), "seconds": 33.0,
        }  # fmt: skip

    def _classes(self) -> list[dict[str, Any]] | None:
        if not self.labelled:
            return None
        rows = []
        for label, name in enumerate(self.class_names):
            quality = self.quality + 0.2 * (label / len(self.class_names) - 0.5)
            scores = {key: self._interval(quality, 0.02) for key in ("P@10", "mAP@1000", "20-NN accuracy")}
            rows.append({"label": label, "name": name, "n_queries": self.n_test // len(self.class_names), **scores})
        return rows

    def _geometry(self) -> dict[str, Any]:
        return {
            "n_codes": self.n_test, "n_components": self.n_components, "dead": [],
            "participation_ratio": self._interval(0.7 * self.n_components, 0.1),
            "rankme": self._interval(0.9 * self.n_components, 0.1), "uniformity": self._interval(-2.14, 0.05),
            "hubness": {
                "n_images": self.n_test, "k": 10, "skewness": self._interval(0.66, 0.05),
                "orphans": self._interval(0.017, 0.003), "largest": 36,
            },
        }  # fmt: skip

    def _label_free(self) -> dict[str, Any]:
        found = {
            "none": 1.0,
            "noise 0.04": 0.999,
            "noise 0.10": 0.98,
            "perspective 0.2": 0.06,
            "perspective 0.5": 0.005,
        }
        return {
            "n_queries": self.n_test, "n_database": self.n_train + self.n_test,
            "distortions": {
                name: {"recall@1": self._interval(share, 0.001), "alignment": self._interval(2 * (1 - share), 0.001)}
                for name, share in found.items()
            },
            "verdict": "fine", "explanation": "No dimension is dead, and so on.",
        }  # fmt: skip


def make_history(n_epochs: int, warnings: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return a history as training writes it."""
    epochs = []
    for epoch in range(1, n_epochs + 1):
        loss = 0.02 + 0.04 / epoch
        splits = {
            split: {
                "loss": loss * factor, "mse": loss * factor, "psnr": -10 * np.log10(loss * factor),
                "channel_accuracy": 0.4 + 0.09 * (1 - 1 / epoch),
            }
            for split, factor in (("train", 1.0), ("validation", 1.03), ("test", 1.04))
        }  # fmt: skip
        epochs.append(
            {
                "epoch": epoch,
                **splits,
                "learning_rate": 0.003 * np.sin(np.pi * epoch / (n_epochs + 1)),
                "images_per_second": 1180.0,
                "seconds": 40.7,
            }
        )
    return {
        "epochs": epochs, "best_epoch": n_epochs, "warnings": list(warnings), "precision": "float32", "device": "cpu",
        "seconds": 40.7 * n_epochs, "start": "scratch", "interrupted": False,
    }  # fmt: skip


def make_retraining(n_epochs: int) -> dict[str, Any]:
    """Return a history as a training with distorted images writes it, with what was there before as epoch 0."""
    history = make_history(n_epochs)
    before = {**history["epochs"][0], "epoch": 0, "train": None, "distortion": None}
    for entry in history["epochs"]:
        entry["distortion"] = {"share": 0.1 * entry["epoch"], "strength": entry["epoch"] / n_epochs}
    entries = [before, *history["epochs"]]
    for entry in entries:
        entry["test"], entry["distorted"] = None, {**entry["validation"], "psnr": 11.0 + entry["epoch"]}
    return {**history, "epochs": entries, "start": "zehn-old"}


def make_layers(n_components: int = 10) -> list[dict[str, Any]]:
    """Return layers as ``models.describe`` lists them, for a small residual network."""
    encoder = [
        ("Conv2d", (32, 16, 16), 896), ("ResidualBlock", (32, 16, 16), 18_528), ("SiLU", (32, 16, 16), 0),
        ("Conv2d", (64, 8, 8), 18_496), ("ResidualBlock", (64, 8, 8), 73_920), ("Flatten", (4096,), 0),
        ("Linear", (n_components,), 4097 * n_components),
    ]  # fmt: skip
    decoder = [
        ("Linear", (4096,), 4096 * (n_components + 1)), ("Unflatten", (64, 8, 8), 0),
        ("ResidualBlock", (64, 8, 8), 73_920), ("PixelShuffle", (16, 16, 16), 0), ("Conv2d", (12, 16, 16), 1_740),
        ("PixelShuffle", (3, 32, 32), 0), ("Crop", (3, 32, 32), 0),
    ]  # fmt: skip
    halves = {"encoder": encoder, "decoder": decoder}
    return [
        {"half": half, "name": f"body.{i}", "kind": kind, "shape": list(shape), "n_parameters": n}
        for half, layers in halves.items()
        for i, (kind, shape, n) in enumerate(layers)
    ]


def _images(n_images: int, rng: np.random.Generator) -> np.ndarray:
    """Return real CIFAR-10 images where they are on disk, else smooth random ones."""
    for folder in os.environ.get("ZEHN_DATA", "").split(os.pathsep):
        batch = Path(folder) / "cifar-10-batches-py" / "test_batch"
        if folder and batch.is_file():
            with batch.open("rb") as file:
                data = pickle.load(file, encoding="latin1")["data"]
            return data[:n_images].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy()
    return rng.integers(0, 256, (n_images, 8, 8, 3), dtype=np.uint8).repeat(4, axis=1).repeat(4, axis=2)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., store.Run]:
    """Return a function that writes a synthetic run folder, as :class:`RunMaker` is told to."""
    return lambda **options: RunMaker(**{"path": tmp_path / "run", **options}).make()
