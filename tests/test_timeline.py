"""The time line: a lane for each world, every event as a row, and how to find one."""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.app import MiyabiApp
from miyabi_tui.engine import events as e
from miyabi_tui.engine.worlds import FIVE
from miyabi_tui.screens.checkpoints import CheckpointScreen
from miyabi_tui.screens.timeline import TimelineScreen
from miyabi_tui.widgets import chronicle
from miyabi_tui.widgets.chronicle import Chronicle, Kind
from miyabi_tui.widgets.lanes import Lane
from tests import board_states as states
from tests.test_diff_screen import pressing, settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from miyabi_tui.widgets.event_list import EventList

SIZES = [(60, 16), (80, 24), (120, 40), (200, 50)]
A, B, C, D, E = FIVE


def whole() -> states.Script:
    """A race with everything in it."""
    script = states.far(7)
    script.add(e.WorldPaused(world=D), after=4)
    script.add(e.WorldTold(world=B, text="use the csv module"), after=2)
    script.add(e.WorldContinued(world=D), after=25)
    states.attempt(script, C, e.Escape.READ, "cat ~/.ssh")
    script.add(e.WorldWaiting(world=C, reason=""), after=12)
    for world, evidence in ((A, states.GOOD), (B, states.UNTIDY)):
        script.now += 9
        states.scored(script, world, evidence)
    script.add(e.WorldKilled(world=D, reason="killed by you"), after=8)
    states.scored(script, C, states.UNSAFE, *states.blocked(states.UNSAFE))
    script.add(
        e.WorldFailed(world=E, title="The provider refused the request", cause="401"), after=5
    )
    win = e.WinnerSelected(
        world=A, by_person=False, override=False, reason="100 against 95", commit="9b0e"
    )
    return script.add(win, after=1)


def app(script: states.Script | None = None, theme: str = "miyabi-dark") -> MiyabiApp:
    script = script or whole()
    made = MiyabiApp(states.FakeControl(script), clock=lambda: script.now + 1)
    made.theme = theme
    return made


def test_timeline(snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app(), run_before=pressing("t"), terminal_size=(120, 40))


def test_one_world_and_a_search(snap_compare: Callable[..., bool]) -> None:
    keys = ("t", "2", "slash", *"pytest", "enter")
    assert snap_compare(app(), run_before=pressing(*keys), terminal_size=(120, 40))


def screen_of(pilot: Pilot[int]) -> TimelineScreen:
    assert isinstance(pilot.app.screen, TimelineScreen)
    return pilot.app.screen


def rows(view: EventList) -> list[str]:
    return [strip.text.rstrip() for strip in view.render_lines(view.size.region)]


@pytest.mark.anyio
async def test_by_world_and_by_kind() -> None:
    async with app().run_test(size=(120, 40)) as pilot:
        await pressing("t", "3")(pilot)
        listing = screen_of(pilot).listing
        assert {one.world for one in listing.shown} == {C}
        await pressing(*(["f"] * list(Kind).index(Kind.SAFETY)))(pilot)
        while listing.kind is not Kind.SAFETY:
            await pilot.press("f")
        assert [one.text for one in listing.shown] == [
            "tried to read outside: cat ~/.ssh — stopped"
        ]
        await pressing("0", "F")(pilot)
        assert {one.world for one in listing.shown} != {C}


@pytest.mark.anyio
async def test_search_goes_from_match_to_match() -> None:
    async with app().run_test(size=(120, 40)) as pilot:
        await pressing("t", "home", "slash", *"RG -N")(pilot)
        listing = screen_of(pilot).listing
        assert listing.chosen is not None
        assert "rg -n" in listing.chosen.text
        await pressing("enter", "slash", *["backspace"] * 5, *"step", "enter")(pilot)
        first = listing.index
        await pressing("n", "n", "N")(pilot)
        assert listing.index > first
        await pressing("escape")(pilot)
        assert listing.needle == ""
        await pressing("escape")(pilot)
        assert not isinstance(pilot.app.screen, TimelineScreen)


