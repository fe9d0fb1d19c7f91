"""Versions of the journal: an older one is brought up to date, a newer one is not touched."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from importlib import resources
from threading import Thread
from typing import TYPE_CHECKING

import anyio
import pytest

from miyabi_tui import history
from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import StoreError
from miyabi_tui.engine.store.journal import open_journal
from miyabi_tui.engine.store.lock import driving
from miyabi_tui.engine.store.opening import VERSION
from tests.test_journal import ALPHA, STORY, said, started, tell

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def version_1(path: Path, *more: str) -> list[e.AnyEvent]:
    """A journal as version 1 left it; the events in it."""
    schema = resources.files("miyabi_tui.engine.store") / "schema" / "1.sql"
    events = [started("r1"), said(ALPHA, "hello"), *STORY]
    bodies = [json.loads(e.encode(event)) for event in events]
    del bodies[0]["terms"]  # unknown then
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(schema.read_text())
        db.execute(
            "INSERT INTO execution_runs (id, issue_number, status, started_at, issue_key, title,"
            " repo, base_commit) VALUES ('r1', 7, 'merged', 1, 'issue-7', 'a title', '/repo', 'b')"
        )
        db.execute(
            "INSERT INTO worktrees (id, world_id, path, branch, created_at, last_accessed_at)"
            " VALUES ('r1/task/Alpha', 'Alpha', '/w/Alpha', 'b', 1, 1)"
        )
        db.executemany(
            "INSERT INTO events VALUES ('r1', ?, 1.0, ?)",
            [(seq, json.dumps(body)) for seq, body in enumerate(bodies, 1)],
        )
        for statement in more:
            db.execute(statement)
    return events


async def test_a_journal_of_version_1_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    events = version_1(path)

    async with open_journal(path) as journal:
        assert [one.event for one in await journal.records("r1")] == events
        kinds = [type(one.event) for one in await journal.records("r1", streams=False)]
        recent = [one.event for one in await journal.recent("r1")]

    assert e.Output not in kinds and len(kinds) == len(events) - 1
    assert recent == events
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert db.execute("SELECT is_orphaned, orphaned_at FROM worktrees").fetchall() == [
            (0, None)
        ]
        assert db.execute("SELECT kind, world FROM events WHERE seq = 2").fetchone() == (
            "output",
            "Alpha",
        )
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert history.page(await history.state(path, "r1"), as_json=False).startswith("#7 a title")


async def test_a_failed_migration_leaves_the_old_version(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    version_1(path, "ALTER TABLE worktrees ADD COLUMN orphaned_at REAL")  # the last step fails
    before = dump(path)

    with pytest.raises(StoreError, match="cannot open") as caught:
        async with open_journal(path):
            pass

    assert "duplicate column" in caught.value.cause
    assert dump(path) == before


def dump(path: Path) -> tuple[int, list[str]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0], list(db.iterdump())


async def test_no_journal_is_brought_up_to_date_under_an_older_miyabi_at_work(
    tmp_path: Path,
) -> None:
    path = tmp_path / "miyabi.db"
    version_1(path)
    before = dump(path)
    with driving(path, "r1"), pytest.raises(StoreError, match="older version") as caught:
        async with open_journal(path):
            pass
    assert "still writes run r1" in caught.value.cause
    assert dump(path) == before


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
@pytest.mark.parametrize("in_use", [False, True])
async def test_a_journal_from_a_newer_version_is_left_untouched(
    tmp_path: Path, mode: str, in_use: bool
) -> None:
    path = tmp_path / "miyabi.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA journal_mode = {mode}")
        db.execute("CREATE TABLE what_we_do_not_know (a TEXT)")
        db.execute("PRAGMA user_version = 99")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if in_use:
            with db:
                db.execute("INSERT INTO what_we_do_not_know VALUES ('in the WAL')")
        else:
            db.close()
        before = {one: (tmp_path / one).read_bytes() for one in os.listdir(tmp_path)}

        with pytest.raises(StoreError, match="newer miyabi"):
            async with open_journal(path):
                pass

        assert {one: (tmp_path / one).read_bytes() for one in os.listdir(tmp_path)} == before


def test_many_who_begin_a_journal_at_once_do_not_collide(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    failed: list[BaseException] = []

    async def write(run_id: str) -> None:
        async with open_journal(path) as journal:
            await tell(journal, started(run_id), *STORY, run_id=run_id)

    def begin() -> None:
        try:
            anyio.run(write, os.urandom(4).hex())
        except BaseException as error:
            failed.append(error)

    together(begin, 8)

    assert not failed

    async def count() -> int:
        async with open_journal(path) as journal:
            return len(await journal.runs())

    assert anyio.run(count) == 8


def together(work: object, count: int) -> None:
    assert callable(work)
    threads = [Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
