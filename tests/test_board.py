"""The board in its sizes and states, as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.geometry import Region, Size

from miyabi_tui.app import MiyabiApp
from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.worlds import WorldId
from miyabi_tui.widgets.board_layout import places
from miyabi_tui.widgets.words import outcome, phase
from tests import board_states as states

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.snapshot_support import Album

SIZES = [(120, 40)]
STATES: dict[str, Callable[[], states.Script]] = {
    "racing": states.racing,
    "merged": states.merged,
}


def board(script: states.Script, theme: str = "") -> MiyabiApp:
    """The app over a fixed run at a fixed time."""
    app = MiyabiApp(states.FakeControl(script), clock=lambda: script.now + 1)
    if theme:
        app.theme = theme
    return app


@pytest.mark.anyio
async def test_board(album: Album) -> None:
    for state, script in STATES.items():
        assert await album.sizes(board(script()), SIZES, f"{state}-{{size}}") == []


def test_before_the_race(snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(board(states.Script()))


def test_a_race_that_could_not_begin(snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(board(states.stillborn()))


def test_no_winner(snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(board(states.no_winner()))


def test_two_worlds(snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(board(states.opened(recorded=False, worlds=2)), terminal_size=(120, 30))


def test_small(snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(board(states.mixed()), terminal_size=(40, 20))


@pytest.mark.parametrize("count", range(1, 10))
@pytest.mark.parametrize("zoomed", [False, True])
def test_places_fill_the_board_without_overlap(count: int, zoomed: bool) -> None:
    for width in (1, 20, 40, 80, 99, 100, 120, 149, 150, 151, 203, 400):
        for height in (1, 4, 5, 8, 12, 16, 21, 24, 37, 50):
            for opened in range(count):
                found = places(Size(width, height), count, opened, zoomed)
                shown = [region for region in found if region is not None]
                assert len(found) == count
                assert found[opened] is not None
                assert sum(region.area for region in shown) == width * height
                assert Region.from_union(shown) == Region(0, 0, width, height)


def test_three_and_two() -> None:
    found = places(Size(120, 37), 5, 0)
    rows = [region.y for region in found if region is not None]
    assert rows == [0, 0, 0, 19, 19]


@pytest.mark.parametrize(
    ("size", "count", "in_rows"),
    [
        ((120, 37), 6, [3, 3]),
        ((120, 37), 7, [4, 3]),
        ((120, 37), 9, [3, 3, 3]),
        ((200, 47), 9, [5, 4]),
        ((200, 47), 6, [6]),
        ((300, 47), 9, [9]),
        ((160, 47), 6, [3, 3]),
        ((120, 30), 9, [1] * 9),
    ],
)
def test_more_than_five(size: tuple[int, int], count: int, in_rows: list[int]) -> None:
    found = [region for region in places(Size(*size), count, 0) if region is not None]
    rows = [region.y for region in found]
    assert [rows.count(y) for y in dict.fromkeys(rows)] == in_rows


def test_a_failed_merge_is_said_in_80_columns() -> None:
    script = states.waiting_for_merge()
    script.add(e.PhaseChanged(phase=e.Phase.MERGING))
    cause = "main and the winner changed the same lines"
    files = ("ledger/parse.py", "tests/test_parse.py", "README.md")
    script.add(e.MergeFailed(world=WorldId.ALPHA, branch="main", cause=cause, files=files))
    script.add(e.PhaseChanged(phase=e.Phase.CHOOSING))
    said = outcome(fold(script.records))[0]
    assert said == "conflict with main in ledger/parse.py +2 · m again, w another"
    script.add(e.MergeFailed(world=WorldId.ALPHA, branch="main", cause="git is not there"))
    assert outcome(fold(script.records))[0] == "git is not there · m again, w another"


def test_the_run_says_that_it_waits_for_a_pick() -> None:
    run = fold(states.nobody().records)
    assert str(phase(run)) == "⊘ waiting for you"
    assert outcome(run)[0] == "no safe winner · w picks a world anyway, r takes one back, q leaves"
