"""The Sandbox protocol: everything a world executes goes through one of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from miyabi_tui.engine.events import Channel

    OnOutput = Callable[[Channel, str], None]


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
    """Use of a sandbox's processes: CPU seconds so far of those alive, bytes, and how many."""

    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    processes: int = 0


class Sandbox(Protocol):
    """One world's place to run commands in."""

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

    def usage(self) -> Reading:
        """What the processes use now. Blocks for a few milliseconds: call it in a thread."""
        ...

    def kill(self) -> None:
        """Kill everything at once, from any thread; for when there is no time left for `stop`."""
        ...

    async def stop(self) -> None:
        """End everything that still runs."""
        ...
