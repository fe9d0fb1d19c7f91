"""What is painted piece by piece is, whatever happened, what a whole paint would show."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
from textual._context import visible_screen_stack
from textual.screen import ModalScreen

from miyabi_tui.app import MiyabiApp
from miyabi_tui.engine import events as e
from miyabi_tui.engine.worlds import FIVE
from miyabi_tui.row_compositor import RowsUpdate
from tests import board_states as states

if TYPE_CHECKING:
    from rich.segment import Segment
    from textual.pilot import Pilot
    from textual.strip import Strip

SIZES = ((80, 24), (120, 40), (200, 50), (60, 16), (43, 20))
SAID = ("a word ", "日本語 ", "👩‍👩‍👧 \n", "one line\nand another\n", "x" * 70)


class Seen:
    """A terminal's cells, from the updates that an app displays."""

    def __init__(self, app: MiyabiApp) -> None:
        self.rows: list[list[Any]] = []
        self.pieces = 0
        self._app = app
        self._display = app._display
        app._display = self.display  # type: ignore[assignment, method-assign]

    def display(self, screen: Any, update: Any) -> None:
        """Take one update in."""
        if isinstance(update, RowsUpdate):
            for x, y, strip in update.placed:
                shown = cells_of(strip)
                self.rows[y][x : x + len(shown)] = shown
                self.pieces += 1
        elif update is not None:
            self.rows = [[cell for one in row for cell in cells_of(one)] for row in update.strips]
        self._display(screen, update)

    def whole(self) -> list[list[Any]]:
        """The cells of a whole paint, by Textual's own way."""
        visible_screen_stack.set([*self._app._background_screens])
        return [cells_of(strip) for strip in self._app.screen._compositor.render_strips()]


def cells_of(strip: Strip) -> list[Any]:
    """What each cell has: its sign, and the style."""
    found: list[Any] = []
    for segment in strip:
        found += _cells(segment)
    return found


def _cells(segment: Segment) -> list[Any]:
    from rich.cells import get_character_cell_size

    made: list[Any] = []
    for sign in segment.text:
        size = get_character_cell_size(sign)
        if size:
            made += [(sign, segment.style)] + [("", segment.style)] * (size - 1)
    return made


async def _painted(pilot: Pilot[int]) -> None:
    """Wait until nothing is left to be painted."""
    await pilot.pause()
    for below in pilot.app.screen_stack[:-1]:  # what changed there shines through
        below._on_timer_update()
    await pilot.pause()
    screen = pilot.app.screen
    while screen._dirty_widgets or screen._layout_required or screen._repaint_required:
        await pilot.pause(0.01)


@pytest.mark.parametrize("seed", range(4))
def test_pieces_make_the_whole(seed: int) -> None:
    asyncio.run(_pieces_make_the_whole(seed))


async def _pieces_make_the_whole(seed: int) -> None:
    chance = random.Random(seed)
    script = states.opened()
    app = MiyabiApp(control := states.FakeControl(script), clock=lambda: script.now + 1)
    async with app.run_test(size=SIZES[seed]) as pilot:
        await pilot.pause()
        seen = Seen(app)
        app.screen.refresh()
        await pilot.pause()
        for _ in range(40):
            what = chance.randrange(8)
            if what < 3:
                for world in chance.sample(FIVE, 3):
                    said = chance.choice(SAID) * 3
                    control.more(e.Output(world=world, channel=e.Channel.TEXT, text=said))
                app.race.pump()
            elif what == 3:
                await pilot.press(chance.choice("12345"))
            elif what == 4:
                app.notify(chance.choice(SAID), timeout=0.05)
            elif what == 5 and isinstance(app.screen, ModalScreen):
                await pilot.press("escape")
            elif what == 6:
                await pilot.press(chance.choice(("question_mark", "k", "s")))
            elif what == 5:
                await pilot.press(chance.choice(("up", "end", "pageup", "b")))
            else:
                await pilot.resize_terminal(*chance.choice(SIZES))
            await _painted(pilot)
            assert seen.rows == seen.whole()
        assert seen.pieces


@pytest.mark.parametrize("look", ["dark", "light", "contrast", "none"])
@pytest.mark.anyio
async def test_what_shines_through_a_dialog_looks_as_textual_paints_it(
    look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if look == "none":
        monkeypatch.setenv("NO_COLOR", "1")
    script = states.mixed()
    app = MiyabiApp(states.FakeControl(script), clock=lambda: script.now + 1)
    async with app.run_test(size=(120, 40)) as pilot:
        if look != "none":
            app.theme = f"miyabi-{look}"
        await pilot.press("k")
        await pilot.pause()
        whole = app.screen.size.region
        found = []
        for kind in (type(app.screen), ModalScreen):
            visible_screen_stack.set([*app._background_screens])
            app.screen._styles_cache.clear()
            strips = kind.render_lines(app.screen, whole)
            found.append([cells_of(strip) for strip in strips])
        assert found[0] == found[1]
        assert len({cell for row in found[0] for cell in row}) > 50
