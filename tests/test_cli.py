from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from zehn.cli import build_parser, main, tables

COMMANDS = (
    *("run", "data", "train", "check", "query", "robust", "report", "evaluate", "encode", "compare", "bundle"),
    *("index", "search", "duplicates", "serve"),
)


@pytest.fixture
def empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fails(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 2
    printed = capsys.readouterr()
    lines = [line for line in printed.err.splitlines() if line.startswith("zehn: ")]
    assert len(lines) == 1
    assert "Traceback" not in printed.err
    return lines[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"zehn {command}" in capsys.readouterr().out


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.startswith("zehn 0.")


@pytest.mark.usefixtures("empty_place")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "--preset", "quikc"), "did you mean 'quick'"),
        (("run", "--dataset", "cifar11"), "did you mean 'cifar10'"),
        (("run", "--set", "train.epoch=3"), "did you mean 'epochs'"),
        (("run", "--set", "model.n_components=0"), "at least 2"),
        (("run", "--config", "absent.toml"), "cannot read the configuration"),
        (("run", "--dataset", "folder:absent"), "absent"),
        (("check",), "no run in runs/ yet"),
        (("query", "absent"), "no run folder absent"),
        (("report", "absent"), "no run folder absent"),
        (("bundle", "absent"), "no run folder absent"),
        (("compare", "a", "b"), "no run folder a"),
        (("evaluate", "--model", "absent.h5", "--dataset", "digits"), "absent.h5"),
        (("evaluate", "--model", "cifra10", "--dataset", "digits"), "cifra10"),
        (("encode", "digits", "--model", "absent.h5", "--out", "codes.npz"), "absent.h5"),
        (("data", "info", "fashion-mnist"), "did you mean 'fashion_mnist'"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in fails(capsys, *words)


def test_an_unwritable_folder_is_said_to_be_so(empty_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty_place / "file").write_text("in the way")
    said = fails(capsys, "run", "--dataset", "digits", "--preset", "smoke", "--out", "file/run")
    assert "cannot write" in said


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_what_the_system_refuses_is_one_line(
    code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(given: object) -> int:
        raise OSError(code, "refused", "somewhere")

    monkeypatch.setattr("zehn.cli.commands.describe_data", refuse)
    assert fails(capsys, "data", "info", "digits") == "zehn: refused: somewhere"


def test_a_programming_mistake_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(given: object) -> int:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("zehn.cli.commands.describe_data", break_down)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        main(["data", "info", "digits"])


def test_ctrl_c_is_exit_code_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(given: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("zehn.cli.commands.describe_data", interrupt)
    assert main(["data", "info", "digits"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_data_info_prints_shapes_and_classes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "info", "digits"]) == 0
    printed = capsys.readouterr().out
    assert "32×32×3" in printed
    assert "uint8" in printed


@pytest.mark.cifar10
def test_data_verify_cifar10(cifar10_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "verify", "cifar10", "--data-dir", str(cifar10_dir)]) == 0
    printed = capsys.readouterr().out
    assert "50000×32×32×3" in printed
    assert "all as it should be" in printed


def test_tables_align_and_survive_missing_figures() -> None:
    scores = {"euclidean": {"P@1": {"mean": 0.5, "low": 0.4, "high": 0.6}}, "cosine": {"P@1": None}}
    printed = tables.distances_table({"scores": scores, "recommendation": "Either."})
    assert "P@1" in printed
    assert "0.500" in printed
    assert "–" in printed
    assert tables.aligned([]) == ""
    assert tables.aligned([("a", "1"), ("long", "22")]) == "a      1\nlong  22"


def test_an_evaluation_is_printed_whole_with_its_intervals() -> None:
    figure = {"mean": 0.5, "low": 0.4, "high": 0.65}
    scores = {"P@10": figure, "mAP@1000": None}
    evaluation = {
        "model": {"name": "tiny", "fingerprint": "zehn-0"}, "dataset": {"name": "digits", "n_test": 9},
        "distance": "cosine", "protocols": {"main": scores, "literature": scores}, "baselines": {"PCA-4": scores},
        "classes": [{"label": 0, "name": "cat", "n_queries": 9, **scores, "20-NN accuracy": None}],
        "reconstruction": {"mse": figure},
        "codes": {
            "n_codes": 9, "n_components": 4, "dead": [2], "participation_ratio": figure, "rankme": figure,
            "uniformity": None, "hubness": None,
        },
        "label_free": {
            "n_queries": 9, "n_database": 90, "distortions": {"none": {"recall@1": figure, "alignment": None}},
            "verdict": "dead dimensions", "explanation": "1 of 4.",
        },
    }  # fmt: skip
    lines = tables.evaluation_table(evaluation).splitlines()
    shown = "0.5000 [0.4000, 0.6500]"
    assert f"P@10            {shown}  {shown}" in lines
    assert "P@10            0.500 ± 0.125" in lines
    assert any(line.split() == ["cat", "9", *shown.split(), "–", "–"] for line in lines)
    assert any(line.split() == ["dead", "dimensions", "z3"] for line in lines)
    assert any(line.split() == ["none", *shown.split(), "–"] for line in lines)
    assert lines[-1] == "verdict: dead dimensions. 1 of 4."
    unlabelled = tables.evaluation_table({**evaluation, "classes": None, "baselines": None})
    assert "baselines" not in unlabelled
    assert "cat" not in unlabelled


def test_a_comparison_on_distorted_queries_is_printed_with_what_it_cost() -> None:
    def side(mean: float) -> dict[str, Any]:
        figure = {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}
        return {"P@10": None, "P@10 kept": None, "recall@1": figure, "psnr": figure}

    def row(kind: str, strength: float, gain: float) -> dict[str, Any]:
        difference = {"mean": gain, "low": gain - 0.05, "high": gain + 0.05}
        paired = [{"measure": "recall@1", "difference": difference, "p_value": 0.5}]
        seen = kind == "gaussian_noise"
        return {
            "kind": kind, "strength": strength, "seen": seen, "old": side(0.5), "new": side(0.5 + gain),
            "paired": paired,
        }  # fmt: skip

    psnr = {"measure": "psnr", "difference": {"mean": 0.0, "low": -0.1, "high": 0.1}, "p_value": 1.0}
    robust = {
        "models": {"old": {"name": "cifar10"}, "new": {"name": "cifar10-robust"}}, "dataset": {"name": "digits"},
        "distance": "cosine", "n_queries": 9, "n_database": 90, "unseen": None, "explanation": "Little.",
        "clean": {"old": side(0.5), "new": side(0.5), "paired": [psnr], "overlap": 1.0},
        "distortions": [row("gaussian_noise", 0.1, 0.2), row("motion_blur", 3.0, 0.0), row("motion_blur", 4.0, 0.0)],
    }  # fmt: skip
    printed = tables.robustness_table(robust)
    assert "cifar10 → cifar10-robust on digits, cosine distance" in printed
    assert "gaussian noise 0.1     0.500 → 0.700   0.50 → 0.70" in printed
    assert "motion blur 3, unseen  0.500 → 0.500≈  0.50 → 0.50" in printed
    assert "motion blur 4" not in printed
    assert "P@10" not in printed
    assert "PSNR, dB  0.50 → 0.50≈  0.0000 [-0.1000, 0.1000]" in printed
    assert printed.endswith("Little.")


def test_every_option_has_a_help_text() -> None:
    parsers = [build_parser()]
    while parsers:
        parser = parsers.pop()
        for action in parser._actions:
            if isinstance(action.choices, dict):
                parsers += action.choices.values()
            assert action.help or action.metavar in {"RUN", "COMMAND", "ACTION"}, f"{parser.prog} {action.dest}"


def test_compare_prints_json(
    empty_place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = {"runs": ["a", "b"], "settings": [], "figures": []}
    monkeypatch.setattr("zehn.pipeline.compare", lambda *_: comparison)
    assert main(["compare", "a", "b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == comparison
