from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zehn.figures import corruption_bars, robustness_curves
from zehn.figures.robustness import unseen_measure


def interval(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}


def row(kind: str, strength: float, old: float, new: float, *, labelled: bool = True) -> dict[str, Any]:
    def side(share: float) -> dict[str, Any]:
        kept = interval(share) if labelled else None
        shares = {name: interval(share) for name in ("recall@1", "recall@10", "overlap")}
        return {"P@10": kept, "P@10 kept": kept, **shares, "psnr": interval(20 * share)}

    seen = kind in ("gaussian_noise", "perspective")
    return {"kind": kind, "strength": strength, "seen": seen, "old": side(old), "new": side(new), "paired": []}


def robust(*, labelled: bool = True, severities: tuple[int, ...] = (1, 3, 5), n_kinds: int = 2) -> dict[str, Any]:
    clean = {"P@10": interval(0.5) if labelled else None, "psnr": interval(20)}
    seen = [row(kind, at, 0.9 - at, 0.95 - at / 2, labelled=labelled) for kind, at in (
        ("gaussian_noise", 0.2), ("gaussian_noise", 0.04), ("perspective", 0.5), ("perspective", 0.7),
    )]  # fmt: skip
    kinds = ("gaussian_blur", "jpeg_compression", *(f"corruption_{i}" for i in range(n_kinds)))[:n_kinds]
    unseen = [row(kind, at, 0.8 - at / 10, 0.9 - at / 10, labelled=labelled) for kind in kinds for at in severities]
    return {
        "models": {"old": {"name": "cifar10"}, "new": {"name": "cifar10-robust"}},
        "clean": {"old": clean, "new": clean, "paired": [], "overlap": 0.6},
        "distortions": [*seen, *unseen],
    }


def test_curves_show_both_models_with_their_intervals(
    texts: Callable[[Figure], list[str]], check_fit: Callable[[Figure, float], None]
) -> None:
    figure = robustness_curves(robust())
    assert len(figure.axes) == 8
    assert {"before: cifar10", "after: cifar10-robust", "P@10 kept", "Gaussian noise, σ"} <= set(texts(figure))
    old, new = _lines(figure, 0)
    assert old.get_linestyle() != new.get_linestyle()
    assert np.asarray(old.get_xdata()).tolist() == [0.04, 0.2]
    assert np.asarray(new.get_ydata()).tolist() == pytest.approx([0.93, 0.85])
    clean_psnr, _ = _lines(figure, 3)
    assert np.asarray(clean_psnr.get_xdata()).tolist() == [0, 0.04, 0.2]
    check_fit(figure, 7.0)


def _lines(figure: Figure, panel: int) -> list[Line2D]:
    """Return the curve of each model in a panel."""
    bars = [one for one in figure.axes[panel].containers if isinstance(one, ErrorbarContainer)]
    return [one.lines[0] for one in bars if one.lines[0] is not None]


def test_curves_leave_out_what_was_not_measured(texts: Callable[[Figure], list[str]]) -> None:
    known = robust(labelled=False)
    known["distortions"] = [one for one in known["distortions"] if one["kind"] != "perspective"]
    figure = robustness_curves(known)
    assert len(figure.axes) == 3
    assert "P@10 kept" not in texts(figure)
    (text,) = texts(robustness_curves({**known, "distortions": []}))
    assert "Neither noise nor perspective" in text


@pytest.mark.parametrize("n_kinds", [1, 2, 12])
def test_bars_show_every_corruption_at_the_severity(
    n_kinds: int, texts: Callable[[Figure], list[str]], check_fit: Callable[[Figure, float], None]
) -> None:
    figure = corruption_bars(robust(n_kinds=n_kinds))
    shown = texts(figure)
    assert {"gaussian blur", "P@10 kept, severity 3", "P@10 kept, mean of all kinds"} <= set(shown)
    assert shown.count("50 %") >= n_kinds
    assert [patch.get_width() for patch in figure.axes[0].patches] == pytest.approx(  # type: ignore[attr-defined]
        [0.5] * n_kinds + [0.6] * n_kinds
    )
    means = {line.get_color(): np.asarray(line.get_ydata()).tolist() for line in figure.axes[1].lines}
    assert list(means.values()) == [pytest.approx([0.7, 0.5, 0.3]), pytest.approx([0.8, 0.6, 0.4])]
    check_fit(figure, 6.0)


def test_one_severity_needs_no_second_panel(check_fit: Callable[[Figure, float], None]) -> None:
    figure = corruption_bars(robust(severities=(3,)))
    assert len(figure.axes) == 1
    check_fit(figure, 6.0)


def test_bars_without_labels_are_of_the_overlap(texts: Callable[[Figure], list[str]]) -> None:
    unlabelled = robust(labelled=False)
    assert unseen_measure(unlabelled) == "overlap"
    assert "Overlap of hits, severity 3" in texts(corruption_bars(unlabelled))
    (text,) = texts(corruption_bars(unlabelled, severity=4))
    assert "No corruption was measured" in text
