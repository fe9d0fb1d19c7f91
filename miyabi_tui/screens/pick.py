"""Pick this world as the winner? Its score, what it lost and why, its diff, and what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from miyabi_tui.engine.scoring.score import PART_POINTS, Part
from miyabi_tui.engine.state import WorldState, WorldStatus, rank_key
from miyabi_tui.screens.dialog import Question
from miyabi_tui.widgets.diff_view import DiffView
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.words import dollars, points

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from miyabi_tui.engine.state import RunState

MOST_REASONS = 5


class PickQuestion(Question):
    """Asks before a world is made the winner by hand."""

    def __init__(self, run: RunState, world: WorldState, diff: Callable[[], str]) -> None:
        super().__init__(
            f"Make {world.id} the winner?",
            "\n".join(consequences(run, world)),
            f"{world.id} wins",
            "not now",
        )
        self._world = world
        self._diff = diff

    def body(self) -> ComposeResult:
        """The score, the reasons, the diff."""
        yield Static(score_table(self._world), classes="dialog-score", markup=False)
        yield DiffView(self._diff)

    def action_scroll_by(self, rows: int) -> None:
        """Scroll the diff, whichever button has the focus; without a diff, the rest."""
        diff = self.query_one(DiffView)
        if diff.display:
            diff.scroll_relative(y=rows, animate=False)
        else:
            super().action_scroll_by(rows)


def standing(run: RunState, world: WorldState) -> tuple[object, ...]:
    """What a question about picking this world depends on."""
    return (world.status, world.score is not None, run.phase, run.winner)


def consequences(run: RunState, world: WorldState) -> list[str]:
    """What picking this world means, in words."""
    lines = []
    if world.ineligible:
        lines.append(f"By the evidence it may not win: {one_line('; '.join(world.ineligible))}.")
    if override := against(run, world):
        lines.append(f"{override} Your choice is recorded as an override.")
    at_work = [one.id for one in run.worlds if not one.ended and one.id is not world.id]
    if at_work:
        names = " and ".join(filter(None, [", ".join(at_work[:-1]), at_work[-1]]))
        verb = "end" if len(at_work) > 1 else "ends"
        lines.append(f"{names} {verb} now. Every other world's worktree and branch stay.")
    else:
        lines.append("The other worlds' worktrees and branches stay.")
    if not world.ended:
        lines.append(f"{world.id} is still {world.status}: what it has done so far counts.")
    return lines


def against(run: RunState, world: WorldState) -> str:
    """What the ranking says against this choice; empty when it agrees."""
    best = min((one for one in run.worlds if one.eligible), key=rank_key, default=None)
    if world.score is None:
        state = world.status if world.status is not WorldStatus.RUNNING else "at work"
        return f"{world.id} has no score ({state})."
    if best is not None and best.score is not None and best.id is not world.id:
        return f"The ranking says otherwise: {_ahead(best, world)}."
    return f"No world is eligible; {world.id} is no exception." if not world.eligible else ""


def _ahead(best: WorldState, world: WorldState) -> str:
    """What puts the best world before this one."""
    assert best.score is not None
    assert world.score is not None
    total = points(best.score.total)
    if not world.eligible:
        return f"{best.id} may win, with {total}"
    if best.score.total != world.score.total:
        return f"{best.id} has {total}, {world.id} {points(world.score.total)}"
    if best.changed_lines != world.changed_lines:
        lines = f"{best.changed_lines} against {world.changed_lines}"
        return f"{best.id} has {total} too, and changes fewer lines ({lines})"
    if rank_key(best) != rank_key(world):
        ours, theirs = (dollars(one.cost_usd, one.price_known) for one in (best, world))
        return f"{best.id} has {total} too, and costs less ({ours} against {theirs})"
    return f"{best.id} has {total} too, and comes first in order"


def score_table(world: WorldState) -> Content:
    """The five parts, and the reasons of the lost points."""
    if world.score is None:
        return Content.styled("not scored yet", "$ink-faint")
    score = world.score
    parts = [Content.styled(f"{points(score.total)} ", "bold $ink-strong")]
    for part in Part:
        got, most = score.part(part), PART_POINTS[part]
        ink = "$ink-good" if got >= most else "$ink-warn"
        parts += [
            Content.styled(f" {part} ", "$ink-dim"),
            Content.styled(points(got), ink),
            Content.styled(f"/{points(most)} ", "$ink-faint"),
        ]
    lines = [Content("").join(parts)]
    lost = sorted(score.lost, key=lambda item: -item.points)
    lines += [
        Content.styled(f"−{points(item.points):<4}", "$ink-warn")
        + Content.styled(f"{item.part}: {one_line(item.reason)}", "$ink-dim")
        for item in lost[:MOST_REASONS]
    ]
    if len(lost) > MOST_REASONS:
        lines.append(Content.styled(f"and {len(lost) - MOST_REASONS} more", "$ink-faint"))
    return Content("\n").join(lines)
