"""What a page about one world is made from, and what it is written on: rows, or plain lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miyabi_tui.engine.state import RunState, WorldState
    from miyabi_tui.widgets.rows import Span


@dataclass(frozen=True)
class Facts:
    """What a page is made from."""

    run: RunState
    world: WorldState
    now: float


class Page(Protocol):
    """Takes what is written, one after another; what agents say in it is made harmless."""

    width: int

    def blank(self) -> None:
        """An empty row, unless there is one."""
        ...

    def heading(self, text: str, said: Sequence[Span] = ()) -> None:
        """What comes below, and something about it, after an empty row."""
        ...

    def row(self, left: Sequence[Span], right: Sequence[Span] = ()) -> None:
        """One row; the right part goes first where it does not fit."""
        ...

    def text(self, text: str, ink: str = "text", mark: Span = ("", "text")) -> None:
        """A text in as many rows as it takes, behind a mark."""
        ...

    def bar(self, share: float, ink: str, said: Sequence[Span]) -> None:
        """A bar as full as `share`, and what it says."""
        ...


def bar(share: float, length: int, ink: str) -> list[Span]:
    """━ for what there is, ╌ for what is missing; neither is rounded away."""
    full = round(length * max(0.0, min(1.0, share)))
    full = min(length - 1, full) if share < 1 else length
    full = max(1, full) if share > 0 else 0
    return [("━" * full, ink), ("╌" * (length - full), "faint")]
