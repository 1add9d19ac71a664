"""The first page: what this is, a picture, the verdict, the headline figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zehn.measures.names import HEADLINE
from zehn.report.document import Cell, Picture, Table, Text, Title, strong
from zehn.report.facts import Facts
from zehn.report.gallery import Gallery
from zehn.report.prose import robustness, verdict
from zehn.report.prose.measures import GENERAL, RETRIEVAL
from zehn.report.wording import Interval, bounds, breakable, count, duration, mean, plural

_N_DIGITS = 3
"""Of a measure of retrieval."""
_RECONSTRUCTION = (("mse", "test MSE", 4), ("psnr", "PSNR, dB", 2), ("ssim", "SSIM", 3))
_PICTURES = (
    ("query/cover", "Queries (left) and the nearest of all images to each by their codes, nearest first."),
    ("check/reconstructions", "The first test images above what their codes are decoded to."),
    ("data/samples", "Images of the training set."),
)
_TICKED = " Framed and ticked: of the query's class."
_WORDS = {
    2: "Two",
    3: "Three",
    4: "Four",
    5: "Five",
    6: "Six",
    7: "Seven",
    8: "Eight",
    9: "Nine",
    10: "Ten",
    12: "Twelve",
}


def build(facts: Facts, gallery: Gallery) -> Title:
    """Return the first page of a run's report."""
    identity = facts.identity
    n_components = facts.n_components
    number = _WORDS.get(n_components, str(n_components)) if n_components else "A few"
    meta = [
        breakable(facts.dataset),
        f"preset {identity.get('preset', '–')}",
        f"seed {facts.seed}",
        f"{facts.started:%d %B %Y}",
    ]
    return Title(
        kicker="Zehn · report of a run",
        title=f"{number} numbers for every image",
        subtitle=_subtitle(facts),
        meta=meta,
        alarm=_alarm(facts),
        picture=_picture(facts, gallery),
        verdict=_verdict(facts),
        table=_table(facts.evaluation) if facts.evaluation else None,
        facts=_counts(facts),
        definitions=(*RETRIEVAL, *GENERAL) if facts.class_names else GENERAL,
    )


def headline(facts: Facts) -> list[dict[str, Any]]:
    """Return the headline figures as ``report.json`` holds them: name, value as text, and mean, low and high."""
    evaluation = facts.evaluation
    if not evaluation:
        return [{"name": name, "value": value} for name, value in _counts(facts)]
    intervals = [(name, evaluation["protocols"]["main"].get(name), _N_DIGITS) for name in HEADLINE]
    intervals += [(title, evaluation["reconstruction"].get(name), digits) for name, title, digits in _RECONSTRUCTION]
    rows = [
        {"name": name, "value": f"{mean(interval, digits)} ({bounds(interval, digits)})", **interval}
        for name, interval, digits in intervals
        if interval
    ]
    rows += robustness.headline(facts.robust) if facts.robust else []
    return [*rows, *({"name": name, "value": value} for name, value in _counts(facts))]


def _subtitle(facts: Facts) -> str:
    data = facts.data
    n_images = f"{count(data['n_train'])} " if data else ""
    how = "What an autoencoder learnt" if facts.source is None else "What an autoencoder makes"
    return f"{how} from {n_images}{breakable(facts.images)} without labels, and what its codes find"


def _alarm(facts: Facts) -> Text:
    if facts.stands_in:
        notes = " ".join((facts.data or {}).get("notes", ()))
        return [strong(f"{facts.dataset}, not CIFAR-10. "), breakable(notes)]
    if facts.missing:
        return [strong("An unfinished run. "), f"Missing: {', '.join(facts.missing)}. What there is follows."]
    return []


def _picture(facts: Facts, gallery: Gallery) -> Picture | None:
    for stem, caption in _PICTURES:
        path = gallery.find(stem)
        if path is not None:
            ticked = _TICKED if stem == _PICTURES[0][0] and facts.class_names else ""
            return Picture("fig:cover", path, [caption + ticked], caption)
    return None


def _verdict(facts: Facts) -> Text:
    evaluation = facts.evaluation
    if not evaluation:
        return ["The run has not been evaluated: no figure says how good its codes are."]
    told = [verdict.retrieval_verdict(evaluation), verdict.reconstruction_verdict(evaluation)]
    told += [robustness.summarize(facts.robust)] if facts.robust else []
    return [" ".join(filter(None, told))]


def _table(evaluation: Mapping[str, Any]) -> Table | None:
    """Set the model beside the baselines, a row for each measure."""
    own, baselines = evaluation["protocols"]["main"], evaluation.get("baselines") or {}
    shown = [verdict.pca_name(evaluation), verdict.PIXELS, verdict.UNTRAINED, verdict.CHANCE]
    others = {name: baselines[name] for name in shown if baselines.get(name)}
    rows = [_row(name, name, _N_DIGITS, own[name], others) for name in HEADLINE if own.get(name)]
    n_retrieval = len(rows)
    rows += [
        _row(title, name, digits, interval, others)
        for name, title, digits in _RECONSTRUCTION[: 1 if rows else None]
        if (interval := evaluation["reconstruction"].get(name))
    ]
    if not rows:
        return None
    head = ["", f"this model, {evaluation['distance']}", *others]
    return Table("tab:headline", [], head, rows, ruled=[n_retrieval] if 0 < n_retrieval < len(rows) else [])


def _row(title: str, name: str, digits: int, interval: Interval, others: Mapping[str, Any]) -> list[Cell | str]:
    own = Cell(mean(interval, digits), bounds(interval, digits), strong=True)
    return [title, own, *(mean(scores.get(name), digits) for scores in others.values())]


def _counts(facts: Facts) -> list[tuple[str, str]]:
    """Return what else the first page tells: size, time, speed."""
    model = (facts.evaluation or {}).get("model") or {}
    n_parameters = model.get("n_parameters") or sum(layer["n_parameters"] for layer in facts.layers or ())
    history, scores = facts.history or {}, (facts.query or {}).get("scores", {})
    times = [values["ms_per_query"] for values in scores.values() if values.get("ms_per_query")]
    n_epochs = len(history.get("epochs", ()))
    training = f"{plural(n_epochs, 'epoch')}, {duration(history.get('seconds'))}"
    rows = [
        ("architecture", facts.architecture if facts.layers else ""),
        ("parameters", count(n_parameters) if n_parameters else ""),
        ("training, unfinished" if facts.unfinished else "training", training if n_epochs else ""),
        ("a query takes", f"{min(times):.2f} ms" if times else ""),
    ]
    return [(name, value) for name, value in rows if value]
