"""Freezing a world: its processes stop at once, and its time limits with them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio
import psutil
import pytest

from miyabi_tui.engine.sandbox import local as sandbox_local
from miyabi_tui.engine.sandbox.deadline import Deadline
from miyabi_tui.engine.sandbox.table import ProcessTable
from tests.places import bare
from tests.processes import Pids, state, until, until_gone, until_state
from tests.virtual_time import VIRTUAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from anyio.abc import TaskGroup

    from miyabi_tui.engine.sandbox.base import ExecResult

pytestmark = pytest.mark.anyio


class World:
    """A sandbox in which one command at a time runs in the background."""

    def __init__(self, group: TaskGroup, cwd: Path) -> None:
        self.sandbox = bare({"PATH": os.environ["PATH"]})
        self.pids = Pids()
        self.result: ExecResult | None = None
        self.ended = anyio.Event()
        self._group = group
        self._cwd = cwd

    def start(self, script: str, limit: float = 60.0) -> None:
        async def run() -> None:
            self.result = await self.sandbox.exec(
                ("bash", "-c", script), cwd=self._cwd, time_limit=limit, on_output=self.pids
            )
            self.ended.set()

        self._group.start_soon(run)

    async def end(self) -> ExecResult:
        with anyio.fail_after(20):
            await self.ended.wait()
        assert self.result is not None
        return self.result


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(sandbox_local, "GRACE_SECONDS", 0.2)
    async with anyio.create_task_group() as group:
        made = World(group, tmp_path)
        yield made
        group.cancel_scope.cancel()
    await made.sandbox.stop()


BUSY = """
busy='echo $$; while :; do :; done'
bash -c "$busy" &
(set -m; bash -c "$busy" &)
setsid bash -c "$busy" &
wait; sleep 600
"""


async def test_freeze_stops_every_process_and_thaw_lets_it_go_on(world: World) -> None:
    world.start(BUSY)
    pids = await world.pids.first(3)
    await world.sandbox.freeze()
    for pid in pids:
        await until_state(pid, "T")
    spent = [psutil.Process(pid).cpu_times().user for pid in pids]
    await anyio.sleep(0.15)  # not a synchronisation: time in which CPU would be used
    assert [psutil.Process(pid).cpu_times().user for pid in pids] == spent
    await world.sandbox.thaw()
    for pid in pids:
        await until_state(pid, "RS")
    await world.sandbox.stop()
    for pid in pids:
        await until_gone(pid)


async def test_the_time_limit_stands_still(world: World) -> None:
    world.start("echo $$; read line < /dev/zero & sleep 0.3; echo 7", limit=1.5)
    [pid] = await world.pids.first()
    await world.sandbox.freeze()
    await anyio.sleep(1.6)  # longer than the limit
    assert state(pid) == "T"
    await world.sandbox.thaw()
    assert not (await world.end()).timed_out


async def test_the_time_limit_goes_on_after_the_thaw(world: World) -> None:
    world.start("echo $$; sleep 600", limit=0.3)
    await world.pids.first()
    await world.sandbox.freeze()
    await world.sandbox.thaw()
    assert (await world.end()).timed_out


async def test_a_command_begun_while_frozen_waits(world: World) -> None:
    await world.sandbox.freeze()
    world.start("echo 1; sleep 0.05; echo 2")
    await until(lambda: world.sandbox.usage(ProcessTable.read()).processes > 0)
    await anyio.sleep(0.2)
    assert not world.ended.is_set()
    await world.sandbox.thaw()
    assert (await world.end()).exit_code == 0


async def test_cancelled_while_frozen(tmp_path: Path) -> None:
    async with anyio.create_task_group() as group:
        world = World(group, tmp_path)
        world.start("sleep 600 & echo $! $$; wait")
        found = await world.pids.first(2)
        await world.sandbox.freeze()
        group.cancel_scope.cancel()
    for pid in found:
        await until_gone(pid)


async def test_stopped_while_frozen(world: World) -> None:
    world.start("setsid sleep 600 & echo $! $$; wait")
    found = await world.pids.first(2)
    await world.sandbox.freeze()
    await world.sandbox.stop()
    for pid in found:
        await until_gone(pid)
    assert (await world.end()).exit_code == -9


async def test_pausing_and_going_on_in_quick_succession(world: World) -> None:
    """The last word counts, whichever takes longer."""
    world.start("echo $$; exec sleep 600")
    [pid] = await world.pids.first()
    for _ in range(3):
        async with anyio.create_task_group() as group:
            group.start_soon(world.sandbox.freeze)
            await anyio.lowlevel.checkpoint()
            group.start_soon(world.sandbox.thaw)
        await until_state(pid, "S")
    async with anyio.create_task_group() as group:
        group.start_soon(world.sandbox.thaw)
        await anyio.lowlevel.checkpoint()
        group.start_soon(world.sandbox.freeze)
    await until_state(pid, "T")


async def test_a_thaw_does_not_wait_for_what_forks_on(world: World) -> None:
    world.start("for n in 1 2 3 4; do (while :; do /bin/true; done) & done; echo $$; wait")
    await world.pids.first()
    await world.sandbox.freeze()
    with anyio.fail_after(10):
        await world.sandbox.thaw()


class TestDeadline:
    """The clock of a time limit, in virtual time."""

    @pytest.fixture
    def anyio_backend(self) -> tuple[str, dict[str, object]]:
        return VIRTUAL

    async def test_it_passes(self) -> None:
        deadline, started = Deadline(100), anyio.current_time()
        deadline.run()
        with deadline.scope:
            await anyio.sleep_forever()
        assert deadline.passed
        assert anyio.current_time() - started == pytest.approx(100)

    async def test_suspended_time_does_not_count(self) -> None:
        deadline, started = Deadline(100), anyio.current_time()
        async with anyio.create_task_group() as group:

            async def hand() -> None:
                deadline.run()
                deadline.run()  # twice is once
                await anyio.sleep(60)
                deadline.suspend()
                deadline.suspend()
                await anyio.sleep(1_000)
                deadline.run()

            group.start_soon(hand)
            with deadline.scope:
                await anyio.sleep_forever()
        assert anyio.current_time() - started == pytest.approx(1_100)

    async def test_work_that_ends_in_time(self) -> None:
        deadline = Deadline(100)
        deadline.run()
        with deadline.scope:
            await anyio.sleep(99)
        assert not deadline.passed
