"""The base of what asks a question: a calm box, buttons, y and n, escape."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

if TYPE_CHECKING:
    from textual.app import ComposeResult


class Question(ModalScreen[bool]):
    """A question with a yes that says what it does, and a no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", show=False),
        Binding("n,escape", "answer(False)", "No", show=False),
        Binding("left,right", "app.focus_next", "Other button", show=False),
    ]
    AUTO_FOCUS = "#no"

    def __init__(self, title: str, text: str, yes: str, no: str = "no") -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._yes = yes
        self._no = no

    def compose(self) -> ComposeResult:
        """Title, text, buttons."""
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="dialog-title", markup=False)
            yield Static(self._text, classes="dialog-text", markup=False)
            yield from self.body()
            with Horizontal(classes="dialog-buttons"):
                yield Button(f"y  {self._yes}", id="yes", compact=True)
                yield Button(f"n  {self._no}", id="no", compact=True)

    def body(self) -> ComposeResult:
        """What stands between the text and the buttons."""
        return iter(())

    def action_answer(self, yes: bool) -> None:
        """Answer and close."""
        self.dismiss(yes)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button is an answer."""
        event.stop()
        self.dismiss(event.button.id == "yes")


class LeaveQuestion(Question):
    """Leave while the race is on?"""

    def __init__(self, at_work: int, winner: str = "") -> None:
        if winner:
            text = (
                f"{winner} is the winner and is not merged yet. It stays on its branch; "
                "nothing is lost."
            )
        else:
            worlds = f"{at_work} world{'s are' if at_work != 1 else ' is'} still at work. "
            text = (
                f"{worlds if at_work else ''}The race ends without a winner: every process is "
                "ended, all worktrees and branches stay."
            )
        super().__init__("Leave the race?", text, "leave", "stay")
