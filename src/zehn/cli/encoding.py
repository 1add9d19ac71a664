"""The command ``zehn encode``: to a file in one piece, or to a folder in bulk."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from zehn.cli.progress import counting_line, progress_line
from zehn.cli.texts import shown
from zehn.collection import defaults
from zehn.errors import ConfigError

if TYPE_CHECKING:
    from zehn import store
    from zehn.collection import Collection
    from zehn.scale.encoding import Encoded

_IN_BULK = ("ray", "workers", "into", "fit", "column", "retry_skipped", "json")
_N_SKIPPED_SHOWN = 10


def encode(given: Namespace) -> int:
    """``zehn encode``."""
    if _is_folder(given.out):
        given.perform = encode_in_bulk  # whose interruption is another matter
        return encode_in_bulk(given)
    asked = [name for name in _IN_BULK if getattr(given, name)]
    if asked:
        option = asked[0].replace("_", "-")
        raise ConfigError(f"--{option} goes with a folder as --out, such as codes/, came the file {given.out}")
    from zehn import pipeline

    n_codes = pipeline.encode(
        given.source,
        given.model or defaults.MODEL,
        Path(given.out),
        device=given.device,
        data_dir=given.data_dir,
        progress=progress_line(),
    )
    print(f"{n_codes} codes: {given.out}")
    return 0


def encode_in_bulk(given: Namespace) -> int:
    """``zehn encode`` with a folder as ``--out``."""
    from contextlib import nullcontext, redirect_stdout

    from zehn.collection import Collection
    from zehn.scale.encoding import Options, load
    from zehn.scale.encoding import encode as encode_all

    with Collection.open(given.into) if given.into else nullcontext() as collection:
        model, fit = _made_with(given, collection)
        options = Options(
            batch=given.batch,
            fit=fit,
            device=given.device,
            column=given.column,
            retry_skipped=given.retry_skipped,
        )
        with redirect_stdout(sys.stderr):  # Ray prints there that a node died
            encoded = encode_all(
                given.source,
                given.out,
                model,
                ray=given.ray,
                n_workers=given.workers,
                options=options,
                progress=counting_line(),
            )
        n_loaded = None if collection is None else load(given.out, collection, progress=counting_line())
    _print(encoded, n_loaded, given)
    return 0


def _made_with(given: Namespace, collection: Collection | None) -> tuple[store.Model | str, str]:
    """Return the model and the fit: those of the collection, those that are asked for, or the usual ones.

    Raises:
        ConfigError: others are asked for than the collection's, which would show only once all is encoded.

    """
    if collection is None:
        return given.model or defaults.MODEL, given.fit or defaults.FIT
    from zehn.collection import keeping

    fit, fingerprint = collection.engine.facts()["fit"], collection.model.fingerprint
    asked = keeping.load(given.model)[0].fingerprint if given.model else fingerprint
    if (asked, given.fit or fit) != (fingerprint, fit):
        raise ConfigError(
            f"expected the model and the fit of {given.into}, {fingerprint} and {fit}, came {asked} and "
            f"{given.fit or fit}; leave --model and --fit out, or load into another collection"
        )
    return collection.model, fit


def _is_folder(out: str) -> bool:
    if out.endswith(("/", os.sep)) or os.path.isdir(out):  # noqa: PTH112 – a URL may come
        return True
    return not os.path.splitext(out)[1]  # noqa: PTH122 – likewise


def _print(encoded: Encoded, n_loaded: int | None, given: Namespace) -> None:
    counts = {
        "images": encoded.n_images,
        "new": encoded.n_new,
        "skipped": len(encoded.skipped),
        "parts": encoded.n_parts,
        **({} if n_loaded is None else {"loaded": n_loaded}),
    }
    if given.json:
        about = {"folder": encoded.folder, "fingerprint": encoded.fingerprint, "nodes": dict(encoded.nodes)}
        print(json.dumps({**about, **counts, "seconds": encoded.seconds}, indent=2))
        return
    said = f"{encoded.n_images:,} codes in {encoded.n_parts:,} part files, {encoded.n_new:,} of them new"
    pace = encoded.n_new / max(encoded.seconds, 1e-9)
    said += f" ({pace:,.0f} images/s on {len(encoded.nodes):,} nodes)" if encoded.n_new else ""
    print(f"{said}: {shown(encoded.folder)}")
    if n_loaded is not None:
        print(f"{n_loaded:,} images loaded into {shown(given.into)}")
    for one in encoded.skipped[:_N_SKIPPED_SHOWN]:
        print(f"  {shown(one.path)}: {shown(one.reason)}", file=sys.stderr)
    if encoded.skipped:
        print(f"{len(encoded.skipped):,} files skipped; skipped.jsonl lists all", file=sys.stderr)
