"""The foot of a pane: what a world uses, costs and changed; after scoring, the five parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine.scoring.score import PART_POINTS, Part
from miyabi_tui.widgets.asking import spent
from miyabi_tui.widgets.pane_head import WIDE, changed, length
from miyabi_tui.widgets.rows import ReadyRows, Span, row
from miyabi_tui.widgets.words import PaneView, clock, gauge, points, sampled, turns, usage
from miyabi_tui.widgets.wrap import cells

if TYPE_CHECKING:
    from textual.strip import Strip

    from miyabi_tui.engine.scoring.score import EvaluationScore

LONG_NAME = 12


def foot_height(width: int, view: PaneView | None) -> int:
    """How many rows the foot of an open pane takes."""
    scored = view is not None and view.world.score is not None
    return (1 if width >= WIDE else 2) + (2 if scored else 0)


class PaneFoot(ReadyRows):
    """One or two rows, and two for a score."""

    view: PaneView | None = None

    def make(self, width: int, height: int) -> list[Strip]:
        """The rows for this width."""
        view = self.view
        if view is None:
            return []
        world = view.world
        rows = self._score(world.score, width) if world.score is not None else []
        cost = (spent(world), "text")
        used: list[Span] = [(usage(world), "text"), (" tokens", "faint")]
        tests = [("   ", "text"), found] if (found := sampled(world))[0] else []
        files = world.files_changed
        many = f"{files} file{'s' * (files != 1)}  "
        change = [*([(many, "faint")] if files else []), *changed(view)]
        if width >= WIDE:
            left = [*self._gauge(view), ("    ", "text"), *change, *tests]
            turned: list[Span] = [(f"{turns(world)}   ", "faint")] if world.turns else []
            right = [*turned, *used, ("   ", "text"), cost]
            return [*rows, row(width, left, right, self.ink, keep=length(left))]
        room = width - 3 - cells(cost[0])
        all_of_it = ([*used, *tests], [used[0], *tests], used)  # the word goes before the tests
        last = next((one for one in all_of_it if length(one) <= room), used)
        return [
            *rows,
            row(width, self._gauge(view), change, self.ink, keep=20),
            row(width, last, [cost], self.ink, keep=14),
        ]

    def _gauge(self, view: PaneView) -> list[Span]:
        cpu, memory = gauge(view.world)
        world = view.world
        if world.ended:
            if world.started_at is None or world.ended_at is None:
                return []
            return [("took ", "faint"), (clock(world.ended_at - world.started_at), "dim")]
        busy = "faint" if cpu == "–" else "text"
        return [("cpu ", "faint"), (f"{cpu:<4}", busy), (" mem ", "faint"), (memory, busy)]

    def _score(self, score: EvaluationScore, width: int) -> list[Strip]:
        """Names and points over bars: ━ for what was won, ╌ for what was lost."""
        cell = max(5, (width - 1) // len(Part))
        names: list[Span] = []
        bars: list[Span] = []
        for part in Part:
            got, most = score.part(part), PART_POINTS[part]
            name = str(part) if cell >= LONG_NAME else str(part)[0].upper()
            ink = "good" if got >= most else ("bad" if got <= most / 2 else "warn")
            number = points(got)
            gap = " " * max(0, cell - cells(name) - cells(number) - 1)
            names += [(f"{name} ", "faint"), (number, ink), (gap, "text")]
            length = cell - 1
            full = round(length * got / most)
            # a lost point must be seen, a won one too
            full = min(length - 1, full) if got < most else length
            full = max(1, full) if got > 0 else 0
            bars += [("━" * full, ink), ("╌" * (length - full), "faint"), (" ", "text")]
        return [row(width, names, [], self.ink), row(width, bars, [], self.ink)]
