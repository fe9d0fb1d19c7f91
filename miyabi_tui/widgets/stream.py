"""A pane's live stream: our own widget on the Line API.

It gives the compositor ready rows. While it follows, the view jumps by a quarter to a half of its
height when it is full, so that between jumps only new rows are painted (facts-terminal.md: 9.6 % of
a core against 80 % for `RichLog`, five panes at 200 tokens a second).
"""

from __future__ import annotations

from typing import ClassVar

from textual.geometry import Region
from textual.strip import Strip

from miyabi_tui.engine.worlds import WorldId
from miyabi_tui.widgets.motion import jump
from miyabi_tui.widgets.palette import Inks, inks
from miyabi_tui.widgets.ready import ReadyWidget
from miyabi_tui.widgets.rows import cropped, strip_of
from miyabi_tui.widgets.stream_text import Line, Look, StreamText
from miyabi_tui.widgets.wheel import Wheel
from miyabi_tui.widgets.wrap import cells

__all__ = ["Line", "Look", "StreamText", "StreamView"]

NEWEST_OF = 4  # rows that are looked at for one that is not empty


class StreamView(Wheel, ReadyWidget):
    """Shows a `StreamText`; write to `text`, then call `flush` once a batch.

    While it is `lean`, on a slow line, it stands still but for its last row, which has the newest.
    """

    GROUND: ClassVar[str] = "background"

    def __init__(self, world: WorldId | None = None) -> None:
        super().__init__()
        self.world_id = world
        self._place = list(WorldId).index(world) if world else 0
        self.text = StreamText()
        self.following = True
        self.lean = False
        self._top = 0
        self._shown_end = 0
        self._height = 0

    @property
    def ink(self) -> Inks:
        """The inks of this stream in the present theme."""
        return inks(self, self.GROUND, self.world_id)

    def begin_anew(self) -> None:
        """Nothing was said yet: another text from here on."""
        self.text = StreamText()
        self.following = True
        self._top = self._shown_end = 0
        self.refresh()

    def flush(self) -> None:
        """Show what was written since the last call."""
        changed = self.text.take_changed()
        width, height = self.size
        if changed is None or not width or not height:
            return
        if not self._shaped():
            self.refresh()
        elif self.following and self.lean and self.text.end - self._top > height:
            self.refresh(Region(0, height - 1, width, 1))
        elif self.following:
            self._follow(changed, width, height)
        else:
            self._hold(changed, height)
        self._shown_end = self.text.end

    def _follow(self, changed: int, width: int, height: int) -> None:
        end = self.text.end
        if end - self._top > height or self._top < self.text.first:
            self._top = max(self.text.first, end - height + jump(self, height, self._place))
            self.refresh()
            return
        start = max(0, changed - self._top)
        stop = min(height, max(end, self._shown_end) - self._top)
        if stop > start:
            self.refresh(Region(0, start, width, stop - start))

    def _hold(self, changed: int, height: int) -> None:
        if self._top < self.text.first:
            self._top = self.text.first
            self.refresh()
        elif changed < self._top + height - 1:
            self.refresh()
        else:
            self.refresh(Region(0, height - 1, self.size.width, 1))

    def settle(self) -> None:
        """Nothing more comes soon: fill the view to its last row."""
        if self.following and self.size and self._shaped():
            top = max(self.text.first, self.text.end - self.size.height)
            if top != self._top:
                self._top = top
                self.refresh()

    # --- scrolling -------------------------------------------------------------------------------

    def scroll_rows(self, rows: int) -> None:
        """Scroll by rows; back leaves the end, and reaching the end follows again."""
        if not self.size or not self._shaped():
            return
        height = self.size.height
        if self.following:
            if rows >= 0 or self.text.end - self.text.first <= height:
                return
            self._top = min(self._top, self.text.end - height)
            self.following = False
        wanted = self._top + rows
        if wanted < self.text.first:
            self.text.wrap_older()
        self._top = max(self.text.first, wanted)
        if rows > 0 and self._top + height >= self.text.end:
            self.scroll_to_end()
            return
        self.refresh()

    def scroll_to_start(self) -> None:
        """Scroll to the oldest kept row."""
        self.text.wrap_older(len(self.text))
        self.scroll_rows(self.text.first - self._top - 1)

    def scroll_to_end(self) -> None:
        """Scroll to the newest row and follow."""
        self.following = True
        if self.size and self._shaped():
            self._top = max(self.text.first, self.text.end - self.size.height)
        self.refresh()

    # --- painting --------------------------------------------------------------------------------

    def _shaped(self) -> bool:
        """Whether the rows fit the present size and theme; makes them fit otherwise."""
        width, height = self.size
        ink = self.ink
        if self.text.shape == (width, id(ink)):
            if height != self._height:
                self._height = height
                self._clamp(self._top)
                return False
            return True
        self._height = height
        top = self.text.reshape(width, ink, self._top, height)
        self._clamp(top)
        self._shown_end = self.text.end
        return False

    def _clamp(self, top: int) -> None:
        """Keep the view within the rows: at their end while following."""
        last = max(self.text.first, self.text.end - self.size.height)
        self._top = last if self.following else max(self.text.first, min(top, last))

    def notify_style_update(self) -> None:
        """A new theme brings new inks."""
        super().notify_style_update()
        if self.is_attached and self.size and self.text.shape[0]:
            if not self._shaped():
                self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The ready rows, passing by the style cache."""
        width, height = self.size
        self._shaped()
        rows = self.text.window(self._top, height)
        if len(rows) < height:
            rows = rows + [strip_of((), width, self.ink)] * (height - len(rows))
        if not self.following and height:
            rows[-1] = self._marker(width)
        elif self.lean and height and self.text.end - self._top > height:
            rows[-1] = self._newest(width)
        return cropped(rows, crop, width)

    def _newest(self, width: int) -> Strip:
        """The newest row with anything in it, behind a sign of its own."""
        kept = self.text.window(self.text.end - NEWEST_OF, NEWEST_OF)
        filled = next((one for one in reversed(kept) if one.text.strip()), None)
        sign = strip_of((("▸", "world"),), 1, self.ink)
        rest = filled.crop(0, width - 1) if filled else strip_of((), width - 1, self.ink)
        return Strip.join([sign, rest]).crop(0, width)

    def _marker(self, width: int) -> Strip:
        """The row that says how much waits below the view."""
        below = max(0, self.text.end - self._top - max(0, self.size.height - 1))
        what = f" ↓ {below} more below "
        keys = "  end follows "
        spans = [(what, "band")]
        if cells(what + keys) <= width:
            spans.append((keys, "dim"))
        return strip_of(spans, width, self.ink)
