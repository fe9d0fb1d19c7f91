"""A widget whose rows are ready: it says itself to the screen what to paint, without messages.

Textual sends two messages for each repaint, through the queue of the widget and of its screen. At
five streams and their gauges that took as much as all the painting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from textual.widget import Widget

if TYPE_CHECKING:
    from textual.geometry import Region, Size
    from textual.screen import Screen


class ReadyWidget(Widget):
    """Painted by finished strips, never by Textual's style cache: without border and padding."""

    ALLOW_SELECT = False
    _seen_on: Screen[Any] | None = None

    @property
    def size(self) -> Size:
        """Its size as it is laid out at this moment: all of it is content."""
        seen = self._seen.get(self)
        return seen[0].size if seen else super().size

    @property
    def _seen(self) -> dict[Widget, tuple[Region, Region]]:
        """What the screen shows, and where; empty while it is laid out, when nobody may ask it."""
        screen = self._seen_on
        return (screen._compositor._visible_widgets or {}) if screen else {}

    def on_mount(self) -> None:
        """Its screen is found once: it never changes."""
        self._seen_on = self.screen

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        """Paint these regions, or all, with the next frame; what is not seen, once it is."""
        seen, screen = self._seen, self._seen_on
        if layout or recompose or not repaint or screen is None or not seen:
            return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
        if self in seen:
            self._repaint_regions.update(regions or (seen[self][0].size.region,))
            screen._dirty_widgets.add(self)
            screen.check_idle()
        return self
