"""`u` takes back a kill, a choice or a pause; in the engine, and under the fingers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.link import wire
from miyabi_tui.engine.link.client import RemoteControl
from miyabi_tui.engine.state import WorldStatus
from miyabi_tui.engine.worlds import FIVE
from miyabi_tui.screens.undoing import Picked
from tests import board_states as states
from tests import racing
from tests.desk import Desk, happen, press, shown

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.engine.engine import Engine
    from miyabi_tui.engine.state import RunState

ALPHA, BETA, *_ = FIVE

pytestmark = pytest.mark.anyio


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return racing.make_project(tmp_path / "project")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "state" / "miyabi.db"


# --- the engine -----------------------------------------------------------------------------------


def test_a_choice_taken_back_is_the_evidences_again(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX, BETA: racing.UNSAFE})
    ready: list[str] = []

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.MergeReady):
            ready.append(record.event.world)
            [lambda: engine.pick(BETA), engine.unpick, engine.merge][len(ready) - 1]()
        if isinstance(record.event, e.PickWithdrawn):
            statuses = [world.status for world in state.worlds]
            assert statuses == [WorldStatus.SCORED, WorldStatus.SCORED]
            assert (state.winner, state.override, state.merge_ready) == (None, False, False)

    request = racing.request_for(repo, recording, interactive=True)
    state, records = racing.race(request, journal, act)

    assert ready == [ALPHA, BETA, ALPHA]
    assert (state.winner, state.winner_by_person) == (ALPHA, False)
    assert state.status is e.RunStatus.MERGED
    assert fold(records) == state
    assert "shell=True" not in racing.git(repo, "show", "miyabi/issue-7:calc/ops.py")


def test_a_choice_can_be_taken_back_while_it_is_measured(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    """What it ended stays ended; the run then chooses by the evidence, also after a resume."""
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.SLEEPS, BETA: racing.SLEEPS})

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        event = record.event
        if isinstance(event, e.ToolStarted) and event.world is BETA and event.name == "bash":
            engine.pick(BETA)
            engine.unpick()
        if isinstance(event, e.EvaluationStarted):
            assert state.picked is None
            engine.stop()

    request = racing.request_for(repo, recording, interactive=True)
    before, _ = racing.race(request, journal, act)
    assert before.status is e.RunStatus.INTERRUPTED

    state, _ = racing.resume(before.run_id, journal)
    assert state.world(ALPHA).reason == "Beta was picked"
    assert (state.winner, state.winner_by_person) == (BETA, False)


def test_without_a_choice_there_is_nothing_to_take_back(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX})
    asked: list[int] = []

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.MergeReady):
            asked.append(1)
            engine.unpick()
        if isinstance(record.event, e.Notice) and asked:
            engine.merge()

    request = racing.request_for(repo, recording, interactive=True)
    state, _ = racing.race(request, journal, act)
    assert state.status is e.RunStatus.MERGED
    assert state.notices[-1].text == "there is no choice to take back: nobody was picked"
    assert asked == [1]


def test_a_watcher_elsewhere_can_take_a_choice_back(tmp_path: Path) -> None:
    """The words of the link: what `attach` says, and that the engine's end understands it."""
    said = wire.command(wire.line(wire.Ask(verb="unpick")))
    assert said == wire.Ask(verb="unpick")
    assert callable(getattr(RemoteControl, said.verb))


# --- under the fingers ----------------------------------------------------------------------------


async def test_a_pause_goes_on() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "2", "p")
        await happen(desk, pilot, e.WorldPaused(world=BETA))
        await press(pilot, "3", "u")
        assert desk.control.asked[1:] == ["pause Beta", "proceed Beta"]
        assert desk.toasts[-1] == "Beta goes on."


async def test_a_killed_world_is_back_at_its_last_checkpoint() -> None:
    desk = Desk(states.far(4))
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "2", "k")
        assert "its last checkpoint; r at any" in desk.shown(".dialog-text")
        await press(pilot, "y")
        await press(pilot, "u")
        assert desk.toasts[-1] == "Beta is still being ended: undo it in a moment."
        await happen(desk, pilot, e.WorldKilled(world=BETA, reason="killed by hand"))
        assert "u undo" in shown(desk.app.race.keyline)
        await press(pilot, "u")
        (fork,) = desk.control.forks
        assert (fork.source, fork.step, fork.extra) == (BETA, 4, False)
        assert desk.toasts[-1] == "Beta is back at step 4."
        await press(pilot, "u")
        assert desk.toasts[-1].startswith("Nothing to undo:")
        assert "u undo" not in shown(desk.app.race.keyline)


