"""What can be said of a code without labels, in plain words, from the figures of an evaluation alone.

In this order, the first that holds:

- ``too few images``: fewer than 20 test images.
- ``collapsed``: all test images have one code; or fewer than a tenth of them are the first hit of their own undistorted
  code, so that most share theirs; or under the weakest distortion an image is on average at least 1 away from its
  original where strangers are 2 away, or finds it no more often than three times chance (the whole interval).
- ``dead dimensions``: :func:`zehn.measures.find_dead` finds one, such as one of a hundredth of the widest one's spread.
- ``narrow``: the participation ratio is below a fifth of what there could be.
- ``fine``: none of these.

Recall under stronger distortions decides nothing: a code of what a picture shows lets go of the picture itself, and
finds fewer originals than one of its pixels (docs/measures.md has the figures of one of each).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TOO_FEW, COLLAPSED, DEAD, NARROW, FINE = "too few images", "collapsed", "dead dimensions", "narrow", "fine"

_FEWEST_JUDGED = 20
_LEAST_OWN = 0.1
_STRANGE = 1.0
_TIMES_CHANCE = 3
_LEAST_SHARE = 0.2


def judge(geometry: Mapping[str, Any], check: Mapping[str, Any]) -> dict[str, str]:
    """Return ``{"verdict": …, "explanation": …}`` for "codes" and "label_free" of an evaluation.

    The verdicts and their thresholds are those of this module's docstring.
    """
    if geometry["n_codes"] < _FEWEST_JUDGED:
        said = f"{geometry['n_codes']} test images say nothing of a code; give at least {_FEWEST_JUDGED}."
        return {"verdict": TOO_FEW, "explanation": said}
    findings = (
        (COLLAPSED, _find_collapse(geometry, check)),
        (DEAD, _find_dead(geometry)),
        (NARROW, _find_narrow(geometry)),
    )
    verdict, said = next(
        ((name, text) for name, text in findings if text),
        (FINE, "No dimension is dead and images keep apart from each other."),
    )
    return {"verdict": verdict, "explanation": f"{said} {_tell_recall(check)}"}


def _find_collapse(geometry: Mapping[str, Any], check: Mapping[str, Any]) -> str:
    if geometry["participation_ratio"]["mean"] == 0:
        return "Every test image has the same code: the model tells no image from another."
    undistorted, weakest, *_ = check["distortions"].values()
    name = list(check["distortions"])[1]
    own = undistorted["recall@1"]["mean"]
    if own < _LEAST_OWN:
        return f"Only {_percent(own)} of the test images are the first hit of their own code: most share theirs."
    apart, chance = weakest["alignment"]["mean"], 1 / check["n_database"]
    if apart >= _STRANGE:
        return (
            f"The code says next to nothing of its image: under {name} it moves by {apart:.2f}, where two unrelated "
            "images are 2 apart."
        )
    if weakest["recall@1"]["high"] <= _TIMES_CHANCE * chance:
        return f"The code says next to nothing of its image: under {name} it finds it no more often than chance would."
    return ""


def _find_dead(geometry: Mapping[str, Any]) -> str:
    dead, n_all = geometry["dead"], geometry["n_components"]
    if not dead:
        return ""
    return f"{len(dead)} of {n_all} dimensions hardly change from image to image and do no work."


def _find_narrow(geometry: Mapping[str, Any]) -> str:
    effective = geometry["participation_ratio"]["mean"]
    most = min(geometry["n_components"], geometry["n_codes"] - 1)
    if effective >= _LEAST_SHARE * most:
        return ""
    return f"The codes spread along few directions: as if they had {effective:.1f} dimensions of {most} possible ones."


def _tell_recall(check: Mapping[str, Any]) -> str:
    distorted = list(check["distortions"].items())[1:]
    told = ", ".join(f"{_percent(row['recall@1']['mean'])} ({name})" for name, row in distorted)
    return (
        f"Of {check['n_queries']:,} distorted test images so many find their original first among "
        f"{check['n_database']:,}: {told}. Whether neighbours mean something, only labels or a look at them can say."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
