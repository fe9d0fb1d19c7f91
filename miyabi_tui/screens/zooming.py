"""Reading one world on the whole board: which one, on which tab, from where its past is read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from miyabi_tui.engine.events import FallbackTried, RunResumed
from miyabi_tui.screens.race_base import NO_WORLD, RaceBase
from miyabi_tui.widgets.keyline import Hint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from textual.events import Key

    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.events import Record
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.stream_reader import StreamReader
    from miyabi_tui.widgets.zoom_tabs import Tab
    from miyabi_tui.widgets.zoom_view import ZoomView

# what goes first where the footer has no room: here are other keys than on the board
RANKS = {"zoom": 1, "pick": 5, "checkpoints": 5, "tell_all": 9}


class Zooming(RaceBase):
    """The focused world in full, fed by the race; another tab or world is a key away."""

    def __init__(self, control: Control, clock: Callable[[], float]) -> None:
        super().__init__(control, clock)
        self._zoomed: ZoomView | None = None
        self._tab: Tab | None = None
        self._places: dict[WorldId, dict[Tab, Any]] = {}  # where each tab was left

    def action_zoom(self) -> None:
        """Read the focused world, or go back to the board."""
        if self.board.zoomed:
            self.action_unzoom()
        else:
            self.action_zoom_in()

    def action_zoom_in(self) -> None:
        """Read the focused world."""
        if self.world is None:
            self.say(NO_WORLD)
            return
        if not self.board.zoomed:
            self.board.zoom(True)
            self.show_again()

    def action_unzoom(self) -> None:
        """Go back to the board."""
        self.board.zoom(False)
        self.show_again()

    def action_tab(self, steps: int) -> None:
        """Open the tab so many places on; on the board, the first key zooms."""
        if self._zoomed is None:
            self.action_zoom_in()
            return
        self._zoomed.turn(steps)
        self.show_again()

    def action_search(self) -> None:
        """Search in what the focused world has done; from the board, that is read then."""
        if self.world is None:
            self.say(NO_WORLD)
            return
        if self._zoomed is None:
            from miyabi_tui.widgets.zoom_tabs import Tab

            self._tab = Tab.STREAM
            self.action_zoom_in()
        if self._zoomed is not None:
            self._zoomed.search()
            self.show_again()

    def takes(self, key: Key) -> bool:
        """Whether a key that is on its way to the race belongs to a search; then it is taken."""
        searched = self._zoomed.searched if self._zoomed is not None else None
        return searched is not None and searched.take(key)

    @property
    def chosen_step(self) -> int | None:
        """The step of the checkpoint that is chosen on its tab, if that is what is read."""
        from miyabi_tui.widgets.zoom_checkpoints import ZoomCheckpoints

        body = self._zoomed.body if self._zoomed is not None else None
        return body.step if isinstance(body, ZoomCheckpoints) else None

    async def action_read(self, action: str) -> None:
        """Do what a key of the present tab does."""
        if self._zoomed is not None:
            await self.app.run_action(action, self._zoomed.body.target)
            self.show_again()

    def show_zoomed(self, streams: Mapping[WorldId, Sequence[Record]]) -> None:
        """Show the present state to what is read, after the board was shown it."""
        world = self.world
        wanted = world.id if self.board.zoomed and world is not None else None
        if (self._zoomed.world if self._zoomed else None) is not wanted:
            self._change(wanted)
        if self._zoomed is not None and world is not None:
            from miyabi_tui.widgets.page import Facts

            self._tab = self._zoomed.tab
            self._zoomed.show(Facts(self.run_state, world, self._clock()))
            self._zoomed.feed(streams.get(world.id, ()))

    def zoom_hints(self, hints: list[Hint]) -> list[Hint]:
        """The footer: first what asks for the person, then the keys of the tab, then the race's."""
        if self._zoomed is None:
            return hints
        own = [Hint(", .", "tab", "tab(1)", rank=2), *self._zoomed.hints()]
        urgent = sum(hint.urgent for hint in hints)
        races = [replace(one, rank=RANKS.get(one.action, one.rank)) for one in hints[urgent:]]
        return [*hints[:urgent], *own, *(one for one in races if one.action != "diff")]

    def on_stream_reader_searching(self, message: StreamReader.Searching) -> None:
        """Other keys mean something while there is a search."""
        message.stop()
        if message.ended or message.reader.found.query:
            self.show_again()

    def _change(self, wanted: WorldId | None) -> None:
        if self._zoomed is not None:
            self._tab = self._zoomed.tab
            self._zoomed.keep_places()
            pane = self.board.pane(self._zoomed.world)
            pane.read(None)
            self._zoomed = None
            if wanted is None:
                self.set_focus(pane)
        if wanted is not None:
            self._zoomed = self._made(wanted)
            self.board.pane(wanted).read(self._zoomed)

    def read_the_newest(self) -> None:
        """Forget where streams were read, not how calls are folded: another moment is shown."""
        from miyabi_tui.widgets.stream_place import Place

        for places in self._places.values():
            for place in places.values():
                if isinstance(place, Place):
                    place.top = None

    def _made(self, world: WorldId) -> ZoomView:
        from miyabi_tui.widgets.zoom_tabs import Tab
        from miyabi_tui.widgets.zoom_view import Sources, ZoomView

        control = self._control
        sources = Sources(
            past=partial(past, control, world, True),
            log=partial(past, control, world, False),
            diff=lambda: control.diff(world) if self.run_state.world(world).worktree_ready else "",
        )
        places = self._places.setdefault(world, {})
        return ZoomView(world, sources, self._tab or Tab.STREAM, places)


def past(
    control: Control,
    world: WorldId,
    streams: bool,
    *,
    after: int = 0,
    before: int | None = None,
    newest: int | None = None,
) -> list[Record]:
    """What the journal has of a world, and what befell it with the whole run, in order."""
    found = control.records(world=world, after=after, before=before, streams=streams, newest=newest)
    if not found:
        return found
    first = found[0].seq if newest is not None and len(found) == newest else after + 1
    last = found[-1].seq + 1 if before is None else before
    whole = control.records(after=first - 1, before=last, streams=False)
    run_wide = [one for one in whole if _concerns(one, world)]
    return sorted([*found, *run_wide], key=lambda one: one.seq) if run_wide else found


def _concerns(record: Record, world: WorldId) -> bool:
    return isinstance(record.event, RunResumed | FallbackTried) and world in record.event.worlds
