"""A page about one world: rows made from its state, for a width, that scroll."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.page import bar
from miyabi_tui.widgets.palette import Inks, inks
from miyabi_tui.widgets.rows import Span, cropped, row, strip_of
from miyabi_tui.widgets.wheel import Wheel
from miyabi_tui.widgets.wrap import breaks, cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.geometry import Region
    from textual.strip import Strip

    from miyabi_tui.engine.events import Record
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.keyline import Hint
    from miyabi_tui.widgets.page import Facts, Page

MARGIN = 2
LONGEST_BAR = 40


class SheetPage:
    """Rows, one after another, for a width; what agents say in them is made harmless."""

    def __init__(self, width: int, ink: Inks) -> None:
        self.width = width
        self.strips: list[Strip] = []
        self._ink = ink

    def blank(self) -> None:
        """An empty row, unless there is one."""
        if self.strips:
            self.strips.append(strip_of((), self.width, self._ink))

    def heading(self, text: str, said: Sequence[Span] = ()) -> None:
        """What comes below, and something about it, after an empty row."""
        self.blank()
        self.row([(text, "strong"), ("   ", "text"), *said])

    def row(self, left: Sequence[Span], right: Sequence[Span] = ()) -> None:
        """One row; the right part goes first where it does not fit."""
        keep = min(self.width // 2, 30)
        self.strips.append(row(self.width, left, right, self._ink, keep=keep, margin=MARGIN))

    def text(self, text: str, ink: str = "text", mark: Span = ("", "text")) -> None:
        """A text in as many rows as it takes, behind a mark."""
        said = one_line(text)
        inner = cells(mark[0])
        room = max(8, self.width - MARGIN - 1 - inner)
        starts = [0, *breaks(said, room)]
        for number, (start, stop) in enumerate(zip(starts, [*starts[1:], len(said)], strict=True)):
            first = mark if number == 0 else (" " * inner, "text")
            self.row([first, (said[start:stop].rstrip(), ink)])

    def bar(self, share: float, ink: str, said: Sequence[Span]) -> None:
        """A bar as full as `share`, and what it says."""
        length = max(6, min(LONGEST_BAR, self.width // 3))
        self.row([*bar(share, length, ink), ("  ", "text"), *said])


class ZoomPage(Wheel, Widget, can_focus=True):
    """Shows a page; its subclasses write it."""

    ALLOW_SELECT = False
    GROUND = "background"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "rows(-1)", "Up", show=False),
        Binding("down", "rows(1)", "Down", show=False),
        Binding("pageup", "pages(-1)", "A page up", show=False),
        Binding("pagedown,space", "pages(1)", "A page down", show=False),
        Binding("g,home", "end(False)", "First row", show=False),
        Binding("G,end", "end(True)", "Last row", show=False),
    ]

    def __init__(self, world: WorldId) -> None:
        super().__init__()
        self.world_id = world
        self.facts: Facts | None = None
        self._strips: list[Strip] = []
        self._made_for: tuple[int, int] | None = None
        self._top = 0

    @property
    def target(self) -> Widget:
        """What takes the keys."""
        return self

    @property
    def place(self) -> int:
        """The row at the top."""
        return self._top

    def restore(self, place: int) -> None:
        """Be where it was left."""
        self._top = place

    def write(self, page: Page, facts: Facts) -> None:
        """Write the page."""
        raise NotImplementedError

    def feed(self, records: Sequence[Record]) -> None:
        """The state has it all; a page that needs more takes it here."""

    def hints(self) -> list[Hint]:
        """The keys that mean something here."""
        return []

    def show(self, facts: Facts) -> None:
        """Show another state."""
        self.facts = facts
        self.remake()

    def remake(self) -> None:
        """Write the page anew, and paint it if it says something else."""
        if not self.is_attached or not self.size:
            return
        before = self._strips
        self._write()
        if before != self._strips:
            self.refresh()

    @property
    def ink(self) -> Inks:
        """The inks of this page in the present theme."""
        return inks(self, self.GROUND, self.world_id)

    def _write(self) -> None:
        ink, width = self.ink, self.size.width
        self._made_for = (width, id(ink))
        page = SheetPage(width, ink)
        if self.facts is not None:
            self.write(page, self.facts)
        self._strips = page.strips
        self._go_to(self._top)

    def notify_style_update(self) -> None:
        """A new theme brings new inks."""
        super().notify_style_update()
        self.remake()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The ready rows, passing by the style cache."""
        width, height = self.size
        if self._made_for != (width, id(self.ink)):
            self._write()
        self._go_to(self._top)
        rows = self._strips[self._top : self._top + height]
        rows += [strip_of((), width, self.ink)] * (height - len(rows))
        below = len(self._strips) - self._top - height
        if below > 0:
            said = f" ↓ {below + 1} more below "
            rows[-1] = strip_of([(said, "faint")], width, self.ink)
        return cropped(rows, crop, width)

    # --- scrolling -------------------------------------------------------------------------------

    def _go_to(self, top: int) -> None:
        self._top = max(0, min(top, len(self._strips) - self.size.height))

    def scroll_rows(self, rows: int) -> None:
        """Scroll by rows."""
        self._go_to(self._top + rows)
        self.refresh()

    def action_rows(self, rows: int) -> None:
        """Scroll by rows."""
        self.scroll_rows(rows)

    def action_pages(self, pages: int) -> None:
        """Scroll by pages."""
        self.action_rows(pages * max(1, self.size.height - 2))

    def action_end(self, last: bool) -> None:
        """Scroll to the first or the last row."""
        self.action_rows(len(self._strips) * (1 if last else -1))
