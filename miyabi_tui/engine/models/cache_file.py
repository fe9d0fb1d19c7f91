"""The response cache's file: SQLite, shared by all engines of a user. Everything here blocks."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from miyabi_tui.engine.store.trouble import is_damage

if TYPE_CHECKING:
    from pathlib import Path

BUSY_SECONDS = 2.0
SWEPT_EVERY = 600.0  # seconds: what is too old is not found, but takes room until then
APPLICATION = 0x6D697961  # "miya", in the file's header
PARTS = ("", "-wal", "-shm", "-journal")
# `used` grows with each use, by whatever engine; a clock would know no order within one tick.
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS answers_1 (
    key TEXT PRIMARY KEY, answer BLOB NOT NULL, created REAL NOT NULL, used INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_1_used ON answers_1 (used);
COMMIT;
"""
_NEXT = "(SELECT coalesce(max(used), 0) + 1 FROM answers_1)"


class CacheFile:
    """At most `entries` answers, none older than `seconds`.

    Every method may raise sqlite3.Error.
    """

    def __init__(self, path: Path, entries: int, seconds: float) -> None:
        self.path = path
        self._entries = entries
        self._seconds = seconds
        self._swept = 0.0
        self._db: sqlite3.Connection | None = None

    def open(self) -> str:
        """Open or make the file; a damaged one is begun anew, and why is returned.

        Raises:
            OSError: its folder cannot be made.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self.close()
            for part in PARTS:
                self.path.with_name(self.path.name + part).unlink(missing_ok=True)
            self._open()
            return f"the response cache {self.path} was damaged ({error}) and begins anew"
        return ""

    def _open(self) -> None:
        # The worlds' calls come from one thread after another.
        db = self._db = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        ((tables,),) = db.execute("SELECT count(*) FROM sqlite_master").fetchall()
        ((application,),) = db.execute("PRAGMA application_id").fetchall()
        if tables and application != APPLICATION:
            raise sqlite3.OperationalError("it is a database of another program")
        ((state,),) = db.execute("PRAGMA quick_check(1)").fetchall()
        if state != "ok":
            damage = sqlite3.DatabaseError(str(state))
            damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damage
        with suppress(OSError):  # answers quote the code that they are about
            os.chmod(self.path, 0o600)
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_SCHEMA)

    @property
    def _open_db(self) -> sqlite3.Connection:
        if self._db is None:
            raise sqlite3.ProgrammingError("it is not open")
        return self._db

    def get(self, key: str, now: float) -> tuple[bytes, float] | None:
        """The answer and when it was made, which is used by this; None where there is none."""
        since = now - self._seconds
        rows = self._open_db.execute(
            "SELECT answer, created FROM answers_1 WHERE key = ? AND created > ?", (key, since)
        ).fetchall()
        if not rows:
            return None
        self._open_db.execute(f"UPDATE answers_1 SET used = {_NEXT} WHERE key = ?", (key,))
        return rows[0][0], rows[0][1]

    def put(self, key: str, answer: bytes, now: float) -> None:
        """Keep an answer; what is too old, or used the longest time ago and too much, goes."""
        db = self._open_db
        db.execute("BEGIN IMMEDIATE")
        try:
            db.execute(
                f"INSERT OR REPLACE INTO answers_1 VALUES (?, ?, ?, {_NEXT})", (key, answer, now)
            )
            if not self._swept <= now < self._swept + SWEPT_EVERY:  # the clock may be set back
                db.execute("DELETE FROM answers_1 WHERE created <= ?", (now - self._seconds,))
                self._swept = now
            db.execute(
                "DELETE FROM answers_1 WHERE key IN"
                " (SELECT key FROM answers_1 ORDER BY used DESC LIMIT -1 OFFSET ?)",
                (self._entries,),
            )
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    def discard(self, key: str) -> None:
        """Forget an answer."""
        self._open_db.execute("DELETE FROM answers_1 WHERE key = ?", (key,))

    def close(self) -> None:
        """Let go of the file; it may be closed already."""
        db, self._db = self._db, None
        if db is not None:
            with suppress(sqlite3.Error), closing(db):
                return
