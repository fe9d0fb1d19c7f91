"""What an engine leaves when it is killed: processes, control groups, folders, containers.

All carry its owner's name, so that whoever comes next finds and ends them.
"""

from __future__ import annotations

import contextlib

from miyabi_tui.engine.sandbox.cgroups import remove_left_over
from miyabi_tui.engine.sandbox.marks import end_marked
from miyabi_tui.engine.scratch import PREFIX, places, remove_folder


def end_remains(owner: str) -> int:
    """End and remove whatever belongs to an owner of that beginning; how many processes. Blocks."""
    ended = end_marked(owner)
    remove_left_over(owner)
    _end_containers(owner)
    for parent in places():
        for folder in parent.glob(f"{PREFIX}{owner}*"):
            remove_folder(folder)
    return ended


def _end_containers(owner: str) -> None:
    from miyabi_tui.engine.sandbox.docker_daemon import end_left_over

    with contextlib.suppress(Exception):  # a daemon that is gone or ill has nothing of ours to end
        end_left_over(owner)
