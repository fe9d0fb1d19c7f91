"""Scrolling in a world's history: what is not kept is read from the journal as it comes near."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.geometry import Region
from textual.widget import Widget
from textual.worker import get_current_worker

from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.stream_place import Place, anchor_of, mark_of
from miyabi_tui.widgets.stream_sheet import Sheet
from miyabi_tui.widgets.stream_window import PAGE, SPAN, Window
from miyabi_tui.widgets.wheel import Wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from miyabi_tui.engine.events import Record
    from miyabi_tui.widgets.stream_blocks import Block
    from miyabi_tui.widgets.stream_lines import Lines
    from miyabi_tui.widgets.stream_place import Mark
    from miyabi_tui.widgets.stream_sheet import Anchor
    from miyabi_tui.widgets.stream_window import Past, Teller

READING = "reading the journal …"


class Paging(Wheel, Widget):
    """A window, its rows, and the place of the view in them."""

    def __init__(self, past: Past, teller: Callable[[Lines], Teller]) -> None:
        super().__init__()
        self.window = Window(teller)
        self.sheet = Sheet()
        self.following = True
        self.said = READING
        self.hunting = 0
        self._past = past
        self._place = Place()
        self._wish: Mark | None = None
        self._top = 0
        self._pending: list[Record] | None = []
        self._reading = False

    @property
    def blocks(self) -> list[Block]:
        """What is kept now."""
        return self.window.blocks.blocks

    def on_mount(self) -> None:
        """Read the newest page, or where it was left."""
        if self._place.top is None:
            self.read_newest()
        else:
            self.read_at(self._place.top)

    @property
    def place(self) -> Place:
        """Where it is read now, and its folds."""
        if self._wish is None:
            here = self.sheet.anchor(self._top)
            self._place.top = None if self.following else mark_of(here, self.blocks)
        return self._place

    def restore(self, place: Place) -> None:
        """Be where it was left; before it is mounted."""
        self._place = place
        self.sheet.folded = place.folded

    def feed(self, records: Sequence[Record]) -> None:
        """Take in what happened."""
        if not records:
            return
        if self._pending is not None:
            self._pending += records
            return
        self.window.live(records)
        self.flush()
        if not self.following and self.size:
            width, height = self.size
            self.refresh(Region(0, height - 1, width, 1))

    def flush(self) -> None:
        """Show what was written."""
        raise NotImplementedError

    def arrived(self) -> None:
        """Other blocks are there now."""
        raise NotImplementedError

    def hunted(self, arrived: int) -> None:
        """A page came that a search waited for: `arrived` blocks before, or from that place on."""
        raise NotImplementedError

    # --- the journal -----------------------------------------------------------------------------

    def read_newest(self) -> None:
        """Read the newest page, and follow."""
        up_to = self.window.seen
        if self._pending is None:
            self._pending = []
        self._read(lambda: self._past(newest=PAGE), lambda found: self._begin(found, up_to))

    def _begin(self, found: list[Record], up_to: int) -> None:
        pending, self._pending = self._pending or [], None
        self.window.begin(found, whole=len(found) < PAGE, up_to=up_to)
        self.window.live(pending)
        self.sheet.first = 0
        self.said = "" if self.blocks else "nothing has happened here yet"
        self.following = True
        self.arrived()

    def read_at(self, mark: Mark) -> None:
        """Read what is around a row, and stay there while more comes."""
        self._wish, self.following = mark, False
        newest, up_to = 0, mark.seq
        on: list[Record] = []

        def read() -> list[Record]:
            nonlocal newest, on, up_to
            newest = max((one.seq for one in self._past(newest=1)), default=0)
            on, up_to = self._page_after(mark.seq, newest)
            return self._past(before=mark.seq + 1, newest=PAGE)

        def begin(found: list[Record]) -> None:
            pending, self._pending = self._pending or [], None
            self.window.begin(found, whole=len(found) < PAGE, up_to=mark.seq)
            self.window.seen = max(self.window.seen, newest)
            self.window.newer(on, up_to)
            self.window.live(pending)
            self.sheet.first = 0
            self.said = ""
            self.arrived()

        self._read(read, begin)

    def _page_after(self, after: int, seen: int) -> tuple[list[Record], int]:
        """The next page up to what was seen, and the number it reaches to; blocks."""
        while after < seen:
            stop = min(after + SPAN, seen)
            found = self._past(after=after, before=stop + 1)
            after = stop
            if found:
                return found[:PAGE], stop if len(found) <= PAGE else found[PAGE - 1].seq
        return [], after

    def read_older(self) -> None:
        """Read the page before what is kept."""
        if not self._reading and not self.window.whole:
            before = self.window.oldest
            self._read(lambda: self._past(before=before, newest=PAGE), self._older)

    def _older(self, found: list[Record]) -> None:
        came = self.window.older(found, whole=len(found) < PAGE)
        self.window.blocks.take_changed()
        anchor = self.sheet.anchor(self._top)
        self.sheet.lay(self.blocks)
        self.sheet.shift(sum(len(block.rows) for block in came))
        self.sheet.lay(self.blocks)
        self._top = self.sheet.find(anchor)
        self.window.trim(reading_first=True)
        self.said = ""
        self.arrived()
        if self.hunting:
            self.hunted(len(came))

    def read_newer(self) -> None:
        """Read the page after what is kept, as long as it is not the newest."""
        if self._reading or self.window.attached:
            return
        after, seen = self.window.newest, self.window.seen
        up_to = after

        def read() -> list[Record]:
            nonlocal up_to
            found, up_to = self._page_after(after, seen)
            return found

        self._read(read, lambda found: self._newer(found, up_to))

    def _newer(self, found: list[Record], up_to: int) -> None:
        before = len(self.blocks)
        last = self.blocks[-1] if self.blocks else None
        self.window.newer(found, up_to)
        self.window.blocks.take_changed()
        dropped = self.window.trim(reading_first=False)
        self.sheet.shift(-sum(len(block.rows) for block in dropped))
        self.said = ""
        self.arrived()
        if self.hunting:
            self.hunted(self.blocks.index(last) + 1 if last in self.blocks else before)

    def read_first(self) -> None:
        """Read the very first page."""
        self.window.clear()
        self.window.whole = True
        self.sheet = self._fresh_sheet()
        self._top = 0
        self.read_newer()

    def _fresh_sheet(self) -> Sheet:
        sheet = Sheet()
        sheet.folded = self.sheet.folded
        return sheet

    def _read(self, read: Callable[[], list[Record]], show: Callable[[list[Record]], None]) -> None:
        """Read in a thread, one at a time; of two the later is shown."""
        self._reading = True
        self.said = READING

        def work() -> None:
            worker = get_current_worker()
            try:
                found = read()
            except Exception as error:  # whatever the journal says is shown, never a traceback
                why = one_line(str(error)) or type(error).__name__
                if not worker.is_cancelled:
                    self.app.call_from_thread(self._failed, f"the journal cannot be read: {why}")
                return
            if not worker.is_cancelled:
                self.app.call_from_thread(done, found)

        def done(found: list[Record]) -> None:
            self._reading = False
            show(found)

        self.run_worker(work, thread=True, exclusive=True, group="past", exit_on_error=False)

    def _failed(self, why: str) -> None:
        self._reading = False
        self.hunting = 0
        self.said = why
        pending, self._pending = self._pending, None
        if pending:
            self.window.live(pending)
        self.arrived()

    # --- scrolling -------------------------------------------------------------------------------

    def _anchor_now(self) -> Anchor:
        """What is to stand at the top: what does now, or the row that was read for."""
        if self._wish is None or not self.blocks or self._reading:
            return self.sheet.anchor(self._top)
        mark, self._wish = self._wish, None
        return anchor_of(mark, self.blocks)

    def _clamp(self) -> None:
        """Keep the view within the rows: at their end while following."""
        last = max(self.sheet.first, self.sheet.end - self.size.height)
        if not self.following:
            last += self.sheet.end - self.sheet.first >= self.size.height  # the row that waits
        self._top = last if self.following else max(self.sheet.first, min(self._top, last))

    def _reveal(self, row: int, rows: int) -> None:
        """Bring rows into sight, with some above them; to stay there."""
        height = self.size.height
        fits = self._top <= row and row + min(rows, height - 2) <= self._top + height - 1
        if not fits:
            self._top = row - min(height // 3, max(1, height - rows - 1))
        at_end = self.sheet.end <= self._top + height and self.window.attached
        self.following = self.following and at_end
        self._clamp()
        self._near()
        self.refresh()

    def scroll_rows(self, rows: int) -> None:
        """Scroll by rows; back leaves the end, and reaching the end follows again."""
        height = self.size.height
        if not height or not self.blocks:
            return
        if self.following:
            if rows >= 0 or self.sheet.end - self.sheet.first <= height:
                if self.window.whole or rows >= 0:
                    return
            self._top = max(self.sheet.first, min(self._top, self.sheet.end - height + 1))
            self.following = False
        self._top = max(self.sheet.first, self._top + rows)
        if rows > 0 and self._top + height > self.sheet.end and self.window.attached:
            self.action_follow()
            return
        self._clamp()
        self._near()
        self.refresh()

    def _near(self) -> None:
        """Read on where the view comes near to an end of what is kept."""
        height = self.size.height
        if self._top - self.sheet.first < 2 * height:
            self.read_older()
        if self.sheet.end - self._top < 3 * height:
            self.read_newer()

    def action_rows(self, rows: int) -> None:
        """Scroll by rows."""
        self.scroll_rows(rows)

    def action_pages(self, pages: int) -> None:
        """Scroll by pages."""
        self.scroll_rows(pages * max(1, self.size.height - 2))

    def action_first(self) -> None:
        """Go to the very first row there is."""
        if not self.window.whole:
            self.following = False
            self.read_first()
            return
        self.scroll_rows(self.sheet.first - self._top - 1)

    def action_follow(self) -> None:
        """Go to the newest row, and follow."""
        if not self.window.attached:
            self.read_newest()
            return
        self.following = True
        self._clamp()
        self.refresh()
