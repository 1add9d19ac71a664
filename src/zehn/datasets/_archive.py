"""Take the wanted files out of a tar archive, and nothing else, to nowhere else."""

from __future__ import annotations

import logging
import lzma
import shutil
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from zehn.datasets import _places
from zehn.datasets._checksums import REMEDY
from zehn.errors import DataError

logger = logging.getLogger("zehn")

_MOST_MEMBER_BYTES = 64 * 1024**2


def unpack(archive_path: Path, folder: Path, wanted: Iterable[str]) -> None:
    """Unpack the ``wanted`` files of the archive's one top folder, which must be called as ``folder`` is, into it.

    No path of the archive is ever written to: files go to a temporary folder under the names that were asked for, and
    that is renamed at the end, so that ``folder`` is there in full or not at all. Where it is there already, it is
    given what it lacks or holds in another length.

    Raises:
        DataError: the archive is damaged, lacks a file, or holds one that does not belong there (a link, a device, a
            path outside its top folder); or the disk is full or must not be written to.

    """
    try:
        with _places.staging(folder.parent) as staging_path:
            _extract(archive_path, staging_path, folder.name, set(wanted))
            _put_in_place(staging_path, folder)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, TypeError) as error:
        raise DataError(f"{archive_path} is damaged: {error}; {REMEDY}") from error
    except OSError as error:
        raise DataError(
            f"cannot unpack {archive_path} into {folder}: {error.strerror or error}; "
            "free some space, or name another folder with --data-dir"
        ) from error


def _extract(archive_path: Path, staging_path: Path, top: str, wanted: set[str]) -> None:
    missing = set(wanted)
    with tarfile.open(archive_path, "r|*") as archive:
        for member in archive:
            _check_member(archive_path, member, top)
            name = PurePosixPath(member.name).name
            source = archive.extractfile(member)
            if source is not None and name in missing:
                with (staging_path / name).open("wb") as file:
                    shutil.copyfileobj(source, file)
                missing.remove(name)
    if missing:
        raise DataError(f"{archive_path} lacks {', '.join(sorted(missing))}; {REMEDY}")


def _check_member(archive_path: Path, member: tarfile.TarInfo, top: str) -> None:
    path = PurePosixPath(member.name)
    inside = not path.is_absolute() and ".." not in path.parts and path.parts[:1] == (top,)
    if not inside or not (member.isreg() or member.isdir()) or member.size > _MOST_MEMBER_BYTES:
        raise DataError(
            f"{archive_path} holds {member.name!r}, which does not belong there; nothing was unpacked from it: {REMEDY}"
        )
    if hasattr(tarfile, "data_filter"):  # Python from 3.11.4 on; the check above is the stricter one
        tarfile.data_filter(member, str(archive_path.parent))


def _put_in_place(staging_path: Path, folder: Path) -> None:
    try:
        staging_path.replace(folder)
    except OSError:
        if not folder.is_dir():
            raise
        for path in staging_path.iterdir():
            if not _is_like(path, folder / path.name):
                path.replace(folder / path.name)
                logger.info("%s was not whole and has been put in place", folder / path.name)


def _is_like(path: Path, other_path: Path) -> bool:
    return other_path.is_file() and other_path.stat().st_size == path.stat().st_size
