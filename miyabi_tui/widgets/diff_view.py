"""A diff to read: highlighted, unified or side by side, hunk by hunk; a big one is as quick.

It is read and taken apart in a thread; rows are made as they come into view, and what takes long
to highlight is plain until a thread has done it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.worker import get_current_worker

from miyabi_tui.widgets.diff_paint import MOST_COLUMNS, Painter
from miyabi_tui.widgets.diff_rows import Rows, rows_of
from miyabi_tui.widgets.diff_strips import Sheet, diff_inks, widest
from miyabi_tui.widgets.diff_text import Diff, FileDiff, Hunk, parse
from miyabi_tui.widgets.ready_scroll import ReadyScroll
from miyabi_tui.widgets.rows import strip_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from textual.strip import Strip

    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.palette import Inks

SPLIT_FROM = 120  # columns of its own, from which it is side by side if nobody says otherwise
FIRST_ROWS = 80  # that are highlighted before the first of them is shown
MOST_STRIPS = 2_000


class DiffView(ReadyScroll, can_focus=True):
    """Scrollable; asks for its text in a thread, since git has to be called."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("space", "page_down", "A page on", show=False),
        Binding("g", "scroll_home", "To the beginning", show=False),
        Binding("G", "scroll_end", "To the end", show=False),
        Binding("n,right_square_bracket", "hunk(1)", "Next hunk", show=False),
        Binding("N,left_square_bracket", "hunk(-1)", "Previous hunk", show=False),
        Binding("f", "file(1)", "Next file", show=False),
        Binding("b", "file(-1)", "Previous file", show=False),
        Binding("v", "split", "Side by side, or unified", show=False),
        Binding("W", "wrap", "Wrap long lines, or not", show=False),
        Binding("y", "copy", "Copy the hunk", show=False),
    ]

    class _Said(Message):
        """Something that a view says."""

        def __init__(self, view: DiffView) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> DiffView:
            """The view."""
            return self.view

    class Loaded(_Said):
        """The diff is there, or why it is not."""

        def __init__(self, view: DiffView, summary_: str) -> None:
            super().__init__(view)
            self.summary = summary_

    class Moved(_Said):
        """Another hunk or file is the current one, or it is shown in another way."""

    class Copied(_Said):
        """The current hunk went to the clipboard."""

        def __init__(self, view: DiffView, lines: int) -> None:
            super().__init__(view)
            self.lines = lines

    def __init__(self, load: Callable[[], str], *, path: str = "") -> None:
        super().__init__()
        self._load = load
        self._path = path
        self._said = "reading the diff …"
        self._split: bool | None = None
        self._wrap = False
        self._widest = 0
        self._also: Mapping[str, Sequence[WorldId]] = {}
        self._sheet: Sheet | None = None
        self._rows: dict[bool, Rows] = {}
        self._painter = Painter(Diff())
        self._jumped = False
        self._strips: dict[tuple[int, int], Strip] = {}
        self._ink: dict[str, Inks] = {}
        self._highlighting = False
        self.diff = Diff()
        self.current = -1

    # --- what there is ---------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Read the diff."""
        self.load()

    def load(self) -> None:
        """Read the diff off the event loop; of several readings the newest is shown."""
        self.run_worker(self._read, thread=True, exclusive=True, group="diff", exit_on_error=False)

    def _read(self) -> None:
        worker = get_current_worker()
        said, diff = "nothing changed yet", Diff()
        try:
            diff = parse(self._load())
        except Exception as error:  # whatever git says is shown, never a traceback
            said = f"the diff cannot be read: {str(error) or type(error).__name__}"
        rows = rows_of(diff, split=False)
        painter = Painter(diff)
        for row in range(min(len(rows), FIRST_ROWS)):
            _, wanted = painter.spans(rows.line(row)) if rows.line(row) >= 0 else ((), None)
            if wanted is not None:
                painter.make(wanted)
        wide = min(MOST_COLUMNS, widest(diff))
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show, diff, rows, painter, wide, said)

    def _show(self, diff: Diff, rows: Rows, painter: Painter, wide: int, said: str) -> None:
        before = self.scroll_offset.y if self.diff.files else 0
        self.diff, self._painter, self._widest = diff, painter, wide
        self._said = said if not len(rows) else ""
        self._rows = {False: rows}
        self.current = min(self.current, len(rows.hunks) - 1)
        self._arrange()
        self.scroll_to(y=before, animate=False, force=True)
        self._arrive()
        self.post_message(self.Loaded(self, self._said or diff.summary()))

    def mark(self, also: Mapping[str, Sequence[WorldId]]) -> None:
        """Say at each file which other worlds touch it."""
        self._also = also
        if self._sheet is not None:
            self._sheet.also = also
        self._repaint()

    # --- how it is laid out ----------------------------------------------------------------------

    @property
    def is_split(self) -> bool:
        """Whether it is side by side: as it was chosen, or where there is room."""
        return self.size.width >= SPLIT_FROM if self._split is None else self._split

    @property
    def is_wrapped(self) -> bool:
        """Whether long lines go on in the next row."""
        return self._wrap

    @property
    def file(self) -> FileDiff | None:
        """The current file."""
        if self._sheet is None or not self.diff.files:
            return None
        row = self._sheet.row_at(self.scroll_offset.y)
        if 0 <= self.current < len(self._sheet.rows.hunks):
            row = self._sheet.rows.hunks[self.current]
        if (line := self._sheet.rows.line(min(row, len(self._sheet.rows) - 1))) < 0:
            line = self._sheet.rows.line(row + 1)
        return self.diff.file_at(line)

    @property
    def hunk(self) -> Hunk | None:
        """The current hunk."""
        hunks = self.diff.hunks
        return hunks[self.current] if 0 <= self.current < len(hunks) else None

    def remeasure(self) -> None:
        """The same lines for another width."""
        self._arrange()
        self._arrive()

    def _arrive(self) -> None:
        """Be somewhere, as soon as there is a diff and a width: at the file that was asked for."""
        if self._sheet is None or not len(self._sheet.rows):
            return
        if self._path:
            path, self._path = self._path, ""
            self.go_to(path)
        elif self.current < 0:
            self._settle()

    def _arrange(self) -> None:
        """Lay it out anew; the row at the top stays there."""
        width = self.columns
        if not width:
            return
        old = self._sheet
        at = old.row_at(self.scroll_offset.y) if old and len(old.rows) else 0
        line = old.rows.line(at) if old and len(old.rows) else 0
        split = self.is_split
        if split not in self._rows:
            self._rows[split] = rows_of(self.diff, split=split)
        rows = self._rows[split]
        self._sheet = Sheet(self.diff, self._painter, rows, width, split=split, wrap=self._wrap)
        self._sheet.also = self._also
        beyond = 0 if self._wrap else max(0, self._widest - self._sheet.room)
        self.virtual_size = Size(width + beyond, max(1, self._sheet.height))
        if old is not None and old.rows is not rows and line > 0:
            at = next((n for n in range(len(rows)) if rows.line(n) >= line), 0)
        if old is not None and 0 < at < len(rows):
            self.scroll_to(y=self._sheet.top(at), animate=False, force=True)
        if old is None or old.split != split or old.wrap != self._wrap:
            self.post_message(self.Moved(self))
        self._repaint()

    def _repaint(self) -> None:
        self._strips.clear()
        self._ink = {}
        self.refresh()

    def notify_style_update(self) -> None:
        """A new theme brings new inks."""
        super().notify_style_update()
        self._repaint()

    def render_line(self, y: int) -> Strip:
        """The row at `y` of what is in sight; made once."""
        self._ink = self._ink or diff_inks(self)
        x, top = self.scroll_offset
        width, plain = self.columns, self._ink["plain"]
        sheet = self._sheet
        if sheet is None or sheet.width != width or top + y >= sheet.height:
            said = self._said if top + y == 0 else ""
            return strip_of([(f" {said}", "dim")], width, plain)
        found = self._strips.get((top + y, x))
        if found is None:
            sheet.wanted = None
            found = sheet.strip(top + y, x, self.current, self._ink)
            if sheet.wanted is not None:
                self._highlight(sheet.wanted)
                return found
            if len(self._strips) >= MOST_STRIPS:
                self._strips.clear()
            self._strips[top + y, x] = found
        return found

    def _highlight(self, block: int) -> None:
        """Highlight a long block in a thread, one at a time."""
        if self._highlighting:
            return
        self._highlighting = True
        painter = self._painter

        def make() -> None:
            painter.make(block)
            self.app.call_from_thread(self._highlighted)

        self.run_worker(make, thread=True, group="highlight", exit_on_error=False)

    def _highlighted(self) -> None:
        self._highlighting = False
        self.refresh()

    # --- moving ----------------------------------------------------------------------------------

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """The first hunk in sight becomes the current one, unless one was jumped to."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._settle()

    def _settle(self) -> None:
        if self._sheet is None or not len(self._sheet.rows):
            return
        if not self._jumped:
            row = self._sheet.row_at(self.scroll_offset.y)
            self._choose(self._first_in_sight(row))
        self._jumped = False

    def _first_in_sight(self, row: int) -> int:
        """The hunk at a row, or the next one if a file's head stands there."""
        assert self._sheet is not None
        hunks = self._sheet.rows.hunks
        here = self._sheet.rows.hunk_at(row)
        starts_file = self._sheet.rows.files and row in self._sheet.rows.files
        if (here < 0 or starts_file or self._sheet.rows.line(row) < 0) and here + 1 < len(hunks):
            here += 1
        return here

    def _choose(self, hunk: int) -> None:
        if hunk != self.current:
            self.current = hunk
            self._strips.clear()
            self.refresh()
        self.post_message(self.Moved(self))

    def action_hunk(self, step: int) -> None:
        """Go to the next or the previous hunk."""
        if self._sheet is None or not self._sheet.rows.hunks:
            return
        hunks = self._sheet.rows.hunks
        at = max(0, min(len(hunks) - 1, self.current + step))
        self._go(hunks[at], at)

    def action_file(self, step: int) -> None:
        """Go to the next or the previous file."""
        if (here := self.file) is None:
            return
        at = self.diff.files.index(here) + step
        if 0 <= at < len(self.diff.files):
            self.go_to(self.diff.files[at].path)

    def go_to(self, path: str) -> None:
        """Go to a file, if it is in the diff."""
        for number, one in enumerate(self.diff.files):
            if one.path == path and self._sheet is not None:
                before = sum(len(file.hunks) for file in self.diff.files[:number])
                row = self._sheet.rows.files[number]
                self._go(row, before if one.hunks else before - 1, above=0)
                return

    def _go(self, row: int, hunk: int, above: int = 1) -> None:
        """Bring a row near the top, and make a hunk the current one."""
        assert self._sheet is not None
        if above and row - 1 in self._sheet.rows.files:
            row -= 1
        y = max(0, min(self._sheet.top(row), self.max_scroll_y))
        self._jumped = y != self.scroll_offset.y
        self.scroll_to(y=y, animate=False, force=True)
        self._choose(hunk)

    # --- other keys ------------------------------------------------------------------------------

    def action_split(self) -> None:
        """Side by side, or unified."""
        self._split = not self.is_split
        self._arrange()
        self._settle()

    def action_wrap(self) -> None:
        """Wrap long lines, or scroll them."""
        self._wrap = not self._wrap
        self.scroll_to(x=0, animate=False, force=True)
        self._arrange()
        self._settle()

    def action_copy(self) -> None:
        """Copy the current hunk as a patch, through the terminal."""
        if (hunk := self.hunk) is not None:
            self.app.copy_to_clipboard(self.diff.text(hunk))
            self.post_message(self.Copied(self, hunk.stop - hunk.start - 1))
