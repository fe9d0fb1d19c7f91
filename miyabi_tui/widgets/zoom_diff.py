"""The diff of a world on a tab: the keys of the race stay the race's."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from miyabi_tui.widgets.diff_view import DiffView
from miyabi_tui.widgets.keyline import Hint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.widget import Widget

    from miyabi_tui.engine.events import Record
    from miyabi_tui.widgets.page import Facts

OF_THE_RACE = frozenset("j k l h b".split())


def _own(bindings: Sequence[BindingType]) -> list[BindingType]:
    """Those of the view whose keys mean nothing else in the race."""
    return [
        one
        for one in bindings
        if isinstance(one, Binding) and not OF_THE_RACE & set(one.key.split(","))
    ]


class ZoomDiff(DiffView, inherit_bindings=False):
    """The tab Diff; it is read anew when a step has changed something."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *_own(DiffView.BINDINGS),
        Binding("F", "file(-1)", "Previous file", show=False),
        Binding("up", "scroll_up", "Up", show=False),
        Binding("down", "scroll_down", "Down", show=False),
        Binding("shift+left", "scroll_left", "Left", show=False),
        Binding("shift+right", "scroll_right", "Right", show=False),
        Binding("pageup", "page_up", "A page up", show=False),
        Binding("pagedown", "page_down", "A page down", show=False),
        Binding("home", "scroll_home", "To the beginning", show=False),
        Binding("end", "scroll_end", "To the end", show=False),
    ]
    _read_at: tuple[object, ...] | None = None
    _wish = 0

    @property
    def target(self) -> Widget:
        """What takes the keys."""
        return self

    @property
    def place(self) -> tuple[bool | None, bool, int]:
        """How it is laid out, and the row at the top."""
        return self._split, self._wrap, self._wish or self.scroll_offset.y

    def restore(self, place: tuple[bool | None, bool, int]) -> None:
        """Be where it was left, once it is read."""
        self._split, self._wrap, self._wish = place

    def _arrive(self) -> None:
        """Go to where it was left, as soon as there is a diff and a width."""
        super()._arrive()
        if self._wish and self._sheet is not None and len(self._sheet.rows):
            y, self._wish = self._wish, 0
            self.scroll_to(y=y, animate=False, force=True)

    def show(self, facts: Facts) -> None:
        """Read it again where the world has changed it since."""
        world = facts.world
        size = (world.lines_added, world.lines_deleted, world.files_changed)
        now = (*size, world.commit, len(world.checkpoints), world.worktree_ready)
        if self._read_at is not None and now != self._read_at:
            self.load()
        self._read_at = now

    def feed(self, records: Sequence[Record]) -> None:
        """The state says when there is something new."""

    def hints(self) -> list[Hint]:
        """The keys that mean something here."""
        return [
            Hint("n N", "change", "read('hunk(1)')", rank=8),
            Hint("f", "file", "read('file(1)')", rank=8),
            Hint("v", "side by side", "read('split')", short="split", rank=8),
        ]
