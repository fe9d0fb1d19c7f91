"""How fast the line is, from frames that the terminal acknowledges; in virtual time."""

from __future__ import annotations

import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.worlds import FIVE
from miyabi_tui.pacing import AGAIN, PATIENCE, Level, Pacer
from miyabi_tui.widgets.seldom import GAUGES, Seldom
from tests import board_states as states
from tests.desk import Desk, happen, press


def played(pacer: Pacer, rate: float, frames: int = 8, size: int = 4_000, way: float = 0.0) -> None:
    """So many frames over a line of `rate` bytes a second, `way` seconds there and back."""
    now = 100.0
    for _ in range(frames):
        pacer.sent(size, now)
        now += size / rate + way
        pacer.answered(now)


@pytest.mark.parametrize(
    ("rate", "level"),
    [
        (10_000_000, Level.FULL),
        (125_000, Level.FULL),
        (40_000, Level.CALM),
        (8_000, Level.LEAN),
    ],
)
def test_a_level_for_each_line(rate: float, level: Level) -> None:
    pacer = Pacer()
    played(pacer, rate)
    assert pacer.level is level


def test_the_way_there_and_back_is_no_part_of_the_breadth() -> None:
    pacer = Pacer()
    for size in (1_700, 8_400, 7_000, 3_700, 9_000, 6_500, 8_100):
        played(pacer, 125_000, frames=1, size=size, way=0.04)
    assert pacer.rate is not None and 90_000 < pacer.rate < 140_000
    assert pacer.level is Level.FULL


def test_nothing_is_painted_while_a_frame_is_under_way() -> None:
    pacer = Pacer()
    assert pacer.open
    pacer.sent(900, 1.0)
    assert not pacer.open
    pacer.answered(1.2)
    assert pacer.open


def test_a_line_that_gets_better_is_used_again() -> None:
    pacer = Pacer()
    played(pacer, 8_000)
    assert pacer.in_words() in ("line 64 kbit/s", "line 72 kbit/s")
    played(pacer, 2_000_000, frames=30)
    assert (pacer.level, pacer.in_words()) == (Level.FULL, "")


def test_a_terminal_that_never_answers_is_not_waited_for() -> None:
    pacer = Pacer()
    pacer.sent(900, 1.0)
    assert not pacer.due(1.0 + PATIENCE / 2) and not pacer.open
    assert not pacer.due(1.1 + PATIENCE)
    assert pacer.open and not pacer.asks


def test_one_that_stood_still_is_asked_again_and_says_nothing_of_the_line() -> None:
    pacer = Pacer()
    played(pacer, 1_000_000)
    pacer.sent(20_000, 200.0)
    assert not pacer.due(201.0)
    assert pacer.due(200.1 + AGAIN)
    pacer.sent(0, 260.0)
    pacer.answered(261.0)
    assert pacer.open and pacer.level is Level.FULL


def test_an_answer_to_nothing_is_nothing() -> None:
    pacer = Pacer()
    pacer.answered(1.0)
    assert pacer.open and pacer.rate is None


def test_on_a_slow_line_gauges_come_seldom_and_what_is_grave_at_once() -> None:
    run = fold(states.racing().records)
    seldom = Seldom()
    assert seldom.gauges(Level.LEAN, run, 10.0)
    assert not seldom.gauges(Level.LEAN, run, 10.3) and seldom.owed
    assert seldom.gauges(Level.LEAN, fold(states.mixed().records), 10.4)
    assert seldom.gauges(Level.LEAN, fold(states.mixed().records), 10.5 + GAUGES[Level.LEAN])
    assert not seldom.owed


def test_what_a_key_asked_for_waits_for_one_frame_at_most_and_says_nothing_of_the_line() -> None:
    pacer = Pacer()
    played(pacer, 125_000)
    rate = pacer.rate
    pacer.sent(7_000, 200.0)
    assert pacer.open_for_keys and not pacer.open
    pacer.sent(7_000, 200.001)
    assert not pacer.open_for_keys
    pacer.answered(200.056)
    assert pacer.open_for_keys and not pacer.open
    before = pacer.rate
    pacer.answered(200.112)  # twice as long as it would have taken alone
    assert pacer.open and pacer.rate == before
    assert rate is not None and pacer.rate == pytest.approx(rate, rel=0.1)


def test_where_keys_would_wait_for_bytes_the_line_is_dear() -> None:
    for rate, dear in ((10_000_000, False), (125_000, True), (8_000, True)):
        pacer = Pacer()
        assert not pacer.dear
        played(pacer, rate)
        assert pacer.dear is dear


@pytest.mark.anyio
async def test_what_a_key_asked_for_goes_out_behind_the_frame_that_is_under_way() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        desk.app.pacer.sent(900, 1.0)
        desk.app._hold(True)
        await press(pilot, "2")
        assert not desk.app._held
        desk.app.pacer.sent(900, 1.0)
        desk.app._hold(True)
        await press(pilot, "3")
        assert desk.app._held
        desk.app._hold(False)


@pytest.mark.anyio
async def test_five_that_say_as_much_do_not_all_move_in_the_same_frame() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(200, 50)) as pilot:
        streams = [pane.stream for pane in desk.app.race.board.panes]
        moved: list[int] = []
        for number in range(150):
            before = [stream._top for stream in streams]
            said = [
                e.Output(world=world, channel=e.Channel.TEXT, text=f"line {number}\n")
                for world in FIVE
            ]
            await happen(desk, pilot, *said)
            moved.append(sum(one._top != top for one, top in zip(streams, before, strict=True)))
        later = moved[75:]  # they all begin with an empty pane
        assert 0 < max(later) < 5
        assert sum(later) < 60
