"""Saying something to a world, or to all: the line that is typed, its draft, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.events import Paste
from textual.geometry import Region

from miyabi_tui.app import MiyabiApp
from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.models.base import Sampling
from miyabi_tui.engine.worlds import FIVE
from miyabi_tui.screens.dialog import LeaveQuestion
from miyabi_tui.screens.refusals import at_work, why_not_tell
from miyabi_tui.screens.tell import SayArea, TellScreen
from tests import board_states as states
from tests import snapshot_support  # noqa: F401
from tests.desk import Desk, happen, press

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

A, B, C, D, E = FIVE


@pytest.mark.anyio
async def test_enter_sends_and_escape_keeps_the_draft() -> None:
    desk = Desk(states.racing(), attached=True)
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "2", "s", *"csv", "escape")
        assert desk.app.screen is desk.app.race
        await press(pilot, "1", "s", *"hi", "enter", "2", "s", *"!", "enter")
        assert desk.control.asked[1:] == ["tell Alpha: hi", "tell Beta: csv!"]
        await press(pilot, "s")
        assert desk.app.screen.query_one(SayArea).text == ""
        await press(pilot, "space", "enter")
        assert desk.app.screen is desk.app.race
    assert len(desk.control.asked) == 3
    assert not desk.toasts


@pytest.mark.anyio
async def test_lines_survive_and_the_box_grows_with_them() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "s")
        area = desk.app.screen.query_one(SayArea)
        assert area.size.height == 1
        await press(pilot, "1", "ctrl+j", "2")
        desk.app.post_message(Paste("\rthree: 日本語\r\nfour\n"))
        await pilot.pause()
        assert area.size.height == 5
        desk.app.post_message(Paste("x\n" * 40))
        await pilot.pause()
        assert area.size.height == 8
        desk.app.post_message(Paste("end"))
        await press(pilot, "enter")
    said = "1\n2\nthree: 日本語\nfour\n" + "x\n" * 40 + "end"
    assert desk.control.asked[1:] == [f"tell Alpha: {said}"]


@pytest.mark.anyio
async def test_all_at_work_are_told_one_by_one() -> None:
    desk = Desk(states.mixed())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "S", "x")
        assert "» to Beta, Delta" in desk.shown("#tell-to")
        await happen(desk, pilot, e.WorldKilled(world=B, reason="ended by you"))
        assert "» to Delta" in desk.shown("#tell-to")
        await press(pilot, "enter")
        assert desk.control.asked[1:] == ["tell Delta: x"]
        await happen(desk, pilot, e.WorldKilled(world=D, reason="ended by you"))
        await press(pilot, "S")
        assert desk.toasts == ["No world is at work: nobody would read it."]


@pytest.mark.anyio
async def test_words_that_nobody_would_read_are_refused_and_kept() -> None:
    desk = Desk(states.mixed())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "1", "s", "3", "s", "5", "s")
        assert desk.toasts == [
            "Alpha is done and being measured: it takes no more turns.",
            "Gamma has ended (killed): nobody would read it.",
            "Epsilon has ended (failed): nobody would read it.",
        ]
        await press(pilot, "4", "s", "y")
        await happen(desk, pilot, e.WorldFailed(world=D, title="The provider refused"))
        assert "Delta has ended (failed)" in desk.shown("#tell-to")
        await press(pilot, "enter")
        assert isinstance(desk.app.screen, TellScreen)
        assert desk.app.screen.query_one(SayArea).text == "y"
        await press(pilot, "ctrl+c")
        assert isinstance(desk.app.screen, LeaveQuestion)
    assert desk.control.asked == ["start"]


def test_who_reads_what_is_said() -> None:
    paused = states.racing().add(e.EvaluationStarted(world=A), e.WorldPaused(world=A))
    run = fold(paused.records)
    assert "being measured" in why_not_tell(run, run.world(A))
    assert at_work(run) == [B, C, D, E]
    run = fold(states.interrupted().records)
    assert why_not_tell(run, run.world(B)).startswith("The run is interrupted: go on with miyabi")
    assert at_work(fold(states.merged().records)) == []


@pytest.mark.anyio
async def test_what_is_said_stands_in_the_stream_until_it_is_read() -> None:
    script = states.racing()
    desk = Desk(script)
    async with desk.app.run_test(size=(300, 50)) as pilot:
        await pilot.pause()
        await happen(desk, pilot, e.Output(world=A, channel=e.Channel.TEXT, text="I thi"))
        await happen(desk, pilot, e.WorldTold(world=A, text="use csv\nno parser"))
        await happen(desk, pilot, e.Output(world=A, channel=e.Channel.TEXT, text="nk so."))
        await happen(desk, pilot, e.WorldTold(world=A, text="and a test"))
        lines = desk.stream(A).splitlines()
        assert lines[-5:] == [
            " I thi",
            " » you: use csv",
            "   no parser  ◷ joins with the next turn",
            " nk so.",
            " » you: and a test  ◷ joins with the next turn",
        ]
        sent = Sampling(states.MODEL)
        read = e.StepStarted(world=A, step=3, sampling=sent, told=("use csv\nno parser",))
        await happen(desk, pilot, read)
        told = desk.stream(A)
        assert "no parser  ✓\n" in told
        assert told.endswith("and a test  ◷ joins with the next turn")
        await happen(desk, pilot, e.WorldKilled(world=A, reason="killed by you"))
        told = desk.stream(A)
        assert "no parser  ✓\n" in told
        assert "and a test  ✗ not read" in told
        assert "joins" not in told


@pytest.mark.anyio
async def test_the_line_is_on_every_screen() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "s", "x")
        for size in ((80, 24), (40, 10), (20, 6)):
            await pilot.resize_terminal(*size)
            screen, line = desk.app.screen, desk.app.screen.query_one("#tell")
            for _ in range(50):  # it is laid out anew in more than one pass
                await pilot.pause()
                if Region(0, 0, *size).contains_region(line.region):
                    break
            assert Region(0, 0, *size).contains_region(line.region), size
            assert screen.query_one(SayArea).region.area, size


def test_tell(snap_compare: Callable[..., bool]) -> None:
    script = states.waiting()
    app = MiyabiApp(states.FakeControl(script), clock=lambda: script.now + 1)

    async def ready(pilot: Pilot[int]) -> None:
        await press(pilot, "s", *"見る: first", "ctrl+j", *"small")
        app.screen.query_one(SayArea).cursor_blink = False
        await pilot.pause()

    assert snap_compare(app, run_before=ready, terminal_size=(80, 24))
