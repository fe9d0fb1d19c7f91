"""An app under a pilot with its fake engine, for tests of what a person sees and presses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.widgets import Static

from miyabi_tui.app import MiyabiApp
from miyabi_tui.screens.answer import AnswerScreen
from miyabi_tui.screens.checkpoints import CheckpointScreen
from miyabi_tui.screens.tell import TellScreen
from tests import board_states as states

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from miyabi_tui.engine import events as e
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.rows import ReadyRows


class Desk:
    """An app over a script, its fake engine, and what it said in passing."""

    def __init__(self, script: states.Script, *, attached: bool = False) -> None:
        self.control = states.FakeControl(script)
        self.control.attached = attached
        self.app = MiyabiApp(self.control, clock=lambda: script.now + 1)
        self.toasts: list[str] = []
        self.bells = 0
        self.app.notify = self._toast  # type: ignore[method-assign]
        self.app.bell = self._bell  # type: ignore[method-assign]

    def _toast(self, message: str, **_: Any) -> None:
        self.toasts.append(message)

    def _bell(self) -> None:
        self.bells += 1

    @property
    def screen(self) -> CheckpointScreen:
        """The list, which is open."""
        assert isinstance(self.app.screen, CheckpointScreen)
        return self.app.screen

    def shown(self, name: str) -> str:
        """The text of a part of the open dialog."""
        return str(self.app.screen.query_one(name, Static).content)

    def stream(self, world: WorldId) -> str:
        """All rows of a world's stream."""
        view = self.app.race.board.pane(world).stream
        text = view.text
        if not text.shape[0]:  # the podium came before it was ever seen
            text.reshape(100, view.ink, 0, 50)
        return "\n".join(row.text.rstrip() for row in text.window(text.first, 10_000))

    async def play(self, *keys: str) -> list[str]:
        """Press the keys; what the engine was asked, without the start."""
        async with self.app.run_test(size=(120, 40)) as pilot:
            await press(pilot, *keys)
            return self.control.asked[1:]


def shown(widget: ReadyRows) -> str:
    """The rows of a widget as they are on the screen."""
    return "\n".join(strip.text.rstrip() for strip in widget.render_lines(widget.size.region))


async def press(pilot: Pilot[int], *keys: str) -> None:
    """Press one after another, each when the one before has had its effect."""
    for key in keys:
        if pilot.app.is_running:
            await pilot.press(key)


async def gone(pilot: Pilot[int], name: str) -> None:
    """Wait until a part of a dialog is not on the screen any more."""
    while pilot.app.screen.query(name):
        await pilot.pause(0.01)


async def happen(desk: Desk, pilot: Pilot[int], *events: e.AnyEvent) -> None:
    """Let something happen, and the screen see it."""
    desk.control.more(*events)
    desk.app.race.pump()
    desk.app.race.show_again()  # also what would come a moment later
    if isinstance(desk.app.screen, CheckpointScreen | AnswerScreen | TellScreen):
        desk.app.screen.call_later(desk.app.screen.refresh_now)
    await pilot.pause()
