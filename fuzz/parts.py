"""What bulk encoding left in a folder: part files (Parquet), the manifest, the trail of a worker that died."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from fuzz._folder import placed
from zehn.datasets import Skipped
from zehn.errors import DataError
from zehn.scale.encoding import job, loading, parts, storage, worker

TOKENS = (
    b"PAR1", b"zehn", b"format", b"skipped", b"path_bytes", b"code_0", b"\x15\x04\x15", b"[" * 64, b"1e999", b"null",
    b"{}",
)  # fmt: skip
_D = 2
_PART, _MANIFEST, _TRAIL = "part-x.parquet", "manifest.json", "trail-x"


def seeds() -> Mapping[str, bytes]:
    """Return a part file, a manifest and a trail."""
    rows = [parts.Row(f"/{n}.png".encode(), bytes(32), 10, 5, 4, 3) for n in range(3)]
    about = parts.Part(_PART, 3, "zehn-0123456789abcdef", _D, (Skipped("/x.png", "it is empty"),), "here", 7, 0.5)
    manifest = {
        "format": parts.FORMAT,
        "fingerprint": about.fingerprint,
        "fit": "crop",
        "n_images": 3,
        "sources": ["/a"],
    }
    return {
        _PART: parts.as_bytes(rows, np.ones((3, _D), np.float32), about),
        _MANIFEST: json.dumps(manifest).encode(),
        _TRAIL: b'{"at": 3, "deaths": {"3": 1}}',
    }


def check(data: bytes) -> None:
    """Read bytes as each of the three."""
    path = placed(_PART, data)
    folder = storage.Folder(str(path.parent))
    parts.read_about(folder, _PART)
    if data.startswith(b"PAR1"):
        try:
            rows, codes = loading._read(folder, _PART, _D)
        except DataError:
            return
        if codes.shape != (len(rows), _D):
            raise AssertionError(f"expected a code for each row, came {len(rows)} and {codes.shape}")
        return
    path.rename(path.with_name(job.MANIFEST))
    with suppress(DataError):
        job.read_manifest(folder)
    trail = worker._Trail(folder, "x")
    trail._learn(data)
