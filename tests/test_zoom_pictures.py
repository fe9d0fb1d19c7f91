"""A zoomed world as pictures: each tab, at each size, in each state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import board_states as states
from tests.desk import Desk, press
from tests.zoomed import reading, settled, zoom

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.pilot import Pilot

    from miyabi_tui.app import MiyabiApp
    from tests.snapshot_support import Album

    Compare = Callable[..., bool]

SMALL, MIDDLE, WIDE = (60, 16), (80, 24), (120, 40)
TABS = ("stream", "diff", "tests", "score", "cost", "checkpoints", "log")


def racing() -> MiyabiApp:
    return Desk(reading()).app


def scored() -> MiyabiApp:
    return Desk(states.choosing()).app


def after(*keys: str) -> Callable[[Pilot[int]], Awaitable[None]]:
    """Zoom the focused world, and press keys in it."""

    async def run(pilot: Pilot[int]) -> None:
        await zoom(pilot, *keys)

    return run


async def tabs(album: Album, app: MiyabiApp, size: tuple[int, int], name: str) -> list[str]:
    """Go through all tabs; which of them are not as they were."""
    async with app.run_test(size=size) as pilot:
        await zoom(pilot)
        for tab in TABS:
            await album.picture(pilot, name.format(tab=tab))
            await press(pilot, "full_stop")
            await settled(pilot)
    return album.other


@pytest.mark.anyio
async def test_tab(album: Album) -> None:
    assert await tabs(album, racing(), WIDE, "{tab}") == []


@pytest.mark.parametrize("size", [SMALL, MIDDLE, WIDE], ids=str)
@pytest.mark.parametrize("world", ["2", "3"])
def test_score(snap_compare: Compare, world: str, size: tuple[int, int]) -> None:
    run = after(world, *["full_stop"] * 3)
    assert snap_compare(Desk(states.choosing()).app, run_before=run, terminal_size=size)


def test_tests_after_scoring(snap_compare: Compare) -> None:
    run = after("5", *["full_stop"] * 2)
    assert snap_compare(Desk(states.choosing()).app, run_before=run, terminal_size=MIDDLE)


@pytest.mark.anyio
async def test_nothing_there_yet(album: Album) -> None:
    script = states.Script()
    script.records = states.opened().records[:2]
    assert await tabs(album, Desk(script).app, MIDDLE, "{tab}") == []


@pytest.mark.parametrize("size", [SMALL, MIDDLE, WIDE], ids=str)
def test_searching(snap_compare: Compare, size: tuple[int, int]) -> None:
    run = after("slash", *"test_11", "enter", "N")
    assert snap_compare(racing(), run_before=run, terminal_size=size)


def test_search_is_typed(snap_compare: Compare) -> None:
    assert snap_compare(racing(), run_before=after("slash", *"split"), terminal_size=MIDDLE)


def test_all_folded(snap_compare: Compare) -> None:
    assert snap_compare(racing(), run_before=after("minus"), terminal_size=WIDE)


def test_scrolled_back(snap_compare: Compare) -> None:
    assert snap_compare(racing(), run_before=after("pageup", "pageup"), terminal_size=MIDDLE)


@pytest.mark.parametrize("theme", ["miyabi-light", "miyabi-contrast"])
def test_theme(snap_compare: Compare, theme: str) -> None:
    async def run(pilot: Pilot[int]) -> None:
        pilot.app.theme = theme
        await settled(pilot)
        await zoom(pilot, "slash", *"split", "enter")

    assert snap_compare(racing(), run_before=run, terminal_size=WIDE)


def test_no_colour(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    run = after("slash", *"split", "enter")
    assert snap_compare(racing(), run_before=run, terminal_size=WIDE)


def test_hostile(snap_compare: Compare) -> None:
    assert snap_compare(Desk(states.hostile()).app, run_before=after("2"), terminal_size=WIDE)
