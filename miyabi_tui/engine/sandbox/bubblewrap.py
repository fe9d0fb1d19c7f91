"""Commands in namespaces of their own, by bubblewrap, which needs no privileges.

They see this machine's programs read-only, their worktree, and little else: no home, no other
processes, no sockets of services, no network. Each command has new namespaces; what it leaves in
its worktree and below `/tmp` is there for the next one, its processes are not.
"""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import SandboxError
from miyabi_tui.engine.sandbox.base import EVERYWHERE, PROXY
from miyabi_tui.engine.sandbox.local import LocalSandbox
from miyabi_tui.engine.terms import Isolation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from miyabi_tui.engine.sandbox.base import Space
    from miyabi_tui.engine.sandbox.cgroups import Cgroup

ALONE = (
    *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"),
    *("--die-with-parent", "--cap-drop", "ALL", "--hostname", "miyabi"),
)
TEMPORARY = Path("/tmp")
LITTLE = str(64 * 2**20)  # bytes of a folder that only has to be there
PROBED_WITHIN = 10.0  # seconds


class BubblewrapSandbox(LocalSandbox):
    """See `Sandbox`. `/tmp` is the folder `tmp` in the space's scratch, which is on a tmpfs."""

    isolation = Isolation.BUBBLEWRAP
    ends_alone = True  # its PID namespace goes with its first process

    def __init__(self, space: Space, cgroup: Cgroup | None = None) -> None:
        super().__init__(space, cgroup)
        self._program = shutil.which("bwrap") or "bwrap"
        self._words: list[str] = []

    async def start(self) -> None:
        """See `Sandbox.start`."""
        if self._space.scratch is None:
            raise SandboxError("bubblewrap needs a folder for /tmp")
        self._words = list(_words(self._space, self._space.scratch / "tmp"))

    def _command(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> list[str]:
        # The environment is all that the command may have already: there is nothing to clear.
        command = self._behind_proxy(argv, PROXY)
        return self._launched([self._program, *self._words, "--chdir", str(cwd), "--", *command])


def probe() -> str:
    """Why bubblewrap does not work here; empty where it does. Blocks for some milliseconds."""
    program = shutil.which("bwrap")
    if program is None:
        return "bwrap is not installed"
    shown = [word for folder in ("/usr", "/bin", "/lib", "/lib64") for word in _shown(Path(folder))]
    command = [program, *ALONE, "--unshare-net", *shown, "--dev", "/dev", "--proc", "/proc"]
    try:
        done = subprocess.run(
            [*command, "--", "/bin/sh", "-c", "exit 0"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBED_WITHIN,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    said = done.stderr.decode("utf-8", "replace").strip()
    return f"{said or f'bwrap ended with {done.returncode}'} (are user namespaces allowed?)"


def _words(space: Space, temporary: Path) -> Iterator[str]:
    yield from ALONE
    if not (space.network and EVERYWHERE in space.limits.network):
        yield "--unshare-net"
    for empty in ("/run", "/var", "/home", "/root"):
        yield from ("--dir", empty)  # of the root, which nobody can write to in the end
    yield from ("--bind", str(temporary), str(TEMPORARY))
    yield from ("--symlink", str(TEMPORARY), "/var/tmp")
    yield from ("--dev", "/dev", "--proc", "/proc")
    yield from ("--size", str(space.limits.memory_bytes // 2), "--tmpfs", "/dev/shm")
    for folder in space.tools:
        yield from _shown(folder)
    for secret in space.hidden:
        yield from _covered(secret)
    for mount in space.mounts:
        yield from ("--bind" if mount.writable else "--ro-bind", str(mount.source), str(mount.at))
    if space.proxy is not None:
        yield from ("--ro-bind", str(space.proxy), str(PROXY))
    yield from ("--remount-ro", "/")  # the root that holds all these, not what is mounted on it


def _shown(folder: Path) -> Iterator[str]:
    """A folder read-only, or, as `/bin` is today, the link that it is."""
    if folder.is_symlink():
        yield from ("--symlink", str(folder.readlink()), str(folder))
    elif folder.exists():
        yield from ("--ro-bind", str(folder), str(folder))


def _covered(secret: Path) -> Iterator[str]:
    """Nothing in its place."""
    if stat.S_ISDIR(secret.stat().st_mode):
        yield from ("--size", LITTLE, "--tmpfs", str(secret))
    else:
        yield from ("--ro-bind", "/dev/null", str(secret))
