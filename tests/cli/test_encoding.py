"""``zehn encode`` with a folder as --out: what it prints, and mistakes in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from zehn import Collection
from zehn.cli import main

Draw = Callable[..., Path]
Run = Callable[..., str]
N = 6


@pytest.fixture
def place(tmp_path: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with six images in ``photos``, to be in."""
    monkeypatch.setenv("ZEHN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for seed in range(N):
        draw(tmp_path / "photos" / f"{seed}.png", seed)
    return tmp_path


@pytest.fixture
def run(place: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*words: str, code: int = 0) -> str:
        assert main(words) == code
        printed = capsys.readouterr()
        return printed.err if code else printed.out

    return command


def encode(run: Run, *words: str, code: int = 0) -> str:
    return run("encode", *(words or ("photos", "--out", "codes/")), "--workers", "0", code=code)


@pytest.mark.parametrize("out", ["codes/", "codes", "a/b/codes"])
def test_a_folder_as_out_gets_part_files(place: Path, run: Run, out: str) -> None:
    said = encode(run, "photos", "--out", out)
    assert said.startswith("6 codes in 1 part files, 6 of them new (")
    assert "6 codes in 1 part files, 0 of them new: " in encode(run, "photos", "--out", out)
    assert len(list((place / out).glob("part-*.parquet"))) == 1


def test_a_folder_that_is_there_may_have_any_name(place: Path, run: Run) -> None:
    (place / "codes.v2").mkdir()
    encode(run, "photos", "--out", "codes.v2")
    assert (place / "codes.v2" / "manifest.json").exists()


def test_a_file_as_out_is_a_file_as_before(place: Path, run: Run) -> None:
    assert run("encode", "folder:photos", "--out", "codes.npz") == "6 codes: codes.npz\n"
    assert (place / "codes.npz").is_file()


def test_what_was_skipped_is_said(place: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "photos" / "bad.png").write_text("no image")
    assert main(["encode", "photos", "--out", "codes/", "--workers", "0"]) == 0
    said = capsys.readouterr().err
    assert "photos/bad.png: " in said
    assert "1 files skipped; skipped.jsonl lists all" in said
    counts = json.loads(encode(run, "photos", "--out", "codes/", "--json"))
    assert (counts["images"], counts["new"], counts["skipped"], counts["parts"]) == (N, 0, 1, 1)


def test_another_model_or_fit_than_the_collections_is_refused_before_the_work(place: Path, run: Run) -> None:
    run("index", "create", "mine")
    for words, came in ((("--model", "cifar10-reconstruction"), "came zehn-"), (("--fit", "pad"), "and pad;")):
        said = encode(run, "photos", "--out", "codes/", "--into", "mine", *words, code=2)
        assert "expected the model and the fit of mine" in said
        assert came in said
    assert not (place / "codes").exists()
    assert "6 images loaded" in encode(run, "photos", "--out", "codes/", "--into", "mine", "--model", "cifar10")


def test_into_a_collection_with_its_own_model_and_fit(place: Path, run: Run) -> None:
    run("index", "create", "mine", "--model", "cifar10-reconstruction", "--fit", "pad")
    assert "6 images loaded into mine" in encode(run, "photos", "--out", "codes/", "--into", "mine")
    assert "0 images loaded into mine" in encode(run, "photos", "--out", "codes/", "--into", "mine")
    with Collection.open("mine") as collection:
        assert len(collection) == N
        assert collection.search("photos/3.png", 1)[0][0].path == str(place / "photos" / "3.png")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("photos", "--out", "codes.npz", "--ray", "auto"), "--ray goes with a folder as --out"),
        (("photos", "--out", "codes.h5", "--into", "mine"), "--into goes with a folder as --out"),
        (("photos", "--out", "codes.csv"), "unknown ending of a file of codes '.csv'"),
        (("absent", "--out", "codes/"), "there is no file or folder absent"),
        (("photos", "--out", "codes/", "--into", "absent"), "there is no collection absent"),
        (("photos", "--out", "codes/", "--batch", "0"), "at least one image per unit"),
        (("photos", "--out", "codes/", "--model", "cifra10"), "did you mean 'cifar10'"),
        (("ftq://x/y", "--out", "codes/"), "unknown protocol 'ftq'"),
    ],
)
def test_a_users_mistake_is_one_line(run: Run, words: tuple[str, ...], message: str) -> None:
    said = run("encode", *words, code=2)
    assert message in said
    assert len([line for line in said.splitlines() if line.startswith("zehn: ")]) == 1


def test_an_interruption_says_how_to_go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*given: object, **keywords: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zehn.scale.encoding.job.encode", interrupt)
    assert "the same command goes on where this one stopped" in run("encode", "photos", "--out", "codes/", code=130)
