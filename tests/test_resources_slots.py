"""The places for heavy work, on a virtual clock: never too many, in order, nothing leaks."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from miyabi_tui.engine.resources.slots import Slots
from tests.virtual_time import VIRTUAL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.anyio

WORLDS = ("Alpha", "Beta", "Gamma", "Delta", "Epsilon")
A, B, C, D, E = WORLDS


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return VIRTUAL


async def settled() -> None:
    """Return when everybody has done what can be done now."""
    for _ in range(12):
        await anyio.lowlevel.checkpoint()


class Command:
    """A command of a world in a task of its own, that ends when it is told to."""

    def __init__(self, office: Office, world: str) -> None:
        self.world = world
        self.office = office
        self.heard: list[str] = []
        self.moments: list[float] = []
        self.since: float | None = None
        self.over = False
        self.scope = anyio.CancelScope()
        self._end = anyio.Event()

    async def run(self) -> None:
        with self.scope:
            async with self.office.slots.slot(self.world, self._hear):
                self.since = anyio.current_time()
                self.office.begun.append(self.world)
                await self._end.wait()
        self.over = True

    def _hear(self, text: str) -> None:
        self.heard.append(text)
        self.moments.append(anyio.current_time())

    @property
    def runs(self) -> bool:
        return self.since is not None and not self.over

    async def end(self) -> None:
        self._end.set()
        await settled()

    async def cancel(self) -> None:
        self.scope.cancel()
        await settled()


class Office:
    """Slots and the commands that want one."""

    def __init__(self, tasks: anyio.abc.TaskGroup, slots: Slots) -> None:
        self.slots = slots
        self.begun: list[str] = []
        self.commands: list[Command] = []
        self._tasks = tasks

    async def begin(self, *worlds: str) -> list[Command]:
        new = [Command(self, world) for world in worlds]
        self.commands += new
        for one in new:
            self._tasks.start_soon(one.run)
            await settled()
        return new

    @property
    def running(self) -> list[str]:
        return [one.world for one in self.commands if one.runs]

    async def a_moment(self) -> None:
        """As long as it takes until everybody has said what is new."""
        await anyio.sleep(1.01)


@asynccontextmanager
async def office(size: int | None, stagger: float = 0.0) -> AsyncGenerator[Office]:
    async with anyio.create_task_group() as tasks:
        yield Office(tasks, Slots(size, stagger))
        tasks.cancel_scope.cancel()


async def test_as_many_begin_as_there_are_places_and_the_rest_is_told_where_it_is() -> None:
    async with office(2) as place:
        a, b, c, d, e = await place.begin(*WORLDS)

        assert place.running == [A, B]
        assert place.slots.waiting == (C, D, E)
        await place.a_moment()
        assert a.heard == b.heard == []
        assert c.heard == ["waiting for a slot (1 of 3)"]
        assert d.heard == ["waiting for a slot (2 of 3)"]

        await a.end()
        assert place.running == [B, C]
        assert c.heard == ["waiting for a slot (1 of 3)", ""]
        await place.a_moment()
        assert d.heard[-1] == "waiting for a slot (1 of 2)"
        assert e.heard[-1] == "waiting for a slot (2 of 2)"


async def test_who_waits_but_a_moment_hears_nothing() -> None:
    async with office(1) as place:
        a, b = await place.begin(A, B)
        await anyio.sleep(0.49)
        await a.end()
        assert b.runs
        await b.end()
        assert b.heard == []

        (c,) = await place.begin(C)
        d, e = await place.begin(D, E)
        await anyio.sleep(0.49)
        await d.cancel()
        assert d.heard == e.heard == []
        await anyio.sleep(0.02)
        assert e.heard == ["waiting for a slot (1 of 1)"]
        await c.end()
        assert e.heard == ["waiting for a slot (1 of 1)", ""]


async def test_a_queue_that_moves_often_is_told_once_a_second() -> None:
    async with office(1) as place:
        first, *waiting = await place.begin(*WORLDS)
        await anyio.sleep(0.5)
        for one in (first, *waiting[:-1]):
            await anyio.sleep(0.3)
            await one.end()

        last = waiting[-1]
        moments = [round(moment, 3) for moment in last.moments]
        assert last.heard == ["waiting for a slot (4 of 4)", "waiting for a slot (1 of 1)", ""]
        assert moments == [0.5, 1.5, 1.7]


async def test_whoever_has_just_had_a_place_goes_behind_all_that_wait() -> None:
    async with office(1) as place:
        first, *_ = await place.begin(A, B, C)
        await first.end()
        await place.begin(A)
        for _ in range(3):
            running = next(one for one in place.commands if one.runs)
            await running.end()

        assert place.begun == [A, B, C, A]


async def test_a_world_at_once_again_does_not_overtake_in_the_moment_between() -> None:
    order: list[str] = []
    async with office(1, stagger=5.0) as place:

        async def often(world: str) -> None:
            for _ in range(3):
                async with place.slots.slot(world, lambda _: None):
                    order.append(world)
                    await anyio.sleep(1)

        async with anyio.create_task_group() as group:
            for world in (A, B, C):
                group.start_soon(often, world)

    assert order == [A, B, C] * 3


async def test_a_worlds_many_commands_are_one_in_the_queue_and_share_a_place() -> None:
    async with office(1) as place:
        first, *_ = await place.begin(A)
        crowd = await place.begin(B, B, B, C)
        assert place.slots.waiting == (B, C)
        await place.a_moment()
        assert crowd[3].heard[-1] == "waiting for a slot (2 of 2)"
        assert [one.heard for one in crowd[:3]] == [["waiting for a slot (1 of 2)"], [], []]

        await first.end()
        assert place.running == [B, B, B]
        for one in crowd[:2]:
            await one.end()
        assert place.running == [B]
        await crowd[2].end()
        assert place.running == [C]


async def test_a_command_that_needs_another_of_its_world_does_not_wait_for_itself() -> None:
    slots = Slots(1, stagger_seconds=9.0)
    slots_told: list[str] = []
    async with slots.slot(A, slots_told.append):
        slots.hold("5 %")
        with anyio.fail_after(1):
            async with slots.slot(A, slots_told.append), slots.slot(A, slots_told.append):
                assert slots.used == 1
        assert slots.holders == (A,)

    assert not slots.holders
    assert slots_told == []


async def test_starts_are_apart_and_those_who_wait_only_for_that_hear_nothing() -> None:
    async with office(4, stagger=0.25) as place:
        commands = await place.begin(*WORLDS)
        await anyio.sleep(10)

        assert [one.since for one in commands] == [0.0, 0.25, 0.5, 0.75, None]
        assert [one.heard for one in commands[:4]] == [[], [], [], []]
        assert commands[4].heard == ["waiting for a slot (2 of 2)", "waiting for a slot (1 of 1)"]

        await commands[0].end()
        assert commands[4].since == 10.0  # long after the last start


async def test_fewer_places_interrupt_nobody_and_more_let_the_next_ones_begin() -> None:
    async with office(3) as place:
        a, b, *_ = await place.begin(*WORLDS)
        place.slots.resize(1)
        await settled()
        assert place.running == [A, B, C]

        await a.end()
        await b.end()
        assert place.running == [C]

        place.slots.resize(3)
        await settled()
        assert place.running == [C, D, E]
        place.slots.resize(0)
        assert place.slots.size == 1


async def test_while_memory_is_short_nobody_begins() -> None:
    async with office(2) as place:
        (a,) = await place.begin(A)
        place.slots.hold("4.1 % of it is left")
        b, c, d = await place.begin(B, C, D)
        await a.end()

        assert place.running == []
        await place.a_moment()
        assert b.heard == ["waiting for memory (4.1 % of it is left)"]

        place.slots.release()
        await settled()
        assert place.running == [B, C]
        assert [b.heard[-1], c.heard[-1]] == ["", ""]
        await place.a_moment()
        assert d.heard[-1] == "waiting for a slot (1 of 1)"


async def test_memory_that_runs_short_also_holds_who_waits_for_its_moment() -> None:
    async with office(2, stagger=1.0) as place:
        _, b = await place.begin(A, B)
        await anyio.sleep(0.5)
        place.slots.hold("it")
        await anyio.sleep(5)
        assert place.running == [A]

        place.slots.release()
        await settled()
        assert b.since == 5.5


async def test_who_is_held_no_longer_does_not_go_on_to_say_so() -> None:
    async with office(2, stagger=1.0) as place:
        place.slots.hold("it")
        a, b = await place.begin(A, B)
        await place.a_moment()
        place.slots.release()
        await place.a_moment()
        assert a.heard[-1] == ""
        assert b.heard[:1] == ["waiting for memory (it)"]
        assert b.heard[-1] == ""


async def test_an_idle_command_lends_its_place_until_it_works_again() -> None:
    async with office(1) as place:
        a, b, c = await place.begin(A, B, C)
        place.slots.lend(A)
        await settled()
        assert place.running == [A, B]
        assert place.slots.used == 1

        place.slots.reclaim(A)  # nobody is interrupted: two run, and the next one waits for both
        await b.end()
        assert place.running == [A]
        assert place.slots.waiting == (C,)

        await a.end()
        assert c.runs


async def test_a_place_that_is_given_back_is_lent_no_more() -> None:
    async with office(1) as place:
        (first,) = await place.begin(A)
        place.slots.lend(A)
        await first.end()
        await place.begin(A, B)
        place.slots.lend(C)  # it has none to lend
        await settled()

        assert place.running == [A]


async def test_a_new_command_of_an_idle_world_works() -> None:
    async with office(1) as place:
        await place.begin(A)
        place.slots.lend(A)
        await place.begin(A, B)

        assert place.running == [A, A]


async def test_a_paused_world_lends_its_place() -> None:
    async with office(1) as place:
        await place.begin(A, B, C)
        place.slots.pause(A)
        await settled()
        assert place.running == [A, B]

        place.slots.proceed(A)
        assert place.slots.used == 2


async def test_a_paused_world_is_passed_over_and_keeps_its_place_in_the_queue() -> None:
    async with office(1) as place:
        a, b, c, d = await place.begin(A, B, C, D)
        place.slots.pause(B)
        await place.a_moment()
        assert c.heard[-1] == "waiting for a slot (1 of 2)"
        await a.end()
        assert place.running == [C]

        place.slots.proceed(B)
        await place.a_moment()
        assert d.heard[-1] == "waiting for a slot (2 of 2)"
        await c.end()
        assert place.running == [B]
        assert b.heard[-1] == ""


async def test_a_world_paused_just_before_its_moment_sleeps_soundly() -> None:
    async with office(2, stagger=1.0) as place:
        _, b = await place.begin(A, B)
        place.slots.pause(B)
        await anyio.sleep(100)  # would never return if it looked again and again
        assert not b.runs

        place.slots.proceed(B)
        await settled()
        assert b.since == 100.0


async def test_whoever_is_cancelled_gives_the_place_back_and_hears_that_it_is_over() -> None:
    async with office(1) as place:
        a, b, c = await place.begin(A, B, C)
        await place.a_moment()
        await b.cancel()
        assert b.heard[-1] == ""
        await place.a_moment()
        assert c.heard[-1] == "waiting for a slot (1 of 1)"

        await a.cancel()
        assert place.running == [C]
        await c.cancel()
        assert (place.slots.holders, place.slots.waiting) == ((), ())


async def test_cancelled_at_the_very_moment_of_its_turn() -> None:
    async with office(1) as place:
        a, b, c = await place.begin(A, B, C)
        b.scope.cancel()
        await a.end()

        assert not b.runs
        assert c.runs


async def test_without_limits_everybody_begins_at_once() -> None:
    async with office(None, stagger=5.0) as place:
        place.slots.pause(B)
        place.slots.hold("it")
        commands = await place.begin(*WORLDS)

        assert [one.since for one in commands] == [0.0] * 5
        assert not any(one.heard for one in commands)
