"""A few options in a row, one of them chosen: arrows, space and clicks choose."""

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

    from miyabi_tui.engine.worlds import WorldId

GAP = 2


class Choices(ReadyRows, can_focus=True):
    """One row; where not all options fit, the chosen one between arrows."""

    GROUND = "panel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "turn(-1)", "Previous", show=False),
        Binding("right,l,space", "turn(1)", "Next", show=False),
    ]

    class Changed(Message):
        """Another option is chosen."""

        def __init__(self, choices: Choices) -> None:
            super().__init__()
            self.choices = choices

        @property
        def control(self) -> Choices:
            """The row of options."""
            return self.choices

    def __init__(
        self, options: Sequence[str], chosen: int = 0, *, world: WorldId | None = None, id: str
    ) -> None:
        super().__init__(world, id=id)
        self._options = tuple(options)
        self.chosen = chosen
        self._targets: list[tuple[range, int]] = []

    def make(self, width: int, height: int) -> list[Strip]:
        """The options with their marks."""
        texts = [f"{'●' if index == self.chosen else '○'} {one}" for index, one in self._numbered]
        on = "band" if self.has_focus else "strong"
        self._targets = []
        if sum(map(cells, texts)) + GAP * (len(texts) - 1) > width:
            self._targets = [(range(width), self._after(1))]
            text = f"‹ {self._options[self.chosen]} ›"
            return [strip_of([(text, on)], width, self.ink)]
        spans: list[Span] = []
        x = 0
        for (index, _), text in zip(self._numbered, texts, strict=True):
            spans += [(text, on if index == self.chosen else "dim"), (" " * GAP, "text")]
            self._targets.append((range(x, x + cells(text)), index))
            x += cells(text) + GAP
        return [strip_of(spans, width, self.ink)]

    @property
    def _numbered(self) -> list[tuple[int, str]]:
        return list(enumerate(self._options))

    def _after(self, steps: int) -> int:
        return (self.chosen + steps) % len(self._options)

    def choose(self, index: int) -> None:
        """Choose an option."""
        if index != self.chosen:
            self.chosen = index
            self.post_message(self.Changed(self))
        self.remake()

    def action_turn(self, steps: int) -> None:
        """Choose the option so many places on."""
        self.choose(self._after(steps))

    def on_click(self, event: events.Click) -> None:
        """A click on an option chooses it."""
        event.stop()
        for cells_, index in self._targets:
            if event.x in cells_:
                self.choose(index)
                return

    def on_focus(self, event: events.Focus) -> None:
        """The chosen option shows where the keys go."""
        self.remake()

    def on_blur(self, event: events.Blur) -> None:
        """The keys go elsewhere."""
        self.remake()
