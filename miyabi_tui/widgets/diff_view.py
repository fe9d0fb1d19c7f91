"""A unified diff, coloured by line as it comes into view: a big one is as quick as a small one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.worker import get_current_worker

from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.palette import Inks, inks
from miyabi_tui.widgets.rows import strip_of
from miyabi_tui.widgets.wrap import cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.strip import Strip

MOST_COLUMNS = 1_000
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_INKS = {"+": "added", "-": "deleted", "\\": "faint"}


def inks_of(lines: Sequence[str]) -> list[str]:
    """The ink of each line of a unified diff.

    Only the lines that a hunk's head announces are content: `-- x` deleted reads `--- x`, as a
    file's head does.
    """
    found = []
    old = new = 0
    for line in lines:
        mark = line[:1]
        if (old or new) and mark in ("+", "-", " ", "\\", ""):
            old -= old > 0 and mark in ("-", " ", "")
            new -= new > 0 and mark in ("+", " ", "")
            found.append(_INKS.get(mark, "output"))
            continue
        old = new = 0
        if head := _HUNK.match(line):
            old, new = (1 if count is None else int(count) for count in head.groups())
        if line.startswith("diff "):
            found.append("strong")
        else:
            found.append("accent" if head else "faint")
    return found


def summary(inks_: Sequence[str]) -> str:
    """How big a diff is, in words, from the inks of its lines."""
    files, added, deleted = (inks_.count(ink) for ink in ("strong", "added", "deleted"))
    return f"{files} file{'s' * (files != 1)} · +{added} −{deleted}"


class DiffView(ScrollView, can_focus=True):
    """Scrollable; asks for its text in a thread, since git has to be called."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("space", "page_down", "A page on", show=False),
        Binding("right_square_bracket,f", "file(1)", "Next file", show=False),
        Binding("left_square_bracket,b", "file(-1)", "Previous file", show=False),
    ]

    class Loaded(Message):
        """The diff is there, or why it is not."""

        def __init__(self, view: DiffView, summary_: str) -> None:
            super().__init__()
            self.view = view
            self.summary = summary_

        @property
        def control(self) -> DiffView:
            """The view."""
            return self.view

    def __init__(self, load: Callable[[], str]) -> None:
        super().__init__()
        self._load = load
        self._lines: list[str] = ["reading the diff …"]
        self._inks = ["dim"]

    def on_mount(self) -> None:
        """Read the diff."""
        self.load()

    def load(self) -> None:
        """Read the diff off the event loop; of several readings the newest is shown."""
        self.run_worker(self._read, thread=True, exclusive=True, group="diff", exit_on_error=False)

    def _read(self) -> None:
        worker = get_current_worker()
        try:
            text, failed = self._load(), ""
        except Exception as error:  # whatever git says is shown, never a traceback
            text, failed = "", str(error) or type(error).__name__
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show, text, failed)

    def _show(self, text: str, failed: str) -> None:
        plain = not text.strip()
        said = f"the diff cannot be read: {failed}" if failed else "nothing changed yet"
        # only \n ends a line of a diff: splitlines() would also split at form feeds and the like
        self._lines = [said] if plain else text.removesuffix("\n").split("\n")
        self._inks = ["dim"] if plain else inks_of(self._lines)
        widest = max(map(len, self._lines), default=0)
        # wide characters may need more than len(): only then count cells
        if not text.isascii():
            widest = max(map(cells, self._lines), default=0)
        tabs = 3 * max((line.count("\t") for line in self._lines), default=0) if "\t" in text else 0
        self.virtual_size = Size(min(MOST_COLUMNS, widest + tabs + 1), len(self._lines))
        self.refresh()
        self.post_message(self.Loaded(self, said if plain else summary(self._inks)))

    @property
    def ink(self) -> Inks:
        """The inks of the diff in the present theme."""
        return inks(self, "background")

    def render_line(self, y: int) -> Strip:
        """One line of the diff, scrolled and cut."""
        scroll_x, scroll_y = self.scroll_offset
        width = self.size.width
        index = scroll_y + y
        if index >= len(self._lines):
            return strip_of((), width, self.ink)
        line = self._lines[index]
        ink = self._inks[index]
        shown = one_line(line[:MOST_COLUMNS]) if not line.isprintable() else line[:MOST_COLUMNS]
        total = max(width, self.virtual_size.width)
        strip = strip_of([(" ", ink), (shown, ink)], total, self.ink, ink)
        return strip.crop(scroll_x, scroll_x + width)

    def action_file(self, step: int) -> None:
        """Go to the next or the previous file."""
        starts = [y for y, ink in enumerate(self._inks) if ink == "strong"]
        here = self.scroll_offset.y
        later = [y for y in starts if y > here]
        earlier = [y for y in starts if y < here]
        if step > 0 and later:
            self.scroll_to(y=later[0], animate=False)
        elif step < 0 and earlier:
            self.scroll_to(y=earlier[-1], animate=False)
