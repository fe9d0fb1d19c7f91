"""The part of a world's history that is kept to be read: it grows at its end, or slides back.

What happens is written to it while it holds the newest; what is dropped at either end is read back
from the journal by whoever owns it, in pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from miyabi_tui.engine.events import Output, StepStarted, ToolFinished
from miyabi_tui.widgets.narrator import Narrator
from miyabi_tui.widgets.stream_blocks import Blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from miyabi_tui.engine.events import Record
    from miyabi_tui.widgets.stream_blocks import Block
    from miyabi_tui.widgets.stream_lines import Lines

PAGE = 1_500  # records that are read back at once
SPAN = 20_000  # numbers of records that are looked through at once for newer ones


class Past(Protocol):
    """What the journal has of a world; blocks, so it is asked in a thread."""

    def __call__(
        self, *, after: int = 0, before: int | None = None, newest: int | None = None
    ) -> list[Record]:
        """Those with `after` < number < `before`, in order; of many only the `newest` so many."""
        ...


class Teller(Protocol):
    """Puts records into words."""

    def tell(self, records: Sequence[Record]) -> None:
        """Write what they say."""
        ...


class StreamTeller:
    """The stream of a world, with what its model read where a call has streamed nothing."""

    def __init__(self, text: Lines) -> None:
        self._text = text
        self._narrator = Narrator(text)

    def tell(self, records: Sequence[Record]) -> None:
        """See `Teller.tell`."""
        self._narrator.tell(records)
        for record in records:
            if isinstance(record.event, ToolFinished) and isinstance(self._text, Blocks):
                self._text.answer(record.event.text)


class Window:
    """Blocks, and which records they are: those from `oldest` to `newest`.

    `whole`: nothing older is in the journal. `seen` is the newest record that there is; `missed`
    counts the lines that came while the window was somewhere else.
    """

    def __init__(self, teller: Callable[[Lines], Teller]) -> None:
        self._teller = teller
        self.seen = 0
        self.clear()

    def clear(self) -> None:
        """Hold nothing."""
        self.blocks = Blocks()
        self._tells = self._teller(self.blocks)
        self.oldest = self.newest = self.missed = 0
        self.whole = False

    @property
    def attached(self) -> bool:
        """Whether it holds the newest, so that it grows with what happens."""
        return self.newest >= self.seen

    def live(self, records: Sequence[Record]) -> None:
        """What happens now: written, or counted where the window is somewhere else."""
        new = [one for one in records if one.seq > max(self.newest, self.seen)]
        if not new:
            return
        attached = self.attached
        self.seen = new[-1].seq
        if attached:
            self.write(new)
        else:
            texts = (one.event.text for one in new if isinstance(one.event, Output))
            self.missed += sum(text.count("\n") for text in texts)

    def write(self, records: Sequence[Record]) -> None:
        """Write records that follow those it holds."""
        for record in records:
            self.blocks.seq = record.seq
            self._tells.tell((record,))
        if records:
            self.oldest = self.oldest or records[0].seq
            self.newest = records[-1].seq
            self.seen = max(self.seen, self.newest)

    def begin(self, records: Sequence[Record], whole: bool, up_to: int) -> None:
        """Hold the newest page, which has all up to that number."""
        self.clear()
        kept = records if whole else from_a_step(records)
        self.whole = whole
        self.write(kept)
        self.newest = max(self.newest, up_to)

    def older(self, records: Sequence[Record], whole: bool) -> list[Block]:
        """Put an older page before what it holds; the blocks of it."""
        kept = records if whole else from_a_step(records)
        self.whole = whole
        if not kept:
            return []
        page = Blocks()
        tells = self._teller(page)
        for record in kept:
            page.seq = record.seq
            tells.tell((record,))
        self.oldest = kept[0].seq
        self.blocks.prepend(page)
        return page.blocks

    def newer(self, records: Sequence[Record], up_to: int) -> None:
        """Go on with a newer page, which ends at the number `up_to`."""
        self.write(records)
        self.newest = max(self.newest, up_to)
        if self.attached:
            self.missed = 0

    def trim(self, reading_first: bool) -> list[Block]:
        """Drop what is too much at the end that nobody reads; the oldest ones if any are."""
        if not self.blocks.too_much:
            return []
        if reading_first:
            dropped = self.blocks.drop_newest()
            if dropped:
                self.newest = dropped[0].seq - 1
                self._tells = self._teller(self.blocks)
            return []
        dropped = self.blocks.drop_oldest()
        if dropped:
            self.whole = False
            self.oldest = self.blocks.blocks[0].seq
        return dropped


def from_a_step(records: Sequence[Record]) -> Sequence[Record]:
    """A page from the first step in it on, so that no call is torn; all of it where none begins."""
    steps = (n for n, one in enumerate(records) if isinstance(one.event, StepStarted))
    return records[next(steps, 0) :]
