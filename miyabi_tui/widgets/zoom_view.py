"""A zoomed world below its head: the tabs, and what the present one shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.widget import Widget

from miyabi_tui.widgets.stream_window import StreamTeller
from miyabi_tui.widgets.zoom_search import ZoomStream
from miyabi_tui.widgets.zoom_tabs import Tab, ZoomTabs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

    from miyabi_tui.engine.events import Record
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.keyline import Hint
    from miyabi_tui.widgets.page import Facts
    from miyabi_tui.widgets.stream_window import Past


@dataclass(frozen=True)
class Sources:
    """Where the tabs read what the state has not: each blocks, and is asked in a thread."""

    past: Past
    log: Past
    diff: Callable[[], str]


class ZoomView(Widget):
    """Makes what a tab shows when it is first opened, and feeds all that were."""

    def __init__(
        self,
        world: WorldId,
        sources: Sources,
        tab: Tab = Tab.STREAM,
        places: dict[Tab, Any] | None = None,
    ) -> None:
        super().__init__()
        self.world = world
        self.tab = tab
        self._places = {} if places is None else places
        self._sources = sources
        self._tabs = ZoomTabs(world)
        self._bodies: dict[Tab, Any] = {}
        self._facts: Facts | None = None
        self._first = self._made(tab)

    @property
    def body(self) -> Any:
        """What the present tab shows."""
        return self._bodies[self.tab]

    def compose(self) -> ComposeResult:
        """The tabs, and the first body."""
        yield self._tabs
        yield self._first

    def on_mount(self) -> None:
        """The body takes the keys."""
        self.open(self.tab)

    def open(self, tab: Tab) -> None:
        """Open a tab."""
        self.tab = tab
        new = tab not in self._bodies
        if new:
            self.mount(self._made(tab))
        for one, body in self._bodies.items():
            body.display = one is tab
        self._tabs.show(tab, self._facts)
        if self._facts is not None:
            self.body.show(self._facts)
        self.take_keys()
        if new:  # a widget can take the focus once it is there
            self.call_after_refresh(self.take_keys)

    @property
    def searched(self) -> ZoomStream | None:
        """Where it is typed now what to search for."""
        return self.body if isinstance(self.body, ZoomStream) and self.body.typing else None

    def search(self, typed: str = "") -> None:
        """Ask what to search for; in the stream, where the present tab has no search."""
        if not isinstance(self.body, ZoomStream):
            self.open(Tab.STREAM)
        self.body.ask(typed)

    def take_keys(self) -> None:
        """Give the keys to what the present tab shows, unless this is left before it was there."""
        there = self.is_attached and self.display  # what is being removed is not displayed
        if there and not self.searched and self.screen.focused is not self.body.target:
            self.screen.set_focus(self.body.target)

    def turn(self, steps: int) -> None:
        """Open the tab so many places on."""
        tabs = list(Tab)
        self.open(tabs[(tabs.index(self.tab) + steps) % len(tabs)])

    def show(self, facts: Facts) -> None:
        """Show another state."""
        self._facts = facts
        self._tabs.show(self.tab, facts)
        self.body.show(facts)

    def feed(self, records: Sequence[Record]) -> None:
        """What happened, for what was opened once."""
        for body in self._bodies.values():
            body.feed(records)

    def keep_places(self) -> None:
        """Remember where each tab is read, before it goes: the next view begins there."""
        self._places |= {tab: body.place for tab, body in self._bodies.items()}

    def hints(self) -> list[Hint]:
        """The keys that mean something on the present tab."""
        made: list[Hint] = self.body.hints()
        return made

    def on_zoom_tabs_chosen(self, message: ZoomTabs.Chosen) -> None:
        """A click on a tab."""
        message.stop()
        self.open(message.tab)

    def _made(self, tab: Tab) -> Any:
        body = self._make(tab)
        if tab in self._places:
            body.restore(self._places[tab])
        self._bodies[tab] = body
        return body

    def _make(self, tab: Tab) -> Any:
        world, sources = self.world, self._sources
        if tab is Tab.STREAM:
            return ZoomStream(world, sources.past, StreamTeller)
        if tab is Tab.LOG:
            from miyabi_tui.widgets.zoom_log import LogTeller

            return ZoomStream(world, sources.log, LogTeller, streams=False)
        if tab is Tab.DIFF:
            from miyabi_tui.widgets.zoom_diff import ZoomDiff

            return ZoomDiff(sources.diff)
        if tab is Tab.COST:
            from miyabi_tui.widgets.zoom_cost import ZoomCost

            return ZoomCost(world, sources.log)
        if tab is Tab.CHECKPOINTS:
            from miyabi_tui.widgets.zoom_checkpoints import ZoomCheckpoints

            return ZoomCheckpoints(world)
        if tab is Tab.SCORE:
            from miyabi_tui.widgets.zoom_score import ZoomScore

            return ZoomScore(world)
        from miyabi_tui.widgets.zoom_tests import ZoomTests

        return ZoomTests(world)
