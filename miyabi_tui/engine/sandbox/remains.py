"""What an engine leaves when it is killed: processes, control groups, folders, containers.

All carry its owner's name, so that whoever comes next finds and ends them.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine.sandbox.cgroups import remove_left_over
from miyabi_tui.engine.sandbox.folders import remove_folder
from miyabi_tui.engine.sandbox.marks import end_marked

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED_MEMORY = Path("/dev/shm")
_PREFIX = "miyabi-"


@contextlib.contextmanager
def temporary_folder(owner: str) -> Iterator[Path]:
    """A private folder for the worlds' `/tmp`, on a tmpfs where there is one."""
    parent = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK | os.X_OK) else None
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{owner}", dir=parent))
    try:
        yield folder
    finally:
        remove_folder(folder)


def end_remains(owner: str) -> int:
    """End and remove whatever belongs to an owner of that beginning; how many processes. Blocks."""
    ended = end_marked(owner)
    remove_left_over(owner)
    _end_containers(owner)
    for parent in {SHARED_MEMORY, Path(tempfile.gettempdir())}:
        for folder in parent.glob(f"{_PREFIX}{owner}*"):
            remove_folder(folder)
    return ended


def _end_containers(owner: str) -> None:
    from miyabi_tui.engine.sandbox.docker_daemon import end_left_over

    with contextlib.suppress(Exception):  # a daemon that is gone or ill has nothing of ours to end
        end_left_over(owner)
