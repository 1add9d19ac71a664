"""The archive of CIFAR-10, tar in any compression, unpacked; its checksum is left out."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Mapping
from typing import Any

from fuzz._folder import placed
from zehn.datasets import _archive
from zehn.errors import DataError

TOKENS = (
    b"../", b"/etc/passwd", b"cifar-10-batches-py/", b"ustar\0" b"00", b"ustar  \0", b"././@LongLink", b"path=",
    b"size=", b"linkpath=", b"GNU.sparse.map=", b"GNU.sparse.major=1", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0",
    b"\x80\0\0\0",
)  # fmt: skip
_FOLDER = "cifar-10-batches-py"
_WANTED = ("data_batch_1", "batches.meta")
_BLOCK, _CHECKSUM = 512, slice(148, 156)
_MOST_BLOCKS = 60


def seeds() -> Mapping[str, bytes]:
    """Return archives in each of tar's formats and compressions, and one with what does not belong there."""
    plain = _packed(tarfile.GNU_FORMAT)
    return {
        "gnu.tar": plain,
        "pax.tar": _packed(tarfile.PAX_FORMAT, pax_headers={"comment": "ten classes", "mtime": "1.5"}),
        "ustar.tar": _packed(tarfile.USTAR_FORMAT),
        "links.tar": _packed(tarfile.GNU_FORMAT, extra=(tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE)),
        "long.tar": _packed(tarfile.GNU_FORMAT, name="n" * 150),
        "gnu.tar.gz": gzip.compress(plain, mtime=0),
        "gnu.tar.bz2": bz2.compress(plain),
        "gnu.tar.xz": lzma.compress(plain),
    }


def check(data: bytes) -> None:
    """Unpack an archive, and look where its files went."""
    path = placed("cifar-10-python.tar.gz", data)
    try:
        _archive.unpack(path, path.parent / _FOLDER, _WANTED)
    except DataError:
        expected = {path.name}
    else:
        expected = {path.name, _FOLDER, *(f"{_FOLDER}/{name}" for name in _WANTED)}
    came = {str(one.relative_to(path.parent)) for one in path.parent.rglob("*")}
    if came != expected or any(one.is_symlink() for one in path.parent.rglob("*")):
        raise AssertionError(f"expected {sorted(expected)}, came {sorted(came)}")


def mend(data: bytes) -> bytes:
    """Make the checksum of every block right that looks like a header."""
    content = bytearray(data)
    for start in range(0, min(len(content), _MOST_BLOCKS * _BLOCK) - _BLOCK + 1, _BLOCK):
        block = content[start : start + _BLOCK]
        if block[257:262] == b"ustar":
            block[_CHECKSUM] = b" " * 8
            block[_CHECKSUM] = b"%06o\0 " % (sum(block) & 0o777777)
            content[start : start + _BLOCK] = block
    return bytes(content)


def _packed(kind: int, extra: tuple[bytes, ...] = (), name: str = "readme.html", **options: Any) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind, **options) as archive:
        folder = tarfile.TarInfo(_FOLDER)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for one, data in ((name, b"<html>"), *((one, one.encode() * 20) for one in _WANTED)):
            member = tarfile.TarInfo(f"{_FOLDER}/{one}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for kind_of_member in extra:
            member = tarfile.TarInfo(f"{_FOLDER}/odd")
            member.type, member.linkname = kind_of_member, "../../outside"
            archive.addfile(member)
    whole = buffer.getvalue().rstrip(b"\0")
    return whole + bytes(-len(whole) % _BLOCK + 2 * _BLOCK)
