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
from miyabi_tui.engine.sandbox.output import HeadTail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from miyabi_tui.engine.sandbox.base import OnOutput

MARK = "MIYABI_SANDBOX"
STREAMED_AT_MOST = 200_000  # characters of one command shown live; capture goes on beyond
GRACE_SECONDS = 2.0
CHUNK = 65_536


class ProcessSandbox:
    """Runs commands of one world on the host; see `Sandbox` for the contract."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._mark = uuid.uuid4().hex
        self._env = {**env, MARK: self._mark}
        self._sessions: set[int] = set()
        self._deadlines: set[Deadline] = set()
        self._frozen = False

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
        except OSError as error:
            return ExecResult(127, f"cannot run {argv[0]}: {error.strerror or error}", 0.0)
        self._sessions.add(process.pid)
        self._deadlines.add(deadline)
        if self._frozen:
            _signal_session(process.pid, signal.SIGSTOP)
        else:
            deadline.run()
        try:
            with deadline.scope:
                await self._drain(process, kept, on_output)
        finally:
            self._deadlines.discard(deadline)
            with anyio.CancelScope(shield=True):
                await self._end(process)
            self._sessions.discard(process.pid)
        return ExecResult(
            None if deadline.passed else process.returncode,
            kept.text(),
            time.monotonic() - started,
            deadline.passed,
        )

    async def _drain(
        self, process: anyio.abc.Process, kept: HeadTail, on_output: OnOutput | None
    ) -> None:
        """Read both pipes until the command itself has ended."""
        room = STREAMED_AT_MOST

        async def read(stream: anyio.abc.ByteReceiveStream, channel: Channel) -> None:
            nonlocal room
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    text = decoder.decode(await stream.receive(CHUNK))
                    kept.add(text)
                    if on_output is not None and room > 0 and text:
                        on_output(channel, text[:room])
                        room -= len(text)
                        if room <= 0:
                            on_output(Channel.NOTE, "… more output, not shown live …\n")

        assert process.stdout is not None and process.stderr is not None
        async with anyio.create_task_group() as pipes:
            pipes.start_soon(read, process.stdout, Channel.STDOUT)
            pipes.start_soon(read, process.stderr, Channel.STDERR)
            await process.wait()
            # A child left in the background holds the pipes open: it ends with its command.
            _signal_session(process.pid, signal.SIGKILL)
            pipes.cancel_scope.deadline = anyio.current_time() + GRACE_SECONDS

    async def _end(self, process: anyio.abc.Process) -> None:
        """End the command's whole session: asked first, then forced."""
        if process.returncode is None:
            _signal_session(process.pid, signal.SIGCONT)
            _signal_session(process.pid, signal.SIGTERM)
            with anyio.move_on_after(GRACE_SECONDS):
                await process.wait()
        _signal_session(process.pid, signal.SIGKILL)
        await process.wait()
        await process.aclose()

    async def freeze(self) -> None:
        """See `Sandbox.freeze`."""
        self._frozen = True
        for deadline in self._deadlines:
            deadline.suspend()
        await self._signal_all(signal.SIGSTOP)

    async def thaw(self) -> None:
        """See `Sandbox.thaw`."""
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
        await self._signal_all(signal.SIGKILL)

    async def _signal_all(self, signum: signal.Signals) -> None:
        """Signal the known groups at once, then whatever else carries the mark."""
        for leader in self._sessions:
            _signal_session(leader, signum)
        for pid in await anyio.to_thread.run_sync(self._pids):
            _signal(pid, signum)

    def _pids(self) -> list[int]:
        """Every process of this sandbox, also those that began a session of their own."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if _session(process.pid) in self._sessions or (
                    process.uids().real == os.getuid() and process.environ().get(MARK) == self._mark
                ):
                    found.append(process.pid)
        return found


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
