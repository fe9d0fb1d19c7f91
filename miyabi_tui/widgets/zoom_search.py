"""A stream to read with the row in which one says what to search for."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.actions import SkipAction
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Static

from miyabi_tui.engine.events import Gauges, Output, TurnMetered
from miyabi_tui.widgets.keyline import Hint
from miyabi_tui.widgets.stream_reader import StreamReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

    from miyabi_tui.engine.events import Record
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.page import Facts
    from miyabi_tui.widgets.stream_lines import Lines
    from miyabi_tui.widgets.stream_place import Place
    from miyabi_tui.widgets.stream_window import Past, Teller

STREAMED = (Output, TurnMetered, Gauges)


class ZoomStream(Widget):
    """The reader, and below it the search while there is one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "End the search", show=False)
    ]

    def __init__(
        self,
        world: WorldId,
        past: Past,
        teller: Callable[[Lines], Teller],
        *,
        streams: bool = True,
    ) -> None:
        super().__init__(classes="-search-off")
        self.reader = StreamReader(world, past, teller)
        self._streams = streams
        self._opening = False
        self._ahead: list[events.Key] = []  # typed before the field is there
        self._input = Input(compact=True, id="search-for", select_on_focus=False)
        self._count = Static(id="search-count", markup=False)

    def compose(self) -> ComposeResult:
        """The reader, and the row of the search."""
        yield self.reader
        with Horizontal(id="search"):
            yield Static("/", id="search-sign", markup=False)
            yield self._input
            yield self._count

    def on_mount(self) -> None:
        """All parts are there."""
        if self._opening:
            self._open()

    @property
    def typing(self) -> bool:
        """Whether what is typed now is what to search for."""
        if self._opening:
            return True
        return self.is_attached and self.screen.focused is self._input

    @property
    def typed(self) -> str:
        """What is searched for, as far as it is typed."""
        early = (key.character or "" for key in self._ahead if key.is_printable)
        return self._input.value + "".join(early)

    def ask(self, typed: str = "") -> None:
        """Ask what to search for, at once: no letter behind this key is one of the race's."""
        self._opening = True
        self._input.value = typed
        if self.is_mounted:
            self._open()

    def take(self, key: events.Key) -> bool:
        """Take a key that was under way when this was asked for; whether it was meant for it."""
        if self._opening:
            self._ahead.append(key)
            return True
        if self.typing and key.is_printable:
            self._type(key)
            return True
        return False

    def _open(self) -> None:
        """The field takes the keys, first those that were early; none goes to the race."""
        self.set_class(False, "-search-off")
        self.reader.begin_search()
        self.screen.set_focus(self._input)
        self._opening = False
        self._count.update(self._said())
        ahead, self._ahead = self._ahead, []
        for number, key in enumerate(ahead):
            self._type(key)
            if key.key == "enter":  # what comes behind it was meant for nothing that is seen
                break
            if key.key == "escape":  # behind it the keys are the race's again
                # by the app, since what a parent has sent goes no further than to that parent
                rest = ahead[number + 1 :]
                self.call_after_refresh(self.app.call_later, self._give_back, rest)
                break

    def _give_back(self, keys: Sequence[events.Key]) -> None:
        for key in keys:
            self.app.post_message(events.Key(key.key, key.character))

    def _type(self, key: events.Key) -> None:
        if key.is_printable:
            self._input.insert_text_at_cursor(key.character or "")
        elif key.key == "backspace":
            self._input.action_delete_left()
        elif key.key == "enter":
            self._entered()
        elif key.key == "escape":
            self.action_leave()

    @property
    def target(self) -> Widget:
        """What takes the keys."""
        return self.reader

    @property
    def place(self) -> Place:
        """Where it is read, and its folds."""
        return self.reader.place

    def restore(self, place: Place) -> None:
        """Be where it was left."""
        self.reader.restore(place)

    def show(self, facts: Facts) -> None:
        """The state says nothing that the records do not."""

    def feed(self, records: Sequence[Record]) -> None:
        """Take in what happened."""
        if not self._streams:
            records = [one for one in records if not isinstance(one.event, STREAMED)]
        self.reader.feed(records)

    def hints(self) -> list[Hint]:
        """The keys that mean something here."""
        if self.reader.found.query:
            return [
                Hint("n N", "match", "read('match(1)')"),
                Hint("esc", "ends", "read('end_search')"),
            ]
        made = [Hint("/", "search", "search", rank=4)]
        if self._streams:
            made += [
                Hint("[ ]", "call", "read('call(-1)')", rank=7),
                Hint("enter", "fold", "read('fold')", rank=4),
            ]
        if not self.reader.following:
            made.insert(0, Hint("f", "follow", "read('follow')", rank=3))
        return made

    def on_stream_reader_searching(self, message: StreamReader.Searching) -> None:
        """Show the count, or be done; the screen has keys to show then."""
        if message.ended:
            self.set_class(True, "-search-off")
            self.reader.focus()
        self._count.update(self._said())

    def _said(self) -> str:
        found = self.reader.found
        if not found.query:
            return "type what to find"
        if self.reader.hunting:
            return "looking further back …" if self.reader.hunting < 0 else "looking on …"
        number, many = found.number(self.reader.blocks)
        whole = self.reader.window.whole and self.reader.window.attached
        beyond = "" if whole else " here"
        if not many:
            return "nothing found" + ("" if whole else " here · N looks further back")
        return f"{number} of {many}{beyond} · n N"

    def on_input_changed(self, message: Input.Changed) -> None:
        """Search while it is typed."""
        message.stop()
        if not self.has_class("-search-off"):
            self.reader.search(message.value)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """The keys go back to the stream; with nothing to find the search is over."""
        message.stop()
        self._entered()

    def _entered(self) -> None:
        if self._input.value:
            self.screen.set_focus(self.reader)
        else:
            self.action_leave()

    def action_leave(self) -> None:
        """End the search, if there is one; else the key means something else."""
        if self.has_class("-search-off"):
            raise SkipAction
        self.reader.search("")
        self.set_class(True, "-search-off")
        self.screen.set_focus(self.reader)
