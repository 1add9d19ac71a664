"""What bulk encoding reads: tar shards and Parquet tables of images, split into units and read image by image."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping

from fuzz import archive
from fuzz._folder import placed
from zehn.errors import DataError
from zehn.scale.encoding import reading, sources

TOKENS = (
    *archive.TOKENS, b"PAR1", b"bytes", b"image", b"\x15\x04\x15", b"0001.jpg", b"0001.cls", b"\xff\xd8\xff",
)  # fmt: skip
_N_IMAGES, _N_UNITS = 2, 50


def seeds() -> Mapping[str, bytes]:
    """Return shards, compressed or not, and tables of images."""
    import pyarrow
    from pyarrow import parquet

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as packed:
        for name, data in (
            ("0001.jpg", b"\xff\xd8 one"),
            ("0001.cls", b"3"),
            ("a/../0002.png", b"\x89PNG"),
            ("0001.jpg", b"x"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    shard = buffer.getvalue()[: 10 * 512]
    tables = {
        "bytes.parquet": pyarrow.table(
            {"image": pyarrow.array([b"\xff\xd8", None], pyarrow.binary()), "label": [1, 2]}
        ),
        "struct.parquet": pyarrow.table({"image": [{"bytes": b"\xff\xd8", "path": "a.jpg"}], "text": ["x"]}),
    }
    found = {"shard.tar": shard, "shard.tar.gz": gzip.compress(shard, mtime=0)}
    for name, table in tables.items():
        made = io.BytesIO()
        parquet.write_table(table, made)
        found[name] = made.getvalue()
    return found


def check(data: bytes) -> None:
    """Split a file into units, and read each."""
    name = "images.parquet" if data.startswith(b"PAR1") else "images.tar"
    path = placed(name, data)
    try:
        found = sources.find(str(path), _note)
        units = list(sources.divide(found, _N_IMAGES, _note))
    except DataError:
        return
    for unit in units[:_N_UNITS]:
        for item in reading.read(unit):
            if not item.path.startswith(bytes(path)) or b"/../" in item.path:
                raise AssertionError(f"expected what lies in {path}, came {item.path!r}")
            reading.shown(item.path)


def _note(path: str, why: str) -> None:
    del path, why


mend = archive.mend
