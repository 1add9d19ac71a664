"""Images with all that is kept of each: added, removed and put down anew, within the transaction of whoever calls."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection, IntegrityError

import numpy as np
from jaxtyping import Float

from zehn.engines import _tables
from zehn.engines._given import check_codes, check_there, path_taken, paths_alike
from zehn.engines._protocol import NewRecord, Record


def add(
    connection: Connection,
    paths: Sequence[bytes],
    records: Sequence[NewRecord],
    codes: Float[np.ndarray, "..."],
    thumbnails: Sequence[bytes | None] | None,
) -> list[int]:
    """Add images, each with its path and its code, and return their ids; what has a path already keeps its id.

    Raises:
        InputError: codes of another number of dimensions, or that are no numbers.

    """
    state = _tables.state_of(connection)
    check_codes(codes, "codes", state.n_components)
    known = _tables.ids_of(connection, paths)
    new = iter(range(state.next_id, state.next_id + len(paths)))
    ids = [known[path] if path in known else next(new) for path in paths]
    _tables.put_images(connection, ids, records)
    _tables.put_codes(connection, "codes", ids, codes)
    if thumbnails is not None:
        _tables.put_thumbnails(connection, ids, thumbnails)
    _tables.note_changes(connection, state, ids)
    connection.executemany("DELETE FROM new_codes WHERE id = ?", ((id_,) for id_ in known.values()))
    n_new = len(paths) - len(known)
    connection.execute("UPDATE state SET next_id = next_id + ?, n_images = n_images + ?", (n_new, n_new))
    return ids


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Forget images.

    Raises:
        InputError: an id that is not there.

    """
    check_there(ids, _tables.rows_of(connection, "SELECT id FROM images WHERE id IN", ids))
    connection.executemany("DELETE FROM images WHERE id = ?", ((id_,) for id_ in ids))
    _tables.note_changes(connection, _tables.state_of(connection), ids)
    connection.execute("UPDATE state SET n_images = n_images - ?", (len(ids),))


def touch(connection: Connection, records: Sequence[Record]) -> None:
    """Put down anew what is known of stored images.

    Raises:
        InputError: an id that is not there, or a path that another image has.

    """
    ids = [record.id for record in records]
    check_there(ids, _tables.rows_of(connection, "SELECT id FROM images WHERE id IN", ids))
    # first out of each other's way: two files may have changed their names with each other
    aside = "UPDATE images SET path = x'00' || CAST(id AS BLOB) WHERE id = ?"
    connection.executemany(aside, ((id_,) for id_ in ids))
    taken = _tables.ids_of(connection, [record.path for record in records])
    if taken:
        raise path_taken(next(iter(taken)))
    try:
        _tables.put_images(connection, ids, records)
    except IntegrityError as error:
        raise paths_alike() from error
