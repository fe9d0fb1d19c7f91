"""A diff on the whole screen: what a world changed against the base, or two worlds differ in."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from miyabi_tui.widgets.diff_tree import DiffTree
from miyabi_tui.widgets.diff_view import DiffView
from miyabi_tui.widgets.keyline import Hint, KeyLine
from miyabi_tui.widgets.visible import visible
from miyabi_tui.widgets.wrap import cells, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from textual import events
    from textual.app import ComposeResult

    from miyabi_tui.engine.worlds import WorldId

BASE = "against the base"
TREE_FROM = 100  # columns from which the tree is shown if nobody says otherwise


class DiffScreen(Screen[None]):
    """A title, the tree, the diff, the keys.

    `also` says of each file which other worlds touch it; it is asked in a thread. `path` is the
    file to begin with.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,d", "back", "Back", show=False),
        Binding("r", "again", "Read again", show=False),
        Binding("T", "tree", "The files, or not", show=False),
    ]

    def __init__(
        self,
        name: str,
        load: Callable[[], str],
        *,
        also: Callable[[], Mapping[str, Sequence[WorldId]]] | None = None,
        path: str = "",
    ) -> None:
        super().__init__()
        self._name_shown = name
        self._also = also
        self._wants_tree: bool | None = None
        self._summary = "reading"
        self.tree_ = DiffTree()
        self.view = DiffView(load, path=path)
        self._keyline = KeyLine()

    def compose(self) -> ComposeResult:
        """Title, tree and diff, keys."""
        yield Static(self._name_shown, id="diff-title", markup=False)
        with Horizontal(id="diff-body"):
            yield self.tree_
            yield self.view
        yield self._keyline

    def on_mount(self) -> None:
        """The diff takes the keys."""
        self.view.focus()
        self._say()

    def on_resize(self, event: events.Resize) -> None:
        """The tree needs room."""
        self._show_tree(event.size.width)

    def _show_tree(self, width: int) -> None:
        wanted = width >= TREE_FROM if self._wants_tree is None else self._wants_tree
        self.tree_.display = wanted and len(self.view.diff.files) > 0
        self._say()

    def on_diff_view_loaded(self, message: DiffView.Loaded) -> None:
        """Say how big it is, show the files, and ask who else touches them."""
        message.stop()
        self._summary = message.summary
        self.tree_.show(self.view.diff.files)
        self._show_tree(self.size.width)
        self.tree_.choose(self.view.file)
        if self._also is not None and self.view.diff.files:
            self.run_worker(self._ask, thread=True, exclusive=True, group="also")

    def _ask(self) -> None:
        assert self._also is not None
        also = self._also()
        self.app.call_from_thread(self._mark, also)

    def _mark(self, also: Mapping[str, Sequence[WorldId]]) -> None:
        self.tree_.mark(also)
        self.view.mark(also)

    def on_diff_view_moved(self, message: DiffView.Moved) -> None:
        """Another file or hunk is read."""
        message.stop()
        self.tree_.choose(self.view.file)
        self._say()

    def on_diff_view_copied(self, message: DiffView.Copied) -> None:
        """Say that it was copied."""
        message.stop()
        many = f"{message.lines:,} line{'s' * (message.lines != 1)}"
        self.notify(f"The hunk is copied: {many}.", timeout=3, markup=False)

    def on_diff_tree_picked(self, message: DiffTree.Picked) -> None:
        """A click in the tree."""
        message.stop()
        self.view.go_to(message.path)

    def _say(self) -> None:
        """The title: whose it is, how big, and where we are."""
        view, width = self.view, max(0, self.size.width - 2)
        parts = [self._name_shown, self._summary]
        if len(view.diff.hunks) > 1:
            parts.append(f"change {view.current + 1:,} of {len(view.diff.hunks):,}")
        if view.file is not None and not self.tree_.display:
            parts.insert(1, visible(view.file.path))
            if cells(" · ".join(parts)) > width:
                del parts[1]
        if cells(" · ".join(parts)) > width:
            parts[0] = parts[0].removesuffix(f" {BASE}")
        said = Content.styled(fit(" · ".join(parts), width), "$ink-strong")
        self.query_one("#diff-title", Static).update(said)
        self._keyline.show(self._hints())

    def _hints(self) -> list[Hint]:
        view = self.view
        return [
            Hint("n N", "change", "view_action('hunk(1)')", rank=1),
            Hint("f b", "file", "view_action('file(1)')", rank=2),
            Hint(
                "v",
                "unified" if view.is_split else "side by side",
                "view_action('split')",
                short="unified" if view.is_split else "beside",
                rank=3,
            ),
            Hint("W", "cut lines" if view.is_wrapped else "wrap", "view_action('wrap')", rank=5),
            Hint("T", "no files" if self.tree_.display else "files", "tree", rank=6),
            Hint("y", "copy", "view_action('copy')", rank=4),
            Hint("space", "page", "view_action('page_down')", rank=7),
            Hint("r", "read again", "again", short="again", rank=0),
            Hint("esc", "back", "back"),
        ]

    def on_key_line_chosen(self, message: KeyLine.Chosen) -> None:
        """A click in the footer."""
        message.stop()
        if message.action:
            self.call_later(self.run_action, message.action)

    async def action_view_action(self, action: str) -> None:
        """An action of the diff, from the footer."""
        await self.view.run_action(action)

    def action_tree(self) -> None:
        """Show the files, or hide them."""
        self._wants_tree = not self.tree_.display
        self._show_tree(self.size.width)

    def action_back(self) -> None:
        """Close."""
        self.dismiss(None)

    def action_again(self) -> None:
        """Read the diff again: the world may have gone on."""
        self.view.load()
