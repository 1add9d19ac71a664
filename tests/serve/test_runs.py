"""What a run folder tells the page; nothing of it leads out of the folder."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from zehn.errors import RunError, UnknownNameError
from zehn.serve import runs
from zehn.store import Run

from .conftest import MakeRun


@pytest.fixture
def told(make_run: MakeRun) -> Run:
    """A run with a report, figures and the history of a training."""
    run = make_run()
    run.write_json(
        "run.json", {"dataset": "digits", "preset": "smoke", "seed": 3, "started": "2026-01-31T12:00:00+00:00"}
    )
    headline = [{"name": "P@10", "value": "0.5 (0.4–0.6)", "mean": 0.5}]
    run.write_json("report.json", {"headline": headline, "verdict": "It is good.", "dataset": "Digits"})
    (run.path / "report.pdf").write_bytes(b"%PDF")
    scores = {"euclidean": {"P@10": {"mean": 0.5, "low": 0.4, "high": 0.6}, "ms_per_query": 0.1}}
    query = {"scores": scores, "overlap": {"euclidean": {"euclidean": 1.0}}, "recommendation": "Use it."}
    run.write_json("query/query.json", query)
    epoch = {"epoch": 1, "seconds": 2.0, "train": {"loss": 1.0}, "validation": None, "learning_rate": 0.1}
    run.write_json("train/history.json", {"epochs": [epoch], "best_epoch": 1})
    for name in ("check/umap", "check/odd_one", "query/hits_cosine", "evolve/evolution", "query/cover"):
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / f"{name}.png").write_bytes(b"png")
    run.mark_done("query", "inputs", 4.0)
    return run


def test_summary(told: Run) -> None:
    summary = runs.summary(told)
    assert summary["name"] == "run"
    assert (summary["dataset"], summary["preset"], summary["seed"]) == ("Digits", "smoke", 3)
    assert summary["headline"] == [{"name": "P@10", "value": "0.5 (0.4–0.6)"}]
    assert summary["verdict"] == "It is good."
    assert summary["has_report"]
    stages = {stage["name"]: stage for stage in summary["stages"]}
    assert list(stages) == ["data", "evolve", "train", "check", "query", "robust", "report"]
    assert (stages["query"]["done"], stages["query"]["seconds"]) == (True, 4.0)
    assert (stages["evolve"]["done"], stages["evolve"]["seconds"]) == (False, None)
    json.dumps(summary, allow_nan=False)


def test_history(told: Run) -> None:
    (part,) = runs.history(told)["parts"]
    assert (part["name"], part["best_epoch"]) == ("train", 1)
    (epoch,) = part["epochs"]
    assert epoch == {
        "epoch": 1,
        "seconds": 2.0,
        "train": {"loss": 1.0},
        "validation": None,
        "test": None,
        "distorted": None,
    }
    told.write_json("robust/train/history.json", {"epochs": [{"epoch": 1}], "best_epoch": None})
    assert [part["name"] for part in runs.history(told)["parts"]] == ["train", "robust"]


def test_comparison(told: Run) -> None:
    compared = runs.comparison(told)
    assert compared["distances"] == ["euclidean"]
    assert compared["scores"]["euclidean"]["P@10"]["mean"] == 0.5
    assert compared["recommendation"] == "Use it."
    told.begin("query")
    assert runs.comparison(told) == {"distances": [], "scores": {}, "overlap": {}, "recommendation": ""}


def test_figures_of_the_stages_that_are_done(told: Run) -> None:
    found = runs.figures(told)
    assert [(one.name, one.title) for one in found] == [
        ("check-umap.png", "A map of the test codes"),
        ("check-odd_one.png", "Odd one"),
        ("query-cover.png", "Queries and their hits"),
        ("query-hits_cosine.png", "Hits by cosine distance"),
    ]
    assert runs.file(told, "check-umap.png") == told.path / "check/umap.png"
    assert runs.file(told, "report.pdf") == told.path / "report.pdf"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "check/umap.png",
        "../run/report.pdf",
        "/etc/passwd",
        "report.json",
        "evolve-evolution.png",
        "stages.json",
    ],
)
def test_no_other_file_is_given(told: Run, name: str) -> None:
    with pytest.raises(UnknownNameError, match="unknown file of the run"):
        runs.file(told, name)


def test_a_link_is_no_figure(told: Run, place: Path) -> None:
    (place / "secret.png").write_bytes(b"secret")
    (told.path / "check" / "linked.png").symlink_to(place / "secret.png")
    with pytest.raises(UnknownNameError, match="unknown file of the run"):
        runs.file(told, "check-linked.png")


def test_nothing_is_given_that_a_link_leads_to(told: Run, place: Path) -> None:
    (place / "secret").mkdir()
    for name in ("secret.png", "secret/umap.png"):
        (place / name).write_bytes(b"secret")
    (told.path / "report.pdf").unlink()
    (told.path / "report.pdf").symlink_to(place / "secret.png")
    for path in (told.path / "query").iterdir():
        path.unlink()
    (told.path / "query").rmdir()
    (told.path / "query").symlink_to(place / "secret")
    assert not runs.summary(told)["has_report"]
    assert [one.name for one in runs.figures(told)] == ["check-umap.png", "check-odd_one.png"]
    for name in ("report.pdf", "query-umap.png"):
        with pytest.raises(UnknownNameError, match="unknown file of the run"):
            runs.file(told, name)


def test_a_link_within_the_run_is_followed(told: Run, place: Path) -> None:
    (told.path / "check" / "again.png").symlink_to("umap.png")
    (place / "alias").symlink_to(told.path)
    with Run.create(place / "alias") as run:
        assert runs.file(run, "check-again.png").read_bytes() == b"png"


@pytest.mark.parametrize("stem", ["übung—x", 'a"b', "a\r\nSet-Cookie: b", "a b"])
def test_names_that_are_no_part_of_a_header_are_no_figures(told: Run, stem: str) -> None:
    (told.path / "check" / f"{stem}.png").write_bytes(b"png")
    assert not [one for one in runs.figures(told) if stem in one.name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("run.json", {"seed": "many"}),
        ("run.json", {"seed": [1]}),
        ("run.json", {"seed": float("1e400")}),
        ("report.json", {"headline": [{"value": "0.5"}]}),
        ("report.json", {"headline": 3}),
        ("stages.json", {"version": 1, "stages": {"check": "done"}}),
    ],
)
def test_what_no_run_writes_is_damage_and_leaves_out_that_run_alone(
    told: Run,
    make_run: MakeRun,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: object,
) -> None:
    monkeypatch.setattr(logging.getLogger("zehn.serve"), "propagate", True)
    sound = make_run("sound")
    (told.path / name).write_text(json.dumps(value))
    with pytest.raises(RunError, match="is damaged"):
        runs.summary(told)
    assert [one["name"] for one in runs.summaries([told, sound])] == ["sound"]
    assert [line.getMessage() for line in caplog.records] == ["a run cannot be read"]


def test_histories_and_comparisons_that_no_run_writes(told: Run) -> None:
    (told.path / "train/history.json").write_text('{"epochs": [1]}')
    with pytest.raises(RunError, match="is damaged"):
        runs.history(told)
    (told.path / "query/query.json").write_text('{"scores": 1}')
    with pytest.raises(RunError, match="is damaged"):
        runs.comparison(told)


def test_a_run_that_was_just_begun(place: Path) -> None:
    with Run.create(place / "new") as run:
        assert runs.summary(run)["headline"] == []
        assert runs.history(run) == {"parts": []}
        assert runs.comparison(run)["distances"] == []
        assert runs.figures(run) == []
        with pytest.raises(UnknownNameError, match="there are: none"):
            runs.file(run, "report.pdf")


def test_a_damaged_file_is_said_to_be_so(told: Run) -> None:
    (told.path / "report.json").write_text("{")
    with pytest.raises(RunError, match=r"cannot read .*report.json"):
        runs.summary(told)
