"""What each stage of a run does. A stage reads what earlier stages wrote and writes into its own folder."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np

from zehn import codes, datasets, evaluate, measures, store
from zehn.pipeline.robust import robust
from zehn.pipeline.training import climb_ladder, train_model
from zehn.pipeline.workshop import CODES_PATH, MODEL_PATH, Workshop

__all__ = ["check", "data", "evolve", "query", "report", "robust", "train"]


def data(workshop: Workshop) -> None:
    """Describe the data set and draw samples of it."""
    from zehn.pipeline import drawings

    workshop.run.write_json("data/data.json", datasets.describe(workshop.dataset))
    drawings.draw_samples(workshop)


def evolve(workshop: Workshop) -> None:
    """Train each architecture of the ladder under the same small budget and score it."""
    from zehn.pipeline import drawings

    evolution = climb_ladder(workshop)
    workshop.run.write_json("evolve/evolve.json", evolution)
    drawings.draw_evolution(workshop, evolution["rungs"])


def train(workshop: Workshop) -> None:
    """Train the model (or take the one named), save it as HDF5, and draw its picture and its training curves."""
    from zehn.pipeline import drawings

    if workshop.given_model is None:
        history = train_model(workshop)
        drawings.draw_curves(workshop, history["best_epoch"])
    else:
        shutil.rmtree(workshop.run.path / "train", ignore_errors=True)
        store.save_model(workshop.run.path / MODEL_PATH, workshop.given_model)
    workshop.forget("model")
    drawings.draw_architecture(workshop)


def check(workshop: Workshop) -> None:
    """Encode every image, then look at reconstructions, at the codes' statistics, and at their map."""
    from zehn.pipeline import drawings

    dataset, model = workshop.dataset, workshop.model
    values = codes.encode(model, dataset.images, device=workshop.config.train.device, progress=workshop.say.advance)
    path = workshop.run.path / CODES_PATH
    codes.write(path, values, ids=np.arange(len(values)), labels=dataset.labels, fingerprint=model.fingerprint)
    workshop.forget("codes")
    test_codes = values[dataset.n_train :]
    drawings.draw_reconstructions(workshop, test_codes)
    workshop.run.write_json(
        "check/check.json",
        {
            "codes": measures.summarize_codes(test_codes),
            "n_codes": len(test_codes),
            "pairplot_ids": drawings.draw_pairplot(workshop, test_codes),
            "umap": drawings.draw_map(workshop, test_codes),
        },
    )


def query(workshop: Workshop) -> None:
    """Ask twenty test images of all images by every distance, score the distances, and draw the hits."""
    from zehn.pipeline import drawings

    asked = _ask(workshop)
    comparison = _compare(workshop)
    workshop.run.write_json("query/query.json", {**asked, **comparison})
    drawings.draw_query(workshop, asked, comparison)


def report(workshop: Workshop) -> None:
    """Write the report from what is in the run folder."""
    from zehn.report import write_report

    write_report(workshop.run)


def _ask(workshop: Workshop) -> dict[str, Any]:
    settings, dataset, labels = workshop.config.query, workshop.dataset, workshop.dataset.labels
    chosen = np.array(_choose_queries(workshop), dtype=np.int64) + dataset.n_train
    queries = [
        {
            "id": int(position),
            "label": None if labels is None else int(labels[position]),
            "class_name": None if labels is None else dataset.class_names[int(labels[position])],
        }
        for position in chosen
    ]
    hits = {
        name: evaluate.hits(workshop.codes, labels, chosen, distance=name, n_hits=settings.n_hits, model=workshop.model)
        for name in settings.distances
    }
    return {"queries": queries, "hits": hits}


def _choose_queries(workshop: Workshop) -> list[int]:
    """Return the positions in the test set that are asked about: those named, or a seeded choice."""
    named, n_test = workshop.config.query.query_ids, workshop.dataset.n_test
    n_queries = min(workshop.config.query.n_queries, n_test)
    seeded = np.random.default_rng(workshop.seed).choice(n_test, n_queries, replace=False)
    return list(named) or [int(position) for position in np.sort(seeded)]


def _compare(workshop: Workshop) -> dict[str, Any]:
    settings, dataset = workshop.config.query, workshop.dataset
    ids = np.arange(len(workshop.codes))
    n_scored = min(settings.n_scored or dataset.n_test, dataset.n_test)
    comparison = evaluate.compare_distances(
        workshop.codes,
        dataset.labels,
        ids[dataset.n_train : dataset.n_train + n_scored],
        ids,
        names=settings.distances,
        n_train=dataset.n_train,
        model=workshop.model,
        n_resamples=settings.n_resamples,
        seed=workshop.seed,
        progress=workshop.say.advance,
    )
    evaluation = evaluate.evaluate(
        workshop.model,
        dataset,
        codes=workshop.codes,
        n_resamples=settings.n_resamples,
        seed=workshop.seed,
        progress=workshop.say.advance,
    )
    return {**comparison, "evaluation": evaluation}
