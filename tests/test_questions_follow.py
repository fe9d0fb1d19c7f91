"""A question that is left open goes with the race: it stays true, or says that it is moot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.widgets import Button

from miyabi_tui.engine import events as e
from miyabi_tui.screens.dialog import LeaveQuestion, Question
from miyabi_tui.screens.pick import NameQuestion, PickQuestion
from miyabi_tui.screens.refusals import LOOK_AGAIN
from miyabi_tui.widgets.diff_view import DiffView
from tests import board_states as states
from tests.desk import Desk, happen, press

if TYPE_CHECKING:
    from textual.pilot import Pilot

B, C = states.B, states.C
SAID, SCORE = ".dialog-text", ".dialog-score"
FAILED = e.WorldFailed(world=B, title="The provider refused")


def can_confirm(desk: Desk) -> bool:
    """Whether the question that is open has a yes to press."""
    assert isinstance(desk.app.screen, Question)
    return bool(desk.app.screen.query_one("#yes", Button).display)


async def catch_up(desk: Desk, pilot: Pilot[int], before: int) -> None:
    """What the script has had added since it had so many records is seen on the screen."""
    desk.control.subscription.waiting += desk.control.script.records[before:]
    await happen(desk, pilot)


@pytest.mark.anyio
async def test_a_kill_says_where_the_world_is_by_now() -> None:
    desk = Desk(states.racing())
    script = desk.control.script
    async with desk.app.run_test(size=(100, 30)) as pilot:
        await press(pilot, "2", "k")
        before, step = desk.shown(SAID), desk.app.race.run_state.world(B).step
        assert f"at step {step}." in before
        known = len(script.records)
        states.step(script, B, step + 1)
        await catch_up(desk, pilot, known)
        assert f"at step {step + 1}." in desk.shown(SAID)
        assert can_confirm(desk)
        await press(pilot, "y")
        assert desk.control.asked[-1] == "kill Beta"


@pytest.mark.anyio
@pytest.mark.parametrize("key", ["y", "enter", "n", "escape"])
async def test_a_kill_of_a_world_that_has_ended_is_moot(key: str) -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(100, 30)) as pilot:
        await press(pilot, "2", "k", "left")  # on its yes
        await happen(desk, pilot, FAILED)
        assert desk.shown(SAID) == "Beta has ended already (failed)."
        assert not can_confirm(desk)
        assert str(desk.app.screen.query_one("#no", Button).label) == "n  close"
        await press(pilot, key)
        assert desk.app.screen is desk.app.race
        assert desk.control.asked == ["start"]


@pytest.mark.anyio
async def test_a_kill_is_never_of_another_future() -> None:
    desk = Desk(states.far(5))
    script = desk.control.script
    async with desk.app.run_test(size=(100, 30)) as pilot:
        await press(pilot, "2", "k")
        known = len(script.records)
        states.forked(script, B)
        await catch_up(desk, pilot, known)
        assert desk.shown(SAID) == "Beta has begun another future: ask anew."
        assert not can_confirm(desk)
        await press(pilot, "y")
        assert desk.control.asked == ["start"]
        await press(pilot, "k", "y")  # asked anew it is meant
        assert desk.control.asked == ["start", "kill Beta"]


@pytest.mark.anyio
async def test_a_choice_shows_the_score_that_came_meanwhile_and_is_looked_at_again() -> None:
    desk = Desk(states.racing())
    script = desk.control.script
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "3", "w")
        assert "Gamma has no score" in desk.shown(SAID)
        assert desk.shown(SCORE) == "not scored yet"
        known = len(script.records)
        states.scored(script, C, states.GOOD)
        await catch_up(desk, pilot, known)
        assert "has no score" not in desk.shown(SAID)
        assert "tests" in desk.shown(SCORE)
        await press(pilot, "y")
        assert desk.toasts == [LOOK_AGAIN]
        await press(pilot, "y")
        assert desk.control.asked[-1] == "pick Gamma"


@pytest.mark.anyio
async def test_a_choice_that_cannot_win_any_more_is_moot() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "2", "w")
        await happen(desk, pilot, FAILED)
        assert isinstance(desk.app.screen, PickQuestion)
        assert desk.shown(SAID) == "Beta has no result, so it cannot win."
        assert not can_confirm(desk)
        assert not desk.app.screen.query_one(DiffView).display
        await press(pilot, "y")
        assert "pick Beta" not in desk.control.asked
        assert desk.toasts == ["Beta has no result, so it cannot win."]


@pytest.mark.anyio
async def test_a_name_that_is_asked_for_is_not_when_the_race_is_over() -> None:
    desk = Desk(states.hostile())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "3", "w")
        assert isinstance(desk.app.screen, NameQuestion)
        await press(pilot, *"gamma")
        await happen(desk, pilot, e.RunFinished(status=e.RunStatus.NO_WINNER))
        assert "the race is over" in desk.shown(SAID)
        assert not can_confirm(desk)
        assert desk.app.focused is desk.app.screen.query_one("#no")
        await press(pilot, "enter")
        assert not isinstance(desk.app.screen, Question)
        assert "pick Gamma" not in desk.control.asked


@pytest.mark.anyio
async def test_leaving_counts_who_is_at_work_until_there_is_nothing_to_ask() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(100, 30)) as pilot:
        await press(pilot, "q")
        at_work = sum(not one.ended for one in desk.app.race.run_state.worlds)
        assert f"{at_work} worlds are still at work" in desk.shown(SAID)
        await happen(desk, pilot, FAILED)
        assert f"{at_work - 1} worlds are still at work" in desk.shown(SAID)
        await happen(desk, pilot, e.RunFinished(status=e.RunStatus.NO_WINNER))
        assert desk.shown(SAID).startswith("The race is over: nothing ends when you leave")
        assert not can_confirm(desk)
        await press(pilot, "y")
        assert desk.app.is_running
        assert "stop" not in desk.control.asked
        assert not isinstance(desk.app.screen, LeaveQuestion)
