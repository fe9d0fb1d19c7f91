"""The checkpoints of a world on a tab: the list, and the whole of what the chosen one did."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from miyabi_tui.engine.state import step_name
from miyabi_tui.widgets.checkpoint_list import CheckpointHead, CheckpointList
from miyabi_tui.widgets.keyline import Hint
from miyabi_tui.widgets.zoom_sheet import ZoomPage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from miyabi_tui.engine.events import Record
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.page import Facts, Page


class _List(CheckpointList):
    GROUND = "background"


class _Chosen(ZoomPage, can_focus=False):
    """What was done in the chosen step."""

    GROUND = "surface"

    def __init__(self, listing: CheckpointList, world: WorldId) -> None:
        super().__init__(world)
        self._listing = listing

    def write(self, page: Page, facts: Facts) -> None:
        """See `ZoomPage.write`."""
        chosen = self._listing.selected
        if chosen is None:
            why = "none was made" if facts.world.ended else "none yet: one is made after each step"
            page.text(why, "dim")
            return
        how = [("enter", "strong"), (" goes back to one, or forks", "dim")]
        page.row([(step_name(chosen.step), "strong"), (f"  {chosen.commit[:7]}", "faint")], how)
        page.text(chosen.doing or "no call was made", "text")


class ZoomCheckpoints(Widget, can_focus=True):
    """The tab Checkpoints; what is done with one is asked by the dialog of `r`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Newer", show=False),
        Binding("down", "move(1)", "Older", show=False),
        Binding("pageup", "pages(-1)", "A page newer", show=False),
        Binding("pagedown,space", "pages(1)", "A page older", show=False),
        Binding("g,home", "newest", "Newest", show=False),
        Binding("G,end", "oldest", "Oldest", show=False),
        Binding("enter", "screen.checkpoints", "What can be done with it", show=False),
    ]

    def __init__(self, world: WorldId) -> None:
        super().__init__()
        self.listing = _List(world)
        self._head = CheckpointHead(self.listing)
        self._chosen = _Chosen(self.listing, world)
        self._facts: Facts | None = None
        self._wish: int | None = None

    @property
    def target(self) -> Widget:
        """What takes the keys."""
        return self

    @property
    def step(self) -> int | None:
        """The step of the chosen checkpoint."""
        return self.listing.selected.step if self.listing.selected else None

    @property
    def place(self) -> int | None:
        """The chosen step; none where it is the newest, which the choice goes on with."""
        return None if self.listing.is_newest else self.step

    def restore(self, place: int | None) -> None:
        """Choose what was chosen."""
        self._wish = place

    def compose(self) -> ComposeResult:
        """The names of the columns, the list, the chosen one."""
        yield self._head
        yield self.listing
        yield self._chosen

    def show(self, facts: Facts) -> None:
        """Show another state."""
        self._facts = facts
        if self.listing.is_attached:
            self.listing.show(facts.world, facts.now)
            if self._wish is not None:
                self.listing.select_step(self._wish)
                self._wish = None
            self._head.remake()
            self._chosen.show(facts)

    def on_mount(self) -> None:
        """Show what there is."""
        if self._facts is not None:
            self.call_after_refresh(self.show, self._facts)

    def feed(self, records: Sequence[Record]) -> None:
        """The state has them all."""

    def hints(self) -> list[Hint]:
        """The keys that mean something here."""
        return [Hint("↑↓", "choose", "", rank=8)] if self.listing.selected else []

    def _moved(self) -> None:
        self._chosen.remake()

    def action_move(self, rows: int) -> None:
        """Choose another."""
        self.listing.move(rows)
        self._moved()

    def action_pages(self, pages: int) -> None:
        """Choose one a page further."""
        self.action_move(pages * max(1, self.listing.size.height - 1))

    def action_newest(self) -> None:
        """Choose the newest."""
        self.listing.select(0)
        self._moved()

    def action_oldest(self) -> None:
        """Choose the oldest."""
        self.listing.select_end()
        self._moved()

    def on_checkpoint_list_picked(self, message: CheckpointList.Picked) -> None:
        """A click in the list."""
        message.stop()
        self.focus()
        self._moved()
