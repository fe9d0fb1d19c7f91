"""The footer: the keys that do something now, each also a mouse target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from textual.message import Message

from miyabi_tui.widgets.rows import ReadyRows, Span, strip_of
from miyabi_tui.widgets.wrap import cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.strip import Strip

LAST = 2
GAP = 2


class Hint(msgspec.Struct, frozen=True):
    """A key, what it does now, and the action behind it; `short` where there is little room.

    Of those that do not fit, the highest `rank` goes first.
    """

    key: str
    label: str
    action: str
    urgent: bool = False
    short: str = ""
    rank: int = 0


MORE = Hint("…", "", "")  # some had no room: the help has them all


class KeyLine(ReadyRows):
    """One row of hints; where there is no room for all, the last two stay, and a sign says so."""

    class Chosen(Message):
        """A hint was clicked."""

        def __init__(self, keyline: KeyLine, action: str) -> None:
            super().__init__()
            self.keyline = keyline
            self.action = action

        @property
        def control(self) -> KeyLine:
            """The footer."""
            return self.keyline

    def __init__(self, hints: Sequence[Hint] = ()) -> None:
        super().__init__(id="keyline")
        self._hints = tuple(hints)
        self._targets: list[tuple[range, str]] = []

    def show(self, hints: Sequence[Hint]) -> None:
        """Show other hints."""
        if tuple(hints) != self._hints:
            self._hints = tuple(hints)
            self.remake()

    def make(self, width: int, height: int) -> list[Strip]:
        """The hints that fit."""
        shown = list(self._hints)
        room = width - 1 + GAP  # after the last one there is none
        if sum(map(_width, shown)) > room:
            shown = [replace(hint, label=hint.short or hint.label) for hint in shown]
        if len(shown) > LAST and sum(map(_width, shown)) > room:
            while len(shown) > LAST and sum(map(_width, shown)) + _width(MORE) > room:
                del shown[max(range(len(shown) - LAST), key=lambda at: (shown[at].rank, at))]
            shown.insert(len(shown) - LAST, MORE)
        spans: list[Span] = [(" ", "text")]
        self._targets = []
        x = 1
        for hint in shown:
            self._targets.append((range(x, x + _width(hint) - GAP), hint.action))
            spans += [(hint.key, "warn" if hint.urgent else "strong")]
            said = f" {hint.label}" if hint.label else ""
            spans += [(said, "warn" if hint.urgent else "dim"), (" " * GAP, "text")]
            x += _width(hint)
        return [strip_of(spans[:-1] if shown else spans, width, self.ink)]

    def on_click(self, event: events.Click) -> None:
        """A click on a hint is its key."""
        for cells_, action in self._targets:
            if event.x in cells_ and action:
                event.stop()
                self.post_message(self.Chosen(self, action))


def _width(hint: Hint) -> int:
    return cells(hint.key) + (cells(hint.label) + 1 if hint.label else 0) + GAP
