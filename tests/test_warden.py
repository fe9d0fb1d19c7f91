"""The warden: a rule that is violated pauses the world first, asks, and then does what was said."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import apply
from miyabi_tui.engine.models.base import Sampling, Usage
from miyabi_tui.engine.questions import Questions
from miyabi_tui.engine.standstill import KEEP, LET_RUN, STOP, recall
from miyabi_tui.engine.state import RunState, WorldStatus
from miyabi_tui.engine.terms import Termination
from miyabi_tui.engine.warden import CHOICES, Warden
from miyabi_tui.engine.worlds import FIVE, WorldId, default_worlds
from tests.virtual_time import VIRTUAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

A, B, C, D, E = FIVE
START = 1_700_000_000.0
TERMS = Termination(steps_without_edit=2, issue_cost_usd=1.0)
ALPHAS = "rule:Alpha:NoEdit"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return VIRTUAL


class Race:
    """A run in memory whose lanes obey at once, and a person."""

    def __init__(self, *, interactive: bool = True, records: list[e.Record] | None = None) -> None:
        self.journal: list[e.Record] = []
        self.state = RunState()
        self.interactive = interactive
        self.questions = Questions(self, interactive=interactive, clock=self.clock)
        self.step = 0
        for record in records or ():
            self._take(record)
        if not records:
            self._begin()

    def clock(self) -> float:
        with contextlib.suppress(RuntimeError):
            return START + anyio.current_time()
        return START

    def _begin(self) -> None:
        started = e.RunStarted(
            run_id="r",
            issue=e.Issue("issue-7", "title", "text", 7),
            repo="/repo",
            base_ref="main",
            base_commit="base",
            target="main",
            task="task",
            worlds=default_worlds("m/m", "m/m"),
            merge=e.MergePolicy.ASK,
        )
        self.post(started)
        for one in FIVE:
            self.post(e.WorldPreparing(world=one))
            self.post(e.WorldStarted(world=one, system="", messages=()))

    # the bus

    def _take(self, record: e.Record) -> None:
        self.journal.append(record)
        self.state = apply(self.state, record)

    def post(self, event: e.AnyEvent) -> None:
        self._take(e.Record(self.state.seq + 1, self.clock(), event))

    async def emit(self, event: e.AnyEvent) -> None:
        self.post(event)

    async def records(self) -> list[e.Record]:
        return self.journal

    # the lanes

    async def pause(self, world: WorldId) -> None:
        if self.status(world) is WorldStatus.RUNNING:
            self.post(e.WorldPaused(world=world))

    async def proceed(self, world: WorldId) -> None:
        if self.status(world) is WorldStatus.PAUSED:
            self.post(e.WorldContinued(world=world))

    async def end(self, world: WorldId, reason: str) -> None:
        self.post(e.WorldKilled(world=world, reason=reason))

    async def keep(self, world: WorldId) -> None:
        await self.proceed(world)
        self.post(e.EvaluationStarted(world=world))

    # the tests' hand

    @contextlib.asynccontextmanager
    async def watched(self, terms: Termination = TERMS) -> AsyncIterator[None]:
        warden = Warden(
            self, self, self.questions, terms, interactive=self.interactive, clock=self.clock
        )
        async with anyio.create_task_group() as group:
            group.start_soon(warden.watch)
            yield
            group.cancel_scope.cancel()

    def status(self, world: WorldId = A) -> WorldStatus:
        return self.state.world(world).status

    def idles(self, world: WorldId = A, steps: int = 2) -> None:
        """Steps without an edit."""
        for _ in range(steps):
            self.step += 1
            self.post(e.StepFinished(world=world, step=self.step))

    def spends(self, world: WorldId, usd: float) -> None:
        self.post(e.TurnDiscarded(world=world, step=1, cause="", usage=Usage(1, 1), cost_usd=usd))

    def sampled(self, passed: int, known: int, world: WorldId = A) -> None:
        self.post(
            e.TestsSampled(
                world=world, step=1, builds=True, passed=passed, known=known, seconds=1.0
            )
        )

    def of(self, kind: type[Any]) -> list[Any]:
        return [one.event for one in self.journal if isinstance(one.event, kind)]

    @property
    def asked(self) -> list[str]:
        return [one.id for one in self.of(e.QuestionAsked)]


async def test_it_pauses_first_and_says_why() -> None:
    race = Race()
    async with race.watched():
        race.idles(steps=1)
        await anyio.sleep(5)
        assert race.status() is WorldStatus.RUNNING and not race.asked
        race.idles(steps=1)
        await anyio.sleep(2)
        assert race.status() is WorldStatus.PAUSED
        [asked] = race.state.questions
        assert (asked.id, asked.kind, asked.world) == (ALPHAS, e.QuestionKind.RULE, A)
        assert asked.title == "Stop Alpha early?"
        assert asked.text.startswith("no edit in its last 2 steps. ")
        assert "r takes it back to a checkpoint" in asked.text
        assert asked.default == STOP and asked.until is not None
        assert {one.name for one in asked.choices} == {STOP, KEEP, LET_RUN}
        paused, question = race.of(e.WorldPaused), race.of(e.QuestionAsked)
        assert (len(paused), len(question)) == (1, 1)
        assert [race.status(one) for one in (B, C, D, E)] == [WorldStatus.RUNNING] * 4


def test_no_key_of_the_board_answers() -> None:
    assert not {one.key for one in CHOICES} & set("pkrwmdzsSaq?123456789")


async def test_without_an_answer_it_is_stopped_when_the_grace_ends() -> None:
    race = Race()
    async with race.watched():
        race.idles()
        await anyio.sleep(59)
        assert race.status() is WorldStatus.PAUSED
        await anyio.sleep(5)
        assert race.status() is WorldStatus.KILLED
        assert race.state.world(A).reason == (
            "stopped early: no edit in its last 2 steps (r takes it back to a checkpoint)"
        )
        assert race.of(e.QuestionAnswered) == [
            e.QuestionAnswered(id=ALPHAS, choice=STOP, by_person=False, world=A)
        ]
        await anyio.sleep(300)
        assert race.asked == [ALPHAS]


async def test_what_passes_its_tests_is_kept_by_default() -> None:
    race = Race()
    async with race.watched():
        race.post(e.StepFinished(world=A, step=1, lines_added=3, files_changed=1))
        race.sampled(10, 10)
        for step in (2, 3):
            race.post(e.StepFinished(world=A, step=step, lines_added=3, files_changed=1))
        await anyio.sleep(2)
        assert race.state.questions[0].default == KEEP
        await anyio.sleep(70)
        assert race.status() is WorldStatus.EVALUATING
        assert race.state.notices[-1].text == (
            "Alpha ends its work early, to be scored: no edit in its last 2 steps"
        )


@pytest.mark.parametrize(
    ("choice", "status"),
    [
        (STOP, WorldStatus.KILLED),
        (KEEP, WorldStatus.EVALUATING),
        (LET_RUN, WorldStatus.RUNNING),
    ],
)
async def test_a_person_decides(choice: str, status: WorldStatus) -> None:
    race = Race()
    async with race.watched():
        race.idles()
        await anyio.sleep(2)
        race.questions.answer(ALPHAS, choice)
        await anyio.sleep(1)
        assert race.status() is status


async def test_let_run_holds_for_this_rule_and_this_world_only() -> None:
    race = Race()
    async with race.watched():
        race.idles()
        await anyio.sleep(2)
        race.questions.answer(ALPHAS, LET_RUN)
        await anyio.sleep(1)
        race.idles(steps=5)
        await anyio.sleep(10)
        assert race.status() is WorldStatus.RUNNING
        race.idles(B)
        await anyio.sleep(2)
        assert race.status(B) is WorldStatus.PAUSED
        for _ in range(3):
            race.post(e.ToolStarted(world=A, step=9, call_id="c", name="bash", summary="make"))
        await anyio.sleep(2)
        assert race.asked == [ALPHAS, "rule:Beta:NoEdit", "rule:Alpha:SameAction"]


async def test_let_run_holds_after_a_resume() -> None:
    first = Race()
    async with first.watched():
        first.idles()
        await anyio.sleep(2)
        first.questions.answer(ALPHAS, LET_RUN)
        await anyio.sleep(1)
    again = Race(records=first.journal)
    again.post(e.RunResumed(away_seconds=60.0, worlds=FIVE))
    again.post(e.StepStarted(world=A, step=3, sampling=Sampling("m")))
    async with again.watched():
        again.idles()
        await anyio.sleep(10)
        assert again.status() is WorldStatus.RUNNING


async def test_one_question_does_not_delay_another_world() -> None:
    race = Race()
    async with race.watched():
        race.idles(A)
        await anyio.sleep(30)
        race.idles(B)
        await anyio.sleep(2)
        assert [one.world for one in race.state.questions] == [A, B]
        race.questions.answer("rule:Beta:NoEdit", STOP)
        await anyio.sleep(1)
        assert race.status(B) is WorldStatus.KILLED
        assert race.status(A) is WorldStatus.PAUSED


async def test_whoever_lets_it_go_on_by_hand_has_answered() -> None:
    race = Race()
    async with race.watched():
        race.idles()
        await anyio.sleep(2)
        await race.proceed(A)
        await anyio.sleep(120)
        assert race.status() is WorldStatus.RUNNING
        assert race.of(e.QuestionAnswered) == [
            e.QuestionAnswered(id=ALPHAS, choice=LET_RUN, by_person=True, world=A)
        ]
        assert race.asked == [ALPHAS]


async def test_the_question_is_moot_when_the_world_ends_meanwhile() -> None:
    race = Race()
    async with race.watched():
        race.idles()
        await anyio.sleep(2)
        race.post(e.WorldKilled(world=A, reason="killed by hand"))
        await anyio.sleep(5)
        assert not race.state.questions
        assert race.of(e.QuestionAnswered)[0].choice == ""
        assert race.state.world(A).reason == "killed by hand"


async def test_nobody_there_means_that_it_is_stopped_at_once() -> None:
    race = Race(interactive=False)
    async with race.watched():
        race.idles()
        await anyio.sleep(2)
        assert race.status() is WorldStatus.KILLED
        assert not race.asked and not race.of(e.WorldPaused)


async def test_a_world_that_a_person_paused_is_left_alone() -> None:
    race = Race()
    async with race.watched():
        await race.pause(A)
        race.idles()
        await anyio.sleep(60)
        assert not race.asked
        await race.proceed(A)
        await anyio.sleep(2)
        assert race.asked == [ALPHAS]


async def test_too_dear_an_issue_is_one_question_about_all_worlds() -> None:
    race = Race()
    async with race.watched():
        race.post(e.WorldKilled(world=E, reason="killed by hand"))
        race.spends(A, 0.6)
        race.spends(B, 0.6)
        await anyio.sleep(2)
        [asked] = race.state.questions
        assert (asked.id, asked.world) == ("rule:all:PerIssueCostExceeded", None)
        assert asked.title == "Stop all running worlds early?"
        assert asked.default == KEEP  # what there is was paid for
        assert [race.status(one) for one in (A, B, C, D)] == [WorldStatus.PAUSED] * 4
        await race.proceed(C)  # a person wants this one all the same
        await anyio.sleep(2)
        race.questions.answer(asked.id, STOP)
        await anyio.sleep(30)
        assert [race.status(one) for one in (A, B, D)] == [WorldStatus.KILLED] * 3
        assert race.status(C) is WorldStatus.RUNNING
        assert len(race.asked) == 1


async def test_a_question_that_was_open_at_an_interruption_is_asked_again() -> None:
    first = Race()
    async with first.watched():
        first.idles(A)
        await first.pause(B)
        await anyio.sleep(2)
    assert recall(first.journal).held == {A}
    again = Race(records=first.journal)
    again.post(e.RunFinished(status=e.RunStatus.INTERRUPTED))
    again.post(e.RunResumed(away_seconds=60.0, worlds=FIVE))
    async with again.watched():
        await anyio.sleep(3)
        for one in (A, B):  # as their lanes do once their worktrees are checked
            again.post(e.WorldPaused(world=one))
        await anyio.sleep(2)
        assert [one.id for one in again.state.questions] == [ALPHAS]
        again.questions.answer(ALPHAS, LET_RUN)
        await anyio.sleep(2)
        assert (again.status(A), again.status(B)) == (WorldStatus.PREPARING, WorldStatus.PAUSED)


async def test_what_stands_still_for_no_reason_any_more_goes_on() -> None:
    first = Race()
    async with first.watched():
        first.idles(A)
        await anyio.sleep(2)
    again = Race(records=first.journal)
    again.post(e.RunResumed(away_seconds=60.0, worlds=FIVE))
    again.post(e.WorldPaused(world=A))
    async with again.watched(Termination(enabled=False)):
        await anyio.sleep(2)
        assert again.status() is not WorldStatus.PAUSED


async def test_a_world_taken_back_is_watched_anew() -> None:
    race = Race(interactive=False)
    async with race.watched():
        race.idles()
        await anyio.sleep(2)
        config = race.state.world(A).config
        back = e.WorldForked(world=A, source=A, step=0, checkpoint="c", config=config, system="")
        race.post(back)
        race.post(e.StepStarted(world=A, step=1, sampling=Sampling("m")))
        await anyio.sleep(5)
        assert race.status() is WorldStatus.RUNNING
        race.idles()
        await anyio.sleep(2)
        assert race.status() is WorldStatus.KILLED
