"""Where to in a replay: the number of an event, or a time of the tape."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from miyabi_tui.screens.veiled import Veiled
from miyabi_tui.widgets.words import clock

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from miyabi_tui.replaying.tape import Tape

LONGEST = 12


class GoToScreen(Veiled[int]):
    """Closes with a place, or with nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Stay", show=False)]
    AUTO_FOCUS = "Input"

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self._tape = tape

    def compose(self) -> ComposeResult:
        """What is asked, the field, what can be written there."""
        last = f"1 to {self._tape.number(len(self._tape)):,}, or a time up to"
        with Vertical(id="go-to"):
            yield Static("Go to which event?", classes="dialog-title", markup=False)
            yield Input(compact=True, max_length=LONGEST, select_on_focus=False)
            yield Static(f"{last} {clock(self._tape.seconds)}", id="go-to-said", markup=False)

    @on(Input.Submitted)
    def _sent(self, message: Input.Submitted) -> None:
        message.stop()
        place = place_of(message.value, self._tape)
        if place is None:
            said = "Write a number such as 120, or a time such as 2:05."
            self.query_one("#go-to-said", Static).update(Content.styled(said, "$ink-warn"))
        else:
            self.dismiss(place)

    def action_leave(self) -> None:
        """Stay."""
        self.dismiss(None)


def place_of(text: str, tape: Tape) -> int | None:
    """The place that is meant by an event's number or a time; None for anything else."""
    parts = text.strip().replace(",", "").split(":")
    if len(parts) > 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    if len(parts) == 1:
        return tape.place_of(int(parts[0]))
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return tape.place_at(seconds)
