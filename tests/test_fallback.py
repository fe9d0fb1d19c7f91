"""When too few worlds succeed: the strategies of REQ-ERR-2, one after another, in real races."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.control import Fork
from miyabi_tui.engine.models.registry import Kind, Provider
from miyabi_tui.engine.state import WorldStatus
from miyabi_tui.engine.terms import Fallback, Strategy
from miyabi_tui.engine.worlds import FIVE, Effort
from tests import racing

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.engine.engine import Engine
    from miyabi_tui.engine.state import RunState

ALPHA, BETA, *_ = FIVE
CUT_SHORT: racing.Turns = racing.FIX[:1]  # the recording ends before the agent does


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return racing.make_project(tmp_path / "project")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "state" / "miyabi.db"


def tried(records: list[e.Record]) -> list[tuple[str, tuple[str, ...]]]:
    found = (one.event for one in records if isinstance(one.event, e.FallbackTried))
    return [(event.strategy, event.worlds) for event in found]


def test_a_lower_temperature_then_another_model(repo: Path, journal: Path, tmp_path: Path) -> None:
    bad = racing.record(tmp_path / "bad", {BETA: racing.NOTHING})
    good = racing.record(tmp_path / "good", {BETA: racing.FIX})
    request = racing.request_for(
        repo,
        bad,
        merge=e.MergePolicy.AUTO,
        on_failure=(Strategy.LOWER_TEMPERATURE, Strategy.SWITCH_MODEL, Strategy.SKIP),
        fallback=Fallback(model="good/m"),
        providers={
            "t": Provider(Kind.REPLAY, base_url=str(bad)),
            "good": Provider(Kind.REPLAY, base_url=str(good)),
        },
    )
    state, records = racing.race(request, journal)
    assert (state.status, state.winner) == (e.RunStatus.MERGED, BETA)
    assert tried(records) == [("lower_temperature", (BETA,)), ("switch_model", (BETA,))]
    cooler, other = (one.event for one in records if isinstance(one.event, e.WorldForked))
    assert (cooler.config.temperature, cooler.config.effort) == (0.4, Effort.LOW)
    assert (cooler.step, other.step) == (0, 0)  # a result that cannot win is begun anew
    assert other.config.model == "good/m"


def test_fewer_than_wanted_may_be_accepted(repo: Path, journal: Path, tmp_path: Path) -> None:
    recording = racing.record(tmp_path / "t", {ALPHA: racing.NOTHING, BETA: racing.FIX})
    request = racing.request_for(
        repo,
        recording,
        on_failure=(Strategy.ACCEPT_PARTIAL, Strategy.LOWER_TEMPERATURE),
        fallback=Fallback(min_successful_worlds=2, accept_at_least=1),
    )
    state, records = racing.race(request, journal)
    assert (state.status, state.winner) == (e.RunStatus.SELECTED, BETA)
    assert tried(records) == [("accept_partial", ())]
    assert state.tried[0].reason == "1 of 2 worlds succeeded, 2 should"


def test_a_person_lets_failed_worlds_go_on_and_may_leave_it_at_that(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "t", {ALPHA: CUT_SHORT, BETA: racing.NOTHING})
    request = racing.request_for(
        repo,
        recording,
        merge=e.MergePolicy.NEVER,
        interactive=True,
        on_failure=(Strategy.WAIT_FOR_HUMAN, Strategy.WAIT_FOR_HUMAN),
    )
    answers = ["again", "next"]

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.QuestionAsked):
            engine.answer(record.event.id, answers.pop(0))
        if isinstance(record.event, e.NoWinner):
            engine.stop()

    state, records = racing.race(request, journal, act)
    assert state.status is e.RunStatus.NO_WINNER and not answers
    (forked,) = (one.event for one in records if isinstance(one.event, e.WorldForked))
    assert (forked.world, forked.step) == (ALPHA, 1)  # it went on where it stood
    said = [one.event for one in records if isinstance(one.event, e.QuestionAnswered)]
    assert [(one.choice, one.by_person) for one in said] == [("again", True), ("next", True)]


def test_where_nobody_is_there_failed_worlds_wait_for_a_resume(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "t", {ALPHA: CUT_SHORT})
    state, _ = racing.race(racing.request_for(repo, recording), journal)
    assert state.status is e.RunStatus.INTERRUPTED
    assert "0 of 1 worlds succeeded, 1 should: Alpha" in state.reason
    racing.record(tmp_path / "t", {ALPHA: racing.FIX})  # mended
    state, records = racing.resume(state.run_id, journal)
    assert (state.status, state.winner) == (e.RunStatus.SELECTED, ALPHA)
    (forked,) = (one.event for one in records if isinstance(one.event, e.WorldForked))
    assert forked.step == 1  # where it stood


def test_taking_a_world_back_answers_the_question(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "t", {ALPHA: racing.NOTHING})
    request = racing.request_for(repo, recording, interactive=True, merge=e.MergePolicy.NEVER)
    asked = 0

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        nonlocal asked
        if isinstance(record.event, e.QuestionAsked):
            asked += 1
            engine.fork(Fork(source=ALPHA, step=0))
        if isinstance(record.event, e.NoWinner):
            engine.stop()

    state, _ = racing.race(request, journal, act)
    assert asked == 1
    assert state.world(ALPHA).restored == "taken back to the base"
    assert state.world(ALPHA).status is WorldStatus.SCORED


def test_picking_while_it_is_asked_ends_the_asking(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "t", {ALPHA: racing.NOTHING})
    request = racing.request_for(
        repo,
        recording,
        interactive=True,
        merge=e.MergePolicy.NEVER,
        on_failure=(Strategy.WAIT_FOR_HUMAN, Strategy.LOWER_TEMPERATURE),
    )

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.QuestionAsked):
            engine.pick(ALPHA)

    state, records = racing.race(request, journal, act)
    assert (state.winner, state.override) == (ALPHA, True)
    assert len(tried(records)) == 1
