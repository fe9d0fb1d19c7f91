"""What stands before a command of this machine: into its control groups, under its limits.

Everything is done by `sh` before it becomes the command, so that no moment is without limits.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from miyabi_tui.engine.terms import Sandboxing

# A word with a slash at its front is a `cgroup.procs` file, one with `=` a limit of `ulimit`.
SCRIPT = """
while [ "$1" != -- ]; do
  case $1 in
    /*) echo 0 > "$1" || exit 126 ;;
    u=*) ulimit -u "${1#*=}" 2> /dev/null || ulimit -p "${1#*=}" 2> /dev/null ;;
    *) ulimit "-${1%%=*}" "${1#*=}" 2> /dev/null ;;
  esac
  shift
done
shift
exec "$@"
"""
FILE_BLOCK = 512  # bytes; what POSIX counts `ulimit -f` in
OPEN_FILES = 4_096


def limited(argv: Iterable[str], groups: Iterable[Path], limits: Iterable[str]) -> list[str]:
    """The command line that enters `groups` (their `cgroup.procs`), takes `limits`, becomes `argv`.

    `groups` may be empty, and so may `limits`; see `resource_limits`.
    """
    return ["/bin/sh", "-c", SCRIPT, "sh", *map(str, groups), *limits, "--", *argv]


def resource_limits(limits: Sandboxing, *, memory: bool, processes: int | None) -> list[str]:
    """The limits of one process as words for `limited`.

    `memory`: also what one process may hold, which is coarse (data, not address space: V8, Go and
    Java reserve more than they use). `processes`: the most that the user may have, None for no
    such limit; it counts all of the user's, and the kernel holds root to none.
    """
    words = ["c=0", f"f={limits.disk_bytes // FILE_BLOCK}", f"n={OPEN_FILES}"]
    if memory:
        words.append(f"d={limits.memory_bytes // 1024}")
    if processes is not None:
        words.append(f"u={processes}")
    return words


def cause_not_to_run(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> str:
    """Why a command cannot be started here, in words; empty where it can."""
    if any("\0" in word for word in argv):
        return "embedded null byte"
    if not cwd.is_dir():
        return f"there is no folder {cwd}"
    name = argv[0]
    if os.sep in name:
        path = cwd / name
        if path.is_dir() or (path.exists() and not os.access(path, os.X_OK)):
            return "Permission denied"
        return "" if path.exists() else "No such file or directory"
    found = shutil.which(name, path=env.get("PATH", os.defpath))
    return "" if found else "No such file or directory"
