"""Commands as processes of this machine, each in a session of its own.

A world's processes are found by session, and by a mark in their environment for those that left
it. This isolates nothing: it keeps account, freezes and ends.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import signal
import subprocess
import time
import uuid
from typing import TYPE_CHECKING

import anyio
import anyio.abc
import psutil

from miyabi_tui.engine.events import Channel
from miyabi_tui.engine.sandbox.base import ExecResult, Reading
from miyabi_tui.engine.sandbox.deadline import Deadline
from miyabi_tui.engine.sandbox.marks import MARK
from miyabi_tui.engine.sandbox.output import HeadTail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from miyabi_tui.engine.sandbox.base import OnOutput

STREAMED_AT_MOST = 200_000  # characters of one command shown live; capture goes on beyond
GRACE_SECONDS = 2.0
CHUNK = 65_536


class ProcessSandbox:
    """Runs commands of one world on the host; see `Sandbox` for the contract.

    `owner` begins the mark of its processes, so that they are found when their engine was killed.
    """

    def __init__(self, env: Mapping[str, str], owner: str = "") -> None:
        self._mark = f"{owner}{uuid.uuid4().hex}"
        self._env = {**env, MARK: self._mark}
        self._sessions: set[int] = set()
        self._deadlines: set[Deadline] = set()
        self._frozen = False
        self._hand = anyio.Lock()  # freeze, thaw and stop take their time: one after another

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
        kept = HeadTail(keep)
        deadline = Deadline(time_limit)
        try:
            process = await anyio.open_process(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env={**self._env, **(env or {})},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL or no text in an argument
            return ExecResult(127, f"cannot run {argv[0]}: {_cause(error, cwd)}", 0.0)
        self._sessions.add(process.pid)
        self._deadlines.add(deadline)
        if self._frozen:
            _signal_session(process.pid, signal.SIGSTOP)
        else:
            deadline.run()
        timed_out = False
        try:
            with deadline.scope:
                await self._drain(process, kept, on_output)
            timed_out = deadline.passed and process.returncode is None
        finally:
            self._deadlines.discard(deadline)
            with anyio.CancelScope(shield=True):
                await self._end(process)
            self._sessions.discard(process.pid)
        return ExecResult(
            None if timed_out else process.returncode,
            kept.text(),
            time.monotonic() - started,
            timed_out,
        )

    async def _drain(
        self, process: anyio.abc.Process, kept: HeadTail, on_output: OnOutput | None
    ) -> None:
        """Read both pipes until the command itself has ended."""
        room = STREAMED_AT_MOST

        def take(channel: Channel, text: str) -> None:
            nonlocal room
            kept.add(text)
            if on_output is not None and room > 0 and text:
                on_output(channel, text[:room])
                room -= len(text)
                if room <= 0:
                    on_output(Channel.NOTE, "… more output, not shown live …\n")

        async def read(stream: anyio.abc.ByteReceiveStream, channel: Channel) -> None:
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            try:
                with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                    while True:
                        take(channel, decoder.decode(await stream.receive(CHUNK)))
            finally:
                take(channel, decoder.decode(b"", final=True))

        assert process.stdout is not None and process.stderr is not None
        async with anyio.create_task_group() as pipes:
            pipes.start_soon(read, process.stdout, Channel.STDOUT)
            pipes.start_soon(read, process.stderr, Channel.STDERR)
            await process.wait()
            # A child left in the background holds the pipes open: it ends with its command.
            await _end_session(process.pid)
            pipes.cancel_scope.deadline = anyio.current_time() + GRACE_SECONDS

    async def _end(self, process: anyio.abc.Process) -> None:
        """End the command's whole session: asked first, then forced."""
        if process.returncode is None:
            _signal_session(process.pid, signal.SIGCONT)
            _signal_session(process.pid, signal.SIGTERM)
            with anyio.move_on_after(GRACE_SECONDS):
                await process.wait()
        await _end_session(process.pid)
        await process.wait()
        await process.aclose()

    async def freeze(self) -> None:
        """See `Sandbox.freeze`."""
        async with self._hand:
            self._frozen = True
            for deadline in self._deadlines:
                deadline.suspend()
            await self._signal_all(signal.SIGSTOP)

    async def thaw(self) -> None:
        """See `Sandbox.thaw`."""
        async with self._hand:
            self._frozen = False
            await self._signal_all(signal.SIGCONT)
            for deadline in self._deadlines:
                deadline.run()

    def usage(self) -> Reading:
        """See `Sandbox.usage`; counts the sessions only, which costs one system call a process."""
        sessions = set(self._sessions)
        if not sessions:
            return Reading()
        cpu, memory, count = 0.0, 0, 0
        for pid in psutil.pids():
            if _session(pid) not in sessions:
                continue
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                with process.oneshot():
                    times = process.cpu_times()
                    cpu += times.user + times.system
                    memory += process.memory_info().rss
                count += 1
        return Reading(cpu, memory, count)

    async def stop(self) -> None:
        """See `Sandbox.stop`."""
        async with self._hand:
            await self._signal_all(signal.SIGKILL)

    def kill(self) -> None:
        """See `Sandbox.kill`."""
        while pids := self._pids():
            for pid in pids:
                _signal(pid, signal.SIGKILL)

    async def _signal_all(self, signum: signal.Signals) -> None:
        """Signal the known groups at once, then whatever else carries the mark.

        Before the last one is stopped, another may have forked: it looks again until there is
        nothing new. After SIGCONT that would never end, and need not.
        """
        for leader in self._sessions:
            _signal_session(leader, signum)
        signalled: set[int] = set()
        while new := await anyio.to_thread.run_sync(self._pids) - signalled:
            for pid in new:
                _signal(pid, signum)
            signalled |= new
            if signum is signal.SIGCONT:
                break

    def _pids(self) -> set[int]:
        """Every process of this sandbox, also those that began a session of their own."""
        sessions, found = set(self._sessions), set()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if _session(process.pid) in sessions or (
                    process.uids().real == os.getuid() and process.environ().get(MARK) == self._mark
                ):
                    found.add(process.pid)
        return found


async def _end_session(leader: int) -> None:
    """Kill a command's group, and the groups that it made: `timeout` and job control do."""
    _signal_session(leader, signal.SIGKILL)
    members = await anyio.to_thread.run_sync(
        lambda: [pid for pid in psutil.pids() if _session(pid) == leader]
    )
    for pid in members:
        _signal(pid, signal.SIGKILL)


def _cause(error: OSError | ValueError, cwd: Path) -> str:
    if isinstance(error, FileNotFoundError) and not cwd.is_dir():
        return f"there is no folder {cwd}"
    return (error.strerror if isinstance(error, OSError) else "") or str(error)


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _signal_session(leader: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signum)


def _signal(pid: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signum)
