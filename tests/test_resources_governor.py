"""The governor on a virtual clock: what it makes of the machine's load, pressure and gauges."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.resources.governor import Governor, governor_for, most_at_once
from miyabi_tui.engine.resources.hardware import GB, HardwareLimits
from miyabi_tui.engine.resources.load import Load
from miyabi_tui.engine.resources.pressure import Pressure
from miyabi_tui.engine.resources.slots import Slots
from miyabi_tui.engine.terms import Governing, Sandboxing
from miyabi_tui.engine.worlds import WorldId
from tests.virtual_time import VIRTUAL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

pytestmark = pytest.mark.anyio

A, B = WorldId.ALPHA, WorldId.BETA
HARDWARE = HardwareLimits(32 * GB, 8.0, 500 * GB)
BUSY, MIDDLE, IDLE = Load(0.5, 0.99, 0.5), Load(0.8, 0.8, 0.8), Load(0.1, 0.2, 0.3)
SHORT = "tasks stalled for it 40 % of the last 10 s"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return VIRTUAL


class Machine:
    """What the governor reads, and what it says."""

    def __init__(self, governing: Governing) -> None:
        self.now: Load | None = MIDDLE
        self.pressure: Pressure | None = Pressure(0.0)
        self.looks: list[float] = []
        self.said: list[tuple[float, e.SlotsChanged]] = []
        most = most_at_once(governing, HARDWARE, Sandboxing())
        self.slots = Slots(most if governing.enabled else None)
        self.governor = Governor(
            self.slots,
            governing,
            HARDWARE,
            Sandboxing(),
            self,
            read_load=self.load,
            read_pressure=self.memory,
        )

    async def load(self) -> Load:
        self.looks.append(anyio.current_time())
        if self.now is None:
            raise OSError("the disk is gone")
        return self.now

    async def memory(self) -> Pressure:
        if self.pressure is None:
            raise OSError("there is no such file")
        return self.pressure

    def post(self, event: e.AnyEvent) -> None:
        assert isinstance(event, e.SlotsChanged)
        self.said.append((anyio.current_time(), event))

    async def emit(self, event: e.AnyEvent) -> None:
        raise AssertionError("it may wait for the next batch")

    @property
    def sizes(self) -> list[tuple[float, int]]:
        return [(at, event.at_once) for at, event in self.said]

    def saw(self, **cpu: float) -> None:
        gauges = tuple(
            e.Gauge(WorldId[name.upper()], percent, 1, 1) for name, percent in cpu.items()
        )
        self.governor.saw(e.Gauges(worlds=gauges))


@asynccontextmanager
async def governed(governing: Governing | None = None) -> AsyncGenerator[Machine]:
    machine = Machine(governing or Governing())
    async with anyio.create_task_group() as group:
        group.start_soon(machine.governor.run)
        await anyio.sleep(0.01)  # the test is always a moment behind the governor
        yield machine
        group.cancel_scope.cancel()


async def test_at_the_start_it_says_what_the_machine_bears() -> None:
    async with governed() as machine:
        await anyio.sleep(60)

        assert machine.said == [
            (0.0, e.SlotsChanged(at_once=4, most=4, reason="8 cores, 2 for each world"))
        ]
        assert machine.slots.size == 4


async def test_what_is_set_is_the_maximum() -> None:
    async with governed(Governing(at_once=7)) as machine:
        machine.now = IDLE
        await anyio.sleep(60)

        assert machine.said == [(0.0, e.SlotsChanged(at_once=7, most=7, reason="as set"))]


async def test_it_looks_every_ten_seconds_and_takes_one_or_adds_one() -> None:
    async with governed() as machine:
        machine.now = BUSY
        await anyio.sleep(60)
        assert machine.sizes == [(0, 4), (10, 3), (20, 2), (30, 1)]
        assert machine.slots.size == 1
        assert machine.looks == [0, 10, 20, 30, 40, 50, 60]
        assert machine.said[1][1].reason == "CPU 99 % (above 95 %)"

        machine.now = IDLE
        await anyio.sleep(60)
        assert machine.sizes[4:] == [(70, 2), (80, 3), (90, 4)]
        assert machine.said[-1][1].reason == "there is room: memory 10 %, CPU 20 %, disk 30 %"


async def test_how_often_it_looks_can_be_set() -> None:
    async with governed(Governing(every_seconds=0.5)) as machine:
        machine.now = BUSY
        await anyio.sleep(1.2)

        assert machine.sizes == [(0, 4), (0.5, 3), (1, 2)]


async def test_within_a_second_of_short_memory_nothing_begins() -> None:
    async with governed() as machine:
        await anyio.sleep(4)
        machine.pressure = Pressure(40.0)
        await anyio.sleep(3)
        machine.pressure = Pressure(60.0)  # no news: it is held already
        await anyio.sleep(3)
        assert machine.slots.held == SHORT

        machine.pressure = Pressure(3.0)
        await anyio.sleep(3)
        assert machine.slots.held == ""
        held = e.SlotsChanged(at_once=4, most=4, reason=f"memory is short: {SHORT}", held=True)
        eased = e.SlotsChanged(at_once=4, most=4, reason="memory is no longer short")
        assert machine.said[1:] == [(5.0, held), (11.0, eased)]


async def test_a_new_size_while_memory_is_short_does_not_say_that_it_is_over() -> None:
    async with governed() as machine:
        machine.pressure, machine.now = Pressure(40.0), BUSY
        await anyio.sleep(10)

        assert [(event.at_once, event.held) for _, event in machine.said] == [
            (4, False),
            (4, True),
            (3, True),
        ]


async def test_what_cannot_be_read_changes_nothing() -> None:
    async with governed() as machine:
        machine.now = machine.pressure = None
        await anyio.sleep(25)
        machine.now = BUSY
        await anyio.sleep(10)

        assert machine.sizes == [(0, 4), (30, 3)]


async def test_when_it_ends_nobody_is_held_for_ever() -> None:
    async with governed() as machine:
        machine.pressure = Pressure(40.0)
        await anyio.sleep(2)
        assert machine.slots.held

    assert not machine.slots.held


async def test_switched_off_it_says_and_limits_nothing(tmp_path: Path) -> None:
    off = Governing(enabled=False, at_once=1)
    async with governed(off) as machine:
        machine.now, machine.pressure = BUSY, Pressure(99.0)
        await anyio.sleep(30)
        machine.saw(alpha=0.0)

        assert (machine.said, machine.looks) == ([], [])
        assert governor_for(off, Sandboxing(), HARDWARE, machine, tmp_path).slots.size is None


async def test_a_command_without_cpu_for_more_than_three_seconds_lends_its_place() -> None:
    async with governed(Governing(at_once=1)) as machine, machine.slots.slot(A, lambda _: None):
        machine.saw(alpha=90.0)
        await anyio.sleep(1)
        machine.saw(alpha=4.9)
        await anyio.sleep(3)
        machine.saw(alpha=0.0)
        assert machine.slots.used == 1

        await anyio.sleep(0.5)
        machine.saw(alpha=0.0, beta=0.0)
        assert machine.slots.used == 0
        with anyio.fail_after(1):
            async with machine.slots.slot(B, lambda _: None):
                machine.saw(alpha=5.0)
                assert machine.slots.used == 2


async def test_a_moment_of_work_begins_the_three_seconds_anew() -> None:
    async with governed(Governing(at_once=1)) as machine, machine.slots.slot(A, lambda _: None):
        for cpu in (0.0, 0.0, 30.0, 0.0, 0.0):
            machine.saw(alpha=cpu)
            await anyio.sleep(2)
            assert machine.slots.used == 1


async def test_the_next_command_of_a_world_has_three_seconds_of_its_own() -> None:
    async with governed(Governing(at_once=1)) as machine:
        async with machine.slots.slot(A, lambda _: None):
            machine.saw(alpha=0.0)
            await anyio.sleep(2.5)
        await anyio.sleep(1)
        async with machine.slots.slot(A, lambda _: None):
            machine.saw(alpha=0.0)
            await anyio.sleep(2.9)
            machine.saw(alpha=0.0)
            assert machine.slots.used == 1


async def test_a_paused_world_lends_its_place() -> None:
    async with governed(Governing(at_once=1)) as machine, machine.slots.slot(A, lambda _: None):
        machine.slots.pause(A)
        assert machine.slots.used == 0
        machine.slots.proceed(A)
        assert machine.slots.used == 1


async def test_it_governs_this_machine(tmp_path: Path) -> None:
    said: list[e.AnyEvent] = []

    class Publisher:
        def post(self, event: e.AnyEvent) -> None:
            said.append(event)

        async def emit(self, event: e.AnyEvent) -> None:
            said.append(event)

    hardware = HardwareLimits.detect(tmp_path)
    quick = Governing(every_seconds=0.01)
    governor = governor_for(quick, Sandboxing(), hardware, Publisher(), tmp_path)
    with anyio.move_on_after(5):
        await governor.run()

    most = hardware.max_concurrent_worktrees(Sandboxing())
    assert isinstance(said[0], e.SlotsChanged)
    assert (said[0].at_once, said[0].most) == (most, most)
