"""What a world changed against the base, on the whole screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static

from miyabi_tui.widgets.diff_view import DiffView
from miyabi_tui.widgets.keyline import Hint, KeyLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from miyabi_tui.engine.worlds import WorldId

HINTS = (
    Hint("↑↓", "scroll", ""),
    Hint("space", "page", ""),
    Hint("[ ]", "file", ""),
    Hint("r", "read again", "again"),
    Hint("esc", "back", "back"),
)


class DiffScreen(Screen[None]):
    """A title, the diff, the keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,d", "back", "Back", show=False),
        Binding("r", "again", "Read again", show=False),
    ]

    def __init__(self, world: WorldId, load: Callable[[], str]) -> None:
        super().__init__()
        self._world = world
        self._load = load

    def compose(self) -> ComposeResult:
        """Title, diff, keys."""
        yield Static(f"{self._world.key} {self._world}  diff", id="diff-title", markup=False)
        yield DiffView(self._load)
        yield KeyLine(HINTS)

    def on_mount(self) -> None:
        """The diff takes the keys."""
        self.query_one(DiffView).focus()

    def on_diff_view_loaded(self, message: DiffView.Loaded) -> None:
        """Say how big it is."""
        message.stop()
        title = f"{self._world.key} {self._world}  against the base · {message.summary}"
        self.query_one("#diff-title", Static).update(title)

    def on_key_line_chosen(self, message: KeyLine.Chosen) -> None:
        """A click in the footer."""
        message.stop()
        if message.action:
            self.call_later(self.run_action, message.action)

    def action_back(self) -> None:
        """Close."""
        self.dismiss(None)

    def action_again(self) -> None:
        """Read the diff again: the world may have gone on."""
        self.query_one(DiffView).load()
