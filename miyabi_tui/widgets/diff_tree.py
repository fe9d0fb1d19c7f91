"""The files of a diff by folder, with their counts, and who else touches them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.geometry import Region, Size
from textual.message import Message

from miyabi_tui.widgets.diff_text import counts
from miyabi_tui.widgets.palette import Inks, inks
from miyabi_tui.widgets.ready_scroll import ReadyScroll
from miyabi_tui.widgets.rows import row, strip_of
from miyabi_tui.widgets.visible import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual import events
    from textual.strip import Strip

    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.diff_text import FileDiff
    from miyabi_tui.widgets.rows import Span

SHARED = "≡"
_SIGNS = {
    "new file": ("+", "added"),
    "deleted": ("−", "deleted"),
    "renamed": ("→", "warn"),
    "copied": ("→", "warn"),
}


@dataclass(frozen=True)
class _Row:
    """A folder, or a file in one."""

    name: str
    file: FileDiff | None = None
    deep: bool = False


class DiffTree(ReadyScroll, can_focus=False):
    """Follows the file that is read; a click goes to another."""

    class Picked(Message):
        """A file was clicked."""

        def __init__(self, tree: DiffTree, path: str) -> None:
            super().__init__()
            self.tree = tree
            self.path = path

        @property
        def control(self) -> DiffTree:
            """The tree."""
            return self.tree

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[_Row] = []
        self._also: Mapping[str, Sequence[WorldId]] = {}
        self._chosen: FileDiff | None = None

    @property
    def ink(self) -> Inks:
        """The inks of the tree in the present theme."""
        return inks(self, "surface")

    def show(self, files: Sequence[FileDiff]) -> None:
        """Show these files."""
        self._rows = list(_by_folder(files))
        self.virtual_size = Size(1, max(1, len(self._rows)))
        self.refresh()

    def mark(self, also: Mapping[str, Sequence[WorldId]]) -> None:
        """Say at each file which other worlds touch it."""
        self._also = also
        self.refresh()

    def choose(self, file: FileDiff | None) -> None:
        """Mark the file that is read, and bring it in sight."""
        if file is self._chosen:
            return
        self._chosen = file
        at = next((n for n, one in enumerate(self._rows) if one.file and one.file is file), None)
        if at is not None:
            self.scroll_to_region(Region(0, at, 1, 1), animate=False, x_axis=False, force=True)
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """A click goes to the file."""
        event.stop()
        at = self.scroll_offset.y + event.y
        if at < len(self._rows) and (file := self._rows[at].file) is not None:
            self.post_message(self.Picked(self, file.path))

    def render_line(self, y: int) -> Strip:
        """One row."""
        width, ink = self.columns, self.ink
        at = self.scroll_offset.y + y
        if at >= len(self._rows):
            return strip_of((), width, ink)
        one = self._rows[at]
        if one.file is None:
            return strip_of([(f" {visible(one.name)}", "dim")], width, ink)
        file, chosen = one.file, one.file is self._chosen
        sign, sign_ink = _SIGNS.get(file.how, (" ", "text"))
        name = visible(one.name)
        left: list[Span] = [
            ("▸ " if chosen else "  ", "accent"),
            (f"{sign} " if sign.strip() else "", sign_ink),
            (name, "strong" if chosen else "text"),
        ]
        right: list[Span] = []
        if others := self._also.get(file.path):
            right.append((f"{SHARED}{''.join(one.key for one in others)} ", "warn"))
        if file.binary:
            right.append(("binary", "faint"))
        else:
            right += counts(file)
        return row(width, left, right, ink, keep=10, margin=1 if one.deep else 0)


def _by_folder(files: Sequence[FileDiff]) -> list[_Row]:
    """A row for each folder that has changed files, and below it these."""
    rows: list[_Row] = []
    last = ""
    for file in files:
        folder, slash, name = file.path.rpartition("/")
        if folder != last and slash:
            rows.append(_Row(f"{folder}/"))
        last = folder
        rows.append(_Row(name, file, deep=bool(slash)))
    return rows
