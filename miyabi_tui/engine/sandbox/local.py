"""Commands as processes of this machine: run, frozen, measured and ended.

A world's processes are found by their tree, by session, by a mark in their environment for those
that left both, and by control group where there is one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING

import anyio
import anyio.abc
import anyio.to_thread

from miyabi_tui.engine.events import Channel
from miyabi_tui.engine.sandbox.base import ExecResult, Reading, Space
from miyabi_tui.engine.sandbox.capture import Capture
from miyabi_tui.engine.sandbox.deadline import Deadline
from miyabi_tui.engine.sandbox.launch import cause_not_to_run, limited, resource_limits
from miyabi_tui.engine.sandbox.marks import MARK
from miyabi_tui.engine.sandbox.table import TableReader
from miyabi_tui.engine.scratch import remove_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from miyabi_tui.engine.sandbox.base import OnOutput
    from miyabi_tui.engine.sandbox.cgroups import Cgroup
    from miyabi_tui.engine.sandbox.table import ProcessTable

GRACE_SECONDS = 2.0
CHUNK = 65_536
ROUNDS = 1_000  # of ending what forks meanwhile; each finds fewer, or the group is ended at once
ROUNDS_WITH_LEADER = 20


class LocalSandbox:
    """What `ProcessSandbox` and `BubblewrapSandbox` have in common; see `Sandbox`.

    `ends_alone`: nothing that a command begins outlives it, by the kernel's word.
    """

    ends_alone = False

    def __init__(self, space: Space, cgroup: Cgroup | None = None) -> None:
        self._space = space
        self._cgroup = cgroup
        self._mark = f"{space.owner}{uuid.uuid4().hex}"
        self._env = {**space.env, MARK: self._mark}
        self._leaders: set[int] = set()
        self._deadlines: set[Deadline] = set()
        self._frozen = False
        self._hand = anyio.Lock()  # freeze, thaw and stop take their time: one after another
        self._reader, self._reading = TableReader(), threading.Lock()

    async def start(self) -> None:
        """See `Sandbox.start`."""

    def _command(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> list[str]:
        """What is really started, in place of `argv`."""
        raise NotImplementedError

    def _behind_proxy(self, argv: Sequence[str], folder: Path) -> list[str]:
        """`argv` with the proxy's port open, where there is one; its folder is seen as `folder`."""
        if self._space.proxy is None:
            return list(argv)
        from miyabi_tui.engine.sandbox.proxy import forwarded

        return forwarded(argv, folder, python=sys.executable)

    def _launched(self, argv: Sequence[str]) -> list[str]:
        """`argv` behind the entrance to the control group, under the limits of a process."""
        group = self._cgroup
        holds = group.holds if group else frozenset()
        users = None if "processes" in holds else self._processes_of_user()
        most = None if users is None else users + self._space.limits.processes
        words = resource_limits(self._space.limits, memory="memory" not in holds, processes=most)
        return limited(argv, group.entrances if group else (), words)

    def _processes_of_user(self) -> int | None:
        """How many the user has besides; None for root, whom the kernel holds to no number."""
        uid = os.getuid()
        if uid == 0:
            return None
        with os.scandir("/proc") as entries:
            return sum(1 for one in entries if one.name.isdecimal() and _owner(one) == uid)

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
        """See `Sandbox.exec`."""
        started = time.monotonic()
        whole = {**self._env, **(env or {})}
        if cause := cause_not_to_run(argv, cwd, whole):
            return ExecResult(127, f"cannot run {argv[0]}: {cause}", 0.0)
        capture, deadline = Capture(keep, on_output), Deadline(time_limit)
        killed_before = self._cgroup.out_of_memory if self._cgroup else 0
        try:
            process = await anyio.open_process(
                self._command(argv, cwd, whole),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env=whole,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # ValueError: no text in an argument
            cause = getattr(error, "strerror", None) or str(error)
            return ExecResult(127, f"cannot run {argv[0]}: {cause}", 0.0)
        self._leaders.add(process.pid)
        self._deadlines.add(deadline)
        if self._frozen:
            await self._freeze_again()
        else:
            deadline.run()
        timed_out = False
        try:
            with deadline.scope:
                await self._drain(process, capture)
            timed_out = deadline.passed and process.returncode is None
        finally:
            self._deadlines.discard(deadline)
            with anyio.CancelScope(shield=True):
                await self._end(process)
            self._leaders.discard(process.pid)
        if self._cgroup and self._cgroup.out_of_memory > killed_before:
            gigabytes = self._space.limits.memory_gb
            capture.note(f"[something here was ended: over the memory limit of {gigabytes:g} GB]")
        return ExecResult(
            None if timed_out else process.returncode,
            capture.text(),
            time.monotonic() - started,
            timed_out,
        )

    async def _drain(self, process: anyio.abc.Process, capture: Capture) -> None:
        """Read both pipes until the command itself has ended."""

        async def read(stream: anyio.abc.ByteReceiveStream, channel: Channel) -> None:
            with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    capture.feed(channel, await stream.receive(CHUNK))

        assert process.stdout is not None and process.stderr is not None
        try:
            async with anyio.create_task_group() as pipes:
                pipes.start_soon(read, process.stdout, Channel.STDOUT)
                pipes.start_soon(read, process.stderr, Channel.STDERR)
                await process.wait()
                # A child left in the background holds the pipes open: it ends with its command.
                if not self.ends_alone:
                    await self._end_tree(process.pid)
                pipes.cancel_scope.deadline = anyio.current_time() + GRACE_SECONDS
        finally:
            capture.close()

    async def _end(self, process: anyio.abc.Process) -> None:
        """End a command with all that it has begun: asked first, then forced."""
        ended = process.returncode is not None
        if not ended:
            if self._cgroup and self._frozen:
                self._cgroup.freeze(False)
            _signal_session(process.pid, signal.SIGCONT)
            _signal_session(process.pid, signal.SIGTERM)
            with anyio.move_on_after(GRACE_SECONDS):
                await process.wait()
        if not (ended and self.ends_alone):
            await self._end_tree(process.pid)
        await process.wait()
        await process.aclose()

    async def _end_tree(self, leader: int) -> None:
        await anyio.to_thread.run_sync(self._end_family, leader)

    def _end_family(self, leader: int) -> None:
        """Kill whatever a command began, its sessions too, until nothing of it is left.

        The leader goes last, for it inherits whoever loses a parent; earlier only where forks are
        faster than we are.
        """
        spared = {leader}
        for one in range(ROUNDS):
            if one == ROUNDS_WITH_LEADER:
                spared = set()
                _signal_session(leader, signal.SIGKILL)
            table = self._table()
            members = table.of_sessions({leader})
            members |= table.descendants(members | {leader})
            if not members - spared:
                break
            for pid in members - spared:
                _signal(pid, signal.SIGKILL)
        _signal_session(leader, signal.SIGKILL)

    async def freeze(self) -> None:
        """See `Sandbox.freeze`."""
        async with self._hand:
            self._frozen = True
            for deadline in self._deadlines:
                deadline.suspend()
            await self._freeze_again()

    async def _freeze_again(self) -> None:
        if self._cgroup and self._cgroup.freezes:
            self._cgroup.freeze(True)
        else:
            await self._signal_all(signal.SIGSTOP)

    async def thaw(self) -> None:
        """See `Sandbox.thaw`."""
        async with self._hand:
            self._frozen = False
            if self._cgroup and self._cgroup.freezes:
                self._cgroup.freeze(False)
            else:
                await self._signal_all(signal.SIGCONT)
            for deadline in self._deadlines:
                deadline.run()

    async def interrupt(self) -> None:
        """See `Sandbox.interrupt`."""
        async with self._hand:
            await anyio.to_thread.run_sync(self.kill)

    def usage(self, table: ProcessTable) -> Reading:
        """See `Sandbox.usage`."""
        return table.reading(self._members(table))

    def _members(self, table: ProcessTable) -> set[int]:
        leaders = set(self._leaders)
        members = table.descendants(leaders) | table.of_sessions(leaders)
        members |= table.marked(self._mark)
        if self._cgroup:
            members |= self._cgroup.pids() & table.rows.keys()
        return members

    async def stop(self) -> None:
        """See `Sandbox.stop`."""
        async with self._hand:
            await anyio.to_thread.run_sync(self.kill)
            if self._cgroup:
                await anyio.to_thread.run_sync(self._cgroup.remove)
            if self._space.scratch:
                await anyio.to_thread.run_sync(remove_folder, self._space.scratch)

    def kill(self) -> None:
        """See `Sandbox.kill`."""
        if self._cgroup:
            self._cgroup.kill()
        for _ in range(ROUNDS):
            members = self._members(self._table())
            if not members:
                return
            for pid in members:
                _signal(pid, signal.SIGKILL)

    async def _signal_all(self, signum: signal.Signals) -> None:
        """Signal the known groups at once, then whatever else belongs to them.

        Before the last one is stopped, another may have forked: it looks again until there is
        nothing new. After SIGCONT that would never end, and need not.
        """
        for leader in self._leaders:
            _signal_session(leader, signum)
        signalled: set[int] = set()
        while new := await anyio.to_thread.run_sync(self._present) - signalled:
            for pid in new:
                _signal(pid, signum)
            signalled |= new
            if signum is signal.SIGCONT:
                break

    def _present(self) -> set[int]:
        return self._members(self._table())

    def _table(self) -> ProcessTable:
        with self._reading:
            return self._reader.read()


def _owner(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_uid
    except OSError:
        return -1


def _signal_session(leader: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signum)


def _signal(pid: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signum)
