"""One driver for a run at a time: a lock that dies with its process.

It belongs to an open file, so a kill ends it; a command that the process started does not have it.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from miyabi_tui.engine.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROBED_SECONDS = 0.5  # `is_driven` of another process holds a lock for a moment
AGAIN_SECONDS = 0.01


@contextmanager
def driving(journal: Path, run_id: str) -> Iterator[None]:
    """Hold the run for this process.

    Raises:
        UsageError: another process drives it.
        StoreError: the state folder cannot be written.
    """
    path = _lock_of(journal, run_id)
    try:
        held = _take(path, PROBED_SECONDS)
    except BlockingIOError as error:
        pid = driver(journal, run_id)
        which = f", process {pid}" if pid else ""
        raise UsageError(
            f"run {run_id} is still going on",
            f"another miyabi drives it{which}",
            f"act on it there: miyabi attach {run_id}",
        ) from error
    except OSError as error:
        raise StoreError(
            f"cannot lock run {run_id}", str(error), "set MIYABI_STATE_DIR to another folder"
        ) from error
    with _letting_go(held, path):
        yield


def is_driven(journal: Path, run_id: str) -> bool:
    """Whether a process drives the run now."""
    return _is_held(_lock_of(journal, run_id))


def driver(journal: Path, run_id: str) -> int | None:
    """The process that drives the run now, where that can be told."""
    path = _lock_of(journal, run_id)
    if not _is_held(path):
        return None
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def driven(journal: Path) -> list[str]:
    """All runs of this journal that a process drives now."""
    try:
        names = sorted(one.name for one in (journal.parent / "locks").iterdir() if one.is_file())
    except FileNotFoundError:
        return []
    return [name for name in names if is_driven(journal, name)]


@contextmanager
def alone(journal: Path, seconds: float) -> Iterator[None]:
    """Be the only one that makes, migrates or mends the journal; waits up to `seconds` for others.

    Raises:
        BlockingIOError: another process is still at it.
        OSError: the state folder cannot be written.
    """
    path = journal.with_name(f"{journal.name}.lock")
    with _letting_go(_take(path, seconds), path):
        yield


def _lock_of(journal: Path, run_id: str) -> Path:
    return journal.parent / "locks" / run_id


def _take(path: Path, seconds: float) -> IO[str]:
    """The file at `path`, locked and with this process's number in it."""
    deadline = time.monotonic() + seconds
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        held = path.open("a+")  # "w" would wipe out the number of the one who has it
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(held, path):
                held.truncate(0)
                held.write(str(os.getpid()))
                held.flush()
                return held
            held.close()  # its last holder removed the file between our two calls
        except BlockingIOError:
            held.close()
            if time.monotonic() >= deadline:
                raise
            time.sleep(AGAIN_SECONDS)
        except BaseException:
            held.close()
            raise


def _is_at(held: IO[str], path: Path) -> bool:
    """Whether the open file is the one that others find at `path`."""
    try:
        return os.path.samestat(os.fstat(held.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _letting_go(held: IO[str], path: Path) -> Iterator[None]:
    with held:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # still locked: nobody else can have it


def _is_held(path: Path) -> bool:
    try:
        with path.open() as probe:
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)  # two who ask do not see each other
    except FileNotFoundError:
        return False
    except OSError:  # locked, or not ours to look at: then it is somebody's
        return True
    return False
