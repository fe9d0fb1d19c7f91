"""What SQLite's errors mean to a person: busy, full, read-only and damaged are different things."""

from __future__ import annotations

import errno
import sqlite3
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

_ELSEWHERE = "set MIYABI_STATE_DIR to another folder"
_LOCKED = "another program has it locked: close that one, and try again"
_FULL = "is the disk full? make room; then go on with: miyabi resume"
_READ_ONLY = f"make its folder writable, or {_ELSEWHERE}"
_DAMAGED = "it is damaged: it is kept aside, and what can be read is taken over, at the next start"
_NEXT_STEPS = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}
_ERRNOS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.EROFS: _READ_ONLY,
}


def code(error: BaseException) -> int:
    """SQLite's primary result code, 0 where it gave none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_damage(error: BaseException) -> bool:
    """Whether SQLite says that the file itself is broken; never so for locks, rights or space."""
    return code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def store_error(doing: str, path: Path, error: Exception, what: str = "the journal") -> StoreError:
    """The error as a person should read it; `what` the file at `path` is."""
    if is_damage(error):
        suspect(path)
    hints = _ERRNOS if isinstance(error, OSError) else _NEXT_STEPS
    number = error.errno or 0 if isinstance(error, OSError) else code(error)
    next_step = hints.get(number, _ELSEWHERE)
    return StoreError(f"cannot {doing} {what} {path}", str(error), next_step)


def suspicion(path: Path) -> Path:
    """The mark of a journal in which damage was met: it is checked as a whole when opened next."""
    return path.with_name(f"{path.name}.suspect")


def suspect(path: Path) -> None:
    """Leave the mark, where that can be done."""
    try:
        suspicion(path).touch()
    except OSError:  # the error that is being told says more
        return
