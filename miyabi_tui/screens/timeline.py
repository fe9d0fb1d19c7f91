"""The run from its first event on: a lane for each world, and below it every event as a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input, Static

from miyabi_tui.widgets.chronicle import Chronicle, Entry, Kind
from miyabi_tui.widgets.event_list import EventList
from miyabi_tui.widgets.keyline import Hint, KeyLine
from miyabi_tui.widgets.lanes import Lanes, Mark, mark_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events
    from textual.app import ComposeResult

    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.worlds import WorldId

REFRESH_SECONDS = 0.5
MOST_OF_SCREEN = 3  # the lanes take about the third part of it, and no more
KINDS: tuple[Kind | None, ...] = (None, *Kind)


@dataclass(frozen=True)
class Jump:
    """Where to go from here: a world, or its checkpoint after a step."""

    world: WorldId
    step: int | None = None


class TimelineScreen(Screen["Jump | None"]):
    """Title, lanes, events, the chosen one in full, the search, the keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "escape", "Back", show=False),
        Binding("q,t", "back", "Back", show=False),
        Binding("up,k", "move(-1)", "Earlier", show=False),
        Binding("down,j", "move(1)", "Later", show=False),
        Binding("pageup", "page(-1)", "A page earlier", show=False),
        Binding("pagedown,space", "page(1)", "A page later", show=False),
        Binding("home,g", "move(-100000000)", "First", show=False),
        Binding("end,G", "move(100000000)", "Last, and follow", show=False),
        Binding("f", "kind(1)", "Next kind", show=False),
        Binding("F", "kind(-1)", "Previous kind", show=False),
        Binding("slash", "search", "Search", show=False),
        Binding("n", "next(1)", "Next match", show=False),
        Binding("N", "next(-1)", "Previous match", show=False),
        Binding("enter", "jump", "To its world", show=False),
        Binding("r", "checkpoint", "To its checkpoint", show=False),
        *(Binding(str(n), f"world({n})", f"World {n}", show=False) for n in range(10)),
    ]

    AUTO_FOCUS = ""

    def __init__(self, control: Control, run: Callable[[], RunState]) -> None:
        super().__init__()
        self._control = control
        self._run = run
        self._chronicle = Chronicle()
        self._seq = 0
        self._reading = False
        self._failed = ""
        self._needle = ""
        self.lanes = Lanes()
        self.listing = EventList()
        self._keyline = KeyLine()

    def compose(self) -> ComposeResult:
        """See the class."""
        yield Static(id="timeline-title", markup=False)
        yield self.lanes
        yield self.listing
        yield Static(id="timeline-event", markup=False)
        yield Input(id="timeline-search", placeholder="search", compact=True)
        yield self._keyline

    def on_mount(self) -> None:
        """Read what there is, then what comes."""
        self.query_one("#timeline-search").display = False
        self._say()
        self._read_on()
        self.set_interval(REFRESH_SECONDS, self._read_on)

    def on_resize(self, event: events.Resize) -> None:
        """The lanes take their part of the height."""
        self._fit(event.size.height)

    def _fit(self, height: int) -> None:
        self.lanes.styles.height = max(0, min(self.lanes.rows, height // MOST_OF_SCREEN + 1))

    # --- reading ---------------------------------------------------------------------------------

    def _read_on(self) -> None:
        """Read what came since, unless that is still under way."""
        upto = self._run().seq
        if upto > self._seq and not self._reading:
            self._reading = True
            self.run_worker(lambda: self._read(upto), thread=True, exit_on_error=False)

    def _read(self, upto: int) -> None:
        entries: list[Entry] = []
        marks: list[Mark] = []
        failed = ""
        try:
            records = self._control.records(after=self._seq, streams=False)
            entries = self._chronicle.told(records)
            times = {one.seq: one.since for one in entries}
            found = (mark_of(one.event, times[one.seq]) for one in records if one.seq in times)
            marks = [one for one in found if one is not None]
            upto = max([upto, *(one.seq for one in records[-1:])])
        except Exception as error:  # a journal that cannot be read is said, and tried again
            failed, upto = str(error) or type(error).__name__, self._seq
        self.app.call_from_thread(self._take, entries, marks, upto, failed)

    def _take(
        self, entries: Sequence[Entry], marks: Sequence[Mark], upto: int, failed: str
    ) -> None:
        self._reading, self._seq, self._failed = False, upto, failed
        if entries:
            self.lanes.take(marks, entries[-1].since)
            self._fit(self.size.height)
            self.listing.take(entries)
        self._say()

    # --- what is said ----------------------------------------------------------------------------

    def _say(self) -> None:
        listing = self.listing
        parts = [f"{len(listing.shown):,} events"]
        if listing.world or listing.kind:
            parts[0] += f" of {len(listing.entries):,}"
        parts.append(str(listing.world or "all worlds"))
        parts.append(str(listing.kind or "all kinds"))
        if self._needle:
            parts.append(f"/{self._needle}")
        if self._failed:
            parts = [f"the journal cannot be read: {self._failed}"]
        elif self._reading and not listing.entries:
            parts = ["reading the journal …"]
        self.query_one("#timeline-title", Static).update(" · ".join(parts))
        one = listing.chosen
        said = ""
        if one is not None and self._chronicle.started is not None:
            said = f"event {one.seq:,} · {one.kind} · {one.text}"
        self.query_one("#timeline-event", Static).update(said)
        self.lanes.cursor = one.since if one else None
        self.lanes.chosen = one.world if one else None
        self.lanes.forget()
        self._keyline.show(self._hints(one))

    def _hints(self, one: Entry | None) -> list[Hint]:
        hints = [
            Hint("1 … 9", "world", "", rank=2),
            Hint("f", "kind", "kind(1)", rank=3),
            Hint("/", "search", "search", rank=4),
        ]
        if self._needle:
            hints.append(Hint("n N", "match", "next(1)", rank=1))
        if one is not None and one.world is not None:
            hints.append(Hint("enter", f"to {one.world}", "jump", short="go", rank=0))
            if one.step is not None:
                hints.append(Hint("r", "its checkpoint", "checkpoint", short="steps", rank=1))
        if not self.listing.following:
            hints.append(Hint("end", "follow", "move(100000000)", rank=5))
        return [*hints, Hint("0", "all worlds", "world(0)", rank=6), Hint("esc", "back", "back")]

    def on_event_list_chosen(self, message: EventList.Chosen) -> None:
        """Another event."""
        message.stop()
        self._say()

    # --- keys ------------------------------------------------------------------------------------

    def action_move(self, rows: int) -> None:
        """Choose another event."""
        self.listing.move(rows)

    def action_page(self, pages: int) -> None:
        """Choose one a page further."""
        self.listing.move(pages * max(1, self.listing.size.height - 1))

    def action_world(self, number: int) -> None:
        """Only this world's, or all again."""
        found = next((one for one in self.lanes.lanes if one.key == str(number)), None)
        world = None if found is self.listing.world else found
        self.listing.filter(world, self.listing.kind)

    def action_kind(self, step: int) -> None:
        """Only events of the next kind that there are."""
        at = KINDS.index(self.listing.kind)
        there = {one.kind for one in self.listing.entries}
        for n in range(1, len(KINDS) + 1):
            kind = KINDS[(at + n * step) % len(KINDS)]
            if kind is None or kind in there:
                self.listing.filter(self.listing.world, kind)
                return

    def action_search(self) -> None:
        """Ask for what to search."""
        field = self.query_one("#timeline-search", Input)
        field.display = True
        field.value = self._needle
        field.focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Go there while it is typed."""
        message.stop()
        self._needle = message.value
        if message.value and self.listing.shown:
            self.listing.search(message.value, 1, here=True)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Back to the events."""
        message.stop()
        self._close_search()
        if self._needle and not self._matches():
            said = f"Nothing here says “{self._needle}”."
            self.notify(said, severity="warning", timeout=4, markup=False)

    def _matches(self) -> bool:
        return bool(self.listing.shown) and self.listing.search(self._needle, 1, here=True)

    def _close_search(self) -> None:
        self.query_one("#timeline-search").display = False
        self.listing.needle = self._needle.casefold()
        self.listing.refresh()
        self.set_focus(None)
        self._say()

    def action_next(self, step: int) -> None:
        """The next event that says so."""
        if self._needle and self.listing.shown:
            self.listing.search(self._needle, step)

    def action_jump(self) -> None:
        """To the world of the chosen event."""
        one = self.listing.chosen
        if one is not None and one.world is not None:
            self.dismiss(Jump(one.world))

    def action_checkpoint(self) -> None:
        """To the checkpoint that the chosen event stands at."""
        one = self.listing.chosen
        if one is not None and one.world is not None and one.step is not None:
            self.dismiss(Jump(one.world, one.step))

    def action_escape(self) -> None:
        """Leave the search, forget what was searched, or close."""
        if self.query_one("#timeline-search").has_focus:
            self._close_search()
        elif self._needle:
            self._needle = ""
            self._close_search()
        else:
            self.dismiss(None)

    def action_back(self) -> None:
        """Close."""
        self.dismiss(None)

    def on_key_line_chosen(self, message: KeyLine.Chosen) -> None:
        """A click in the footer."""
        message.stop()
        if message.action:
            self.call_later(self.run_action, message.action)
