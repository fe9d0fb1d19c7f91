"""Rows that scroll: each is made when it comes into view, as a finished strip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.scroll_view import ScrollView

if TYPE_CHECKING:
    from textual.geometry import Region
    from textual.strip import Strip


SIDEWAYS = 8


class ReadyScroll(ScrollView):
    """Gives the strips of `render_line` to the compositor, passing by the style cache."""

    ALLOW_SELECT = False

    @property
    def columns(self) -> int:
        """How wide a row is: what the scrollbar leaves."""
        return max(0, self.size.width - self.scrollbar_size_vertical)

    def watch_show_vertical_scrollbar(self) -> None:
        """The scrollbar comes or goes: rows have another width."""
        self.remeasure()

    def remeasure(self) -> None:
        """Rows have another width."""
        self.refresh()

    def on_resize(self) -> None:
        """So they have after that."""
        self.remeasure()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Ready rows."""
        strips = [self.render_line(y) for y in range(crop.y, crop.bottom)]
        return [
            strip
            if crop.x == 0 and strip.cell_length == crop.width
            else strip.crop(crop.x, crop.right)
            for strip in strips
        ]

    # Where there is a key there is a jump: each frame of a glide would be painted anew, which a
    # slow line cannot carry.

    def action_scroll_up(self) -> None:
        """A row back."""
        self.scroll_up(animate=False)

    def action_scroll_down(self) -> None:
        """A row on."""
        self.scroll_down(animate=False)

    def action_page_up(self) -> None:
        """A page back."""
        self.scroll_page_up(animate=False)

    def action_page_down(self) -> None:
        """A page on."""
        self.scroll_page_down(animate=False)

    def action_scroll_home(self) -> None:
        """To the beginning."""
        self.scroll_home(animate=False)

    def action_scroll_end(self) -> None:
        """To the end."""
        self.scroll_end(animate=False, x_axis=False)

    def action_scroll_left(self) -> None:
        """Some columns back."""
        self.scroll_relative(x=-SIDEWAYS, animate=False)

    def action_scroll_right(self) -> None:
        """Some columns on."""
        self.scroll_relative(x=SIDEWAYS, animate=False)
