"""The race bar, the podium and the table of small terminals, under a pilot and as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.pacing import Level
from tests import board_states as states
from tests.desk import Desk, press

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from miyabi_tui.widgets.rows import ReadyRows


def rows(widget: ReadyRows) -> list[str]:
    """The text of a widget of ready rows."""
    width, height = widget.size
    return [strip.text.rstrip() for strip in widget.make(width, height)]


@pytest.mark.anyio
async def test_the_bar_has_the_worlds_by_rank() -> None:
    desk = Desk(states.choosing())
    async with desk.app.run_test(size=(200, 50)) as pilot:
        await pilot.pause()
        (bar,) = rows(desk.app.race.racebar)
        order = [bar.index(name) for name in ("1 Alpha", "2 Beta", "4 Delta", "3 Gamma")]
        assert order == sorted(order)
        assert "▲ 100" in bar and "43/43" in bar and "1!" in bar
        assert "▸ 1 Alpha" in bar


async def bar_of(script: states.Script, width: int, height: int) -> str:
    """The bar over this state in a terminal of this size."""
    desk = Desk(script)
    async with desk.app.run_test(size=(width, height)) as pilot:
        await pilot.pause()
        (bar,) = rows(desk.app.race.racebar)
        return bar


@pytest.mark.anyio
@pytest.mark.parametrize(("width", "height"), [(60, 16), (80, 24), (120, 40)])
async def test_a_winner_with_all_points_has_them_in_every_bar(width: int, height: int) -> None:
    bar = await bar_of(states.merged(), width, height)
    assert "★ 100 " in bar
    assert "◇ 95 " in bar
    assert "⊘ 37" in bar


@pytest.mark.anyio
async def test_names_are_shortened_for_many_tests_and_a_high_cost() -> None:
    script = states.opened()
    states.step(script, states.A, 1, cost=12.34)
    tests = e.TestsSampled(
        world=states.A, step=1, builds=True, passed=1204, known=1210, seconds=60.0, failures=()
    )
    script.add(tests)
    assert "▸ 1 ● 1204/1210 › 2 ●" in await bar_of(script, 80, 24)
    assert "▸ 1 Alpha ● 1204/1210" in await bar_of(script, 120, 40)
    assert "1204/1210 $12.34" in await bar_of(script, 200, 50)
    assert "▸ 1 Alp ●   › 2 Bet ●" in await bar_of(script, 60, 16)


@pytest.mark.anyio
async def test_worlds_that_have_no_room_in_the_bar_are_counted() -> None:
    small = await bar_of(states.crowded(), 60, 16)
    assert small.endswith(" +4")
    assert (await bar_of(states.crowded(), 80, 24)).endswith(" +2")
    assert "9 ●" in await bar_of(states.crowded(), 120, 40)


@pytest.mark.anyio
async def test_a_click_in_the_bar_turns_to_the_world() -> None:
    desk = Desk(states.choosing())
    async with desk.app.run_test(size=(200, 50)) as pilot:
        await pilot.pause()
        (bar,) = rows(desk.app.race.racebar)
        await pilot.click("#racebar", offset=(bar.index("Gamma"), 0))
        await pilot.pause()
        assert desk.app.race.board.focused_world is states.C


@pytest.mark.anyio
async def test_the_podium_comes_once_and_goes_by_key() -> None:
    desk = Desk(states.merged())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        podium = desk.app.race.podium
        assert podium.display
        text = "\n".join(rows(podium))
        assert "highest eligible score: 100 against 95" in text
        assert "−2 lint: new: ledger/parse.py:47 E501 line too long" in text
        assert "may not win: it does not build" in text
        await press(pilot, "b")
        assert not podium.display
        await press(pilot, "b", "z")
        assert not podium.display  # a world is read
        await press(pilot, "escape")
        assert podium.display


@pytest.mark.anyio
async def test_before_the_end_there_is_no_podium() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "b")
        assert not desk.app.race.podium.display
        assert desk.toasts == ["The race is not decided yet: the bar above has the standing."]


@pytest.mark.anyio
async def test_the_podium_scrolls_by_the_arrows_and_the_streams_do_not() -> None:
    desk = Desk(states.nobody())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        first = rows(desk.app.race.podium)
        assert first[-1].strip().startswith("↓") and first[-1].endswith("more below")
        await press(pilot, "down", "down")
        assert rows(desk.app.race.podium)[0] == first[2]
        await press(pilot, *["pagedown"] * 5)
        assert "quit" in rows(desk.app.race.podium)[-1]
        await press(pilot, *["pageup"] * 5)
        assert rows(desk.app.race.podium) == first


@pytest.mark.anyio
async def test_in_the_smallest_terminals_there_is_a_row_a_world() -> None:
    desk = Desk(states.mixed())
    async with desk.app.run_test(size=(50, 14)) as pilot:
        await pilot.pause()
        race = desk.app.race
        assert not race.racebar.display
        heights = [pane.size.height for pane in race.board.panes]
        assert heights[1:] == [1, 1, 1, 1]
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert race.racebar.display


@pytest.mark.anyio
async def test_on_a_slow_line_a_stream_stands_still_but_for_its_newest_line() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(200, 50)) as pilot:
        await fill(desk, pilot)
        desk.app.pacer.level, desk.app.pacer.rate = Level.LEAN, 8_000.0
        desk.app.race.show_again()
        stream = desk.app.race.board.pane(states.A).stream
        before = stream.render_lines(stream.size.region)
        await fill(desk, pilot, "then", 30)
        after = stream.render_lines(stream.size.region)
        assert [row.text for row in after[:-1]] == [row.text for row in before[:-1]]
        assert after[-1].text.startswith("▸ then 29")
        desk.app.pacer.level = Level.FULL
        desk.app.race.show_again()
        await fill(desk, pilot, "last", 1)
        whole = stream.render_lines(stream.size.region)
        assert "then 28" in "".join(row.text for row in whole)


async def fill(desk: Desk, pilot: Pilot[int], word: str = "row", lines: int = 80) -> None:
    """Let Alpha say so many lines."""
    text = "".join(f"{word} {n}\n" for n in range(lines))
    desk.control.more(e.Output(world=states.A, channel=e.Channel.TEXT, text=text))
    desk.app.race.pump()
    await pilot.pause()
