"""Replays for tests: a script of `board_states` in a real journal, its screen, a clock by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import anyio

from miyabi_tui.app import MiyabiApp
from miyabi_tui.engine.store.journal import open_journal
from miyabi_tui.replaying.control import ReplayControl
from miyabi_tui.replaying.tape import Tape
from miyabi_tui.screens.replay import ReplayScreen

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from miyabi_tui.engine.worlds import WorldId
    from tests.board_states import Script

RUN = "r1"


async def write(journal: Path, script: Script) -> None:
    """Write the script as an engine would."""
    async with open_journal(journal) as store:
        for start in range(0, len(script.records), 50):
            await store.append(RUN, script.records[start : start + 50])


def tape_of(folder: Path, script: Script) -> Tape:
    """The tape of a journal with this one run."""
    journal = folder / "journal.db"
    anyio.run(write, journal, script)
    return Tape(journal, RUN)


class Cinema:
    """The screen of a replay under a pilot; time passes when a test says so."""

    def __init__(self, tape: Tape, *, at: int = 0, speed: float = 1.0) -> None:
        self.now = 100.0
        self.control = ReplayControl(tape, at=at, speed=speed, now=lambda: self.now)
        self.app = MiyabiApp(self.control, clock=self.control.clock, race=ReplayScreen)
        self.toasts: list[str] = []
        self.app.notify = self._toast  # type: ignore[method-assign]

    def __enter__(self) -> Self:
        self.control.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.control.__exit__()

    def _toast(self, message: str, **_: Any) -> None:
        self.toasts.append(message)

    @property
    def race(self) -> ReplayScreen:
        """The screen."""
        assert isinstance(self.app.race, ReplayScreen)
        return self.app.race

    async def settle(self, pilot: Pilot[int]) -> None:
        """Until all is read and shown."""
        await pilot.pause()
        while self.control.jumping or not self.control.survey.done:
            await pilot.pause(0.005)
            self.race.pump()
        self.race.pump()
        await pilot.pause()

    async def pass_time(self, pilot: Pilot[int], seconds: float) -> None:
        """Let it play so long, in frames, each shown."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + 0.25)
            self.race.pump()
            while self.control.player.place > self.control.place:
                await pilot.pause(0.005)  # the piece is being read
                self.race.pump()
        await self.settle(pilot)

    async def press(self, pilot: Pilot[int], *keys: str) -> None:
        """Press one after another, each when the one before is shown."""
        for key in keys:
            await pilot.press(key)
            await self.settle(pilot)

    def stream(self, world: WorldId) -> str:
        """All rows of a world's stream."""
        text = self.race.board.pane(world).stream.text
        return "\n".join(row.text.rstrip() for row in text.window(text.first, 10_000))

    def bar(self) -> str:
        """What the bar says."""
        return self.race.bar.render_lines(self.race.bar.size.region)[0].text
