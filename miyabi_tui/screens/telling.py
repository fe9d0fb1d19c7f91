"""Saying something to worlds: the dialog, the drafts, and one word to each who hears it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.screens.refusals import at_work

if TYPE_CHECKING:
    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.screens.race_base import RaceBase


class Telling:
    """Keeps a draft for each world, and one for all (None)."""

    def __init__(self, race: RaceBase, control: Control) -> None:
        self._race = race
        self._control = control
        self._drafts: dict[WorldId | None, str] = {}

    def ask(self, world: WorldId | None) -> None:
        """Ask what is to be said to this world, or to all at work."""
        from miyabi_tui.screens.tell import TellScreen

        def keep(draft: str) -> None:
            self._drafts[world] = draft

        def said(text: str | None) -> None:
            if text:
                for one in [world] if world else at_work(self._race.run_state):
                    self._control.tell(one, text)

        draft = self._drafts.get(world, "")
        self._race.app.push_screen(
            TellScreen(world, lambda: self._race.run_state, draft, keep), said
        )
