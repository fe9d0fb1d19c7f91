"""`/` from anywhere on the race screen: what is typed behind it is a search, never a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from textual import events
from textual.widgets import Input

from miyabi_tui.screens.race_base import NO_WORLD
from miyabi_tui.widgets.stream_reader import StreamReader
from miyabi_tui.widgets.zoom_tabs import Tab
from tests import board_states as states
from tests.desk import Desk, press
from tests.replays import Cinema, tape_of
from tests.zoomed import reading, settled, view

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

SIZE = (100, 40)
SIGNS = {"slash": "/", "space": " ", "comma": ",", "right_curly_bracket": "}"}
CONTROLS = {"enter": "\r", "backspace": "\x7f", "escape": "\x1b"}


async def burst(pilot: Pilot[int], *keys: str) -> None:
    """All keys at once, as a terminal that was slow or a person who is quick sends them."""
    for key in keys:
        pilot.app.post_message(events.Key(key, {**SIGNS, **CONTROLS}.get(key, key)))
    while not isinstance(pilot.app.focused, Input | StreamReader):
        await pilot.pause(0.005)  # what is read is being made
    await settled(pilot)


def field(desk: Desk) -> Input:
    found: Input = view(desk).body.query_one(Input)
    return found


def found(desk: Desk) -> str:
    reader = view(desk).body.reader
    number, many = reader.found.number(reader.blocks)
    return f"{reader.found.query}: {number} of {many}"


@pytest.mark.anyio
async def test_from_the_board_it_reads_the_world_and_letters_are_the_search() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await press(pilot, "slash", *"pkquoted")
        await settled(pilot)
        assert desk.app.focused is field(desk)
        assert (view(desk).tab, field(desk).value) == (Tab.STREAM, "pkquoted")
        await press(pilot, *["backspace"] * 8, *"split_row")
        await settled(pilot)
        assert found(desk) == "split_row: 3 of 3"
        await press(pilot, "enter", "N")
        assert found(desk) == "split_row: 2 of 3"
        await press(pilot, "p", "escape", "escape")
        assert desk.app.race.board.zoomed is False
    assert desk.control.asked == ["start", "pause Alpha"]


@pytest.mark.anyio
@pytest.mark.parametrize("before", [(), ("z",), ("z", "comma"), ("z", "full_stop")])
async def test_letters_of_the_same_burst_are_the_search_too(before: tuple[str, ...]) -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await press(pilot, *before)
        await burst(pilot, "slash", "p", "k", "q", "space", "2", "comma", "backspace")
        assert desk.app.focused is field(desk)
        assert field(desk).value == "pkq 2"
    assert set(desk.control.asked) <= {"start", "diff Alpha"}  # that is what its tab shows


@pytest.mark.anyio
async def test_a_search_that_was_typed_before_the_stream_is_there_finds_what_it_has() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await burst(pilot, "slash", *"split_row", "enter", "p")
        assert found(desk) == "split_row: 3 of 3"
        assert isinstance(desk.app.focused, StreamReader)
        await press(pilot, "N")
        assert found(desk) == "split_row: 2 of 3"
    assert desk.control.asked == ["start"]


@pytest.mark.anyio
async def test_escape_in_the_same_burst_ends_it_and_nothing_else() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await burst(pilot, "slash", "k", "escape")
        assert isinstance(desk.app.focused, StreamReader)
        assert found(desk) == ": 0 of 0"
        await press(pilot, "p")
    assert desk.control.asked == ["start", "pause Alpha"]


@pytest.mark.anyio
async def test_another_tab_that_has_a_search_keeps_it_and_one_without_goes_to_the_stream() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await press(pilot, "z", "comma", "slash", *"kept")
        await settled(pilot)
        assert (view(desk).tab, field(desk).value) == (Tab.LOG, "kept")
        await press(pilot, "escape", "comma", "slash", *"kept")
        await settled(pilot)
        assert (view(desk).tab, view(desk).body.typed) == (Tab.STREAM, "kept")
    assert desk.control.asked == ["start"]


@pytest.mark.anyio
async def test_before_there_is_a_world_it_says_so() -> None:
    desk = Desk(states.Script())
    async with desk.app.run_test(size=SIZE) as pilot:
        await press(pilot, "slash")
    assert desk.toasts == [NO_WORLD]


def test_in_a_replay_letters_are_the_search_and_a_jump_leaves_it_open(tmp_path: Path) -> None:
    tape = tape_of(tmp_path, reading())

    async def watch() -> None:
        with Cinema(tape, at=10) as cinema:
            async with cinema.app.run_test(size=SIZE) as pilot:
                await cinema.settle(pilot)
                await burst(pilot, "right_curly_bracket", "slash", "space", "v", "q")
                await cinema.settle(pilot)
                read = cinema.race.board.panes[0].reading
                assert read is not None
                assert cinema.app.focused is read.query_one(Input)
                assert read.query_one(Input).value == " vq"
                assert not cinema.control.player.playing

    anyio.run(watch)


@pytest.mark.anyio
async def test_what_is_pressed_behind_its_end_is_the_races_again() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await burst(pilot, "slash", "p", "escape", "2")
        await settled(pilot)
        assert desk.app.race.board.focused_world is states.B
        assert not any("pause" in one for one in desk.control.asked)
