"""One driver for a run at a time: a lock that dies with its process."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def driving(journal: Path, run_id: str) -> Iterator[None]:
    """Hold the run for this process.

    Raises:
        UsageError: another process drives it.
        OSError: the state folder cannot be written.
    """
    path = journal.parent / "locks" / run_id
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"run {run_id} is still going on", "another miyabi drives it", "act on it there"
            ) from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_driven(journal: Path, run_id: str) -> bool:
    """Whether a process drives the run now."""
    path = journal.parent / "locks" / run_id
    try:
        with path.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
