"""Reading a run's journal from any thread, beside whoever writes it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.errors import StoreError
from miyabi_tui.engine.store.rows import RECORD_COLUMNS, STREAMS, decode
from miyabi_tui.engine.store.trouble import store_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from miyabi_tui.engine.events import Record
    from miyabi_tui.engine.worlds import WorldId

BUSY_SECONDS = 5.0
_STREAMS = ", ".join(repr(kind) for kind in STREAMS)


def read_records(
    journal: Path,
    run_id: str,
    *,
    world: WorldId | None = None,
    after: int = 0,
    before: int | None = None,
    streams: bool = True,
    newest: int | None = None,
) -> list[Record]:
    """The events of a run in order, those with `after` < number < `before`; see `Control.records`.

    Raises:
        StoreError: they cannot be read.
    """
    wanted, values = ["run_id = ?", "seq > ?"], [run_id, after]
    if before is not None:
        wanted.append("seq < ?")
        values.append(before)
    if world is not None:
        wanted.append("world = ?")
        values.append(str(world))
    if not streams:
        wanted.append(f"kind NOT IN ({_STREAMS})")
    order = "seq" if newest is None else "seq DESC LIMIT ?"
    if newest is not None:
        values.append(newest)
    query = f"SELECT {RECORD_COLUMNS} FROM events WHERE {' AND '.join(wanted)} ORDER BY {order}"
    try:
        with closing(_open(journal)) as connection:
            rows = connection.execute(query, values).fetchall()
        return decode(rows if newest is None else reversed(rows))
    except sqlite3.Error as error:
        raise store_error("read", journal, error) from error
    except msgspec.DecodeError as error:
        raise StoreError(
            f"the journal {journal} has an event that cannot be read", str(error)
        ) from (error)


def read_times(journal: Path, run_id: str) -> Iterator[tuple[int, float]]:
    """The number and the time of each event of a run, in order.

    Raises:
        StoreError: they cannot be read.
    """
    try:
        with closing(_open(journal)) as connection:
            query = "SELECT seq, at FROM events WHERE run_id = ? ORDER BY seq"
            yield from connection.execute(query, (run_id,))
    except sqlite3.Error as error:
        raise store_error("read", journal, error) from error


def _open(journal: Path) -> sqlite3.Connection:
    where = f"{journal.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(where, uri=True, timeout=BUSY_SECONDS)
