"""What can still be read of a damaged journal is taken over into the new one.

Since everything is a fold over events, a run's events are all it takes. A run is taken over whole
or not at all: the beginning of one that was merged since would look as if it could go on.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.state import RunState
from miyabi_tui.engine.store.projection import batch
from miyabi_tui.engine.store.rows import RECORD_COLUMNS, decode

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.engine.events import Record


def salvage(db: sqlite3.Connection, aside: Path) -> str:
    """Take over all runs that are whole in the journal kept `aside`; what was done, in words.

    Raises:
        sqlite3.Error: the new journal cannot be written; it has none of them then.
    """
    taken, runs = 0, _runs(aside)
    db.execute("BEGIN IMMEDIATE")
    try:
        for run_id, status in runs:
            records = _whole(aside, run_id, status)
            for sql, values in batch(run_id, RunState(), records).statements:
                db.execute(sql, values)
            taken += bool(records)
        db.execute("COMMIT")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return (
        f"the journal was damaged: it is kept as {aside}, and a new one begins"
        f" with {taken} of its {len(runs)} runs; worktrees and branches are where they were"
    )


def _runs(aside: Path) -> list[tuple[str, str]]:
    """The ids and statuses that can be read, in the order in which the runs were begun."""
    found: list[tuple[str, str]] = []
    try:
        with closing(_open(aside)) as db:
            found.extend(db.execute("SELECT id, status FROM execution_runs ORDER BY rowid"))
    except sqlite3.Error:  # what came before the damaged page is there
        return found
    return found


def _whole(aside: Path, run_id: str, status: str) -> list[Record]:
    """All events of a run, none where something of it is missing or wrong."""
    query = f"SELECT {RECORD_COLUMNS} FROM events WHERE run_id = ? ORDER BY seq"
    try:
        with closing(_open(aside)) as db:
            records = decode(db.execute(query, (run_id,)))
    except (sqlite3.Error, msgspec.DecodeError):
        return []
    gapless = all(record.seq == place for place, record in enumerate(records, start=1))
    return records if gapless and fold(records).status == status else []


def _open(aside: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{aside.absolute().as_uri()}?mode=ro", uri=True)
