"""A world's stream to read: calls fold, messages are in inks, all of its past can be scrolled to.

It follows what happens by jumps, as the live panes do; while it is scrolled back, nothing moves,
and its last row says how much waits below. Older text is read from the journal in a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Region

from miyabi_tui.widgets.motion import jump
from miyabi_tui.widgets.palette import Inks, inks
from miyabi_tui.widgets.rows import cropped, strip_of
from miyabi_tui.widgets.stream_blocks import Block, Fold, Kind
from miyabi_tui.widgets.stream_finding import Finding
from miyabi_tui.widgets.stream_lines import Look
from miyabi_tui.widgets.stream_markdown import has_code, marked
from miyabi_tui.widgets.stream_rows import Brush, fold_of, paint
from miyabi_tui.widgets.wrap import cells

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.strip import Strip

    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.stream_lines import Lines
    from miyabi_tui.widgets.stream_window import Past, Teller

LONGEST_MESSAGE = 40_000  # characters of a message that is shown in inks


class StreamReader(Finding, can_focus=True):
    """Shows a window on a world's history; `feed` it with what happens."""

    ALLOW_SELECT = False
    GROUND = "background"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "rows(-1)", "Scroll back", show=False),
        Binding("down", "rows(1)", "Scroll on", show=False),
        Binding("pageup", "pages(-1)", "A page back", show=False),
        Binding("pagedown", "pages(1)", "A page on", show=False),
        Binding("g,home", "first", "The very first", show=False),
        Binding("f,G,end", "follow", "The newest, and follow", show=False),
        Binding("left_square_bracket", "call(-1)", "Previous call", show=False),
        Binding("right_square_bracket", "call(1)", "Next call", show=False),
        Binding("enter,space", "fold", "Fold or open the call", show=False),
        Binding("minus", "fold_all(True)", "Fold all calls", show=False),
        Binding("plus,equals_sign", "fold_all(False)", "Unfold all calls", show=False),
        Binding("n", "match(1)", "Next match", show=False),
        Binding("N", "match(-1)", "Previous match", show=False),
        Binding("escape", "end_search", "End the search", show=False),
    ]

    def __init__(self, world: WorldId, past: Past, teller: Callable[[Lines], Teller]) -> None:
        super().__init__(past, teller)
        self.world_id = world
        self._chosen: Block | None = None
        self._inking: set[int] = set()
        self._shape: tuple[int, int, int] | None = None
        self._shown_end = 0

    @property
    def ink(self) -> Inks:
        """The inks of this stream in the present theme."""
        return inks(self, self.GROUND, self.world_id)

    # --- what changes ----------------------------------------------------------------------------

    def flush(self) -> None:
        """Show what was written since the last call."""
        changed = self.window.blocks.take_changed()
        width, height = self.size
        if changed is None or not width or not height or not self._shaped():
            return
        row = self.sheet.lay(self.blocks, changed)
        if self.found.query:
            self.found.refresh(self.blocks, changed)
            self.post_message(self.Searching(self))
        self._trim()
        if self.following:
            self._follow(row, width, height)
        elif row < self._top + height - 1:
            self.refresh()
        else:
            self.refresh(Region(0, height - 1, width, 1))
        self._shown_end = self.sheet.end

    def _follow(self, row: int, width: int, height: int) -> None:
        """New rows alone are painted until the view is full; then it jumps by a quarter."""
        end = self.sheet.end
        if end - self._top > height or self._top < self.sheet.first:
            self._top = max(self.sheet.first, end - height + jump(self, height))
            self.refresh()
            return
        start = max(0, row - self._top)
        stop = min(height, max(end, self._shown_end) - self._top)
        if stop > start:
            self.refresh(Region(0, start, width, stop - start))

    def _trim(self) -> None:
        """Keep what is held small; nobody reads at the far end of it."""
        if not self.window.blocks.too_much:
            return
        middle = (self.sheet.first + self.sheet.end) // 2
        dropped = self.window.trim(reading_first=not self.following and self._top < middle)
        self.sheet.shift(-sum(len(block.rows) for block in dropped))
        self.window.blocks.take_changed()
        self.sheet.lay(self.blocks)
        if not self.following:
            self._top = max(self._top, self.sheet.first)

    def relay(self) -> None:
        """Lay all out anew: folds, size or theme changed; the row at the top stays there."""
        anchor = self._anchor_now()
        self.sheet.lay(self.blocks)
        self._top = self.sheet.find(anchor)
        if self.found.query:
            self.found.refresh(self.blocks)
        self._clamp()
        self.refresh()

    def _shaped(self) -> bool:
        """Whether the rows fit the present size and theme; makes them fit otherwise."""
        width, height = self.size
        shape = (width, height, id(self.ink))
        if shape == self._shape:
            return True
        self._shape = shape
        self.sheet.width = width
        self.window.blocks.take_changed()
        self.relay()
        self.search_again()
        return False

    def arrived(self) -> None:
        """See `Paging.arrived`."""
        self._shape = None
        self._place.apply(self.blocks)
        if self.size:
            self._shaped()
            if self.found.query:
                self.post_message(self.Searching(self))

    def notify_style_update(self) -> None:
        """A new theme brings new inks."""
        super().notify_style_update()
        if self.is_attached and self.size and self._shape is not None:
            self._shaped()
            self.refresh()

    # --- folding ---------------------------------------------------------------------------------

    @property
    def chosen(self) -> Block | None:
        """The call that is meant: the chosen one while it is in sight, else the newest in sight."""
        if not self.blocks or not self.size:
            return None
        first = self.sheet.at(self._top)[0]
        last = self.sheet.at(min(self.sheet.end - 1, self._top + self.size.height - 1))[0]
        seen = [one for one in self.blocks[first : last + 1] if one.folds]
        if self._chosen in seen:
            return self._chosen
        return seen[-1] if seen else None

    def action_call(self, step: int) -> None:
        """Go to the next or the previous call."""
        chosen = self.chosen
        here = self.sheet.at(self._top)[0] if chosen is None else self.blocks.index(chosen)
        places = range(here + 1, len(self.blocks)) if step > 0 else range(here - 1, -1, -1)
        place = next((n for n in places if self.blocks[n].folds), None)
        if place is None:
            self.scroll_rows(self.sheet.end if step > 0 else -1)
            return
        self._chosen = self.blocks[place]
        self._reveal(self.sheet.top(place), len(self._chosen.rows))

    def action_fold(self) -> None:
        """Fold or open the call that is meant."""
        if (chosen := self.chosen) is not None:
            self.toggle(chosen)

    def toggle(self, block: Block) -> None:
        """Folded, the ends of its output, all of it, folded again."""
        fold = fold_of(block, self.sheet.folded)
        cut = any(row.hidden for row in block.rows)
        if fold is Fold.FOLDED:
            block.fold = Fold.OPEN if block.silent else Fold.BRIEF
        elif fold is Fold.BRIEF and cut:
            block.fold = Fold.OPEN
        else:
            block.fold = Fold.FOLDED if block.headed else Fold.BRIEF
        self._chosen = block
        self._place.fold(block)
        top = self.sheet.top(self.blocks.index(block))
        self.sheet.lay(self.blocks)
        below = top + len(block.rows) - self.size.height + 1
        self._top = min(top, max(self._top, below))
        in_sight = self.sheet.end <= self._top + self.size.height
        self.following = in_sight and self.window.attached
        self._clamp()
        self.refresh()

    def action_fold_all(self, folded: bool) -> None:
        """Fold all calls to their heads, or show the ends of all output."""
        self.sheet.folded = folded
        self._place.fold_all(folded)
        for block in self.blocks:
            block.fold = None if folded or not block.silent else Fold.OPEN
            if block.fold is not None:
                self._place.fold(block)
        self.relay()

    # --- the mouse -------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """A click on a head or on what is left out folds or opens; on the last row it follows."""
        event.stop()
        if not self.following and event.y == self.size.height - 1:
            self.action_follow()
            return
        row = self._top + event.y
        if not self.sheet.first <= row < self.sheet.end:
            return
        place, at = self.sheet.at(row)
        block = self.blocks[place]
        if (block.folds and block.rows[at].line == 0) or block.rows[at].hidden:
            self.toggle(block)
        elif block.folds:
            self._chosen = block
            self.refresh()

    # --- painting --------------------------------------------------------------------------------

    def render_lines(self, crop: Region) -> list[Strip]:
        """The rows in sight, painted as they are asked for, passing by the style cache."""
        width, height = self.size
        self._shaped()
        brush = Brush(self.ink, width, self.chosen, self.found.here)
        rows = [self._row(y, height, brush) for y in range(crop.y, crop.bottom)]
        return cropped(rows, Region(crop.x, 0, crop.width, len(rows)), width)

    def _row(self, y: int, height: int, brush: Brush) -> Strip:
        if not self.following and y == height - 1:
            return self._marker(brush.width)
        row = self._top + y
        first = y == 0 and row == self.sheet.first and not self.following
        if self.said and (not self.blocks or first):
            return strip_of([(f" {self.said}" if y == 0 else "", "dim")], brush.width, self.ink)
        if not self.sheet.first <= row < self.sheet.end:
            return strip_of((), brush.width, self.ink)
        place, at = self.sheet.at(row)
        block = self.blocks[place]
        if block.inks is None and block.done and block.look is Look.TEXT:
            self._highlight(block)
        return paint(block, at, brush)

    def _marker(self, width: int) -> Strip:
        """The row that says how much waits below the view."""
        below = max(0, self.sheet.end - self._top - max(0, self.size.height - 1))
        what = f" ↓ {below} more below "
        if self.window.missed:
            what = f" ↓ {below} more below, then {self.window.missed} new "
        elif not self.window.attached:
            what = f" ↓ {below} more below, then on "
        keys = "  f follows "
        spans = [(what, "band")]
        if cells(what + keys) <= width:
            spans.append((keys, "dim"))
        return strip_of(spans, width, self.ink)

    def _highlight(self, block: Block) -> None:
        """Put a finished message into inks; in a thread where pygments has to look at code."""
        assert block.kind is Kind.MESSAGE
        texts = [line.text for line in block.lines]
        if block.size > LONGEST_MESSAGE:
            block.inks = [()] * len(texts)
        elif not has_code(texts):
            block.inks = marked(texts)
        elif id(block) not in self._inking:
            self._inking.add(id(block))

            def make() -> None:
                made = marked(texts)
                self.app.call_from_thread(show, made)

            def show(made: list[object]) -> None:
                self._inking.discard(id(block))
                if len(block.lines) == len(texts):
                    block.inks = made  # type: ignore[assignment]
                    self.refresh()

            self.run_worker(make, thread=True, group="inks", exit_on_error=False)