async def test_who_was_killed_before_it_had_begun_cannot_come_back() -> None:
    script = states.Script()
    for record in states.opened().records:
        if not isinstance(record.event, e.CheckpointSaved):
            script.add(record.event)
    desk = Desk(script)
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "2", "k", "y")
        await happen(desk, pilot, e.WorldKilled(world=BETA, reason="killed by hand"))
        await press(pilot, "u")
        assert "had no checkpoint yet: there is nothing to go back to" in desk.toasts[-1]
        assert desk.control.forks == []


async def test_a_choice_made_in_the_race_is_taken_back_in_two_steps() -> None:
    """First the choice; then, if the person wants it, the worlds that it had ended."""
    desk = Desk(states.far(3))
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "2", "w", "y")
        ended = [one for one in desk.app.state.worlds if one.id is not BETA and not one.ended]
        await happen(
            desk,
            pilot,
            e.WorldPicked(world=BETA),
            *(e.WorldKilled(world=one.id, reason="Beta was picked") for one in ended),
        )
        await press(pilot, "u")
        assert desk.control.asked[-1] == "unpick"
        assert "The choice of Beta is taken back" in desk.toasts[-1]
        assert "undo again brings back" in desk.toasts[-1]
        await happen(desk, pilot, e.PickWithdrawn(world=BETA))
        assert "you take your choice back" in desk.stream(BETA)
        await press(pilot, "u")
        with_checkpoints = [one.id for one in ended if one.checkpoints]
        assert [one.source for one in desk.control.forks] == with_checkpoints


async def test_a_choice_goes_back_to_the_choice_before() -> None:
    desk = Desk(states.waiting_for_merge())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        for world in (BETA, ALPHA):
            await press(pilot, world.key, "w", "y")
            await happen(
                desk,
                pilot,
                e.WorldPicked(world=world),
                e.WinnerSelected(world=world, by_person=True, override=True, reason="", commit="c"),
            )
        await press(pilot, "u")
        assert desk.control.asked[1:] == [
            "diff Beta",
            "pick Beta",
            "diff Alpha",
            "pick Alpha",
            "pick Beta",
        ]
        assert desk.toasts[-1] == "Beta is your choice again, as before."


async def test_a_choice_made_before_this_screen_was_there_can_be_taken_back() -> None:
    desk = Desk(states.overridden(), attached=True)
    async with desk.app.run_test(size=(120, 40)) as pilot:
        assert "u undo" in shown(desk.app.race.keyline)
        await pilot.pause()
        await press(pilot, "u")
        assert desk.control.asked == ["start", "unpick"], desk.toasts


async def test_a_merge_is_not_undone() -> None:
    desk = Desk(states.overridden())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        world = desk.app.state.winner
        assert world is not None
        desk.app.race._undo.did(Picked(world))
        await happen(desk, pilot, e.Merged(world=world, branch="main", commit="c0ffee1234"))
        await press(pilot, "u")
        assert "merged into main already: only git revert c0ffee123" in desk.toasts[-1]


async def test_what_is_moot_is_said_and_nothing_else_is_undone_in_its_place() -> None:
    desk = Desk(states.far(4))
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "1", "p", "2", "p")
        await happen(desk, pilot, e.WorldPaused(world=ALPHA), e.WorldPaused(world=BETA))
        await happen(desk, pilot, e.WorldContinued(world=BETA))  # from another screen
        await press(pilot, "u")
        assert desk.control.asked[1:] == ["pause Alpha", "pause Beta"]
        assert desk.toasts[-1] == "Nothing to undo of the last pause: Beta is not paused any more."
        await press(pilot, "u")
        assert desk.control.asked[-1] == "proceed Alpha"


async def test_what_goes_on_by_its_own_key_is_not_undone_again() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "2", "p")
        await happen(desk, pilot, e.WorldPaused(world=BETA))
        await press(pilot, "p")
        await happen(desk, pilot, e.WorldContinued(world=BETA))
        await press(pilot, "u")
        assert desk.toasts[-1].startswith("Nothing to undo:")
