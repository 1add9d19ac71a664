"""The commands about collections: ``zehn index …``, ``zehn search`` and ``zehn duplicates``."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zehn.cli import tables
from zehn.cli.progress import counting_line
from zehn.cli.texts import shown
from zehn.errors import CollectionError, InputError

if TYPE_CHECKING:
    from zehn.collection import Changes, Collection, Duplicate, Hit

_N_SKIPPED_SHOWN = 10
_N_LABELS_SHOWN = 12
_N_DIMENSIONS_SHOWN = 3


def create(given: Namespace) -> int:
    """``zehn index create``."""
    from zehn.collection import Collection
    from zehn.engines import masked

    with Collection.create(
        given.name,
        given.model,
        fit=given.fit,
        thumbnail_size=given.thumbnail_size,
        n_components=given.n_components,
        preset=given.preset,
        engine=given.engine,
    ) as collection:
        named = shown(shlex.quote(masked(str(given.name))))
        print(f"made {shown(collection.address)}; fill it with: zehn index add {named} FOLDER")
    return 0


def add(given: Namespace) -> int:
    """``zehn index add``."""
    with _opened(given) as collection:
        changes = collection.add(given.paths, labels=given.labels, thorough=given.thorough, progress=counting_line())
        return _print_changes(changes, given)


def update(given: Namespace) -> int:
    """``zehn index update``."""
    with _opened(given) as collection:
        return _print_changes(collection.update(thorough=given.thorough, progress=counting_line()), given)


def remove(given: Namespace) -> int:
    """``zehn index remove``."""
    if not given.paths and not given.ids:
        raise InputError("expected paths or --ids of the images to remove, came none")
    with _opened(given) as collection:
        print(
            f"removed {collection.remove([*given.paths, *_numbers(given.ids)]):,} images; {len(collection):,} are left"
        )
    return 0


def info(given: Namespace) -> int:
    """``zehn index info``."""
    with _opened(given, read_only=True) as collection:
        known = collection.info()
    print(json.dumps(_with_text_labels(known), indent=2) if given.json else _info_table(known))
    return 0


def verify(given: Namespace) -> int:
    """``zehn index verify``."""
    with _opened(given, read_only=True) as collection:
        problems = collection.verify()
        said = "not as it should be" if problems else "all is well"
        print(f"{shown(collection.name)}: {len(collection):,} images; {said}")
    for problem in problems:
        print(f"zehn: {shown(problem)}", file=sys.stderr)
    return 1 if problems else 0


def reencode(given: Namespace) -> int:
    """``zehn index reencode``."""
    with _opened(given) as collection:
        if given.abandon:
            collection.abandon_reencoding()
            print(f"{len(collection):,} images stay as {shown(collection.info()['model'])} encoded them")
            return 0
        skipped = collection.reencode(given.model, progress=counting_line())
        name = shown(collection.info()["model"])
        print(f"{len(collection):,} images encoded with {name} ({shown(collection.model.fingerprint)})")
    _print_skipped([f"{one.path}: {one.reason}; its thumbnail was encoded instead" for one in skipped])
    return 0


def prepare(given: Namespace) -> int:
    """``zehn index prepare``."""
    with _opened(given) as collection:
        collection.prepare_search(given.distance)
        print(f"{shown(collection.name)}: ready for approximate searches by {given.distance} distance")
    return 0


def compact(given: Namespace) -> int:
    """``zehn index compact``."""
    with _opened(given) as collection:
        before = collection.info()["n_bytes"]
        collection.compact()
        print(f"{before / 1e6:,.1f} MB before, {collection.info()['n_bytes'] / 1e6:,.1f} MB now")
    return 0


def backup(given: Namespace) -> int:
    """``zehn index backup``."""
    with _opened(given, read_only=True) as collection:
        collection.backup(given.file)
    print(shown(str(given.file)))
    return 0


def export(given: Namespace) -> int:
    """``zehn index export``."""
    with _opened(given, read_only=True) as collection:
        print(f"{collection.export(given.file):,} images: {shown(str(given.file))}")
    return 0


def import_codes(given: Namespace) -> int:
    """``zehn index import``."""
    with _opened(given) as collection:
        print(f"{collection.import_codes(given.file):,} images from {shown(str(given.file))}")
    return 0


def copy(given: Namespace) -> int:
    """``zehn index copy``."""
    from zehn.collection import copy as copied

    done = copied(given.name, given.target, progress=counting_line())
    print(f"{done.n_images:,} images: {shown(done.address)}; checksum {done.checksum}, the same in both")
    return 0


def list_collections(given: Namespace) -> int:
    """``zehn index list``."""
    from zehn.collection import collections

    del given
    print("\n".join(map(shown, collections())) or "there is no collection yet; make one with: zehn index create NAME")
    return 0


def search(given: Namespace) -> int:
    """``zehn search``."""
    from zehn.collection import Collection

    name = _only(given.collection)
    with Collection.open(name, read_only=True, allow_partial=given.allow_partial) as collection:
        found = collection.search(
            given.images,
            given.k,
            distance=given.distance,
            where=given.where,
            approximate=given.approximate,
            explain=given.explain,
        )
        for missing in next((hit.missing for hits in found for hit in hits), ()):
            print(f"zehn: {shown(missing)}", file=sys.stderr)
        if given.json:
            print(json.dumps([_as_json(*pair) for pair in zip(given.images, found, strict=True)], indent=2))
        elif given.paths_only:
            _print_paths([hit.path for hits in found for hit in hits])
        else:
            print("\n\n".join(_hits_table(*pair) for pair in zip(given.images, found, strict=True)))
        if given.show is not None:
            from zehn.cli.pictures import show

            drawn = show(collection, given.images, found, given.show)
            # a grid in a file is not the answer that another program reads
            is_aside = bool(given.show) and (given.json or given.paths_only)
            print(shown(drawn) if given.show else drawn, file=sys.stderr if is_aside else sys.stdout)
    return 0


def duplicates(given: Namespace) -> int:
    """``zehn duplicates``."""
    from zehn.collection import Collection, groups

    with (
        Collection.open(_only(given.name), read_only=True) as collection,
        Collection.open(given.other or _only(given.name), read_only=True) as other,
    ):
        pairs = collection.duplicates(
            given.threshold,
            other=other if given.other else None,
            distance=given.distance,
            max_difference=given.max_difference if given.max_difference < 1 else None,
            where=given.where,
            progress=counting_line(),
        )
    if given.json:
        print(json.dumps([_pair_as_json(pair) for pair in pairs], indent=2))
    elif given.other:
        print(_pairs_table(pairs) or "no image is in both")
    else:
        together = groups(pairs)
        print("\n\n".join("\n".join(shown(os.fsdecode(one.path)) for one in group) for group in together))
        print(f"{len(together):,} groups of near-duplicates, {len(pairs):,} pairs", file=sys.stderr)
    return 0


def _opened(given: Namespace, *, read_only: bool = False) -> Collection:
    from zehn.collection import Collection

    return Collection.open(given.name, read_only=read_only)


def _only(name: str | None) -> str:
    """Return the collection that was named, or the only one there is."""
    if name is not None:
        return name
    from zehn.collection import collections

    there = collections()
    if len(there) != 1:
        known = f"there are: {', '.join(there)}" if there else "make one with: zehn index create NAME"
        raise CollectionError(f"expected the name of a collection (--collection NAME); {known}")
    return there[0]


def _numbers(text: str | None) -> list[int]:
    try:
        return [int(part) for part in (text or "").split(",") if part.strip()]
    except ValueError as error:
        raise InputError(f"expected ids such as 3,17,42, came {text!r}") from error


def _print_changes(changes: Changes, given: Namespace) -> int:
    counts = {
        "added": changes.n_added,
        "changed": changes.n_changed,
        "unchanged": changes.n_unchanged,
        "removed": changes.n_removed,
        "skipped": len(changes.skipped),
    }
    if given.json:
        skipped = [{"path": one.path, "reason": one.reason} for one in changes.skipped]
        print(json.dumps({**counts, "skipped": skipped}, indent=2))
        return 0
    print(", ".join(f"{number:,} {name}" for name, number in counts.items()))
    _print_skipped([f"{one.path}: {one.reason}" for one in changes.skipped])
    return 0


def _print_skipped(lines: Sequence[str]) -> None:
    for line in lines[:_N_SKIPPED_SHOWN]:
        print(f"  {shown(line)}", file=sys.stderr)
    if len(lines) > _N_SKIPPED_SHOWN:
        print(f"  … and {len(lines) - _N_SKIPPED_SHOWN:,} more; --json lists all", file=sys.stderr)


def _info_table(known: Mapping[str, Any]) -> str:
    labels = sorted(known["labels"].items(), key=lambda item: -item[1])
    named = [f"{'none' if label is None else shown(label)} {number:,}" for label, number in labels[:_N_LABELS_SHOWN]]
    state = known["reencoding"]
    rows = [
        ("address", shown(known["address"])),
        ("images", f"{known['n_images']:,}"),
        ("size", f"{known['n_bytes'] / 1e6:,.1f} MB"),
        ("model", shown(f"{known['model']} {known['fingerprint']}".strip())),
        ("numbers per code", str(known["n_components"])),
        ("oblong images", shown(known["fit"])),
        ("created", shown(known["created"])),
        ("labels", ", ".join(named) + (", …" if len(labels) > _N_LABELS_SHOWN else "")),
        ("folders", ", ".join(map(shown, known["folders"]))),
    ]
    if state is not None:
        rows.append(
            (
                "re-encoding",
                f"{state['n_done']:,} done, {state['n_left']:,} left; zehn index reencode goes on, --abandon forgets",
            )
        )
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in rows)


def _with_text_labels(known: Mapping[str, Any]) -> dict[str, Any]:
    labels = [{"label": label, "n_images": number} for label, number in known["labels"].items()]
    return {**known, "labels": labels}


def _hits_table(query: str, found: Sequence[Hit]) -> str:
    if not found:
        return f"{shown(query)}: no image to be found"
    head = f"{shown(query)}, by {found[0].distance_name} distance"
    if found[0].recall < 1:
        head += f"; approximate, {100 * found[0].recall:.1f} % of the true hits are found"
    rows = [("", "distance", "closer than", *(["label"] if _is_labelled(found) else []), "path")]
    rows += [
        (
            str(hit.rank),
            f"{hit.distance:.4g}",
            _percentage(hit.percentile),
            *([shown(hit.label or "–")] if _is_labelled(found) else []),
            shown(hit.path),
        )
        for hit in found
    ]
    text = tables.aligned([row[:-1] for row in rows]).splitlines()
    lines = [f"{line:<{max(map(len, text))}}  {row[-1]}" for line, row in zip(text, rows, strict=True)]
    return "\n".join([head, *lines, *_reasons(found)])


def _reasons(found: Sequence[Hit]) -> list[str]:
    if not found or found[0].explanation is None:
        return []
    lines = ["", "what sets query and hit apart, by share of the distance"]
    for hit in found:
        if hit.explanation is not None:
            shares = hit.explanation.contributions
            order = sorted(range(len(shares)), key=lambda place: -shares[place])[:_N_DIMENSIONS_SHOWN]
            lines.append(f"{hit.rank:>2}  " + ", ".join(f"z{place + 1} {shares[place]:.0%}" for place in order))
    return lines


def _is_labelled(found: Sequence[Hit]) -> bool:
    return any(hit.label is not None for hit in found)


def _percentage(percentile: float) -> str:
    if math.isnan(percentile):
        return "–"
    # never rounded up to all pairs
    return f"{math.floor(percentile * 100) / 100:.2f} %"


def _as_json(query: str, found: Sequence[Hit]) -> dict[str, Any]:
    return {"query": query, "hits": [_hit_as_json(hit) for hit in found]}


def _hit_as_json(hit: Hit) -> dict[str, Any]:
    why = hit.explanation
    own = {name: getattr(hit, name) for name in ("id", "path", "rank", "distance", "distance_name", "label", "recall")}
    own["missing"] = list(hit.missing)
    own["percentile"] = None if math.isnan(hit.percentile) else hit.percentile
    if why is None:
        return own
    names = ("query_code", "hit_code", "contributions")
    return {**own, "explanation": {name: getattr(why, name).tolist() for name in names}}


def _pair_as_json(pair: Duplicate) -> dict[str, Any]:
    return {
        "first": {"id": pair.first.id, "path": os.fsdecode(pair.first.path)},
        "second": {"id": pair.second.id, "path": os.fsdecode(pair.second.path)},
        "distance": pair.distance,
        "percentile": None if math.isnan(pair.percentile) else pair.percentile,
        "is_copy": pair.is_copy,
        "difference": pair.difference,
    }


def _pairs_table(pairs: Sequence[Duplicate]) -> str:
    paths = [[shown(os.fsdecode(one.path)) for one in (pair.first, pair.second)] for pair in pairs]
    return "\n".join(
        f"{'copy' if pair.is_copy else 'near'}  {first}  {second}"
        for pair, (first, second) in zip(pairs, paths, strict=True)
    )


def _print_paths(paths: Sequence[str]) -> None:
    """Print paths byte by byte as they are, for other programs."""
    sys.stdout.flush()
    for path in paths:
        sys.stdout.buffer.write(os.fsencode(path) + b"\n")
    sys.stdout.buffer.flush()
