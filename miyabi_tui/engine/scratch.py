"""Private folders for a while, which no kill leaves behind for good.

Each is locked as long as its process lives: whoever comes next removes those that nobody holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "miyabi-tmp-"
_PRIVATE = 0o700  # as they are made: a folder of a person with such a name is hardly so


@contextlib.contextmanager
def scratch_folder(name: str = "", parent: Path | None = None) -> Iterator[Path]:
    """A new private folder with `name` in its own, on the temporary disk if nothing else is said.

    Raises:
        OSError: it cannot be made.
    """
    folder, held = _made(name, parent)
    try:
        yield folder
    finally:
        remove_folder(folder)
        os.close(held)


def shared_memory() -> Path | None:
    """A disk in memory, where there is one."""
    return SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK | os.X_OK) else None


def places() -> set[Path]:
    """Where such folders are, but for those that have a parent of their own."""
    return {SHARED_MEMORY, Path(tempfile.gettempdir())}


def remove_abandoned(*parents: Path) -> None:
    """Remove those in `parents`, or in all usual places, whose process was killed. Blocks."""
    for parent in parents or places():
        for folder in parent.glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError), _opened(folder) as held:
                found = os.fstat(held)
                if found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == _PRIVATE:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    remove_folder(folder)


def remove_folder(folder: Path) -> None:
    """Remove a folder with all in it, as far as that goes. Blocks.

    A command may have taken its own rights away: they are given back first.
    """
    for inside, folders, _ in os.walk(folder):
        for name in folders:
            path = os.path.join(inside, name)
            with contextlib.suppress(OSError):
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _made(name: str, parent: Path | None) -> tuple[Path, int]:
    """A new folder, and what keeps it locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}", dir=parent))
        with contextlib.suppress(FileNotFoundError):
            held = _open(folder)
            if _hold(held, folder):
                return folder, held
            os.close(held)
        # somebody took it for abandoned, between our two calls


def _hold(held: int, folder: Path) -> bool:
    """Lock it; whether it is still there then."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks: then nobody can take it for abandoned either
        return True
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(held), folder.stat())
    return False


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    held = _open(folder)
    try:
        yield held
    finally:
        os.close(held)
