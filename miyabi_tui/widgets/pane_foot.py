"""The foot of a pane: what a world uses, costs and changed; after scoring, the five parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine.scoring.score import PART_POINTS, Part
from miyabi_tui.widgets.asking import spent
from miyabi_tui.widgets.pane_head import WIDE, changed, length
from miyabi_tui.widgets.rows import ReadyRows, Span, row
from miyabi_tui.widgets.use import connections, cpu_and_memory, disk, processes
from miyabi_tui.widgets.words import PaneView, clock, points, sampled, turns, usage
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
        return [*rows, *(self._wide(view, width) if width >= WIDE else self._narrow(view, width))]

    def _wide(self, view: PaneView, width: int) -> list[Strip]:
        world = view.world
        turned: list[Span] = [(f"{turns(world)}   ", "faint")] if world.turns else []
        right = [*turned, *_tokens(view), ("   ", "text"), (spent(world), "text")]
        rest = [("    ", "text"), *_files(view), *changed(view), *_tests(view)]
        left = [*_taken(view), *_besides(view, width - 6 - length([*rest, *right])), *rest]
        return [row(width, left, right, self.ink, keep=length(left))]

    def _narrow(self, view: PaneView, width: int) -> list[Strip]:
        world, many = view.world, processes(view)
        taken = [*_taken(view), *(many.after if many.pressing else [])]
        change = [*_files(view), *changed(view)]
        if many.pressing:  # a number that presses goes before the size of the change
            kept = (one for one in (change, changed(view)) if length([*taken, *one]) + 3 <= width)
            change = next(kept, [])
        cost, used, tests, stored = (spent(world), "text"), _tokens(view), _tests(view), disk(view)
        # what can be done without goes first: the disk, the word, the tests
        wordings = [[*used, *tests, *stored.after], [*used, *tests], [used[0], *tests], used]
        if stored.pressing:
            both, short = [*used, *stored.after], [used[0], *stored.after]
            wordings = [[*both, *tests], [*short, *tests], both, short]
        room = width - 3 - cells(cost[0])
        last = next((one for one in wordings if length(one) <= room), wordings[-1])
        return [
            row(width, taken, change, self.ink, keep=20),
            row(width, last, [cost], self.ink, keep=14),
        ]

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


def _tokens(view: PaneView) -> list[Span]:
    return [(usage(view.world), "text"), (" tokens", "faint")]


def _tests(view: PaneView) -> list[Span]:
    return [("   ", "text"), found] if (found := sampled(view.world))[0] else []


def _files(view: PaneView) -> list[Span]:
    files = view.world.files_changed
    return [(f"{files} file{'s' * (files != 1)}  ", "faint")] if files else []


def _taken(view: PaneView) -> list[Span]:
    """CPU and memory now; of a world that has ended, its time."""
    world = view.world
    if not world.ended:
        return cpu_and_memory(view)
    if world.started_at is None or world.ended_at is None:
        return []
    return [("took ", "faint"), (clock(world.ended_at - world.started_at), "dim")]


def _besides(view: PaneView, room: int) -> list[Span]:
    """Disk, processes, connections: near their limits, and else where there is room."""
    shown: list[Span] = []
    uses = (disk(view), processes(view), connections(view))
    for use in sorted(uses, key=lambda use: not use.pressing):
        if use.pressing or length([*_taken(view), *shown, *use.before]) <= room:
            shown += use.before
    return shown
