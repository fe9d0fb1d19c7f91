"""The events of a run, one a row, made as they come into view; filtered and searched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.geometry import Region, Size
from textual.message import Message

from miyabi_tui.widgets.palette import inks
from miyabi_tui.widgets.ready_scroll import ReadyScroll
from miyabi_tui.widgets.rows import Span, strip_of
from miyabi_tui.widgets.words import clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.strip import Strip

    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.chronicle import Entry, Kind

BROAD = 70
NAME = 9


class EventList(ReadyScroll, can_focus=False):
    """One row is chosen; at the last one it stays with what comes."""

    class Chosen(Message):
        """Another event was chosen, or others are shown."""

        def __init__(self, listing: EventList) -> None:
            super().__init__()
            self.listing = listing

        @property
        def control(self) -> EventList:
            """The list."""
            return self.listing

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self.shown: list[Entry] = []
        self.world: WorldId | None = None
        self.kind: Kind | None = None
        self.needle = ""
        self.index = 0

    @property
    def chosen(self) -> Entry | None:
        """The chosen event."""
        return self.shown[self.index] if self.index < len(self.shown) else None

    @property
    def following(self) -> bool:
        """Whether it stays with what comes."""
        return self.index >= len(self.shown) - 1

    # --- what is shown ---------------------------------------------------------------------------

    def take(self, entries: Sequence[Entry]) -> None:
        """These came."""
        following = self.following
        self.entries += entries
        self.shown += [one for one in entries if self._fits(one)]
        self._resize()
        if following:
            self.choose(len(self.shown) - 1)

    def filter(self, world: WorldId | None, kind: Kind | None) -> None:
        """Show only this world's, only this kind; the chosen event stays, or its neighbour."""
        seq = self.chosen.seq if self.chosen else 0
        following = self.following
        self.world, self.kind = world, kind
        self.shown = [one for one in self.entries if self._fits(one)]
        self._resize()
        index = sum(one.seq <= seq for one in self.shown) - 1
        self.choose(len(self.shown) - 1 if following else index)

    def _fits(self, one: Entry) -> bool:
        return (self.world is None or one.world is self.world) and (
            self.kind is None or one.kind is self.kind
        )

    def _resize(self) -> None:
        self.virtual_size = Size(1, max(1, len(self.shown)))
        self.refresh()

    # --- moving ----------------------------------------------------------------------------------

    def move(self, rows: int) -> None:
        """Choose the event so many rows further down."""
        self.choose(self.index + rows)

    def choose(self, index: int) -> None:
        """Choose an event, or the nearest there is."""
        self.index = max(0, min(index, len(self.shown) - 1))
        row = Region(0, self.index, 1, 1)
        self.scroll_to_region(row, animate=False, x_axis=False, force=True)
        self.refresh()
        self.post_message(self.Chosen(self))

    def remeasure(self) -> None:
        """The chosen event stays in sight."""
        row = Region(0, self.index, 1, 1)
        self.scroll_to_region(row, animate=False, x_axis=False, force=True)

    def search(self, needle: str, step: int, *, here: bool = False) -> bool:
        """Go to the next event that says so, from the chosen one on or behind it; whether any."""
        self.needle = needle.casefold()
        self.refresh()
        many = len(self.shown)
        for n in range(0 if here else 1, many + 1):
            index = (self.index + n * step) % many
            if self.needle in self.shown[index].text.casefold():
                self.choose(index)
                return True
        return False

    def on_click(self, event: events.Click) -> None:
        """A click chooses."""
        event.stop()
        index = self.scroll_offset.y + event.y
        if index < len(self.shown):
            self.choose(index)

    # --- painting --------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """One event."""
        index, width = self.scroll_offset.y + y, self.columns
        plain = inks(self, "background")
        if index >= len(self.shown):
            said = " nothing of that kind" if not self.shown and self.entries and y == 0 else ""
            return strip_of([(said, "dim")], width, plain)
        one, chosen = self.shown[index], index == self.index
        ink = inks(self, "panel" if chosen else "background", one.world)
        broad = width >= BROAD
        who = f"{one.world.key} {one.world}" if one.world and broad else one.world and one.world.key
        spans: list[Span] = [
            ("▸" if chosen else " ", "accent"),
            (f"{clock(one.since):>8}  " if broad else f"{clock(one.since):>7} ", "faint"),
            (f"{who or '':<{NAME + 2 if broad else 2}}", "world"),
            (f"{one.sign} ", one.ink),
            *self._marked(one.text, "strong" if chosen else _body(one.ink)),
        ]
        return strip_of(spans, width, ink)

    def _marked(self, text: str, name: str) -> list[Span]:
        """The text, with what is searched for marked in it."""
        spans: list[Span] = []
        folded = text.casefold()
        at = 0
        if self.needle and len(folded) == len(text):
            while (found := folded.find(self.needle, at)) >= 0:
                end = found + len(self.needle)
                spans += [(text[at:found], name), (text[found:end], "alarm")]
                at = end
        return [*spans, (text[at:], name)]


def _body(ink: str) -> str:
    """Words have the ink of their sign only where it says that something is wrong or won."""
    return ink if ink in ("bad", "warn", "won", "dim", "faint") else "text"
