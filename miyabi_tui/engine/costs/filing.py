"""Before the ledger is used: it is made, or kept aside because it is damaged. Everything blocks."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from importlib import resources
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import StoreError
from miyabi_tui.engine.store.lock import alone, driven, driver
from miyabi_tui.engine.store.opening import CHECKED_AT_MOST, PARTS, keep_aside
from miyabi_tui.engine.store.trouble import is_damage, suspicion

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
_ELSEWHERE = "set MIYABI_STATE_DIR to another folder"


def prepare(path: Path, journal: Path, busy_seconds: float) -> str:
    """Make sure that a ledger of this version is at `path`.

    What the person should know of it, empty where all was well: a damaged one is kept aside, and
    what can be read of it is taken over.

    Raises:
        StoreError: it may not be touched: it is newer, not ours, or in use.
        sqlite3.Error: it cannot be read or written.
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with alone(path, busy_seconds):
            if not _is_damaged(path, busy_seconds):
                _make(path, busy_seconds)
                return ""
            return _begin_anew(path, journal)
    except BlockingIOError as error:
        raise StoreError(
            f"cannot open the ledger {path}", "another miyabi is preparing it", "try again"
        ) from error


def _is_damaged(path: Path, busy_seconds: float) -> bool:
    if not path.exists():
        return False
    suspected = suspicion(path).exists()
    try:
        with closing(connect(path, busy_seconds)) as db:
            _check_ours(db, path)
            if suspected or path.stat().st_size <= CHECKED_AT_MOST:
                ((told,),) = db.execute("PRAGMA quick_check(1)").fetchall()
                if told != "ok":
                    return True
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            return True
        raise
    suspicion(path).unlink(missing_ok=True)
    return False


def _check_ours(db: sqlite3.Connection, path: Path) -> None:
    ((version,),) = db.execute("PRAGMA user_version").fetchall()
    if version > VERSION:
        raise StoreError(
            f"the ledger {path} was written by a newer miyabi",
            f"it has version {version}, this program knows {VERSION}",
            f"update miyabi, or {_ELSEWHERE}",
        )
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and (not version or not tables >= {"calls", "days"}):
        raise StoreError(
            f"{path} is not a ledger of miyabi",
            f"it is a database with other tables: {', '.join(sorted(tables))}",
            _ELSEWHERE,
        )


def _make(path: Path, busy_seconds: float) -> None:
    """Make the file, for this user alone, and what is in it, unless it is there."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    with closing(connect(path, busy_seconds)) as db:
        ((version,),) = db.execute("PRAGMA user_version").fetchall()
        if version == VERSION:
            return
        db.execute("PRAGMA page_size = 1024")  # a call changes little: less to write
        db.execute("PRAGMA journal_mode = WAL")
        schema = resources.files("miyabi_tui.engine.costs") / "schema.sql"
        script = schema.read_text(encoding="utf-8")
        db.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {VERSION};\nCOMMIT;")


def _begin_anew(path: Path, journal: Path) -> str:
    """A new ledger with what can be read of the old one; it is there whole, or not yet."""
    if others := [run for run in driven(journal) if driver(journal, run) != os.getpid()]:
        raise StoreError(
            f"the ledger {path} is damaged",
            f"another miyabi still writes the calls of run {others[0]} to it",
            "wait until that run has ended, and try again",
        )
    new = path.with_name(f"{path.name}.new")
    for part in PARTS:  # of an attempt that was cut short
        new.with_name(new.name + part).unlink(missing_ok=True)
    _make(new, 0.0)
    taken = _salvage(path, new)
    aside = keep_aside(path)
    new.rename(path)
    return (
        f"the ledger of costs was damaged: it is kept as {aside}, and a new one begins with the"
        f" {taken} calls that could be read; budgets count only those"
    )


def _salvage(path: Path, new: Path) -> int:
    """Take over all calls on readable pages; how many."""
    with closing(connect(new, 0.0)) as db:
        names = [name for _, name, *_ in db.execute("PRAGMA table_info(calls)")]
        marks = ", ".join("?" * len(names))
        db.execute("BEGIN IMMEDIATE")
        for order in ("ASC", "DESC"):  # up to the damaged page, from both ends
            query = f"SELECT {', '.join(names)} FROM calls ORDER BY id {order}"
            try:
                with closing(
                    sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
                ) as old:
                    for row in old.execute(query):
                        db.execute(f"INSERT OR IGNORE INTO calls VALUES ({marks})", row)
            except sqlite3.DatabaseError:
                continue
        ((taken,),) = db.execute("SELECT count(*) FROM calls").fetchall()
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return int(taken)


def connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """A connection that any one thread at a time may use."""
    return sqlite3.connect(
        path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )
