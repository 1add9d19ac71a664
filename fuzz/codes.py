"""Files of codes (NPZ, HDF5, Parquet): as they are read by whoever wants codes, and as a collection imports them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fuzz._folder import placed
from zehn import codes
from zehn.collection import exchange
from zehn.engines import NewRecord, embedded
from zehn.errors import CollectionError, DataError, InputError

TOKENS = (
    b"\x93NUMPY\x01\0", b"\x93NUMPY\x02\0", b"\x93NUMPY\x03\0", b"'descr': '<f4'", b"'descr': '|O'",
    b"'shape': (9223372036854775807,)", b"'fortran_order': True", b"'<U1000000000'", b"'<M8[ns]'", b"[('a', '<f4')]",
    b"codes.npy", b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PAR1", b"ARROW:schema",
    b"\x15\x04\x15", b"TREE", b"SNOD", b"GCOL", b"\xff" * 8, b"../x.npy",
)  # fmt: skip
_FINGERPRINT = "zehn-0123456789abcdef"
_D = 2
_LOCAL, _CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def seeds() -> Mapping[str, bytes]:
    """Return codes as ``zehn encode`` writes them and as ``zehn index export`` does, in each kind of file."""
    values, ids = np.arange(3 * _D, dtype=np.float32).reshape(3, _D), np.arange(3)
    found = {}
    for ending in (".npz", ".h5", ".parquet"):
        path = placed(f"codes{ending}", b"")
        codes.write(path, values, ids, [0, 1, 1], _FINGERPRINT, paths=["/a.png", "/b.png", "/ü.png"])
        found[f"encoded{ending}"] = path.read_bytes()
        codes.write(path, values[:1], ids[:1], None, _FINGERPRINT)
        found[f"bare{ending}"] = path.read_bytes()
    for ending in (".npz", ".parquet"):
        found[f"exported{ending}"] = _exported(ending)
    packed = io.BytesIO()
    np.savez_compressed(packed, codes=values, ids=ids, fingerprint=np.array(_FINGERPRINT))
    return {**found, "compressed.npz": packed.getvalue()}


def check(data: bytes) -> None:
    """Read a file in both ways."""
    path = placed(f"codes{_ending(data)}", data)
    try:
        content = codes.read(path)
        if len(content.codes) != len(content.ids) or content.codes.dtype != np.float32:
            raise AssertionError(f"expected float32 and an id for each code, came {content}")
        if content.codes.nbytes > max(1_000_000, 1_000 * len(data)):
            raise AssertionError(f"expected no endless codes of {len(data):,} bytes, came {content.codes.nbytes:,}")
    except DataError:
        pass
    if path.suffix == ".h5":
        return
    try:
        for records, values in exchange.read(path, _FINGERPRINT, _D):
            if len(records) != len(values):
                raise AssertionError(f"expected a record for each code, came {len(records)} and {len(values)}")
    except (DataError, CollectionError, InputError):
        pass


def mend(data: bytes) -> bytes:
    """Make the checksums and the lengths of a zip archive's entries right, which lie in it uncompressed."""
    if not data.startswith(_LOCAL):
        return data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, struct.error):
        return data
    content = bytearray(data)
    for entry in entries:
        at = entry.header_offset
        if content[at : at + 4] != _LOCAL or entry.compress_type != zipfile.ZIP_STORED or at + 30 > len(content):
            continue
        n_name, n_extra = struct.unpack_from("<HH", content, at + 26)
        start = at + 30 + n_name + n_extra
        checksum = zlib.crc32(content[start : start + entry.compress_size])
        struct.pack_into("<I", content, at + 14, checksum)
        central = content.find(_CENTRAL)
        while central >= 0 and central + 46 <= len(content):
            if struct.unpack_from("<I", content, central + 42)[0] == at:
                struct.pack_into("<I", content, central + 16, checksum)
            central = content.find(_CENTRAL, central + 4)
    return bytes(content)


def _ending(data: bytes) -> str:
    if data.startswith(b"\x89HDF"):
        return ".h5"
    return ".parquet" if data.startswith(b"PAR1") else ".npz"


def _exported(ending: str) -> bytes:
    place = placed("made", b"").parent
    with embedded.create(str(place / "made.zehn"), _D, {"fingerprint": _FINGERPRINT}, embedded.Options()) as engine:
        records = [
            NewRecord(b"/a.png", 10, 0, bytes(32), 4, 3, "cat"),
            NewRecord(b"/\xff.png", 11, 0, b"", 5, 3, None),
        ]
        engine.add(records, np.array([[0.5, 1], [2, 3]], np.float32))
        exchange.write(engine, Path(place / f"made{ending}"), _FINGERPRINT)
    return (place / f"made{ending}").read_bytes()