@pytest.mark.anyio
async def test_what_comes_is_shown_and_followed_only_at_the_end() -> None:
    made = app()
    async with made.run_test(size=(120, 40)) as pilot:
        await pressing("t")(pilot)
        control = made._control
        assert isinstance(control, states.FakeControl)
        screen = screen_of(pilot)

        async def happen(text: str) -> None:
            control.more(e.Notice(level=e.Level.INFO, text=text))
            made.race.pump()
            screen._read_on()
            await settled(pilot)

        await happen("one more")
        assert rows(screen.listing)[-1].endswith("one more")
        await pilot.press("home")
        await happen("and another")
        assert screen.listing.index == 0
        assert screen.listing.entries[-1].text == "and another"


@pytest.mark.anyio
async def test_to_the_world_and_to_the_checkpoint() -> None:
    made = app(states.far())
    async with made.run_test(size=(120, 40)) as pilot:
        await pressing("t", "slash", *"step 4 done", "enter")(pilot)
        await pressing("r")(pilot)
        assert isinstance(made.screen, CheckpointScreen)
        assert made.screen.listing.selected is not None
        assert made.screen.listing.selected.step == 4
        await pressing("escape", "t", "4", "enter")(pilot)
        assert pilot.app.screen is made.race
        assert made.race.board.focused_world is D


@pytest.mark.anyio
async def test_a_journal_that_cannot_be_read_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    made = app()

    def fail(**_: object) -> list[e.Record]:
        raise OSError("the disk is gone")

    monkeypatch.setattr(made._control, "records", fail)
    async with made.run_test(size=(80, 24)) as pilot:
        await pressing("t")(pilot)
        title = pilot.app.screen.query_one("#timeline-title")
        assert "the disk is gone" in str(title.render())


@pytest.mark.anyio
async def test_50_000_events_are_quick() -> None:
    script = states.opened()
    for n in range(5_000):
        world = FIVE[n % 5]
        states.step(script, world, n)
        states.call(script, world, n, "bash", f"python -m pytest -q tests/test_{n}.py")
        states.kept(script, world, n)
        states.call(script, world, n, "edit", "ledger/parse.py")
        script.add(*[e.EvaluationProgress(world=world, doing="lint")] * 3)
    async with app(script).run_test(size=(200, 50)) as pilot:
        await pressing("t")(pilot)
        screen = screen_of(pilot)
        assert len(screen.listing.entries) > 49_000
        before = time.perf_counter()
        for n in range(10):
            screen.listing.choose(n * 4_900)
            screen.listing.render_lines(screen.listing.size.region)
            screen.lanes.make(200, 6)
        assert (time.perf_counter() - before) / 10 < 0.2  # it takes a tenth of it where it is quiet


def test_every_event_has_words_unless_it_is_only_output() -> None:
    events = {
        one
        for _, one in inspect.getmembers(e, inspect.isclass)
        if issubclass(one, e.Event) and one is not e.Event
    }
    assert events - set(chronicle._TOLD) == {e.Output, e.Gauges, e.TurnMetered}


def test_time_that_nobody_drove_the_run_does_not_count() -> None:
    entries = Chronicle().told(states.resumed().records)
    assert entries[-1].since < 7_000


def test_hostile_words_are_one_harmless_row() -> None:
    script = states.opened()
    states.call(script, A, 1, "bash", "echo \x1b]0;x\x07 \x1b[2J [red]\nsecond\u202e line")
    (one,) = [one for one in Chronicle().told(script.records) if one.kind is Kind.CALL][:1]
    assert "\x1b" not in one.text
    assert "\u202e" not in one.text
    assert one.text.startswith("bash  echo")


def test_after_a_wait_within_a_pause_the_state_before_goes_on() -> None:
    lane = Lane()
    for since, state in enumerate(["works", "waits", "paused", "goes on", "evaluates", "goes on"]):
        lane.enter(since, state)
    assert lane.states == ["works", "waits", "paused", "works", "evaluates"]
