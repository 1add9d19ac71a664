from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pypdf
import pytest

from zehn import store
from zehn.errors import MissingExtraError, RunError
from zehn.report import write_report
from zehn.report.facts import gather
from zehn.report.sections import missing

STAGES = ("data", "evolve", "train", "check", "query")
MakeRun = Callable[..., store.Run]


def read(path: Path) -> str:
    """Return the text of a PDF on one line, without the marks that let words break."""
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    return " ".join(text.replace("\u200b", "").replace("\u00a0", " ").replace("\u00ad", "").split())


def read_pages(path: Path) -> list[str]:
    """Return the text of every page of a PDF."""
    return [page.extract_text() for page in pypdf.PdfReader(path).pages]


def test_a_whole_run_becomes_a_whole_report(make_run: MakeRun) -> None:
    run = make_run(draw=True, n_components=3)
    path = write_report(run)
    assert path == run.path / "report.pdf"
    text = read(path)
    for title in (
        "Contents",
        "1 Data",
        "2 Model",
        "3 Training",
        "4 Sanity checks",
        "5 Querying",
        "6 Class by class",
        "7 Without labels",
        "8 Robust search",
        "A Making this run again",
    ):
        assert title in text
    assert "Three numbers for every image" in text
    assert "Missing" not in text
    n_pictures = 8 + 6 + 6  # samples, architecture … and the hits by six distances, and those of robust search
    assert all(f"Figure {number}" in text for number in range(1, n_pictures + 1))
    for word in ("zehn-0123456789abcdef", "c99cafc152244af753f735de768cd75f", "2.13.0", "A processor of some kind"):
        assert word in text


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        (None, "with as many threads, it gives the same weights, codes and figures, bit for bit"),
        ("H200", "what the GPU adds in no fixed order"),
    ],
)
def test_the_report_says_what_differs_across_machines(gpu: str | None, expected: str, make_run: MakeRun) -> None:
    text = read(write_report(make_run(gpu=gpu)))
    assert expected in text
    assert "Another processor, another number of threads, a GPU or other versions add in another order" in text


@pytest.mark.parametrize("n_sentences", [1, 9])
def test_distances_and_baselines_fill_two_pages(n_sentences: int, make_run: MakeRun) -> None:
    run = make_run(n_components=10, n_queries=20)
    for name in ("overlap", "precision"):
        (run.path / "query" / f"{name}.png").unlink()  # so that they are drawn in their true shape
    sentence = "By P@10 it is ahead of four others by more than chance, and none is cheaper to compute. "
    run.write_json("query/query.json", run.read_json("query/query.json") | {"recommendation": sentence * n_sentences})
    pages = read_pages(write_report(run))
    first = next(index for index, page in enumerate(pages) if "Twenty queries" in page and "Contents" not in page)
    last = next(index for index, page in enumerate(pages) if "Precision of each distance" in page)
    assert pages[first].startswith("Querying")  # at the top of the page
    assert last == first + 1
    assert "Queries (top row)" in pages[last + 1]


def test_a_section_begins_on_a_page_that_has_room_and_else_on_the_next(make_run: MakeRun) -> None:
    pages = read_pages(write_report(make_run(draw=False)))
    titles = ("1 Data", "2 Model", "3 Training", "4 Sanity checks", "5 Querying")
    begins = [next(i for i, page in enumerate(pages) if title in page and "Contents" not in page) for title in titles]
    assert begins == sorted(begins)
    assert 1 < len(set(begins)) < len(titles)


