"""Before a journal is used: it is made, brought up to date, or kept aside because it is damaged."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import closing, suppress
from enum import Enum, auto
from importlib import resources
from typing import TYPE_CHECKING, Any

from miyabi_tui.engine.errors import StoreError
from miyabi_tui.engine.store.lock import alone, driven
from miyabi_tui.engine.store.salvage import salvage
from miyabi_tui.engine.store.trouble import is_damage, suspicion

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 2
TABLES = {"execution_runs", "task_executions", "world_executions", "checkpoints", "worktrees"}
CHECKED_AT_MOST = 32_000_000  # bytes that are looked through at each opening: 1 ms for a million
PARTS = ("", "-wal", "-shm")
_ELSEWHERE = "set MIYABI_STATE_DIR to another folder"


class Found(Enum):
    """What is at the journal's path."""

    READY = auto()
    OLD = auto()
    NOTHING = auto()
    DAMAGED = auto()


def prepare(path: Path, busy_seconds: float) -> str:
    """Make sure that a journal of this version is at `path`. Blocks: for a thread.

    What the person should know of it, empty where all was well: a damaged one is kept aside.

    Raises:
        StoreError: it may not be touched: it is newer, not ours, or in use.
        sqlite3.Error: it cannot be read or written.
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        if _look(path, busy_seconds) is Found.READY:
            return ""
    except sqlite3.OperationalError as error:
        # Another may be putting a new journal there at this moment: to be looked at again, alone.
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_IOERR:
            raise
    try:
        with alone(path, busy_seconds):
            return _mend(path, busy_seconds)
    except BlockingIOError as error:
        raise StoreError(
            f"cannot open the journal {path}", "another miyabi is preparing it", "try again"
        ) from error


def _mend(path: Path, busy_seconds: float) -> str:
    """Look again, since another may have been quicker, and do what has to be done."""
    found = _look(path, busy_seconds)
    if found is Found.READY:
        return ""
    if found is not Found.NOTHING and (runs := driven(path)):
        what = "damaged" if found is Found.DAMAGED else "of an older version"
        raise StoreError(
            f"the journal {path} is {what}",
            f"another miyabi still writes run {runs[0]} to it",
            "wait until that run has ended, and try again",
        )
    if found is Found.DAMAGED:
        return _begin_anew(path, keep_aside(path))
    with closing(_connect(path, busy_seconds)) as db:
        _migrate(db)
    return ""


def _begin_anew(path: Path, aside: Path) -> str:
    """A new journal with what can be read of the old one; it is there whole, or not yet."""
    new = path.with_name(f"{path.name}.new")
    for part in PARTS:  # of an attempt that was cut short
        new.with_name(new.name + part).unlink(missing_ok=True)
    with closing(_connect(new, 0.0)) as db:
        _migrate(db)
        told = salvage(db, aside)
    new.rename(path)
    return told


def _look(path: Path, busy_seconds: float) -> Found:
    """What is there, without changing it."""
    try:
        status = path.stat()
    except FileNotFoundError:
        status = None
    if status is not None and not stat.S_ISREG(status.st_mode):
        raise StoreError(f"{path} is no file", "the journal would be there", _ELSEWHERE)
    if status is None or status.st_size == 0:
        wal = path.with_name(f"{path.name}-wal")
        # SQLite would throw away what is left of a journal whose main file is gone.
        return Found.DAMAGED if wal.exists() and wal.stat().st_size else Found.NOTHING
    suspected = suspicion(path).exists()
    try:
        _check_version(path, _version_on_disk(path))
        with closing(_connect(path, busy_seconds)) as db:
            db.execute("BEGIN")  # one moment for all that is read, while others may be at work
            version = _value(db, "PRAGMA user_version")
            _check_version(path, version)
            _check_ours(db, path, version)
            thorough = suspected or status.st_size <= CHECKED_AT_MOST
            if thorough and _value(db, "PRAGMA quick_check(1)") != "ok":
                return Found.DAMAGED
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            return Found.DAMAGED
        raise
    if suspected:
        suspicion(path).unlink(missing_ok=True)
    return Found.READY if version == VERSION else Found.OLD if version else Found.NOTHING


def _version_on_disk(path: Path) -> int:
    """The version in the file's header, read in a way that leaves no trace next to the file.

    Through SQLite all the same: closing a file of our own would drop the locks that this process
    has on it.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as db:
            return int(_value(db, "PRAGMA user_version"))
    except sqlite3.DatabaseError:
        return 0  # whatever is the matter, the proper look tells


def _check_version(path: Path, version: int) -> None:
    if version > VERSION:
        raise StoreError(
            f"the journal {path} was written by a newer miyabi",
            f"it has version {version}, this program knows {VERSION}",
            f"update miyabi, or {_ELSEWHERE}",
        )


def _check_ours(db: sqlite3.Connection, path: Path, version: int) -> None:
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if (version and not tables >= TABLES) or (tables and not version):
        raise StoreError(
            f"{path} is not a journal of miyabi",
            f"it is a database with other tables: {', '.join(sorted(tables)) or 'none'}",
            _ELSEWHERE,
        )


def _connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)


def _value(db: sqlite3.Connection, query: str) -> Any:
    """The one value of the one row."""
    ((value,),) = db.execute(query).fetchall()
    return value


def _migrate(db: sqlite3.Connection) -> None:
    """All steps to the present version in one transaction: it has all of them, or is as it was."""
    db.execute("PRAGMA journal_mode = WAL")
    version = int(_value(db, "PRAGMA user_version"))
    folder = resources.files("miyabi_tui.engine.store") / "schema"
    scripts = [
        (folder / f"{number}.sql").read_text(encoding="utf-8")
        for number in range(version + 1, VERSION + 1)
    ]
    try:
        steps = "\n".join(scripts)
        db.executescript(f"BEGIN IMMEDIATE;\n{steps}\nPRAGMA user_version = {VERSION};\nCOMMIT;")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    # So that the version is in the file's header, where an older program looks first.
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _owner(path: Path) -> int | None:
    """Whose file it is, None where there is none."""
    try:
        return path.stat().st_uid
    except FileNotFoundError:
        return None


def keep_aside(path: Path) -> Path:
    """Rename a damaged database with all that belongs to it; nothing of it is changed."""
    parts = [path.with_name(path.name + part) for part in PARTS]
    if any(_owner(part) not in (None, os.geteuid()) for part in parts):
        raise StoreError(
            f"{path} is damaged", "it belongs to another user", "run miyabi as that one"
        )
    day = time.strftime("%Y-%m-%d")
    number, name = 1, f"{path.name}.corrupt-{day}"
    while any(path.with_name(name + part).exists() for part in PARTS):
        number += 1
        name = f"{path.name}.corrupt-{day}-{number}"
    for part in parts:
        with suppress(FileNotFoundError):  # SQLite may take its own files away meanwhile
            part.rename(path.with_name(name + part.name.removeprefix(path.name)))
    suspicion(path).unlink(missing_ok=True)
    return path.with_name(name)
