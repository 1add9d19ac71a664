"""The section on the data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zehn.figures.style import N_NAMED
from zehn.report.document import Block, Cell, Heading, Note, Paragraph, Rows, Section, Table, ref
from zehn.report.facts import Facts
from zehn.report.gallery import Gallery
from zehn.report.prose import data as prose
from zehn.report.sections.missing import note_missing
from zehn.report.wording import breakable, count

_N_CLASSES_SHOWN, _N_SKIPPED_SHOWN = 24, 12
_N_SIDE_BY_SIDE = 6
"""More classes than this are set in two columns of the table."""


def build(facts: Facts, gallery: Gallery) -> list[Section]:
    """Describe the images: where from, how many, of what kind, a few of them drawn."""
    data = facts.data
    if data is None:
        return [Section("Data", note_missing(facts, "data", "nothing is known of its images"))]
    share = facts.config.get("data", {}).get("validation_share")
    blocks: list[Block] = [
        Paragraph([breakable(prose.describe_source(data)), " ", ref("tab:arrays"), " lists the arrays."])
    ]
    blocks += [Note([breakable(note)]) for note in data.get("notes", ()) if not facts.stands_in]
    blocks.append(_tabulate_arrays(data["arrays"]))
    blocks.append(Paragraph([prose.describe_use(share, labelled=bool(facts.class_names))]))
    blocks += _show_classes(gallery, data["arrays"])
    blocks += _tabulate_skipped(data.get("skipped", ()))
    return [Section("Data", blocks)]


def _tabulate_arrays(arrays: Mapping[str, Any]) -> Table:
    rows: Rows = [
        [
            Cell(name, code=True),
            " × ".join(f"{length:,}" for length in array["shape"]),
            Cell(array["dtype"], code=True),
            count(array.get("min")),
            count(array.get("max")),
        ]
        for name, array in arrays.items()
    ]
    caption = ["The arrays of the data set as Zehn holds them: images x and labels y, to train on and to test with."]
    return Table("tab:arrays", caption, ["array", "shape", "type", "least", "largest"], rows, words=(0, 1, 2))


def _show_classes(gallery: Gallery, arrays: Mapping[str, Any]) -> list[Block]:
    train = arrays.get("y_train", {}).get("class_counts", {})
    test = arrays.get("y_test", {}).get("class_counts", {})
    caption = ["Images of the training set, a choice that the seed fixes"]
    caption.append(", by class." if 1 < len(train) <= N_NAMED else ".")
    sample = gallery.hang("fig:samples", "data/samples", caption, "A grid of small images from the training set.")
    blocks: list[Block] = [
        Heading("Samples"),
        Paragraph([prose.describe_balance(train), ref("fig:samples"), " shows some of the images."]),
    ]
    if 0 < len(train) <= _N_CLASSES_SHOWN:
        blocks.append(_tabulate_classes(train, test))
    return [*blocks, sample]


def _tabulate_classes(train: Mapping[str, int], test: Mapping[str, int]) -> Table:
    rows: Rows = [[breakable(name), count(n), count(test.get(name))] for name, n in train.items()]
    head = ["class", "training", "test"]
    n_columns = 2 if len(rows) > _N_SIDE_BY_SIDE else 1
    n_rows = -(-len(rows) // n_columns)
    beside = [
        row + rows[index + n_rows] if index + n_rows < len(rows) else row for index, row in enumerate(rows[:n_rows])
    ]
    filled = [row + [""] * (len(head) * n_columns - len(row)) for row in beside]
    words = [3 * column for column in range(n_columns)]
    return Table("tab:classes", ["Images of each class."], head * n_columns, filled, words)


def _tabulate_skipped(skipped: Any) -> list[Block]:
    if not skipped:
        return []
    rows: Rows = [[breakable(one["path"]), breakable(one["reason"])] for one in skipped[:_N_SKIPPED_SHOWN]]
    more = (
        f" (the first {_N_SKIPPED_SHOWN} of {len(skipped):,}; report.json has them all)"
        if len(skipped) > len(rows)
        else ""
    )
    caption = [f"Files that were left out{more}."]
    table = Table("tab:skipped", caption, ["file", "reason"], rows, words=(0, 1), widths=(0.45, 0.55))
    return [Heading("Files left out"), Paragraph([prose.describe_skipped(len(skipped))]), table]
