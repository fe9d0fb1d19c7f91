"""The Sandbox protocol: everything a world executes goes through one of these.

Three implementations: `docker.py`, `bubblewrap.py`, `process.py`; `choice.py` takes the first that
really works on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from miyabi_tui.engine.terms import Isolation, Sandboxing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from miyabi_tui.engine.events import Channel
    from miyabi_tui.engine.sandbox.table import ProcessTable

    OnOutput = Callable[[Channel, str], None]

PROXY = Path("/run/miyabi")  # where there are mounts
EVERYWHERE = "*"  # among the hosts of `Sandboxing.network`: no limit


class ExecResult(msgspec.Struct, frozen=True):
    """How a command ended. `exit_code` is None when it was ended by the time limit."""

    exit_code: int | None
    output: str
    seconds: float
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        """Whether the command ended by itself with exit code 0."""
        return self.exit_code == 0


class Reading(msgspec.Struct, frozen=True):
    """Use of a sandbox's processes: CPU seconds so far of those alive, bytes, and how many.

    `pids` are theirs on this machine.
    """

    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    processes: int = 0
    pids: frozenset[int] = frozenset()


class Mount(msgspec.Struct, frozen=True):
    """A file or folder of this machine, at `target` in the sandbox (at its own path if empty)."""

    source: Path
    target: Path | None = None
    writable: bool = False

    @property
    def at(self) -> Path:
        """Where it is seen."""
        return self.target or self.source


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """What one world's commands see and may use.

    `mounts` are the worktree, its git data and further folders, in order: a later one may lie
    inside of an earlier one. `tools` are folders of this machine that a sandbox without an image of
    its own shows read-only, where they exist, but for the `hidden` ones in them. `network`: whether
    the allowed hosts of `limits` can be reached, which the scoring runs cannot; through the proxy
    in the folder `proxy`, seen as `PROXY`, where they are not all. `owner` begins the mark of its
    processes, so that they are found when their engine was killed. `scratch` is a folder outside of
    the worktree for the sandbox itself.
    """

    name: str
    worktree: Path
    env: Mapping[str, str]
    limits: Sandboxing = Sandboxing()
    mounts: tuple[Mount, ...] = ()
    tools: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    network: bool = True
    owner: str = ""
    scratch: Path | None = None
    proxy: Path | None = None


class Sandbox(Protocol):
    """One world's place to run commands in."""

    isolation: Isolation

    async def start(self) -> None:
        """Make it ready; what `exec` needs is there afterwards. To be called once, at first.

        Raises:
            SandboxError: it cannot be made.
        """
        ...

    async def exec(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        time_limit: float,
        env: Mapping[str, str] | None = None,
        on_output: OnOutput | None = None,
        keep: int = 10_000,
    ) -> ExecResult:
        """Run a command to its end: both pipes are drained, its whole group ends with it.

        `time_limit` is in seconds and stands still while frozen. `env` adds to the sandbox's own.
        `output` keeps the first and last of at most `keep` characters of both pipes together.
        """
        ...

    async def freeze(self) -> None:
        """Stop every process at once, until `thaw`."""
        ...

    async def thaw(self) -> None:
        """Let frozen processes go on."""
        ...

    async def interrupt(self) -> None:
        """End the commands that run now, frozen or not; others can be run afterwards."""
        ...

    def usage(self, table: ProcessTable) -> Reading:
        """What its processes use, by one reading of the machine's. Call it in a thread."""
        ...

    def kill(self) -> None:
        """Kill everything at once, from any thread; for when there is no time left for `stop`."""
        ...

    async def stop(self) -> None:
        """End everything that still runs, and remove what `start` made."""
        ...