def test_every_number_is_in_the_json(make_run: MakeRun) -> None:
    run = make_run()
    write_report(run)
    report = json.loads((run.path / "report.json").read_text())
    assert report["query"] == run.read_json("query/query.json")
    assert report["train"]["history"] == run.read_json("train/history.json")
    assert report["check"] == run.read_json("check/check.json")
    assert report["missing"] == []
    assert report["robust"]["comparison"] == run.read_json("robust/robust.json")
    assert report["robust"]["history"] == run.read_json("robust/train/history.json")
    headline = {row["name"]: row for row in report["headline"]}
    assert headline["P@10"]["value"] == "0.288 (0.284–0.292)"
    assert headline["P@10"]["mean"] == pytest.approx(0.288)
    assert headline["P@10 kept, noise σ 0.10"]["value"] == "0.940 (0.936–0.944), before 0.800"
    assert headline["test MSE"]["value"] == "0.0199 (0.0196–0.0202)"
    assert "worse than raw pixels (0.302)" in report["verdict"]
    assert any("Which" in title or texts for title, texts in report["findings"].items())
    text = " ".join(sentence for texts in report["findings"].values() for sentence in texts)
    assert "Figure “architecture” shows every layer." in text
    assert not re.search(r"[^ ]  [^ ]", text)


