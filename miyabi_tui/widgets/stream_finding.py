"""Searching in a world's history, in what is kept and further in the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.actions import SkipAction
from textual.message import Message

from miyabi_tui.widgets.stream_blocks import Fold
from miyabi_tui.widgets.stream_paging import Paging
from miyabi_tui.widgets.stream_rows import fold_of
from miyabi_tui.widgets.stream_search import Search

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.widgets.stream_lines import Lines
    from miyabi_tui.widgets.stream_window import Past, Teller


class Finding(Paging):
    """The keys of the search, and the way to the next match."""

    class Searching(Message, namespace="stream_reader"):
        """The count changed, or the person has ended the search."""

        def __init__(self, reader: Finding, *, ended: bool = False) -> None:
            super().__init__()
            self.reader = reader
            self.ended = ended

        @property
        def control(self) -> Finding:
            """The reader."""
            return self.reader

    def __init__(self, past: Past, teller: Callable[[Lines], Teller]) -> None:
        super().__init__(past, teller)
        self.found = Search()
        self._searched_from = (0, True)
        self._too_early = False  # nothing was there yet to search in

    def begin_search(self) -> None:
        """Each letter that is typed from now on looks from here."""
        self._searched_from = (self._top, self.following)

    def action_end_search(self) -> None:
        """End the search, if there is one; else the key means something else."""
        if not self.found.query:
            raise SkipAction
        self.search("")
        self.post_message(self.Searching(self, ended=True))

    def search(self, query: str) -> None:
        """Look for it: the first at or below the top of the view, or the last while following."""
        self.hunting = 0
        self._too_early = self._pending is not None or not self.sheet.has(self.blocks)
        self._top, self.following = self._searched_from
        self._clamp()
        self.found.look_for(query, self.blocks)
        matches = self.found.all(self.blocks) if self.sheet.has(self.blocks) else []
        if matches and not self.following and self.sheet.end:
            top = self.sheet.at(self._top)[0]
            after = (one for one in matches if one[0] >= top)
            self._go(*next(after, matches[-1]))
        elif matches:
            self._go(*matches[-1])
        self.refresh()
        self.post_message(self.Searching(self))

    def search_again(self) -> None:
        """Look again for what was typed before there was anything to search in."""
        if self._too_early and self._pending is None:
            self.begin_search()
            self.search(self.found.query)

    def action_match(self, step: int) -> None:
        """Go to the next or the previous match, in what the journal has too."""
        if not self.found.query:
            return
        matches = self.found.all(self.blocks)
        number, many = self.found.number(self.blocks)
        if 0 < number + step <= many:
            self._go(*matches[number + step - 1])
        elif step < 0 and not self.window.whole:
            self.hunting = step
            self.read_older()
        elif step > 0 and not self.window.attached:
            self.hunting = step
            self.read_newer()
        elif matches:
            self._go(*matches[0 if step > 0 else -1])
        self.post_message(self.Searching(self))

    def hunted(self, arrived: int) -> None:
        """See `Paging.hunted`: look on in the page that has come."""
        step, self.hunting = self.hunting, 0
        self.found.refresh(self.blocks)
        matches = self.found.all(self.blocks)
        new = [one for one in matches if (one[0] < arrived) is (step < 0)]
        if new:
            self._go(*new[-1 if step < 0 else 0])
            self.post_message(self.Searching(self))
        else:
            self.action_match(step)

    def _go(self, place: int, match: tuple[int, int, int]) -> None:
        block = self.blocks[place]
        self.found.here = (block, match)
        row = self.sheet.row_of(place, match[0], match[1])
        if row is None or (fold_of(block, self.sheet.folded) is Fold.FOLDED and match[0]):
            block.fold = Fold.OPEN
            self._place.fold(block)
            self.sheet.lay(self.blocks, place)
            row = self.sheet.row_of(place, match[0], match[1])
        self._reveal(self.sheet.top(place) if row is None else row, 1)
        self.refresh()
