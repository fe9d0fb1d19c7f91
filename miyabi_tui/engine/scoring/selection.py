"""The choice by evidence: the highest eligible score; ties by fewer changed lines, lower cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine.state import WorldState, rank_key

if TYPE_CHECKING:
    from collections.abc import Iterable


def best(worlds: Iterable[WorldState]) -> WorldState | None:
    """The world that the evidence chooses, or None when none is eligible."""
    eligible = [world for world in worlds if world.eligible]
    return min(eligible, key=rank_key, default=None)


def why(winner: WorldState, worlds: Iterable[WorldState]) -> str:
    """In one line, why `winner` stands above the next eligible world."""
    others = sorted((w for w in worlds if w.eligible and w.id is not winner.id), key=rank_key)
    assert winner.score is not None
    total = f"{winner.score.total:g} of 100"
    if not others:
        return f"{total}, the only eligible world"
    second = others[0]
    assert second.score is not None
    if second.score.total < winner.score.total:
        return f"{total}, ahead of {second.id} with {second.score.total:g}"
    if second.changed_lines > winner.changed_lines:
        return (
            f"{total} like {second.id}, with fewer changed lines "
            f"({winner.changed_lines} against {second.changed_lines})"
        )
    if second.cost_usd > winner.cost_usd:
        return f"{total} like {second.id}, at the lower cost"
    return f"{total}, level with {second.id} in score, size and cost"
