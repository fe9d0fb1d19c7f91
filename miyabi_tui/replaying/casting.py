"""Recording the screen of a replay: beside a terminal, or without one as fast as it paints."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
from textual.drivers.headless_driver import HeadlessDriver

from miyabi_tui.app import MiyabiApp
from miyabi_tui.replaying.cast import Cast
from miyabi_tui.replaying.control import ReplayControl
from miyabi_tui.replaying.pictures import LOOK_SECONDS, headless_app
from miyabi_tui.screens.replay import ReplayScreen

if TYPE_CHECKING:
    from pathlib import Path

    from textual.driver import Driver
    from textual.pilot import Pilot

    from miyabi_tui.replaying.tape import Tape

FRAMES_A_SECOND = 10
PAINTED_WITHIN = 1 / 60  # seconds
END_SECONDS = 3.0  # that the last picture is looked at
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J", "\x1b[?1049l\x1b[?25h"


def recorded(cast: Cast) -> type[MiyabiApp]:
    """The app with a driver that writes to the recording what it writes to the terminal."""

    class Recorded(MiyabiApp):
        """Writes twice."""

        def get_driver_class(self) -> type[Driver]:
            """The terminal's driver, with a tee."""
            return _teed(super().get_driver_class(), cast)

    return Recorded


def _teed(driver: type[Driver], cast: Cast) -> type[Driver]:
    class Teed(driver):  # type: ignore[misc, valid-type]
        """The driver of the terminal, and of the recording."""

        def write(self, data: str) -> None:
            """Write to both."""
            size = self._app.size
            if size:
                cast.write(data, (size.width, size.height))
            super().write(data)

    return Teed


class PaintingDriver(HeadlessDriver):
    """No terminal, but all that would be written to one."""

    cast: Cast

    @property
    def is_headless(self) -> bool:
        """Textual paints only for a driver that has somewhere to paint."""
        return False

    def write(self, data: str) -> None:
        """Write to the recording."""
        self.cast.write(data, self._get_terminal_size())


async def headless(tape: Tape, path: Path, size: tuple[int, int], speed: float) -> str:
    """Record a whole replay at this speed without a terminal; what was written.

    Its time is the recording's own: an hour of the race takes as long as its frames take to paint.

    Raises:
        UsageError: it cannot be written there.
        StoreError: the journal cannot be read.
    """
    now = [0.0]
    cast = Cast(path, f"miyabi replay {tape.run_id}", tape.at(1), lambda: now[0])
    driver = type("CastDriver", (PaintingDriver,), {"cast": cast})

    class Painted(MiyabiApp):
        """Paints into the recording."""

        def get_driver_class(self) -> type[Driver]:
            """No terminal's."""
            return driver

    try:
        with ReplayControl(tape, speed=speed, now=lambda: now[0]) as control:
            await anyio.to_thread.run_sync(control.surveyed)
            app = Painted(control, clock=control.clock, race=ReplayScreen)

            async def play(pilot: Pilot[int]) -> None:
                while not (control.player.ended and control.place >= len(tape)):
                    now[0] += 1 / FRAMES_A_SECOND
                    await _frame(app, control, pilot)
                now[0] += END_SECONDS
                await _frame(app, control, pilot)

            cast.write(ENTER, size)
            await headless_app(app, size, play, painted=True)
            cast.write(LEAVE, size)
    finally:
        cast.close()
    lasts = f"{cast.events:,} pieces, {now[0]:.0f} s"
    return f"{path}\n{cast.trouble or f'{lasts}; play it: asciinema play {path}'}"


async def _frame(app: MiyabiApp, control: ReplayControl, pilot: Pilot[int]) -> None:
    """Play what is due, read it where it is not read yet, and paint."""
    app.race.pump()
    while control.player.place > control.place and control.trouble is None:
        await anyio.sleep(LOOK_SECONDS)
        app.race.pump()
    if control.trouble is not None:
        raise control.trouble
    await pilot.pause()
    await anyio.sleep(PAINTED_WITHIN)


def on_terminal(path: Path, tape: Tape) -> Cast:
    """The recording of a replay on a terminal."""
    return Cast(path, f"miyabi replay {tape.run_id}", time.time(), time.monotonic)
