"""The journal: every event of every run, in SQLite with WAL, written before anyone sees it."""

from __future__ import annotations

import sqlite3
from contextlib import asynccontextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any

import aiosqlite
import msgspec

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import StoreError, UsageError
from miyabi_tui.engine.fold import apply, fold
from miyabi_tui.engine.state import RunState
from miyabi_tui.engine.store.projection import statements

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

VERSION = 1
BUSY_SECONDS = 10.0


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run as a list shows it. Times are Unix seconds."""

    run_id: str
    issue_number: int | None
    issue_key: str
    title: str
    status: str
    started_at: float
    completed_at: float | None
    total_cost_usd: float
    winner: str | None
    score: float | None
    repo: str
    branch: str | None


class Journal:
    """An open journal. Use `open_journal`."""

    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._states: dict[str, RunState] = {}

    def state(self, run_id: str) -> RunState:
        """The fold of what this journal has written, or taken up with `resume`, of a run."""
        return self._states.get(run_id) or RunState()

    async def append(self, run_id: str, records: Sequence[e.Record]) -> None:
        """Write events, and the rows that follow from them, in one transaction.

        Raises:
            StoreError: nothing of them was written.
        """
        state = self.state(run_id)
        rows: list[tuple[str, tuple[Any, ...]]] = []
        for record in records:
            state = apply(state, record)
            rows.extend(statements(record, state))
        bodies = [(run_id, one.seq, one.at, e.encode(one.event).decode()) for one in records]
        try:
            await self._connection.execute("BEGIN IMMEDIATE")
            # The run's own row comes first: the events refer to it.
            first = 1 if isinstance(records[0].event, e.RunStarted) else 0
            for sql, values in rows[:first]:
                await self._connection.execute(sql, values)
            await self._connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", bodies)
            for sql, values in rows[first:]:
                await self._connection.execute(sql, values)
            await self._connection.commit()
        except sqlite3.Error as error:
            await self._rollback()
            raise StoreError(
                f"cannot write the journal {self._path}", str(error), "is the disk full?"
            ) from error
        self._states[run_id] = state

    async def _rollback(self) -> None:
        try:
            await self._connection.rollback()
        except sqlite3.Error:  # the first error says more
            return

    async def records(self, run_id: str) -> list[e.Record]:
        """All events of one run, in order; empty where there is no such run."""
        query = "SELECT seq, at, body FROM events WHERE run_id = ? ORDER BY seq"
        rows = await self._connection.execute_fetchall(query, (run_id,))
        return [e.Record(seq, at, e.decode(body)) for seq, at, body in rows]

    async def resume(self, run_id: str) -> RunState:
        """The folded state of a run that will go on being written."""
        self._states[run_id] = fold(await self.records(run_id))
        return self._states[run_id]

    async def runs(self, limit: int = 50) -> list[RunRow]:
        """The newest runs first."""
        query = (
            "SELECT id, issue_number, issue_key, title, status, started_at, completed_at,"
            " total_cost_usd, winning_world_id, final_score, repo, branch"
            " FROM execution_runs ORDER BY started_at DESC LIMIT ?"
        )
        rows = await self._connection.execute_fetchall(query, (limit,))
        names = RunRow.__struct_fields__
        return [RunRow(**dict(zip(names, row, strict=True))) for row in rows]

    async def find(self, prefix: str, repo: str = "") -> str:
        """The one run whose id begins with `prefix`; for an empty one the newest, of `repo`.

        Raises:
            UsageError: there is none, or more than one.
        """
        query = (
            "SELECT id FROM execution_runs WHERE substr(id, 1, ?) = ? AND (? = '' OR repo = ?)"
            " ORDER BY started_at DESC"
        )
        rows = await self._connection.execute_fetchall(query, (len(prefix), prefix, repo, repo))
        found = [str(row[0]) for row in rows]
        if not found:
            which = f" {prefix!r}" if prefix else f" of {repo}" if repo else ""
            raise UsageError(f"there is no run{which}", "", "see: miyabi runs")
        if prefix and len(found) > 1 and prefix not in found:
            raise UsageError(f"{prefix!r} begins {len(found)} runs", "", "give more of the id")
        return prefix if prefix in found else str(found[0])


@asynccontextmanager
async def open_journal(path: Path) -> AsyncGenerator[Journal, None]:
    """Open the journal at `path`, making it on first use.

    Raises:
        StoreError: it cannot be opened, or a newer version wrote it (then it is left untouched).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = aiosqlite.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        async with connection:
            await _prepare(connection, path)
            yield Journal(connection, path)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"cannot open the journal {path}", str(error), "set MIYABI_STATE_DIR to another folder"
        ) from error


async def _prepare(connection: aiosqlite.Connection, path: Path) -> None:
    ((version,),) = await connection.execute_fetchall("PRAGMA user_version")
    if version > VERSION:
        raise StoreError(
            f"the journal {path} was written by a newer miyabi",
            f"it has version {version}, this program knows {VERSION}",
            "update miyabi, or set MIYABI_STATE_DIR to another folder",
        )
    await connection.execute("PRAGMA journal_mode = WAL")
    await connection.execute("PRAGMA synchronous = NORMAL")
    await connection.execute("PRAGMA foreign_keys = ON")
    if version == 0:
        schema = resources.files("miyabi_tui.engine.store") / "schema.sql"
        script = schema.read_text(encoding="utf-8")
        try:
            await connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nCOMMIT;")
        except sqlite3.OperationalError:
            # Another engine made the tables in between: theirs will do.
            await connection.execute("ROLLBACK")
            ((version,),) = await connection.execute_fetchall("PRAGMA user_version")
            if version != VERSION:
                raise
