"""Where a stream is read and how its calls are folded: outlives the widget that shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miyabi_tui.widgets.stream_blocks import Block, Fold
    from miyabi_tui.widgets.stream_sheet import Anchor

MOST_FOLDS = 1_000  # the newest wishes are kept


class Mark(NamedTuple):
    """A row by the record that began its block, so that it is found in blocks made anew."""

    seq: int
    nth: int  # of the blocks that this record began
    line: int
    start: int
    at: int


@dataclass
class Place:
    """The row at the top, none while it follows; whether calls are folded, all and each."""

    top: Mark | None = None
    folded: bool = False
    folds: dict[int, Fold | None] = field(default_factory=dict)

    def fold(self, block: Block) -> None:
        """Remember how a call is folded."""
        self.folds.pop(block.seq, None)
        self.folds[block.seq] = block.fold
        if len(self.folds) > MOST_FOLDS:
            del self.folds[next(iter(self.folds))]

    def fold_all(self, folded: bool) -> None:
        """All of them from now on; forgets what was wished of each."""
        self.folded = folded
        self.folds.clear()

    def apply(self, blocks: Sequence[Block]) -> None:
        """Fold as it was wished."""
        if self.folds:
            for block in blocks:
                if block.folds and block.seq in self.folds:
                    block.fold = self.folds[block.seq]


def mark_of(anchor: Anchor, blocks: Sequence[Block]) -> Mark | None:
    """The row that an anchor means."""
    block, line, start, at = anchor
    if block is None:
        return None
    same = [one for one in blocks if one.seq == block.seq]
    return Mark(block.seq, same.index(block), line, start, at)


def anchor_of(mark: Mark, blocks: Sequence[Block]) -> Anchor:
    """Where that row is in these blocks: itself, or what stands before it."""
    same = [one for one in blocks if one.seq == mark.seq]
    if mark.nth < len(same):
        return same[mark.nth], *mark[2:]
    before = [one for one in blocks if one.seq <= mark.seq]
    return (before[-1] if before else None), 0, 0, 0
