"""The wheel of the mouse, alike for all that scroll by rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual import events

WHEEL_ROWS = 3


class Wheel:
    """A widget whose `scroll_rows` the wheel turns."""

    def scroll_rows(self, rows: int) -> None:
        """Scroll by rows; back where they are negative."""
        raise NotImplementedError

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel scrolls back."""
        event.stop()
        self.scroll_rows(-WHEEL_ROWS)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel scrolls on."""
        event.stop()
        self.scroll_rows(WHEEL_ROWS)
