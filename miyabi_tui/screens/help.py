"""All keys and signs, on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from miyabi_tui.screens.commands import MOVES, commands

if TYPE_CHECKING:
    from textual.app import ComposeResult

SIGNS = (
    ("● ‖ ◷ ◔", "running, paused, waiting, quiet for a while"),
    ("◐", "evaluating: build, tests, lint, quality, security"),
    ("▲ ◆ ★", "leads, scored, winner"),
    ("⊘", "scored, but may not win: the reason stands below"),
    ("■ ✗", "killed or cut short, failed; its files stay"),
    ("▸ │ ┃ └", "a call, its output, its errors, how it ended"),
)
KEY_COLUMN = 16


class HelpScreen(ModalScreen[None]):
    """Keys by what they do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter", "close", "Close", show=False)
    ]
    AUTO_FOCUS = "VerticalScroll"

    def __init__(self, attached: bool = False) -> None:
        super().__init__()
        self._attached = attached

    def compose(self) -> ComposeResult:
        """One text that scrolls where the terminal is small."""
        with VerticalScroll(classes="dialog -help"):
            yield Static(help_text(self._attached), markup=False)

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)


def help_text(attached: bool) -> Content:
    """The whole page."""
    lines: list[Content] = [Content.styled("The focused world", "bold $ink-strong")]
    lines += [_line(one.key, one.help) for one in commands(attached)]
    lines += [Content(""), Content.styled("Moving", "bold $ink-strong")]
    lines += [_line(keys, what) for keys, what in MOVES]
    lines += [Content(""), Content.styled("Signs", "bold $ink-strong")]
    lines += [_line(signs, what) for signs, what in SIGNS]
    return Content("\n").join(lines)


def _line(keys: str, what: str) -> Content:
    return Content.styled(f"{keys:<{KEY_COLUMN}}", "$ink-accent") + Content.styled(
        what, "$ink-text"
    )
