"""A world's pane: edge, head, live stream, foot. Collapsed, it is its head alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Offset, Region, Size, Spacing
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.message import Message
from textual.widget import Widget

from miyabi_tui.widgets.narrator import Narrator
from miyabi_tui.widgets.pane_foot import PaneFoot, foot_height
from miyabi_tui.widgets.pane_head import COLLAPSED, PaneEdge, PaneHead, head_height
from miyabi_tui.widgets.stream import StreamView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

    from miyabi_tui.engine.events import Record
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.sparkline import Trail
    from miyabi_tui.widgets.words import PaneView
    from miyabi_tui.widgets.zoom_view import ZoomView

LOW = 18  # rows below which there is no foot while the world is read


class PaneLayout(Layout):
    """Edge on the left; head, stream and foot below each other, by the size alone."""

    name = "pane"

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        """Where the four parts go."""
        assert isinstance(parent, WorldPane)
        width = max(0, size.width - 1)
        places: list[tuple[Widget, Region]] = [(parent.edge, Region(0, 0, 1, size.height))]
        parent.head.collapse(size.height <= COLLAPSED)
        if parent.head.collapsed:
            places.append((parent.head, Region(1, 0, width, size.height)))
        else:
            head = min(head_height(width), size.height)
            foot = min(foot_height(width, size.height, parent.view), max(0, size.height - head - 1))
            if parent.reading is not None and size.height < LOW:
                foot = 0  # the tabs say what it says
            places += [
                (parent.head, Region(1, 0, width, head)),
                (parent.middle, Region(1, head, width, max(0, size.height - head - foot))),
                (parent.foot, Region(1, size.height - foot, width, foot)),
            ]
        return [WidgetPlacement(region, Offset(), Spacing(), widget) for widget, region in places]


class WorldPane(Widget, can_focus=True):
    """One world on the board."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "back(1)", "Scroll back", show=False),
        Binding("down", "on(1)", "Scroll on", show=False),
        Binding("pageup", "back_page", "A page back", show=False),
        Binding("pagedown", "on_page", "A page on", show=False),
        Binding("home", "start", "Oldest line", show=False),
        Binding("end", "end", "Newest line, follow", show=False),
    ]

    class Focused(Message):
        """The person turned to this pane."""

        def __init__(self, pane: WorldPane) -> None:
            super().__init__()
            self.pane = pane

        @property
        def control(self) -> WorldPane:
            """The pane."""
            return self.pane

    class Asked(Message):
        """The person clicked on what this pane asks."""

        def __init__(self, pane: WorldPane) -> None:
            super().__init__()
            self.pane = pane

        @property
        def control(self) -> WorldPane:
            """The pane."""
            return self.pane

    def __init__(self, world: WorldId) -> None:
        super().__init__(id=f"pane-{world.lower()}")
        self.world = world
        self.view: PaneView | None = None
        self.edge = PaneEdge(world)
        self.head = PaneHead(world)
        self.stream = StreamView(world)
        self.foot = PaneFoot(world)
        self.reading: ZoomView | None = None
        self._narrator = Narrator(self.stream.text)
        self._arranged = PaneLayout()

    @property
    def layout(self) -> Layout:
        """Our own layout; style sheets can only name Textual's."""
        return self._arranged

    @property
    def middle(self) -> Widget:
        """What is between head and foot: the stream, or what is read of the world instead."""
        return self.reading or self.stream

    def read(self, view: ZoomView | None) -> None:
        """Show this in place of the stream, or the stream again."""
        if self.reading is not None:
            self.reading.remove()
        self.reading = view
        if view is not None:
            self.mount(view)
        else:
            self.stream.refresh(layout=True)

    def allow_focus(self) -> bool:
        """One that was put away gets no keys; Textual offers it those of a closed dialog."""
        return super().allow_focus() and bool(self.display)

    def compose(self) -> ComposeResult:
        """Edge, head, stream, foot."""
        yield self.edge
        yield self.head
        yield self.stream
        yield self.foot

    def show(self, view: PaneView) -> None:
        """Show another state of the world."""
        if view == self.view:
            return
        old, self.view = self.view, view
        self.foot.trail.take(view.world.gauge)
        self.head.view = self.foot.view = view
        if not self.stream.lean or self.edge.view is None:  # its rows are many for a slow line
            self.edge.view = view
        if old is None or (old.world.score is None) is not (view.world.score is None):
            self.head.refresh(layout=True)
        edged = old is None or (old.focused, old.asked) != (view.focused, view.asked)
        if edged:
            self.edge.remake()
        self.head.remake()
        self.foot.remake()

    def be_lean(self, lean: bool) -> None:
        """Let the stream stand still but for its newest line, or let it go on."""
        if lean is not self.stream.lean:
            self.stream.lean = lean
            if not lean:
                self.edge.view = self.view
                self.edge.remake()
                self.stream.refresh()

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> WorldPane:
        """Nothing is painted but its parts, which see to that: not all of them at each focus."""
        if layout or recompose or not self.is_attached:
            super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
        return self

    def begin_anew(self, trail: Trail) -> None:
        """Nothing was told yet: the run is looked at from another moment."""
        self.stream.begin_anew()
        self._narrator = Narrator(self.stream.text)
        self.foot.trail = trail

    def feed(self, records: Sequence[Record]) -> None:
        """Add what happened to the stream."""
        if not records:
            return
        self._narrator.tell(records)
        if not self.stream.lean:
            self.stream.flush()
        if self.view is not None and self.view.world.ended:
            self.stream.settle()

    def on_focus(self, event: events.Focus) -> None:
        """Tell the board who is looked at."""
        self.post_message(self.Focused(self))
        if self.reading is not None:
            self.reading.take_keys()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """A click on the head of a pane that asks is its answer key, wherever it moves to then."""
        if self.view is not None and self.view.asked is not None and event.widget is self.head:
            event.stop()
            self.post_message(self.Asked(self))

    def action_back(self, rows: int) -> None:
        """Scroll the stream back."""
        self.stream.scroll_rows(-rows)

    def action_on(self, rows: int) -> None:
        """Scroll the stream on."""
        self.stream.scroll_rows(rows)

    def action_back_page(self) -> None:
        """Scroll the stream back by a page."""
        self.stream.scroll_rows(1 - max(2, self.stream.size.height))

    def action_on_page(self) -> None:
        """Scroll the stream on by a page."""
        self.stream.scroll_rows(max(2, self.stream.size.height) - 1)

    def action_start(self) -> None:
        """Go to the oldest kept line."""
        self.stream.scroll_to_start()

    def action_end(self) -> None:
        """Go to the newest line and follow."""
        self.stream.scroll_to_end()
