"""A command that wants approval, as a person meets it: panes, head line, dialog, headless lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.geometry import Region

from miyabi_tui.engine import events as e
from miyabi_tui.engine.approvals import ALWAYS, CHOICES, NEVER, NO, ONCE, RUN, line, whole
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.worlds import FIVE, WorldId
from miyabi_tui.headless import text_line
from miyabi_tui.screens.answer import AnswerScreen, Option
from miyabi_tui.widgets.asking import fitting
from tests import board_states as states
from tests import snapshot_support  # noqa: F401
from tests.desk import Desk, gone, happen, press, shown

if TYPE_CHECKING:
    from textual.pilot import Pilot

A, B, C, D, E = FIVE
PUSH = "git push origin main"
LONG = "\n".join(f"echo {n} && ssh host 'run \x1b[31m{'x' * 70}'" for n in range(30))


def approval(command: str = PUSH, world: WorldId = A) -> e.QuestionAsked:
    """The question, as the clerk asks it."""
    return e.QuestionAsked(
        id="approval:0123",
        kind=e.QuestionKind.APPROVAL,
        title=f"{world} wants to run {line(command)}",
        text="Whoever wants the same waits too. The rule is: git push*\n\n" + whole(command),
        choices=CHOICES,
    )


def wanted(command: str = PUSH) -> states.Script:
    """Two worlds wait for the same approval."""
    script = states.waiting()
    for world in (A, D):
        reason = f"approval: {line(command)}"
        script.add(e.WorldWaiting(world=world, reason=reason))
    return script.add(approval(command))


@pytest.mark.anyio
async def test_it_is_seen_who_waits_and_for_what() -> None:
    desk = Desk(wanted())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        race = desk.app.race
        for world in (A, D):
            assert f"approval: {PUSH}" in shown(race.board.pane(world).head)
        assert "approval" not in shown(race.board.pane(B).head)
        head = shown(race.headline)
        assert f"Alpha wants to run {PUSH} · waits for you · a answers" in head
        assert shown(race.keyline).split()[:2] == ["a", "answer"]


@pytest.mark.anyio
async def test_each_of_the_five_answers_has_a_key() -> None:
    desk = Desk(wanted())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        for keys, choice in (
            (["g"], ONCE),
            (["v"], RUN),
            (["e"], ALWAYS),
            (["n"], NO),
            (["x"], NEVER),
            (["down", "down", "down", "enter"], ALWAYS),
            (["a", "p", "k", "s", "r", "m", "d", "z", "y", "1", "n"], NO),
            (["escape"], ""),
            (["enter"], ""),
        ):
            desk.control.asked.clear()
            await press(pilot, "a", *keys)
            assert desk.app.screen is desk.app.race, keys
            given = [f"answer approval:0123: {choice}"] if choice else []
            assert desk.control.asked == given, keys


@pytest.mark.anyio
async def test_what_was_meant_for_the_board_answers_nothing() -> None:
    desk = Desk(states.waiting())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await happen(desk, pilot, approval())
        desk.control.asked.clear()
        await press(pilot, "g", "v", "e", "n", "x")
        assert not any(one.startswith("answer") for one in desk.control.asked)
        assert desk.app.screen is desk.app.race


@pytest.mark.anyio
async def test_everything_can_be_reached_on_every_size() -> None:
    desk = Desk(wanted())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "a")
        assert PUSH in desk.shown(".dialog-text").splitlines()
        assert desk.shown("#due") == "It waits for your answer."
        for size in ((120, 40), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            for widget in desk.app.screen.query(".option, #due, #leave"):
                assert Region(0, 0, *size).contains_region(widget.region), (size, widget)
        for size in ((40, 20), (40, 10)):
            await pilot.resize_terminal(*size)
            await reach_all(pilot, Region(0, 0, *size))


async def reach_all(pilot: Pilot[int], screen: Region) -> None:
    """Go through the choices; each is on the screen when its turn comes."""
    seen = set()
    for _ in range(len(CHOICES) + 1):
        await pilot.press("tab")
        await pilot.pause()
        focused = pilot.app.focused
        assert focused is not None
        assert screen.contains_region(focused.region), focused
        if isinstance(focused, Option):
            seen.add(focused.choice.name)
    assert seen == {choice.name for choice in CHOICES}


@pytest.mark.anyio
async def test_a_long_command_is_harmless_and_leaves_room_for_the_answers() -> None:
    desk = Desk(wanted(LONG))
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "a")
        text = desk.shown(".dialog-text")
        assert "\x1b" not in text
        assert "\\x1b[31m" in text
        assert text.splitlines()[2].startswith("echo 0 && ssh")
        assert len(text) < 1_300
        assert "more lines" in text or "more characters" in text
        await reach_all(pilot, Region(0, 0, 80, 24))
        await press(pilot, "v")
    assert desk.control.asked[1:] == ["answer approval:0123: run"]


@pytest.mark.anyio
async def test_answered_elsewhere_the_dialog_closes_and_says_so() -> None:
    desk = Desk(wanted())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "a")
        assert isinstance(desk.app.screen, AnswerScreen)
        answer = e.QuestionAnswered(id="approval:0123", choice=RUN, by_person=True)
        await happen(desk, pilot, answer)
        await gone(pilot, "#due")
        assert desk.toasts == [f"Alpha wants to run {PUSH} · run: answered elsewhere"]


def test_a_wait_in_few_cells_still_says_that_it_is_one() -> None:
    wait = f"approval: {PUSH} · a answers"
    assert fitting(wait, 60) == wait
    assert fitting(wait, 30) == f"approval: {PUSH}"
    assert fitting(wait, 20) == f"approval: {PUSH}"  # the pane cuts it


def test_headless_lines() -> None:
    script = wanted("git push \x1b]0;x\x07")
    state = fold(script.records)
    asked = text_line(script.records[-1], state)
    assert "Alpha wants to run git push \\x1b]0;x\\x07: Whoever wants the same" in asked
    assert "\x1b" not in asked
    answer = e.QuestionAnswered(id="approval:0123", choice=ALWAYS, by_person=True)
    script.add(answer)
    said = text_line(script.records[-1], fold(script.records))
    assert said.endswith("always, as you said")
