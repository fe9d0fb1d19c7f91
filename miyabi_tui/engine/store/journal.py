"""The journal: every event of every run, in SQLite with WAL, written before anyone sees it."""

from __future__ import annotations

import sqlite3
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import aiosqlite
import anyio
import msgspec
from anyio.to_thread import run_sync

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import StoreError, UsageError
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.state import RESUMABLE, RunState
from miyabi_tui.engine.store.lock import is_driven
from miyabi_tui.engine.store.opening import prepare
from miyabi_tui.engine.store.projection import Statement, batch
from miyabi_tui.engine.store.rows import (
    RECORD_COLUMNS,
    RUN_COLUMNS,
    STREAMS,
    RunRow,
    decode,
    run_row,
)
from miyabi_tui.engine.store.trouble import store_error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

__all__ = ["Journal", "RunRow", "open_journal"]

BUSY_SECONDS = 10.0
WAL_AT_MOST = 16_000_000  # bytes; it is cut back to this when it was longer
OUTPUTS_AT_ONCE = 500
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "foreign_keys = ON",
    f"journal_size_limit = {WAL_AT_MOST}",
)

_RECORDS = f"SELECT {RECORD_COLUMNS} FROM events WHERE run_id = ?1"
# The last event is always read, so that the fold knows its place in the journal.
_LIFECYCLE = (
    f"{_RECORDS} AND (kind NOT IN ({', '.join(repr(kind) for kind in STREAMS)})"
    " OR seq = (SELECT max(seq) FROM events WHERE run_id = ?1))"
)
_RUNS = f"SELECT {RUN_COLUMNS} FROM execution_runs"
# In the order in which they were begun, whatever the clock said then.
_NEWEST_FIRST = "ORDER BY rowid DESC"


