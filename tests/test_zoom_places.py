"""Where a zoomed world is read, and its folds: kept from world to world and tab to tab."""

from __future__ import annotations

import pytest
from textual.events import MouseScrollDown, MouseScrollUp

from miyabi_tui.engine import events as e
from miyabi_tui.widgets.checkpoint_list import CheckpointList
from miyabi_tui.widgets.stream_blocks import Block, Fold, Kind
from miyabi_tui.widgets.stream_lines import Line, Look
from miyabi_tui.widgets.stream_place import MOST_FOLDS, Place
from miyabi_tui.widgets.zoom_diff import ZoomDiff
from miyabi_tui.widgets.zoom_tabs import Tab
from tests import board_states as states
from tests.desk import Desk, happen, press, shown
from tests.test_zoom import long_run, out, reader, text
from tests.zoomed import reading, rows, settled, view, zoom

pytestmark = pytest.mark.anyio
SIZE = (100, 30)
DIFF = "".join(
    f"diff --git a/f{n}.py b/f{n}.py\n--- a/f{n}.py\n+++ b/f{n}.py\n@@ -1 +1 @@\n-a\n+b{n}\n"
    for n in range(60)
)


async def test_a_place_is_kept_from_world_to_world_and_when_the_zoom_is_left() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot, "g", "down", "down")
        before = rows(desk)[:-1]
        assert "follows" in text(desk)
        await press(pilot, "2")
        await settled(pilot)
        assert rows(desk)[:-1] != before
        await press(pilot, "1")
        await settled(pilot)
        assert rows(desk)[:-1] == before
        await press(pilot, "z", "full_stop", "full_stop", "z")
        await settled(pilot)
        await press(pilot, "comma", "z", "z")
        await settled(pilot)
        await press(pilot, "comma")
        await settled(pilot)
        assert view(desk).tab is Tab.STREAM
        assert rows(desk)[:-1] == before


async def test_what_happened_to_the_others_meanwhile_stands_in_their_heads_after_a_zoom() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=(200, 50)) as pilot:
        head = desk.app.race.board.pane(states.B).head
        assert "paused" not in shown(head)
        await press(pilot, "z")
        await settled(pilot)
        await happen(desk, pilot, e.WorldPaused(world=states.B))
        await press(pilot, "z")
        await settled(pilot)
        assert "paused" in shown(head)


async def test_the_place_of_a_long_stream_is_read_back_from_the_journal() -> None:
    desk = Desk(long_run(40_000))
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot, "g")
        for _ in range(12):
            await press(pilot, "pagedown")
            await settled(pilot)
        before = rows(desk)[:-1]
        assert any("line 000" in row for row in before), before
        await press(pilot, "2")
        await settled(pilot)
        await happen(desk, pilot, out("line 0040000 of it\n"))
        await press(pilot, "1")
        await settled(pilot)
        assert rows(desk)[:-1] == before
        assert not reader(desk).window.attached
        await press(pilot, "pagedown")
        await settled(pilot)
        assert before[-1] in rows(desk)
        await press(pilot, "pageup")
        await settled(pilot)
        assert rows(desk)[:-1] == before
        await press(pilot, "f")
        await settled(pilot)
        assert "line 0040000 of it" in text(desk)


async def test_folds_are_kept_each_and_all() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot, "enter")  # the newest call: from the ends of its output to all of it
        opened = text(desk)
        assert "test_015 PASSED" in opened
        await press(pilot, "2", "1")
        await settled(pilot)
        assert "test_015 PASSED" in text(desk)
        await press(pilot, "minus", "2", "1")
        await settled(pilot)
        assert "PASSED" not in text(desk)
        await press(pilot, "z", "z")
        await settled(pilot)
        assert "PASSED" not in text(desk)


async def test_what_follows_goes_on_following() -> None:
    desk = Desk(long_run(400))
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot, "2")
        await happen(desk, pilot, out("the newest line\n"))
        await press(pilot, "1")
        await settled(pilot)
        assert reader(desk).following
        assert "the newest line" in text(desk)