def test_the_same_run_gives_the_same_bytes_wherever_it_lies(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    first = write_report(run).read_bytes()
    run.mark_done("report", "0123", 1.0)
    copy = tmp_path / "elsewhere" / run.path.name
    shutil.copytree(run.path, copy)
    assert write_report(store.Run.open(copy)).read_bytes() == first
    assert (copy / "report.json").read_bytes() == (run.path / "report.json").read_bytes()


def test_the_pdf_bears_the_date_of_the_run(make_run: MakeRun) -> None:
    metadata = pypdf.PdfReader(write_report(make_run(stages=("data",)))).metadata
    assert metadata is not None
    assert metadata.creation_date == datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
    assert metadata.title is not None
    assert metadata.title.startswith("Four numbers for every image")


@pytest.mark.parametrize("stage", STAGES)
def test_a_missing_stage_is_said_to_be_missing(stage: str, make_run: MakeRun) -> None:
    run = make_run(stages=[name for name in STAGES if name != stage])
    text = read(write_report(run))
    assert "An unfinished run." in text
    assert f"The stage {stage} of this run was not performed" in text
    assert json.loads((run.path / "report.json").read_text())["missing"] == [stage]
    assert "5 Querying" in text


def test_files_of_a_stage_that_was_struck_off_the_book_are_left_alone(make_run: MakeRun) -> None:
    run = make_run(dataset="digits", asked="digits", gpu="A graphics card")
    for stage in ("train", "check", "query"):
        run.begin(stage)
    text = read(write_report(run))
    report = json.loads((run.path / "report.json").read_text())
    assert report["missing"] == ["check", "query", "train"]
    assert (report["check"], report["query"], report["train"]) == (None, None, {"history": None, "layers": None})
    assert "there is no model to draw" in text
    assert "there are no curves" in text
    assert "Pairplot" not in text
    assert "zehn-0123456789abcdef" not in text
    assert "Images of the training set" in text.partition("Contents")[0]  # the cover is of a stage that is done


@pytest.mark.parametrize(
    ("stage", "command"), [("train", "check"), ("check", "check"), ("query", "query"), ("robust", "robust")]
)
def test_the_remedy_for_a_missing_stage_can_be_pasted_into_a_shell(
    stage: str, command: str, make_run: MakeRun, tmp_path: Path
) -> None:
    folder = tmp_path / "it's my $HOME"
    run = make_run(path=folder, stages=[name for name in STAGES if name != stage])
    remedy = missing.remedy(gather(run), stage)
    first, last = remedy.split(" && ")
    assert shlex.split(first) == ["zehn", command, str(folder.resolve())]
    assert shlex.split(last) == ["zehn", "report", str(folder.resolve())]
    assert "".join(remedy.split()) in "".join(read(write_report(run)).split())


def test_the_remedy_for_a_missing_ladder_is_the_whole_run(make_run: MakeRun, tmp_path: Path) -> None:
    folder = tmp_path / "my runs"
    run = make_run(path=folder, stages=("data",))
    identity = {**run.read_json("run.json"), "data_dir": "/the data"}
    run.write_json("run.json", identity)
    expected = ["zehn", "run", "--config", str(folder / "config.toml"), "--out", str(folder), "--data-dir", "/the data"]
    assert shlex.split(missing.remedy(gather(run), "evolve")) == expected


def test_an_unfinished_training_shows_its_curves_and_says_so(make_run: MakeRun) -> None:
    run = make_run(stages=("data", "train"))
    run.begin("train")
    run.write_json("train/history.json", {**run.read_json("train/history.json"), "interrupted": True})
    text = read(write_report(run))
    assert "This training is not finished. It has come through 3 of 3 epochs" in text
    assert f"zehn check {run.path.resolve()}" in text.replace("- ", "-")
    assert "Loss, channel accuracy" in text
    assert "training, unfinished 3 epochs" in text
    assert "there is no model to draw" in text
    assert json.loads((run.path / "report.json").read_text())["missing"] == ["evolve", "check", "query", "train"]


def test_a_training_that_lost_its_loss_says_so(make_run: MakeRun) -> None:
    run = make_run(stages=("data", "train"), warnings=[{"kind": "nan", "epoch": 4, "message": "the loss became inf"}])
    run.begin("train")
    history = {**run.read_json("train/history.json"), "interrupted": True}
    for known in (history, {**history, "epochs": [], "best_epoch": None}):
        run.write_json("train/history.json", known)
        text = read(write_report(run))
        assert "The loss became no number Epoch 4: the loss became inf" in text
        assert ("there are no curves" in text) is (not known["epochs"])


def test_too_few_images_for_a_map_are_said_to_be(make_run: MakeRun) -> None:
    text = read(write_report(make_run(n_test=6, stages=("data", "train", "check", "query"))))
    assert "6 test images are too few for a map of their codes" in text
    assert "UMAP of the codes" not in text
    assert "At the top all 6 test images" in text
    assert "Pairplot of the codes of all 6 test images" in text


def test_a_map_of_some_of_the_images_says_of_how_many(make_run: MakeRun) -> None:
    run = make_run(stages=("data", "check"))
    check = run.read_json("check/check.json")
    check["umap"] |= {"n_points": 40, "purity": None, "trustworthiness": 0.7}
    run.write_json("check/check.json", check)
    text = read(write_report(run))
    assert "UMAP of the codes of 40 random test images" in text
    assert "Its trustworthiness is 0.700" in text
    assert "Of the ten nearest points" not in text


def test_the_gpu_is_named_where_there_is_one(make_run: MakeRun) -> None:
    assert "GPU A graphics card" in read(write_report(make_run(stages=(), gpu="A graphics card")))


def test_an_empty_run_still_makes_a_report(make_run: MakeRun) -> None:
    text = read(write_report(make_run(stages=())))
    assert "Missing: data, evolve, check, query, train." in text
    assert "has not been evaluated" in text


@pytest.mark.parametrize("asked", ["auto", "digits"])  # the settings kept name what was taken
def test_digits_in_place_of_cifar10_are_announced_on_the_first_page(asked: str, make_run: MakeRun) -> None:
    note = "CIFAR-10 was not found on this machine: these are digits instead."
    run = make_run(dataset="digits", asked=asked, notes=[note])
    first = pypdf.PdfReader(write_report(run)).pages[0].extract_text().replace("\u200b", "")
    assert "Digits, not CIFAR-10." in first
    assert "not found on this machine" in " ".join(first.split())


def test_digits_by_choice_are_not_an_alarm(make_run: MakeRun) -> None:
    text = read(write_report(make_run(dataset="digits", asked="digits", stages=("data",))))
    assert "not CIFAR-10" not in text
    assert "images of Digits" in text


def test_what_users_name_is_never_read_as_markup(make_run: MakeRun) -> None:
    nasty = (
        '#panic("no")',
        "$x$ *b* _i_",
        "</tag> <label>",
        "\\u{1F600} @ref",
        '"quoted" `code` //',
        "= Heading",
        "#let x = 1",
    )
    command = "zehn run --dataset 'folder:#panic()' `#panic()` ```"
    run = make_run(
        class_names=nasty,
        dataset="folder",
        asked="folder:/pictures/#panic()",
        skipped=[{"path": "/pictures/#panic().png", "reason": "#import \"@preview/x:1.0.0\": *"}],
        notes=["#panic() and $1$ were skipped"],
        warnings=[{"kind": "#panic()", "epoch": 1, "message": "#panic()"}],
        command=command,
        distances=("euclidean",),
    )  # fmt: skip
    text = read(write_report(run))
    assert "/pictures/#panic().png" in text
    assert '#panic("no")' in text
    assert "$x$ *b* _i_" in text
    assert "= Heading" in text
    assert command in text


def test_images_without_labels_leave_out_what_needs_them(make_run: MakeRun) -> None:
    text = read(write_report(make_run(class_names=(), dataset="folder", asked="folder:/my/holiday")))
    assert "images of the folder holiday" in text
    assert "no labels" in text
    assert "mAP@1000 Mean over" not in text
    assert "Is it better than no learning" not in text
    assert "Class by class" not in text
    assert "6 Without labels" in text
    assert "What can be said without labels: fine." in text


def test_classes_and_what_needs_no_label_are_tabulated(make_run: MakeRun) -> None:
    run = make_run(class_names=[f"class {i}" for i in range(30)], n_test=120, stages=("query",))
    text = read(write_report(run))
    assert "The best and the worst of 30 classes" in text
    assert "class 29 4 0.381" in text
    assert "class 15" not in text
    assert "Verdict: fine" in text
    assert "none noise 0.04 noise 0.10 perspective 0.2" in text
    assert "recall@1 1.000 0.999–1.001 0.999" in text
    assert "uniformity −2.14 (−2.19 to −2.09)" in text


def test_recalls_without_labels_are_told_once(make_run: MakeRun) -> None:
    run = make_run(stages=("query",))
    query = run.read_json("query/query.json")
    check = query["evaluation"]["label_free"]
    check["explanation"] = "No dimension is dead. Of 100 distorted test images so many find their original: 98.0 %."
    run.write_json("query/query.json", query)
    text = read(write_report(run))
    assert "Verdict: fine No dimension is dead. The codes" in text
    assert "so many find" not in text
    assert text.count("0.979–0.981") == 1


def test_robust_search_tells_what_was_gained_and_what_it_cost(make_run: MakeRun) -> None:
    text = read(write_report(make_run(draw=False, stages=("data", "query", "robust"))))
    first = text.partition("Contents")[0]
    assert "it keeps of P@10 94 % under noise σ 0.10 (80 % before)" in first
    assert "on clean queries P@10 went from 0.871 to 0.870" in first
    assert "What was gained, and what it cost It keeps more, and costs next to nothing." in text
    assert "the loss distillation and 20 × reconstruction" in text
    assert "10 % of the images were distorted, by up to 33 % of the greatest (σ 0.2, perspective 0.7)" in text
    assert "from 11.00 to 14.00 dB where they were distorted" in text
    assert "0.10 80.0 → 94.0 % +14.0 (13.8 to 14.2)" in text
    assert "P@10 0.8710 0.8700 −0.0010 (−0.0030 to 0.0010) 0.400" in text
    assert "that the retraining never saw, after CIFAR-10-C" in text
    assert "gaussian blur and fog" in text
    assert "+20.0 (19.0 to 21.0)" in text  # of the mean at severity 3
    assert "holds no picture robust/distortions" in text
    assert "holds no picture robust/curves" not in text
    assert "zehn-new" in text


def test_a_run_without_robust_search_says_how_to_come_by_it_and_is_whole(make_run: MakeRun) -> None:
    run = make_run(stages=STAGES)
    text = read(write_report(run))
    assert "8 Robust search The stage robust of this run was not performed" in text.replace("Missing ", "")
    assert "An unfinished run." not in text
    assert "Retrained" not in text.partition("Contents")[0]
    assert json.loads((run.path / "report.json").read_text())["missing"] == []


@pytest.mark.parametrize("severities", [(3,), (1, 2, 3, 4, 5), ()])
def test_robust_search_without_labels_goes_by_the_original(severities: tuple[int, ...], make_run: MakeRun) -> None:
    run = make_run(class_names=(), dataset="folder", asked="folder:/my/holiday", severities=severities)
    (run.path / "robust/train/history.json").unlink()
    for path in run.path.glob("robust/*.png"):
        path.unlink()
    text = read(write_report(run))
    assert "Retrained, it finds a distorted image's original" in text.replace("’", "'")
    assert "P@10 kept" not in text
    assert ("Overlap with the clean query" in text) is bool(severities)
    assert "Training with distorted images" not in text


def test_contents_and_definitions_fill_one_page(make_run: MakeRun) -> None:
    pages = read_pages(write_report(make_run(draw=False)))
    assert "95 % interval" in pages[1]
    assert "The images" in pages[2] or "Samples" in pages[2]


def test_an_evaluation_of_before_is_reported_without_what_it_lacks(make_run: MakeRun) -> None:
    run = make_run(stages=("query",))
    query = run.read_json("query/query.json")
    known = {name: value for name, value in query["evaluation"].items() if name not in ("classes", "codes")}
    run.write_json("query/query.json", {**query, "evaluation": {**known, "label_free": None}})
    text = read(write_report(run))
    assert "Class by class" not in text
    assert "Without labels" not in text


@pytest.mark.parametrize(
    "options",
    [
        {"n_epochs": 1},
        {"n_components": 64, "stages": ("data", "train", "query")},
        {"distances": ("cosine",)},
        {"n_queries": 12, "distances": ("cosine", "euclidean")},
        {"class_names": [f"class {i}" for i in range(120)], "distances": ("cosine",), "stages": ("data", "query")},
        {"warnings": [{"kind": "over-fitting", "epoch": 2, "message": "over-fitting: it began"}]},
    ],
    ids=str,
)
def test_runs_of_all_kinds_can_be_reported(options: dict[str, object], make_run: MakeRun) -> None:
    text = read(write_report(make_run(**options)))
    assert "5 Querying" in text
    if "warnings" in options:
        assert "over-fitting: it began" in text


def test_a_model_from_elsewhere_is_said_to_be(make_run: MakeRun) -> None:
    run = make_run(stages=("data", "train"))
    (run.path / "train" / "history.json").unlink()
    config = (run.path / "config.toml").read_text()
    store.write_atomically(run.path / "config.toml", config.replace('source = "train"', 'source = "cifar10"'))
    text = read(write_report(run))
    assert "It was taken from cifar10." in text
    assert "train" not in json.loads((run.path / "report.json").read_text())["missing"]


def test_line_art_that_is_gone_is_drawn_again_from_the_numbers(make_run: MakeRun) -> None:
    run = make_run(draw=False)
    text = read(write_report(run))
    assert "holds no picture check/umap" in text
    assert "holds no picture train/curves" not in text
    assert not list(run.path.glob("**/*.png"))


def test_a_damaged_picture_is_an_error_that_says_so(make_run: MakeRun) -> None:
    run = make_run(stages=("data",))
    (run.path / "data" / "samples.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    with pytest.raises(RunError, match=r"cannot be set.*is a picture in the run folder damaged"):
        write_report(run)
    assert not (run.path / "report.pdf").exists()


def test_damaged_numbers_are_an_error_that_names_the_file(make_run: MakeRun) -> None:
    run = make_run(stages=("data",))
    (run.path / "data" / "data.json").write_text("{")
    with pytest.raises(RunError, match=r"data\.json"):
        write_report(run)
    (run.path / "data" / "data.json").unlink()
    (run.path / "config.toml").write_text("= nonsense")
    with pytest.raises(RunError, match=r"config\.toml is damaged"):
        write_report(run)


@pytest.mark.parametrize("module", ["typst", "matplotlib"])
def test_a_missing_library_names_the_extra(module: str, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(stages=())
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"{module}.*pip install 'zehn\[report\]'"):
        write_report(run)
