"""The issue that the worlds race on: what it asks, and where the run stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from miyabi_tui.widgets.asking import complexity
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.issue_view import IssueView
from miyabi_tui.widgets.keyline import Hint, KeyLine

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from miyabi_tui.engine.state import RunState

HINTS = (
    Hint("↑↓", "scroll", ""),
    Hint("space", "page", "page"),
    Hint("y", "copy", "copy"),
    Hint("esc", "back", "back"),
)


class IssueScreen(Screen[None]):
    """Title, facts, text, keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,i", "back", "Back", show=False),
        Binding("y", "copy", "Copy the issue", show=False),
    ]

    def __init__(self, run: RunState) -> None:
        super().__init__()
        self._state = run
        self._view = IssueView(run.issue.text or "The issue has no text besides its title.")

    def compose(self) -> ComposeResult:
        """See the class."""
        issue = self._state.issue
        number = f"#{issue.number}  " if issue.number else ""
        yield Static(f"{number}{one_line(issue.title)}", id="issue-title", markup=False)
        yield Static(facts(self._state), id="issue-facts", markup=False)
        yield self._view
        yield KeyLine(HINTS)

    def on_mount(self) -> None:
        """The text takes the keys."""
        self._view.focus()

    def action_page(self) -> None:
        """A page on."""
        self._view.scroll_page_down(animate=False)

    def action_copy(self) -> None:
        """Copy title and text, through the terminal."""
        issue = self._state.issue
        self.app.copy_to_clipboard(f"{issue.title}\n\n{issue.text}\n")
        self.notify("The issue is copied.", timeout=3, markup=False)

    def action_back(self) -> None:
        """Close."""
        self.dismiss(None)

    def on_key_line_chosen(self, message: KeyLine.Chosen) -> None:
        """A click in the footer."""
        message.stop()
        if message.action:
            self.call_later(self.run_action, message.action)


def facts(run: RunState) -> Content:
    """Where it comes from and where it goes, one fact after another."""
    known = [
        ("base", f"{run.base_ref} at {run.base_commit[:7]}" if run.base_commit else ""),
        ("for", run.target),
        ("run", run.run_id),
        ("looks", complexity(run)),
        ("in", run.repo),
    ]
    parts = [
        Content.styled(f"{name} ", "$ink-faint") + Content.styled(one_line(what), "$ink-text")
        for name, what in known
        if what
    ]
    return Content.styled("   ", "$ink-faint").join(parts)
