"""A pilot waits for the app itself to be idle, and no cursor blinks; importing this does it.

Textual's own looks at how much time the process gets: on a busy machine it takes one that is
starved for one that has finished, and pictures are taken of a screen that is half drawn.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import textual.app
import textual.pilot
from textual._context import active_app
from textual.widgets import Input, TextArea

if TYPE_CHECKING:
    from textual.app import App
    from textual.screen import Screen

PATIENCE = 10.0  # seconds after which something is taken for endless
TURNS = 3  # turns of the loop in a row that found nothing to do
BREATH = 0.001  # seconds for threads
SOON = 0.01


async def settled(*_: float) -> None:
    """Wait until no message waits, no worker works and nothing is left to be painted."""
    app, loop = active_app.get(), asyncio.get_running_loop()
    ticked, until, still = False, time.monotonic() + PATIENCE, 0
    while still < TURNS and time.monotonic() < until:
        await asyncio.sleep(0)
        if not app.is_running or not app._screen_stack:  # it has left
            return
        if loop._ready:  # type: ignore[attr-defined]
            still = 0
        elif _works(app) or _soon(loop):
            still = 0
            await asyncio.sleep(BREATH)
        elif _owes(app):
            still = 0
            app.screen._on_timer_update()
        elif not ticked:
            ticked, still = True, 0
            _tick(app)
        else:
            still += 1


def _works(app: App[Any]) -> bool:
    return any(worker.is_running for worker in app.workers)


def _soon(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a timer is about to ring, as after each change of size."""
    scheduled = loop._scheduled  # type: ignore[attr-defined]
    rings = (one.when() for one in scheduled if not one.cancelled())
    return min(rings, default=float("inf")) - loop.time() < SOON


def _owes(app: App[Any]) -> bool:
    screen = app.screen
    asked = screen._layout_required or screen._repaint_required or screen._scroll_required
    return not app._batch_count and (asked or bool(screen._dirty_widgets))


def _tick(app: App[Any]) -> None:
    """What the screens' own timers would do next."""
    shown: Screen[Any]
    for shown in app.screen_stack:
        if callable(pump := getattr(shown, "pump", None)):
            pump()


for module in (textual.app, textual.pilot):
    vars(module)["wait_for_idle"] = settled
for kind in (Input, TextArea):  # a picture must not depend on when it is taken
    vars(kind)["cursor_blink"]._default = False
