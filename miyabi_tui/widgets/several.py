"""A few options in a row, any of them chosen: arrows move, space and clicks switch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from miyabi_tui.widgets.rows import ReadyRows, Span, strip_of
from miyabi_tui.widgets.wrap import cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.strip import Strip

GAP = 2


class Several(ReadyRows, can_focus=True):
    """One row; where the names have no room, their first letters."""

    GROUND = "panel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1)", "Previous", show=False),
        Binding("right,l", "move(1)", "Next", show=False),
        Binding("space,x", "switch", "Switch", show=False),
    ]

    class Changed(Message):
        """An option was switched."""

        def __init__(self, several: Several) -> None:
            super().__init__()
            self.several = several

        @property
        def control(self) -> Several:
            """The row of options."""
            return self.several

    def __init__(self, options: Sequence[str], *, id: str) -> None:
        super().__init__(id=id)
        self._options = tuple(options)
        self._on = [True] * len(self._options)
        self._at = 0
        self._targets: list[tuple[range, int]] = []

    @property
    def chosen(self) -> tuple[str, ...]:
        """The options that are on."""
        return tuple(one for one, on in zip(self._options, self._on, strict=True) if on)

    def make(self, width: int, height: int) -> list[Strip]:
        """The options with their marks."""
        room = sum(cells(one) + 2 + GAP for one in self._options) - GAP
        names = self._options if room <= width else tuple(one[:3] for one in self._options)
        spans: list[Span] = []
        self._targets, x = [], 0
        for index, (name, on) in enumerate(zip(names, self._on, strict=True)):
            text = f"{'●' if on else '○'} {name}"
            ink = "strong" if on else "dim"
            here = self.has_focus and index == self._at
            spans += [(text, "band" if here else ink), (" " * GAP, "text")]
            self._targets.append((range(x, x + cells(text)), index))
            x += cells(text) + GAP
        return [strip_of(spans, width, self.ink)]

    def action_move(self, steps: int) -> None:
        """Go to another option."""
        self._at = (self._at + steps) % len(self._options)
        self.remake()

    def action_switch(self) -> None:
        """Switch the option under the keys."""
        self._on[self._at] = not self._on[self._at]
        self.remake()
        self.post_message(self.Changed(self))

    def on_click(self, event: events.Click) -> None:
        """A click on an option switches it."""
        event.stop()
        for cells_, index in self._targets:
            if event.x in cells_:
                self._at = index
                self.action_switch()
                return

    def on_focus(self, event: events.Focus) -> None:
        """The option under the keys shows where they go."""
        self.remake()

    def on_blur(self, event: events.Blur) -> None:
        """The keys go elsewhere."""
        self.remake()
