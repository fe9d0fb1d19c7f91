"""One past run: its page, as `miyabi show` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from miyabi_tui.widgets.keyline import Hint, KeyLine

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from miyabi_tui.engine.store.journal import RunRow


class PageScreen(Screen["list[str]"]):
    """A page that scrolls; closes with the words of a command, or with none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,s,backspace", "back", "Back", show=False),
        Binding("r", "replay", "Replay", show=False),
    ]
    AUTO_FOCUS = "VerticalScroll"

    def __init__(self, row: RunRow) -> None:
        super().__init__()
        self._row = row
        self.keyline = KeyLine((Hint("r", "replay", "replay"), Hint("esc", "back", "back")))

    def compose(self) -> ComposeResult:
        """The page and the keys."""
        with VerticalScroll(id="start-page"):
            yield Static("…", markup=False)
        yield self.keyline

    def on_mount(self) -> None:
        """Read it."""
        self.run_worker(self._read, thread=True)

    def _read(self) -> None:
        """From the journal: it may be long."""
        import anyio

        from miyabi_tui import history, paths
        from miyabi_tui.engine.errors import MiyabiError

        try:
            run = anyio.run(history.state, paths.journal_path(), self._row.run_id)
            text = history.page(run, as_json=False)
        except MiyabiError as error:
            text = f"This run cannot be read: {error}"
        self.app.call_from_thread(self.query_one(Static).update, text)

    def on_key_line_chosen(self, message: KeyLine.Chosen) -> None:
        """A click in the footer."""
        message.stop()
        self.call_later(self.run_action, message.action)

    def action_back(self) -> None:
        """Back to the list."""
        self.dismiss([])

    def action_replay(self) -> None:
        """Watch it again."""
        self.dismiss(["replay", self._row.run_id])
