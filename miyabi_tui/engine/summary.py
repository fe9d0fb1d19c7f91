"""A run in words: its winner's commit message, its table, the last line of its output."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

from miyabi_tui.engine.scoring.score import Part

if TYPE_CHECKING:
    from miyabi_tui.engine.state import RunState, WorldState


_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """Text of an agent for a terminal or a commit: without escape codes and other controls."""
    return _CONTROL.sub("", text.replace("\t", "    "))


def commit_message(run: RunState) -> str:
    """The message of the squashed commit: the issue, the winner, all scores, the choice."""
    assert run.winner is not None
    winner = run.world(run.winner)
    number = f" (#{run.issue.number})" if run.issue.number is not None else ""
    parts = [plain(f"{run.issue.title}{number}")]
    if winner.summary:
        parts.append(textwrap.fill(plain(winner.summary), 72))
    scores = " · ".join(
        f"{world.id} {world.score.total:g}" for world in run.ranking if world.score is not None
    )
    facts = [f"World: {winner.id}, {winner.config.model}"]
    if winner.score is not None:
        detail = ", ".join(f"{part} {winner.score.part(part):g}" for part in Part)
        facts.append(f"Score: {winner.score.total:g} of 100 ({detail})")
    facts += [f"Scores: {scores}", f"Chosen: {run.winner_reason}"]
    facts += [f"Overridden: {plain(finding)}" for finding in run.overridden]
    facts.append(f"Miyabi-Run: {run.run_id}")
    parts.append("\n".join(facts))
    return "\n\n".join(parts) + "\n"


def result(run: RunState) -> dict[str, Any]:
    """The run's outcome, as the last JSON line has it."""
    return {
        "type": "run_finished",
        "run_id": run.run_id,
        "status": run.status.value,
        "reason": run.reason,
        "winner": run.winner.value if run.winner else None,
        "override": run.override,
        "overridden": list(run.overridden),
        "branch": run.branch or None,
        "commit": run.commit or None,
        "total_cost_usd": round(run.total_cost_usd, 6),
        "price_known": run.price_known,
        "complexity": run.complexity.level.value if run.complexity else None,
        "elapsed_seconds": round(run.elapsed(run.ended_at or 0.0), 3),
        "worlds": {world.id.value: _world(world) for world in run.worlds},
    }


def _world(world: WorldState) -> dict[str, Any]:
    return {
        "status": world.status.value,
        "cut_short": world.cut_short,
        "eligible": world.eligible,
        "score": world.score.as_dict() if world.score else None,
        "cost_usd": round(world.cost_usd, 6) if world.price_known else None,
        "cost_is_estimate": world.is_estimate,
        "tokens": world.usage.total,
        "turns": world.turns,
        "cached_turns": world.cached,
        "reasons": reasons(world),
        "branch": world.config.branch or None,
    }


def reasons(world: WorldState) -> list[str]:
    """Why a world is not eligible, why it ended, and every lost point."""
    found = [*world.ineligible]
    if world.reason:
        found.append(world.reason)
    if world.score is not None:
        found += [
            f"{lost.part} −{lost.points:.3g}: {lost.reason}" if lost.points else lost.reason
            for lost in world.score.lost
        ]
    return found


def board(state: RunState) -> str:
    """A run as a small table, for `miyabi show` and after the screen has closed."""
    lines = [f"{'':<9}{'status':<11}{'score':>6}  {'cost':>9}  {'change':>12}  model"]
    for world in state.ranking:
        total = f"{world.score.total:g}" if world.score else "–"
        cost = f"${world.cost_usd:.4f}" if world.price_known else "?"
        change = f"+{world.lines_added} −{world.lines_deleted}"
        status = "cut short" if world.cut_short else world.status
        facts = f"{status:<11}{total:>6}  {cost:>9}  {change:>12}  {world.config.model}"
        lines.append(f"{world.id:<9}{facts}")
        lines += [f"{'':<9}{reason}" for reason in reasons(world)]
    return plain("\n".join(lines))
