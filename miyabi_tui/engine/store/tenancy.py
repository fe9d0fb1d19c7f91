"""The journal's table of worktrees, as the collector reads and marks it. Everything here blocks."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.state import RESUMABLE
from miyabi_tui.engine.store.journal import BUSY_SECONDS
from miyabi_tui.engine.store.opening import prepare
from miyabi_tui.engine.store.trouble import store_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TENANTS = (
    "SELECT id, path, run_id, branch, orphaned_at FROM worktrees ORDER BY last_accessed_at, rowid"
)
_MARK = (
    "INSERT INTO worktrees (id, world_id, path, branch, created_at, last_accessed_at, is_orphaned,"
    " orphaned_at) VALUES (?, ?, ?, ?, ?, ?, 1, ?)"
    " ON CONFLICT (id) DO UPDATE SET is_orphaned = 1, orphaned_at = excluded.orphaned_at"
)


class Tenant(msgspec.Struct, frozen=True):
    """A row of the table; without a run, what was only found on disk."""

    id: str
    path: str
    run: str | None
    branch: str
    orphaned_at: float | None


class Run(msgspec.Struct, frozen=True):
    """What is to be known of a run."""

    id: str
    status: str
    base: str
    repo: str

    @property
    def resumable(self) -> bool:
        """Whether it could go on."""
        return self.status in RESUMABLE


class Tenancy:
    """Who lives where."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def tenants(self) -> dict[str, Tenant]:
        """The rows by path; of several for one path, the one that was used last."""
        return {row[1]: Tenant(*row) for row in self._db.execute(_TENANTS)}

    def runs(self) -> dict[str, Run]:
        """All runs by id."""
        rows = self._db.execute("SELECT id, status, base_commit, repo FROM execution_runs")
        return {row[0]: Run(*row) for row in rows}

    def newest(self) -> float:
        """The latest time that this journal has seen: the clock may have been set back since."""
        row = self._db.execute(
            "SELECT max(coalesce((SELECT max(last_accessed_at) FROM worktrees), 0),"
            " coalesce((SELECT max(max(started_at, coalesce(completed_at, 0)))"
            " FROM execution_runs), 0))"
        ).fetchone()
        return float(row[0])

    def mark(self, id: str, world: str, path: str, branch: str, at: float) -> None:
        """Note since when a worktree is an orphan; one that is not known yet is taken in."""
        self._db.execute(_MARK, (id, world, path, branch, at, at, at))

    def clear(self, id: str) -> None:
        """It is no orphan after all."""
        self._db.execute(
            "UPDATE worktrees SET is_orphaned = 0, orphaned_at = NULL WHERE id = ?", (id,)
        )

    def forget(self, path: str) -> None:
        """It is gone."""
        self._db.execute("DELETE FROM worktrees WHERE path = ?", (path,))


@contextmanager
def tenancy(journal: Path) -> Iterator[Tenancy]:
    """The table, open; the journal is made where there is none.

    Raises:
        StoreError: it cannot be opened, read or written.
    """
    try:
        prepare(journal, BUSY_SECONDS)
        with closing(sqlite3.connect(journal, BUSY_SECONDS, isolation_level=None)) as db:
            yield Tenancy(db)
    except (sqlite3.Error, OSError) as error:
        raise store_error("read", journal, error) from error
