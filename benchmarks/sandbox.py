"""What an isolation costs: one `exec`, under bubblewrap ≤ 15 ms more than a bare process; freezing.

Docker's exec is held against the SDK's own in the same warm container (within 20 %); freeze and
thaw are those of a command of ten processes, two of them busy (each ≤ 50 ms). An isolation that
cannot be had here is named.
"""

from __future__ import annotations

import contextlib
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from benchmarks.common import verdict
from miyabi_tui.engine.errors import SandboxError
from miyabi_tui.engine.sandbox.base import Mount, Space
from miyabi_tui.engine.sandbox.choice import ORDER, IsolationManager
from miyabi_tui.engine.sandbox.docker_daemon import connect
from miyabi_tui.engine.sandbox.seen import hidden, tool_folders
from miyabi_tui.engine.terms import Isolation, Sandboxing
from tests.docker_daemon import own_daemon

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from miyabi_tui.engine.sandbox.base import Sandbox
    from miyabi_tui.engine.sandbox.docker import DockerSandbox

ROUNDS, FREEZES = 41, 15
EXEC_MOST = {Isolation.BUBBLEWRAP: 15.0}  # ms more than a bare process
DOCKER_MOST = 1.2
FREEZE_MOST = 50.0  # ms
COMMAND = ("/bin/true",)
BUSY = "for i in 1 2; do (while :; do :; done) & done; for i in 1 2 3 4 5 6 7; do sleep 99 & done; "


async def milliseconds(action: Callable[[], Awaitable[object]]) -> float:
    """How long it took."""
    started = time.perf_counter()
    await action()
    return (time.perf_counter() - started) * 1000


async def bare() -> None:
    """The same command as a process of ours, its output read to the end."""
    await anyio.run_process(list(COMMAND), stdin=subprocess.DEVNULL, start_new_session=True)


async def execs(sandbox: Sandbox, cwd: Path) -> bool:
    """Compare one exec with what it stands on; whether the bound is kept."""
    run = functools.partial(sandbox.exec, COMMAND, cwd=cwd, time_limit=60.0)
    against = bare
    if sandbox.isolation is Isolation.DOCKER:
        against = functools.partial(sdk_exec, sandbox)  # type: ignore[arg-type]
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(await milliseconds(against))
        ours.append(await milliseconds(run))
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(f"     {sandbox.isolation}: an exec {mine:.1f} ms, what it stands on {other:.1f} ms")
    if sandbox.isolation is Isolation.DOCKER:
        return verdict("docker: our exec ÷ the SDK's own", mine / other, DOCKER_MOST)
    most = EXEC_MOST.get(sandbox.isolation)
    if most is None:
        return True
    return verdict(f"{sandbox.isolation}: ms more than a bare process", mine - other, most)


async def sdk_exec(sandbox: DockerSandbox) -> None:
    """The SDK's own exec in the sandbox's container, output read to the end."""

    def run() -> None:
        api = sandbox._daemon.api
        made = api.exec_create(sandbox._container, list(COMMAND))
        api.exec_start(made["Id"])
        api.exec_inspect(made["Id"])

    await anyio.to_thread.run_sync(run)


async def freezes(sandbox: Sandbox, cwd: Path) -> bool:
    """Freeze and thaw a busy command; whether both keep their bound."""
    frozen, thawed = [], []
    async with anyio.create_task_group() as group:
        group.start_soon(
            functools.partial(
                sandbox.exec, ("bash", "-c", f"{BUSY} wait"), cwd=cwd, time_limit=600.0
            )
        )
        await anyio.sleep(1.0)
        for _ in range(FREEZES):
            frozen.append(await milliseconds(sandbox.freeze))
            thawed.append(await milliseconds(sandbox.thaw))
            await anyio.sleep(0.05)
        group.cancel_scope.cancel()
    name = sandbox.isolation
    first = verdict(f"{name}: freeze, ms", statistics.median(frozen), FREEZE_MOST)
    return verdict(f"{name}: thaw, ms", statistics.median(thawed), FREEZE_MOST) and first


async def measure(scratch: Path) -> bool:
    """All isolations that can be had; whether all bounds are kept."""
    worktree = scratch / "worktree"
    worktree.mkdir()
    space = Space(
        name="bench",
        worktree=worktree,
        env={"PATH": os.environ["PATH"]},
        mounts=(Mount(worktree, writable=True),),
        tools=tool_folders(os.environ, [Path(sys.executable)]),
        hidden=hidden(os.environ),
    )
    kept = []
    for isolation in reversed(ORDER):
        manager = IsolationManager(isolation, Sandboxing(), scratch, scratch, "bench-")
        try:
            await manager.choose()
        except SandboxError as error:
            print(f"     {isolation}: not measured, {error}")
            continue
        sandbox = await manager.sandbox(space)
        try:
            kept += [await execs(sandbox, worktree), await freezes(sandbox, worktree)]
        finally:
            await sandbox.stop()
            await manager.aclose()
    return all(kept)


def main() -> bool:
    """Measure; whether all bounds are kept."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        if isinstance(there := connect(), str):
            address, _ = stack.enter_context(own_daemon("docker", Path(scratch)))
            stack.enter_context(pytest.MonkeyPatch.context()).setenv("DOCKER_HOST", address)
        else:
            there.close()
        return anyio.run(measure, Path(scratch))


if __name__ == "__main__":
    raise SystemExit(not main())
