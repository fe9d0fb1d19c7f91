"""The palette of commands, for keys that come before its list is laid out."""

from __future__ import annotations

import contextlib

from textual.command import CommandPalette


class Palette(CommandPalette):
    """Textual's, which a page up or down in that moment would end, and the app with it."""

    def _action_command_list(self, action: str) -> None:
        """Move in the list, where it knows its lines already."""
        with contextlib.suppress(LookupError):
            super()._action_command_list(action)