async def test_a_chosen_checkpoint_and_the_place_in_a_diff_are_kept() -> None:
    desk = Desk(states.far(20))
    desk.control._diff = DIFF
    async with desk.app.run_test(size=SIZE) as pilot:
        await press(pilot, "2")
        await zoom(pilot, "full_stop", "pagedown", "W")
        assert view(desk).tab is Tab.DIFF
        diff_rows = rows(desk)
        assert "f0.py" not in "".join(diff_rows)
        await press(pilot, *["full_stop"] * 4, "down", "down", "down")
        await settled(pilot)
        chosen = view(desk).query_one(CheckpointList).selected
        assert chosen is not None
        await press(pilot, "1")
        await settled(pilot)
        await press(pilot, "2")
        await settled(pilot)
        assert view(desk).query_one(CheckpointList).selected == chosen
        await press(pilot, *["comma"] * 4)
        await settled(pilot)
        assert view(desk).tab is Tab.DIFF
        assert rows(desk) == diff_rows


async def test_a_diff_that_is_read_before_it_has_a_width_is_where_it_was_left() -> None:
    body = ZoomDiff(lambda: DIFF)
    body.restore((False, False, 24))
    body.display = False
    desk = Desk(states.opened())
    async with desk.app.run_test(size=SIZE) as pilot:
        await desk.app.race.mount(body)
        await settled(pilot)
        assert body.diff.files
        assert not body.columns
        body.display = True
        await settled(pilot)
        assert body.scroll_offset.y == 24
        body.action_scroll_home()
        body.styles.width = 60
        await settled(pilot)
        assert body.scroll_offset.y == 0


def test_wishes_of_folds_are_bounded() -> None:
    place = Place()
    for seq in range(3 * MOST_FOLDS):
        block = Block(Kind.CALL, seq, [Line(Look.CALL, "x"), Line(Look.OUTPUT, "y")])
        block.fold = Fold.OPEN
        place.fold(block)
    assert len(place.folds) == MOST_FOLDS
    newest = Block(Kind.CALL, seq, [Line(Look.CALL, "x"), Line(Look.OUTPUT, "y")])
    oldest = Block(Kind.CALL, 0, [Line(Look.CALL, "x"), Line(Look.OUTPUT, "y")])
    place.apply([oldest, newest])
    assert (oldest.fold, newest.fold) == (None, Fold.OPEN)


@pytest.mark.parametrize("key", ["enter", "r"])
async def test_the_dialog_opens_at_the_chosen_checkpoint(key: str) -> None:
    desk = Desk(states.far(20))
    async with desk.app.run_test(size=SIZE) as pilot:
        await press(pilot, "2")
        await zoom(pilot, *["comma"] * 2, *["down"] * 14)
        chosen = view(desk).query_one(CheckpointList).selected
        assert chosen is not None
        await press(pilot, key)
        assert desk.screen.listing.selected == chosen
        assert f"step {chosen.step}" in desk.shown("#checkpoint")
        assert any(str(chosen.step) in row.split()[:1] for row in desk_rows(desk))
        await press(pilot, "enter")
        await settled(pilot)
        assert desk.control.asked[-1] == f"fork Beta {chosen.step}"


def desk_rows(desk: Desk) -> list[str]:
    """The rows of the dialog's list that are in sight."""
    listing = desk.screen.listing
    return [listing.render_line(y).text for y in range(listing.size.height)]


async def test_the_wheel_turns_whatever_is_read() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=(80, 16)) as pilot:
        await zoom(pilot)
        for keys in ([], ["comma", "comma", "comma"]):  # the stream, the page of the costs
            await press(pilot, *keys)
            await settled(pilot)
            await press(pilot, "g")
            await settled(pilot)
            target = view(desk).body.target
            first = rows(desk)
            await pilot._post_mouse_events([MouseScrollDown], target)
            await pilot.pause()
            assert rows(desk)[0] == first[3]
            await pilot._post_mouse_events([MouseScrollUp], target)
            await pilot.pause()
            assert rows(desk) == first
