"""Images with all that is kept of each: added, removed and put down anew, within the transaction of whoever calls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from zehn.engines._given import check_codes, check_there, path_taken, paths_alike
from zehn.engines._postgres import tables
from zehn.engines._postgres.shards import Connection
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
    state = tables.state_of(connection)
    check_codes(codes, "codes", state.n_components)
    known = tables.found(connection, paths) if state.n_images else {}
    new, now = iter(range(state.next_id, state.next_id + len(paths))), tables.now()
    ids = [known[path].id if path in known else next(new) for path in paths]
    replaced = [record.id for record in known.values()]
    tables.forget(connection, ("images", state.codes, state.new_codes), replaced)
    added = [known[path].added if path in known else now for path in paths]
    are_new = not replaced
    tables.put_images(connection, ids, records, added, are_new=are_new)
    tables.put_codes(connection, state.codes, ids, codes, are_new=are_new)
    if thumbnails is not None:
        tables.forget(connection, ("thumbnails",), replaced)
        tables.put_thumbnails(connection, ids, thumbnails, are_new=are_new)
    n_new = len(paths) - len(known)
    connection.execute(
        "UPDATE state SET next_id = next_id + %s, n_images = n_images + %s, n_changes = n_changes + %s",
        (n_new, n_new, len(paths)),
    )
    return ids


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Forget images.

    Raises:
        InputError: an id that is not there.

    """
    there = tables.rows_of(connection, "SELECT id FROM images WHERE id = ANY", ids)
    check_there(ids, there)
    state = tables.state_of(connection)
    tables.forget(connection, ("images", "thumbnails", state.codes, state.new_codes), ids)
    counted = "UPDATE state SET n_images = n_images - %s, n_changes = n_changes + %s"
    connection.execute(counted, (len(ids), len(ids)))


def touch(connection: Connection, records: Sequence[Record]) -> None:
    """Put down anew what is known of stored images.

    Raises:
        InputError: an id that is not there, or a path that another image has.

    """
    by_id = {record.id: record for record in records}
    paths = [record.path for record in by_id.values()]
    before = tables.records_of(connection, list(by_id))
    there = tables.found(connection, paths)
    taken = next((path for path, one in there.items() if one.id not in by_id), None)
    if taken is not None:
        raise path_taken(taken)
    if len(set(paths)) < len(paths):
        raise paths_alike()
    tables.forget(connection, ("images",), list(by_id))
    added = [record.added for record in before]
    tables.put_images(connection, list(by_id), list(by_id.values()), added)
