"""The limits: a world over one stands still alone, the person decides, and the others go on."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import anyio
import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.excess import Excess
from miyabi_tui.engine.limits_watch import INTERRUPT, LimitsWatch, choices
from miyabi_tui.engine.standstill import KEEP, LET_RUN, STOP
from miyabi_tui.engine.state import WorldStatus
from miyabi_tui.engine.terms import Limits, Sandboxing, Termination, Terms
from miyabi_tui.engine.worlds import FIVE, WorldId
from tests.test_warden import Race
from tests.virtual_time import VIRTUAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

A, B, C, D, E = FIVE
GB = 2**30
TERMS = Terms(sandbox=Sandboxing(memory_gb=2, disk_gb=5, processes=100), limits=Limits(seconds=600))
MEMORY = "limit:Alpha:memory"
Resource = e.Resource


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return VIRTUAL


class Machine(Race):
    """A race whose worlds use what the test says."""

    def __init__(self, *, interactive: bool = True, records: list[e.Record] | None = None) -> None:
        super().__init__(interactive=interactive, records=records)
        self.done: list[tuple[str, WorldId, object]] = []
        self.worked: dict[WorldId, float] = {}

    async def pause(self, world: WorldId) -> None:
        if self.status(world) in (WorldStatus.RUNNING, WorldStatus.PREPARING):
            self.post(e.WorldPaused(world=world))

    async def interrupt(self, world: WorldId, reason: str) -> None:
        self.done.append(("interrupt", world, reason))
        await self.proceed(world)

    async def extend(self, world: WorldId, seconds: float) -> None:
        self.done.append(("extend", world, seconds))

    @contextlib.asynccontextmanager
    async def limited(self, terms: Terms = TERMS) -> AsyncIterator[None]:
        watch = LimitsWatch(
            self,
            self,
            self.questions,
            terms,
            interactive=self.interactive,
            worked=self.worked.get,
            clock=self.clock,
        )
        async with anyio.create_task_group() as group:
            group.start_soon(watch.watch)
            yield
            group.cancel_scope.cancel()

    def uses(
        self, world: WorldId = A, *, memory: float = 0, processes: int = 1, disk: float = 0
    ) -> None:
        """A reading of this world: `memory` and `disk` in GB."""
        gauge = e.Gauge(world, 0.0, int(memory * GB), processes, disk_bytes=int(disk * GB))
        self.post(e.Gauges(worlds=(gauge,)))

    @property
    def exceeded(self) -> list[e.LimitExceeded]:
        return self.of(e.LimitExceeded)


async def test_it_freezes_says_so_and_asks() -> None:
    race = Machine()
    async with race.limited():
        race.uses(memory=2)
        await anyio.sleep(1)
        assert race.status() is WorldStatus.RUNNING
        race.uses(memory=2.3)
        await anyio.sleep(0.3)
        assert race.status() is WorldStatus.PAUSED
        [event] = race.exceeded
        assert (event.world, event.resource, event.limit) == (A, Resource.MEMORY, 2 * GB)
        assert race.state.world(A).exceeded == event
        [asked] = race.state.questions
        assert (asked.id, asked.kind, asked.world) == (MEMORY, e.QuestionKind.LIMIT, A)
        assert asked.title == "Alpha is over its memory limit"
        assert asked.text.startswith("2.3 of 2 GB. It stands still until you decide")
        assert asked.default == STOP and asked.until == pytest.approx(race.clock() + 60, abs=1)
        assert {one.name for one in asked.choices} == {STOP, INTERRUPT, LET_RUN}
        assert asked.choices[2].help == "go on; its limit becomes 4 GB"
        assert [race.status(one) for one in (B, C, D, E)] == [WorldStatus.RUNNING] * 4


@pytest.mark.parametrize(
    ("use", "reason"),
    [
        ({"memory": 2.31}, "over its memory limit: 2.4 of 2 GB"),
        ({"memory": 2.00001}, "over its memory limit: 2.1 of 2 GB"),
        ({"disk": 10}, "over its disk limit: 10 of 5 GB"),
        ({"processes": 101}, "over its process limit: 101 of 100"),
    ],
)
async def test_nobody_there_means_that_it_ends_at_once(use: dict[str, int], reason: str) -> None:
    race = Machine(interactive=False)
    async with race.limited():
        race.uses(B, **use)
        await anyio.sleep(1)
        assert race.status(B) is WorldStatus.KILLED
        assert race.state.world(B).reason == reason
        assert len(race.exceeded) == 1
        assert not race.asked and not race.of(e.WorldPaused)
        assert [race.status(one) for one in (A, C, D, E)] == [WorldStatus.RUNNING] * 4


async def test_without_an_answer_it_ends_when_the_grace_does() -> None:
    race = Machine()
    async with race.limited():
        race.uses(memory=3)
        await anyio.sleep(59)
        assert race.status() is WorldStatus.PAUSED
        await anyio.sleep(5)
        assert race.status() is WorldStatus.KILLED
        assert race.state.world(A).reason == "over its memory limit: 3 of 2 GB"
        await anyio.sleep(100)
        assert race.asked == [MEMORY]


async def test_let_run_doubles_this_limit_of_this_world() -> None:
    race = Machine()
    async with race.limited():
        race.uses(memory=5)
        await anyio.sleep(1)
        race.questions.answer(MEMORY, LET_RUN)
        await anyio.sleep(1)
        assert race.status() is WorldStatus.RUNNING
        race.uses(memory=7.9)  # twice was not enough
        race.uses(B, memory=2.5)
        await anyio.sleep(1)
        assert race.status() is WorldStatus.RUNNING
        assert race.status(B) is WorldStatus.PAUSED
        race.uses(memory=8.1)
        await anyio.sleep(1)
        assert race.exceeded[-1].limit == 8 * GB
        assert race.status() is WorldStatus.PAUSED


async def test_stopping_the_command_gives_it_time_to_make_room() -> None:
    race = Machine()
    async with race.limited():
        race.uses(disk=6)
        await anyio.sleep(1)
        race.questions.answer("limit:Alpha:disk", INTERRUPT)
        await anyio.sleep(1)
        assert race.done == [("interrupt", A, "over its disk limit: 6 of 5 GB")]
        await anyio.sleep(30)
        assert race.status() is WorldStatus.RUNNING
        race.uses(disk=6.7)  # it goes on filling the disk
        await anyio.sleep(1)
        assert race.status() is WorldStatus.PAUSED and len(race.exceeded) == 2


async def test_what_is_not_given_back_in_time_is_a_case_again() -> None:
    race = Machine()
    async with race.limited():
        race.uses(disk=6)
        await anyio.sleep(1)
        race.questions.answer("limit:Alpha:disk", INTERRUPT)
        await anyio.sleep(70)
        assert race.status() is WorldStatus.PAUSED and len(race.exceeded) == 2


async def test_several_worlds_are_cases_of_their_own() -> None:
    race = Machine()
    async with race.limited():
        race.uses(A, memory=3)
        race.uses(B, processes=200)
        await anyio.sleep(1)
        assert race.asked == [MEMORY, "limit:Beta:processes"]
        race.questions.answer("limit:Beta:processes", STOP)
        await anyio.sleep(1)
        assert race.status(B) is WorldStatus.KILLED
        assert race.status(A) is WorldStatus.PAUSED


async def test_a_world_that_a_person_paused_is_left_alone() -> None:
    race = Machine()
    async with race.limited():
        await race.pause(A)
        race.uses(memory=3)
        await anyio.sleep(100)
        assert not race.asked
        await race.proceed(A)
        await anyio.sleep(1)
        assert race.asked == [MEMORY]


async def test_whoever_lets_it_go_on_by_hand_has_answered() -> None:
    race = Machine()
    async with race.limited():
        race.uses(memory=3)
        await anyio.sleep(1)
        await race.proceed(A)
        await anyio.sleep(100)
        assert race.status() is WorldStatus.RUNNING
        assert race.of(e.QuestionAnswered) == [
            e.QuestionAnswered(id=MEMORY, choice=LET_RUN, by_person=True, world=A)
        ]
        assert race.asked == [MEMORY]


async def test_the_question_is_moot_when_the_world_ends_meanwhile() -> None:
    race = Machine()
    async with race.limited():
        race.uses(memory=3)
        await anyio.sleep(1)
        race.post(e.WorldKilled(world=A, reason="killed by hand"))
        await anyio.sleep(5)
        assert not race.state.questions
        assert race.state.world(A).reason == "killed by hand"


async def test_a_measurement_over_a_limit_ends_the_world() -> None:
    race = Machine()
    async with race.limited():
        race.post(e.EvaluationStarted(world=A))
        race.uses(memory=3)
        await anyio.sleep(1)
        assert race.status() is WorldStatus.KILLED
        assert race.state.world(A).reason == "over its memory limit: 3 of 2 GB"
        assert not race.asked


async def test_the_setup_command_has_the_same_limits() -> None:
    race = Machine()
    async with race.limited():
        race.post(e.WorldPreparing(world=A))
        race.uses(processes=101)
        await anyio.sleep(1)
        assert race.status() is WorldStatus.PAUSED
        await race.proceed(A)
        await anyio.sleep(3)
        assert race.status() is WorldStatus.PREPARING
        assert race.of(e.QuestionAnswered)[0].choice == LET_RUN


@pytest.mark.parametrize(
    ("choice", "status"),
    [
        (STOP, WorldStatus.KILLED),
        (KEEP, WorldStatus.EVALUATING),
        (LET_RUN, WorldStatus.RUNNING),
        (None, WorldStatus.EVALUATING),
    ],
)
async def test_over_its_time_it_is_asked_before_the_agent_ends(
    choice: str | None, status: WorldStatus
) -> None:
    race = Machine()
    async with race.limited():
        race.worked[A] = 598.0
        await anyio.sleep(1)
        assert race.status() is WorldStatus.RUNNING
        race.worked[A] = 599.5
        await anyio.sleep(1)
        [asked] = race.state.questions
        assert asked.title == "Alpha is over its time limit"
        assert asked.text.startswith("10 of 10 minutes.")
        assert asked.default == KEEP
        assert {one.name for one in asked.choices} == {STOP, KEEP, LET_RUN}
        if choice:
            race.questions.answer(asked.id, choice)
        await anyio.sleep(1 if choice else 61)
        assert race.status() is status
        extended = [("extend", A, 1200.0)] if choice == LET_RUN else []
        assert race.done == extended
        await anyio.sleep(10)
        assert len(race.asked) == 1


async def test_where_nobody_is_there_the_agent_ends_by_its_own_clock() -> None:
    race = Machine(interactive=False)
    async with race.limited():
        race.worked[A] = 700.0
        await anyio.sleep(5)
        assert race.status() is WorldStatus.RUNNING and not race.exceeded


async def test_raised_limits_hold_after_a_resume() -> None:
    first = Machine()
    async with first.limited():
        first.uses(memory=3)
        await anyio.sleep(1)
        first.questions.answer(MEMORY, LET_RUN)
        await anyio.sleep(1)
        first.worked[A] = 600.0
        await anyio.sleep(1)
        first.questions.answer("limit:Alpha:time", LET_RUN)
        await anyio.sleep(1)
        first.uses(B, memory=3)
        await anyio.sleep(1)
    again = Machine(records=first.journal)
    again.post(e.RunResumed(away_seconds=60.0, worlds=FIVE))
    again.post(e.WorldPaused(world=B))  # it stood still for an open question
    async with again.limited():
        again.uses(A, memory=3.9)
        await anyio.sleep(5)
        assert again.status(A) is WorldStatus.PREPARING
        assert again.status(B) is WorldStatus.PREPARING
        assert again.done == [("extend", A, 1200.0)]
        again.uses(A, memory=4.1)
        await anyio.sleep(1)
        assert again.exceeded[-1].limit == 4 * GB


async def test_a_world_taken_back_is_watched_anew() -> None:
    race = Machine(interactive=False)
    async with race.limited():
        race.uses(memory=3)
        await anyio.sleep(1)
        config = race.state.world(A).config
        back = e.WorldForked(world=A, source=A, step=0, checkpoint="c", config=config, system="")
        race.post(back)
        race.post(e.WorldStarted(world=A, system="", messages=()))
        await anyio.sleep(1)
        assert race.status() is WorldStatus.RUNNING
        race.uses(memory=3)
        await anyio.sleep(1)
        assert race.status() is WorldStatus.KILLED


async def test_no_grace_means_no_question() -> None:
    race = Machine()
    async with race.limited(Terms(sandbox=TERMS.sandbox, termination=Termination(grace_seconds=0))):
        race.uses(memory=3)
        await anyio.sleep(1)
        assert race.status() is WorldStatus.KILLED


def test_no_key_of_the_board_answers() -> None:
    for resource in Resource:
        keys = [one.key for one in choices(Excess(A, resource, 3, 2))]
        assert not set(keys) & set("pkrwmdzsSaq?123456789")
        assert len(set(keys)) == len(keys)
