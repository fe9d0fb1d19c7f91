"""The podium over the board: by itself once when the race is decided, then by key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from miyabi_tui.screens.race_base import RaceBase
from miyabi_tui.screens.refusals import why_no_podium
from miyabi_tui.widgets.podium import Podium, decided

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.engine.control import Control
    from miyabi_tui.widgets.keyline import Hint


class Deciding(RaceBase):
    """The panes stay as they are beneath the podium, and keep the focus."""

    def __init__(self, control: Control, clock: Callable[[], float]) -> None:
        super().__init__(control, clock)
        self.podium = Podium()
        self.podium.display = False
        self._decided = self._wanted = False

    def action_podium(self) -> None:
        """Show the podium, or the panes again."""
        if refusal := why_no_podium(self.run_state):
            self.say(refusal)
            return
        self.board.zoom(False)
        self._wanted = not self.podium.display
        self.show_again()

    def action_podium_rows(self, rows: int) -> None:
        """Scroll the podium."""
        self.podium.scroll_rows(rows)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only while it is shown does the podium scroll."""
        if action == "podium_rows":
            return bool(self.podium.display) and self.app.screen is self
        return super().check_action(action, parameters)

    def show_podium(self, hints: list[Hint]) -> list[Hint]:
        """Show the present state, after the board was shown it; the footer's hints then."""
        over = decided(self.run_state)
        if over is not self._decided:
            self._decided = self._wanted = over
        self.podium.display = self._wanted and not self.board.zoomed
        if not self.podium.display:
            return hints
        hints = [replace(one, label="panes") if one.action == "podium" else one for one in hints]
        self.podium.show(self.run_state, self.board.signs, self.board.focused_world, hints)
        return hints
