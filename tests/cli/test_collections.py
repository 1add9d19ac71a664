"""The commands about collections: each does what its help says, and a mistake is one line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zehn.cli import main

Run = Callable[..., str]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZEHN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Run a command that goes well and return what it printed."""

    def call(*words: str, code: int = 0) -> str:
        assert main(words) == code
        return os.fsdecode(capsysbinary.readouterr().out)

    return call


@pytest.fixture
def fail(capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Run a command that goes wrong and return the one line that says why."""

    def call(*words: str) -> str:
        capsysbinary.readouterr()
        assert main(words) == 2
        lines = capsysbinary.readouterr().err.decode().splitlines()
        assert len(lines) == 1
        return lines[0]

    return call


@pytest.fixture
def photos(place: Path) -> Path:
    """Ten images in two folders, the first of them twice."""
    for number in range(10):
        path = place / "photos" / ("cats" if number < 5 else "dogs") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        patches = np.random.default_rng(number % 9).integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(patches).resize((48, 40), Image.Resampling.NEAREST).save(path)
    return place / "photos"


@pytest.fixture
def filled(photos: Path, run: Run) -> Path:
    run("index", "create", "mine")
    run("index", "add", "mine", str(photos), "--labels", "folder")
    return photos


def test_three_commands_lead_from_nothing_to_a_search(photos: Path, run: Run) -> None:
    assert "fill it with: zehn index add mine FOLDER" in run("index", "create", "mine")
    assert run("index", "add", "mine", str(photos)).startswith("10 added, 0 changed, 0 unchanged")
    said = run("search", str(photos / "cats" / "3.png"))
    assert "by euclidean distance" in said
    assert "closer than" in said
    assert "3.png" in said.splitlines()[2]
    assert "label" not in said


def test_hits_can_be_filtered_counted_and_explained(filled: Path, run: Run) -> None:
    image = str(filled / "cats" / "3.png")
    said = run("search", image, "--k", "2", "--where", "label = 'dogs'", "--distance", "cosine", "--explain")
    assert said.count("dogs/") == 2
    assert "by cosine distance" in said
    assert "share of the distance" in said
    assert run("search", image, "--where", "label = 'birds'").strip().endswith("no image to be found")


def test_json_says_it_all(filled: Path, run: Run) -> None:
    images = [str(filled / "cats" / name) for name in ("3.png", "4.png")]
    found = json.loads(run("search", *images, "--k", "2", "--json", "--explain"))
    assert [one["query"] for one in found] == images
    hit = found[0]["hits"][0]
    assert (hit["path"], hit["rank"], hit["label"], hit["recall"]) == (images[0], 1, "cats", 1.0)
    assert hit["percentile"] > 90
    assert len(hit["explanation"]["contributions"]) == 10


def test_paths_only_are_the_paths_byte_by_byte(filled: Path, run: Run) -> None:
    odd = os.fsdecode(os.fsencode(filled) + b"/\xff.png")
    (filled / "cats" / "3.png").rename(odd)
    run("index", "update", "mine")
    assert run("search", odd, "--k", "1", "--paths-only") == f"{odd}\n"
    assert "\\xff.png" in run("search", odd, "--k", "1")


def test_hits_are_shown_in_a_file_or_in_the_terminal(filled: Path, place: Path, run: Run) -> None:
    image = str(filled / "cats" / "3.png")
    assert run("search", image, image, "--k", "3", "--explain", "--show", "hits.png").endswith("hits.png\n")
    with Image.open(place / "hits.png") as drawn:
        assert drawn.width == 8 + 4 * 104
    said = run("search", image, "--k", "3", "--show")
    assert "\x1b[38;2;" in said
    assert "▀" in said


def test_update_remove_and_compact(filled: Path, run: Run) -> None:
    (filled / "cats" / "3.png").unlink()
    (filled / "dogs" / "broken.png").write_bytes(b"")
    told = json.loads(run("index", "update", "mine", "--json"))
    assert {name: told[name] for name in ("added", "changed", "unchanged", "removed")} == {
        "added": 0, "changed": 0, "unchanged": 9, "removed": 1
    }  # fmt: skip
    assert told["skipped"] == [{"path": str(filled / "dogs" / "broken.png"), "reason": "the file is empty"}]
    assert run("index", "remove", "mine", "--ids", "1,2").startswith("removed 2 images; 7 are left")
    assert run("index", "remove", "mine", str(filled / "dogs")).startswith("removed 5 images; 2 are left")
    assert "MB now" in run("index", "compact", "mine")
    assert "2 images; all is well" in run("index", "verify", "mine")


def test_skipped_files_are_told_but_not_without_end(place: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    for number in range(15):
        (place / f"{number}.png").touch()
    main(["index", "create", "mine"])
    main(["index", "add", "mine", "."])
    told = capsysbinary.readouterr().err.decode()
    assert told.count("the file is empty") == 10
    assert "… and 5 more; --json lists all" in told


def test_info_lists_labels_and_folders(filled: Path, run: Run) -> None:
    said = run("index", "info", "mine")
    assert "cats 5, dogs 5" in said
    assert str(filled) in said
    known = json.loads(run("index", "info", "mine", "--json"))
    assert known["labels"] == [{"label": "cats", "n_images": 5}, {"label": "dogs", "n_images": 5}]
    assert known["n_images"] == 10
    assert run("index", "list") == "mine\n"


def test_a_damaged_model_is_exit_code_1(filled: Path, run: Run) -> None:
    from zehn import Collection

    with Collection.open("mine") as collection:
        collection.engine.attach("model.h5", b"damaged")
    assert "not as it should be" in run("index", "verify", "mine", code=1)


def test_reencode_backup_export_and_import(filled: Path, place: Path, run: Run) -> None:
    assert "cifar10-reconstruction" in run("index", "reencode", "mine", "--model", "cifar10-reconstruction")
    assert run("index", "backup", "mine", "copy.zehn") == "copy.zehn\n"
    assert "3.png" in run("search", str(filled / "cats" / "3.png"), "--collection", "copy.zehn", "--k", "1")
    assert run("index", "export", "mine", "codes.npz") == "10 images: codes.npz\n"
    run("index", "create", "./again", "--model", "cifar10-reconstruction")
    assert run("index", "import", "./again", "codes.npz") == "10 images from codes.npz\n"
    assert (place / "again").is_file()


def test_duplicates_within_one_and_between_two(filled: Path, run: Run) -> None:
    said = run("duplicates")
    assert said.splitlines() == [str(filled / "cats" / "0.png"), str(filled / "dogs" / "9.png")]
    pair = json.loads(run("duplicates", "mine", "--json"))[0]
    assert pair["is_copy"]
    run("index", "create", "dogs")
    run("index", "add", "dogs", str(filled / "dogs"))
    lines = run("duplicates", "mine", "dogs").splitlines()
    assert sum(line.startswith("copy") for line in lines) == 6
    assert run("duplicates", "dogs", "--threshold", "0") == "\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("search", "absent.png", "--collection", "nope"), "there is no collection nope; there is none yet"),
        (("search", "absent.png"), "make one with: zehn index create NAME"),
        (("index", "info", "nope"), "there is no collection nope"),
        (("index", "create", "x", "--model", "cifra10"), "did you mean 'cifar10'"),
        (("index", "create", "x", "--fit", "crpo"), "did you mean 'crop'"),
        (("index", "create", ".x"), "expected the name of a collection"),
    ],
)
def test_a_mistake_is_one_line(words: tuple[str, ...], message: str, fail: Run) -> None:
    assert message in fail(*words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("search", "absent.png"), "absent.png: the file cannot be read"),
        (("search", "IMAGE", "--distance", "euclid"), "did you mean 'euclidean'"),
        (("search", "IMAGE", "--where", "colour = 3"), "there is no column colour"),
        (("search", "IMAGE", "--k", "0"), "k ≥ 1"),
        (("search", "IMAGE", "--show", "hits.jpg"), "did you mean '.png'"),
        (("search", "IMAGE", "--where", "label = 'x'", "--show"), "no hits to draw"),
        (("index", "create", "mine"), "already; open it, or choose another name"),
        (("index", "add", "mine", "absent"), "there is no file or folder 'absent'"),
        (("index", "add", "mine", "photos", "--labels", "name"), "there are: folder"),
        (("index", "remove", "mine"), "expected paths or --ids"),
        (("index", "remove", "mine", "--ids", "1,x"), "expected ids such as 3,17,42"),
        (("index", "remove", "mine", "--ids", "999"), "id 999"),
        (("index", "remove", "mine", "--ids", "100000000000000000000"), "id 100000000000000000000"),
        (("index", "remove", "mine", ""), "came an empty one"),
        (("search", "~tmp-nobody.jpg"), "~tmp-nobody.jpg: the file cannot be read"),
        (("search", "IMAGE", "--where", " or ".join(["id = 1"] * 600)), "at most 500 conditions, came 600"),
        (("index", "reencode", "mine"), "no change of model was begun"),
        (("index", "reencode", "mine", "--abandon"), "no change of model was begun"),
        (("index", "backup", "mine", "photos/cats/3.png"), "already"),
        (("index", "export", "mine", "codes.csv"), "'.csv'"),
        (("index", "import", "mine", "absent.npz"), "there is no file absent.npz"),
    ],
)
def test_a_mistake_with_a_collection_is_one_line(filled: Path, words: tuple[str, ...], message: str, fail: Run) -> None:
    image = str(filled / "cats" / "3.png")
    assert message in fail(*(image if word == "IMAGE" else word for word in words))


def test_which_collection_must_be_said_where_there_are_two(filled: Path, run: Run, fail: Run) -> None:
    run("index", "create", "other")
    assert "there are: mine, other" in fail("search", str(filled / "cats" / "3.png"))


def test_what_cannot_be_printed_is_shown_as_such(filled: Path, run: Run) -> None:
    odd = os.fsdecode(b"\xff.zehn")
    assert run("index", "backup", "mine", odd) == "\\xff.zehn\n"
    assert "\\xff.zehn: 10 images" in run("index", "verify", odd)
    assert "\\xff.zehn" in run("index", "info", odd)
    assert "\\xfe.zehn; fill it with" in run("index", "create", os.fsdecode(b"\xfe.zehn"))
    evil = filled / "cats" / "\x1b[31m.png"
    (filled / "cats" / "3.png").rename(evil)
    run("index", "update", "mine")
    said = run("search", str(evil), "--k", "1")
    assert "\x1b" not in said
    assert "\\x1b[31m.png" in said


def test_a_grid_does_not_get_among_what_other_programs_read(filled: Path, place: Path, run: Run) -> None:
    image = str(filled / "cats" / "3.png")
    assert json.loads(run("search", image, "--k", "1", "--json", "--show", "hits.png"))[0]["query"] == image
    assert run("search", image, "--k", "1", "--paths-only", "--show", "hits.png") == f"{image}\n"
    assert (place / "hits.png").is_file()


def test_nothing_acts_on_the_terminal(
    filled: Path, run: Run, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (filled / "cats" / "\x1b[2J\x07\n.png").write_bytes(b"")
    run("index", "update", "mine")
    assert main(["index", "update", "mine"]) == 0
    told = capsysbinary.readouterr().err
    assert b"\\x1b[2J\\x07\\n.png: the file is empty" in told
    (filled / "cats" / "3.png").rename(filled / "cats" / "\x1b[31m.png")
    run("index", "update", "mine")
    (filled / "cats" / "\x1b[31m.png").write_bytes(b"")
    assert main(["index", "reencode", "mine", "--model", "cifar10-reconstruction"]) == 0
    told += capsysbinary.readouterr().err
    assert b"\\x1b[31m.png" in told
    monkeypatch.setattr("zehn.Collection.verify", lambda _: ["the path \x1b[31m is damaged"])
    assert main(["index", "verify", "mine"]) == 1
    told += capsysbinary.readouterr().err
    assert b"zehn: the path \\x1b[31m is damaged" in told
    assert b"\x1b" not in told
    assert b"\x07" not in told


def test_the_helps_defaults_are_those_of_python() -> None:
    import inspect

    from zehn import Collection, config
    from zehn.cli import build_parser

    def default(method: str, name: str) -> object:
        return inspect.signature(getattr(Collection, method)).parameters[name].default

    made = build_parser().parse_args(["index", "create", "x"])
    for name in ("model", "fit", "thumbnail_size", "n_components", "preset"):
        assert getattr(made, name) == default("create", name)
    asked = build_parser().parse_args(["search", "x"])
    assert (asked.k, asked.distance) == (default("search", "k"), default("search", "distance"))
    assert asked.k == default("search_codes", "k") == default("search_ids", "k")
    compared = build_parser().parse_args(["duplicates"])
    assert compared.max_difference == default("duplicates", "max_difference")
    # what the help says in words of a run's defaults
    assert (config.ModelConfig().n_components, config.DEFAULT_PRESET) == (10, "quick")


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_a_file_that_is_no_export_is_one_line(filled: Path, place: Path, run: Run, fail: Run, ending: str) -> None:
    run("index", "export", "mine", f"codes.{ending}")
    data = (place / f"codes.{ending}").read_bytes()
    (place / f"codes.{ending}").write_bytes(data[:-50])
    run("index", "create", "other")
    assert f"codes.{ending} is damaged or holds no codes" in fail("index", "import", "other", f"codes.{ending}")


def test_the_home_of_nobody_is_one_line(fail: Run) -> None:
    assert "'~nobody-such/x', and there is no such user" in fail("data", "info", "folder:~nobody-such/x")
    said = fail("data", "info", "cifar10", "--data-dir", "~nobody-such/x")
    assert "as the folder of data sets, came '~nobody-such/x'" in said
