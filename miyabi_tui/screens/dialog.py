"""The base of what asks a question: a calm box, buttons, y and n, escape.

The race goes on behind it: what it says stays true, and where there is nothing left to ask it says
why, and offers no yes any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Button, Static

from miyabi_tui.screens.veiled import Veiled
from miyabi_tui.widgets.words import resume

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.content import Content

    from miyabi_tui.engine.state import RunState

# the class of a question's screen by the least height and width it applies to
HEIGHTS = [(0, "-low"), (20, "-high")]
WIDTHS = [(0, "-narrow"), (46, "-broad")]


class Question(Veiled[bool]):
    """A question with a yes that says what it does, and a no; `run` is the race as it is."""

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
    NO_KEY = "n"

    def __init__(self, title: str, run: Callable[[], RunState], yes: str, no: str = "no") -> None:
        super().__init__()
        self._title = title
        self._run = run
        self._yes = yes
        self._no = no
        self._shown: dict[str, object] = {}

    def says(self, run: RunState) -> str:
        """What a yes means, by the present state."""
        raise NotImplementedError

    def why_moot(self, run: RunState) -> str:
        """Why there is nothing left to ask; empty while there is."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Title, text, buttons."""
        with VerticalScroll(classes="dialog", can_focus=False):
            yield Static(self._title, classes="dialog-title", markup=False)
            yield Static(self.says(self._run()), classes="dialog-text", markup=False)
            yield from self.body()
            with Horizontal(classes="dialog-buttons"):
                yield Button(f"y  {self._yes}", id="yes", compact=True)
                yield Button(f"{self.NO_KEY}  {self._no}", id="no", compact=True)

    def body(self) -> ComposeResult:
        """What stands between the text and the buttons."""
        return iter(())

    def on_mount(self) -> None:
        """Say what is so now."""
        self.follow()

    def follow(self) -> None:
        """Say what is so by now, or that there is nothing left to ask."""
        if not self.is_mounted:
            return
        run = self._run()
        moot = self.why_moot(run)
        self.show_part(".dialog-text", moot or self.says(run))
        if bool(moot) is self.has_class("-moot"):
            return
        self.set_class(bool(moot), "-moot")
        no = self.query_one("#no", Button)
        no.label = f"{self.NO_KEY}  {'close' if moot else self._no}"
        no.focus()

    def show_part(self, name: str, content: Content | str) -> None:
        """Show another content of a part, if it is another and the part is there."""
        if self._shown.get(name) != content:
            self._shown[name] = content
            for part in self.query(name).results(Static):
                part.update(content)

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

    def __init__(self, run: Callable[[], RunState]) -> None:
        super().__init__("Leave the race?", run, "leave", "stay")

    def says(self, run: RunState) -> str:
        """What ends, and how to go on later."""
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
        return "\n".join(lines)

    def why_moot(self, run: RunState) -> str:
        """It is over: nothing ends by leaving."""
        merged = f"{run.winner} is merged into {run.branch}" if run.commit else ""
        over = merged or ("The race is over" if run.finished else "")
        return f"{over}: nothing ends when you leave, and q asks no more." if over else ""