class Journal:
    """An open journal. Use `open_journal`.

    `remark` is what the person should know about its opening, empty where all was well.
    """

    def __init__(self, connection: aiosqlite.Connection, path: Path, remark: str = "") -> None:
        self.remark = remark
        self._connection = connection
        self._path = path
        self._states: dict[str, RunState] = {}
        self._turn = anyio.Lock()  # no read sees half a transaction of the same connection

    def state(self, run_id: str) -> RunState:
        """The fold of what this journal has written, or taken up with `resume`, of a run."""
        return self._states.get(run_id) or RunState()

    # --- writing ----------------------------------------------------------------------------------

    async def append(self, run_id: str, records: Sequence[e.Record]) -> None:
        """Write events, and the rows that follow from them, in one transaction.

        Raises:
            StoreError: nothing of them was written.
        """
        written = batch(run_id, self.state(run_id), records)
        with anyio.CancelScope(shield=True):
            async with self._turn:
                await self._write(written.statements)
        self._states[run_id] = written.state

    async def _write(self, statements: list[Statement]) -> None:
        try:
            await self._connection.execute("BEGIN IMMEDIATE")
            for sql, alike in groupby(statements, itemgetter(0)):
                await self._connection.executemany(sql, [values for _, values in alike])
            await self._connection.commit()
        except sqlite3.Error as error:
            await self._rollback()
            raise store_error("write", self._path, error) from error

    async def _rollback(self) -> None:
        try:
            await self._connection.rollback()
        except sqlite3.Error:  # the first error says more
            return

    async def resume(self, run_id: str) -> RunState:
        """The folded state of a run that will go on being written."""
        self._states[run_id] = fold(await self.records(run_id, streams=False))
        return self._states[run_id]

    # --- reading ----------------------------------------------------------------------------------

    async def records(self, run_id: str, *, streams: bool = True) -> list[e.Record]:
        """The events of one run, in order; empty where there is no such run.

        Without `streams` there is no Output, Gauges or TurnMetered in it, but for the run's very
        last event.

        Raises:
            StoreError: they cannot be read.
        """
        query = f"{_RECORDS if streams else _LIFECYCLE} ORDER BY seq"
        return await self._decoded(await self._fetch(query, run_id))

    async def recent(self, run_id: str, *, characters: int = 100_000) -> list[e.Record]:
        """What a screen needs at once: the run without its streams, and the newest of each.

        Of each world there are the newest outputs of up to `characters` together, in order.

        Raises:
            StoreError: they cannot be read.
        """
        records = await self.records(run_id, streams=False)
        worlds = fold(records).worlds
        last = records[-1].seq if records else 0  # what is written meanwhile is not half in here
        for world in worlds:
            records += await self._outputs(run_id, world.id, last, characters)
        return sorted({record.seq: record for record in records}.values(), key=lambda one: one.seq)

    async def _outputs(self, run_id: str, world: str, last: int, characters: int) -> list[e.Record]:
        """The newest output of a world up to event `last`, the newest first."""
        query = (
            f"{_RECORDS} AND kind = 'output' AND world = ? AND seq < ?"
            f" ORDER BY seq DESC LIMIT {OUTPUTS_AT_ONCE}"
        )
        found: list[e.Record] = []
        before = last + 1
        while rows := await self._fetch(query, run_id, world, before):
            for record in await self._decoded(rows):
                assert isinstance(record.event, e.Output)
                characters -= len(record.event.text)
                if characters < 0:
                    return found
                found.append(record)
            before = rows[-1][0]
        return found

    async def runs(self, limit: int = 50) -> list[RunRow]:
        """The newest runs first."""
        rows = await self._fetch(f"{_RUNS} {_NEWEST_FIRST} LIMIT ?", limit)
        return [run_row(row) for row in rows]

    async def interrupted(self, repo: str) -> list[RunRow]:
        """The runs of this repository that can be resumed, the newest first: nobody drives them."""
        marks = ", ".join("?" * len(RESUMABLE))
        query = f"{_RUNS} WHERE repo = ? AND status IN ({marks}) {_NEWEST_FIRST}"
        rows = [run_row(row) for row in await self._fetch(query, repo, *RESUMABLE)]
        return [row for row in rows if not is_driven(self._path, row.run_id)]

    async def find(self, prefix: str, repo: str = "") -> str:
        """The one run whose id begins with `prefix`; for an empty one the newest, of `repo`.

        Raises:
            UsageError: there is none, or more than one.
        """
        query = (
            "SELECT id FROM execution_runs WHERE substr(id, 1, ?) = ? AND (? = '' OR repo = ?)"
            f" {_NEWEST_FIRST}"
        )
        rows = await self._fetch(query, len(prefix), prefix, repo, repo)
        found = [str(row[0]) for row in rows]
        if not found:
            which = f" {prefix!r}" if prefix else f" of {repo}" if repo else ""
            raise UsageError(f"there is no run{which}", "", "see: miyabi runs")
        if prefix and len(found) > 1 and prefix not in found:
            raise UsageError(f"{prefix!r} begins {len(found)} runs", "", "give more of the id")
        return prefix if prefix in found else found[0]

    async def _fetch(self, query: str, *values: object) -> list[Any]:
        try:
            async with self._turn:
                return list(await self._connection.execute_fetchall(query, values))
        except sqlite3.Error as error:
            raise store_error("read", self._path, error) from error

    async def _decoded(self, rows: list[Any]) -> list[e.Record]:
        try:
            # In a thread, since many take long.
            found: list[e.Record] = await run_sync(decode, rows)
        except msgspec.DecodeError as error:
            raise StoreError(
                f"the journal {self._path} has an event that cannot be read",
                str(error),
                "the other runs can be read; if a newer miyabi wrote this one, update",
            ) from error
        return found


@asynccontextmanager
async def open_journal(
    path: Path, *, busy_seconds: float | None = None
) -> AsyncGenerator[Journal, None]:
    """Open the journal at `path`, making it on first use.

    `busy_seconds` is how long another program that has it locked is waited for. A damaged journal
    is kept aside and a new one begun: `Journal.remark` says so.

    Raises:
        StoreError: it cannot be opened, or a newer version wrote it (then it is left untouched).
    """
    patience = BUSY_SECONDS if busy_seconds is None else busy_seconds
    connection = aiosqlite.connect(path, timeout=patience, isolation_level=None)
    async with AsyncExitStack() as stack:
        try:
            remark = await run_sync(prepare, path, patience)
            await connection
            stack.push_async_callback(_close, connection)
            for pragma in _PRAGMAS:
                await connection.execute(f"PRAGMA {pragma}")
        except (sqlite3.Error, OSError) as error:
            raise store_error("open", path, error) from error
        yield Journal(connection, path, remark)


async def _close(connection: aiosqlite.Connection) -> None:
    with anyio.CancelScope(shield=True):
        await connection.close()
