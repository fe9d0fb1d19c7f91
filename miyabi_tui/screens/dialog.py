"""The base of what asks a question: a calm box, buttons, y and n, escape."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Button, Static

from miyabi_tui.screens.veiled import Veiled
from miyabi_tui.widgets.words import resume

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from miyabi_tui.engine.state import RunState

# the class of a question's screen by the least height and width it applies to
HEIGHTS = [(0, "-low"), (20, "-high")]
WIDTHS = [(0, "-narrow"), (46, "-broad")]


class Question(Veiled[bool]):
    """A question with a yes that says what it does, and a no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", show=False),
        Binding("n,escape", "answer(False)", "No", show=False),
        Binding("left,right", "app.focus_next", "Other button", show=False),
        Binding("up", "scroll_by(-1)", "Up", show=False),
        Binding("down", "scroll_by(1)", "Down", show=False),
        Binding("pageup", "scroll_by(-10)", "A page back", show=False),
        Binding("pagedown,space", "scroll_by(10)", "A page on", show=False),
    ]
    VERTICAL_BREAKPOINTS = HEIGHTS
    HORIZONTAL_BREAKPOINTS = WIDTHS
    AUTO_FOCUS = "#no"

    def __init__(self, title: str, text: str, yes: str, no: str = "no") -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._yes = yes
        self._no = no

    def compose(self) -> ComposeResult:
        """Title, text, buttons."""
        with VerticalScroll(classes="dialog", can_focus=False):
            yield Static(self._title, classes="dialog-title", markup=False)
            yield Static(self._text, classes="dialog-text", markup=False)
            yield from self.body()
            with Horizontal(classes="dialog-buttons"):
                yield Button(f"y  {self._yes}", id="yes", compact=True)
                yield Button(f"n  {self._no}", id="no", compact=True)

    def body(self) -> ComposeResult:
        """What stands between the text and the buttons."""
        return iter(())

    def action_scroll_by(self, rows: int) -> None:
        """Scroll what does not fit."""
        self.query_one(".dialog").scroll_relative(y=rows, animate=False)

    def action_answer(self, yes: bool) -> None:
        """Answer and close."""
        self.dismiss(yes)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button is an answer."""
        event.stop()
        self.dismiss(event.button.id == "yes")


class LeaveQuestion(Question):
    """Leave while the race is on?"""

    def __init__(self, run: RunState) -> None:
        at_work = sum(not world.ended for world in run.worlds)
        if run.winner:
            lines = [
                f"{run.winner} is the winner and is not merged yet. Nothing is lost; later:",
                f"miyabi merge {run.run_id}",
            ]
        elif at_work:
            worlds = f"{at_work} world{'s are' if at_work != 1 else ' is'} still at work."
            lines = [
                f"{worlds} Their processes end, and nothing is lost. To go on where they stood:",
                resume(run),
            ]
        else:
            lines = ["No winner is chosen. Nothing is lost; to come back to it:", resume(run)]
        super().__init__("Leave the race?", "\n".join(lines), "leave", "stay")
