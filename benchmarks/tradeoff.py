"""Kind against appearance: the presets' recipe with the decoder's weight from nothing to nearly everything.

    python benchmarks/tradeoff.py --minutes 4 --weights 0,5,20,80,320 --publish

Ten numbers that say what a picture shows have little room left for what it looks like. Each training has the same
processor time (benchmarks/ladder.py) and differs in the weight of ``denoising`` alone; ``--publish`` writes the table
into docs/tradeoff.md. The decoder is fitted to whole images at the end, as in every preset, so that each code is read
as well as it can be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ladder import COLUMNS, NEIGHBOURS, Budget, Rung, climb, load_dataset
from zehn import store


def main(arguments: Sequence[str] | None = None) -> None:
    """Train each weight's model, score it, and print the table."""
    given = _parse(arguments)
    dataset = load_dataset(given)
    budget = Budget(given.minutes, 0, (f"train.decoder_seen={given.decoder_seen}", *given.set))
    lines = [
        f"Each training had {given.minutes:g} processor-minutes and then {given.decoder_seen:,} images for the decoder "
        f"alone, one seed; {dataset.n_test:,} queries ({dataset.name}) against all images (main protocol).",
        "",
        f"| weight of denoising | {' | '.join(COLUMNS)} |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    for weight in given.weights.split(","):
        rung = Rung(f"denoising {weight}", "", objectives={**NEIGHBOURS, "denoising": float(weight)})
        result = climb(rung, dataset, budget, given.seed, given)
        lines.append(f"| {weight} | {' | '.join(f'{read(result):{form}}' for read, form in COLUMNS.values())} |")
        print("\n".join(lines), flush=True)
    if given.publish:
        path = Path(__file__).resolve().parent.parent / "docs" / "tradeoff.md"
        command = "python benchmarks/tradeoff.py " + " ".join(sys.argv[1:])
        table = "\n".join(lines)
        store.write_atomically(path, f"# Kind against appearance\n\n`{command}`\n\n{table}\n")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    add = parser.add_argument
    add("--weights", default="0,5,20,80,320", help="weights of denoising, by commas")
    add("--minutes", type=float, default=4.0, help="budget of one training")
    add("--decoder-seen", type=int, default=40_000, help="images that the decoder alone sees at the end")
    add("--out", type=Path, default=Path("runs/tradeoff"), help="folder for models and results")
    add("--dataset", default="cifar10")
    add("--seed", type=int, default=0)
    add("--n-train", type=int, default=0, help="training images; 0 means all")
    add("--n-test", type=int, default=0, help="test images; 0 means all")
    add("--held-out", type=int, default=0, help="score on this many training images instead of the test set")
    add("--publish", action="store_true", help="write the table into docs/")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting for all trainings")
    given = parser.parse_args(arguments)
    given.teacher = None
    return given


if __name__ == "__main__":
    main()
