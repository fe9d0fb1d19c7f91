"""The foot of a pane: what a world uses, costs and changed; after scoring, the five parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine.scoring.score import PART_POINTS, Part
from miyabi_tui.widgets.asking import money, spent
from miyabi_tui.widgets.pane_head import WIDE, changed, length
from miyabi_tui.widgets.rows import ReadyRows, Span, row
from miyabi_tui.widgets.sparkline import Trail, sparkline
from miyabi_tui.widgets.use import connections, cpu_and_memory, disk, near, processes
from miyabi_tui.widgets.words import PaneView, clock, gauge, points, sampled, turns, usage
from miyabi_tui.widgets.wrap import cells

if TYPE_CHECKING:
    from textual.strip import Strip

    from miyabi_tui.engine.scoring.score import EvaluationScore
    from miyabi_tui.engine.worlds import WorldId

LONG_NAME = 12
TALL = 16  # rows of a pane from which its foot has a third row
ONE_CORE = 100.0  # percent
LEAST_MEMORY = 64_000_000.0  # bytes
METER = 6


def foot_height(width: int, height: int, view: PaneView | None) -> int:
    """How many rows the foot of an open pane of this size takes."""
    scored = view is not None and view.world.score is not None
    rows = 1 if width >= WIDE else 3 if height >= TALL else 2
    return rows + (2 if scored else 0)


class PaneFoot(ReadyRows):
    """One to three rows, and two for a score."""

    view: PaneView | None = None

    def __init__(self, world: WorldId | None = None) -> None:
        super().__init__(world)
        self.trail = Trail()

    def make(self, width: int, height: int) -> list[Strip]:
        """The rows for this width."""
        view = self.view
        if view is None:
            return []
        world = view.world
        rows = self._score(world.score, width) if world.score is not None else []
        if width >= WIDE:
            return [*rows, *self._wide(view, width)]
        tall = height - len(rows) >= 3
        return [*rows, *(self._tall(view, width) if tall else self._narrow(view, width))]

    def _tall(self, view: PaneView, width: int) -> list[Strip]:
        """What it uses; what it changed and how that tests; what it took and cost."""
        stored, many = disk(view), processes(view)
        used = [*_taken(view), *many.after] if many.pressing else self._trails(view, width)
        for use in (many, stored):
            fits = length([*used, *use.before]) + 2 <= width
            used += use.before if fits and not use.pressing else []
        change = [*changed(view), *_in_files(view)]
        tests = [found] if (found := sampled(view.world))[0] else []
        tokens_, price = _tokens(view), _price(view)
        tokens_ += stored.after if stored.pressing else []
        if length([*tokens_, *price]) + 3 > width:
            price = price[:1]
        return [
            row(width, used, [], self.ink, keep=20),
            row(width, change, tests, self.ink, keep=length(changed(view))),
            row(width, tokens_, price, self.ink, keep=6),
        ]

    def _trails(self, view: PaneView, width: int) -> list[Span]:
        """CPU and memory now, each after its last readings where there is room for them."""
        if view.world.ended or width < 34:
            return _taken(view)
        room = min(12, (width - 27) // 2)
        cpu, used = gauge(view.world)
        plain = cpu_and_memory(view)
        cpu_ink, used_ink = plain[1][1], plain[3][1]
        return [
            ("cpu ", "faint"),
            (sparkline(self.trail.cpu, room, ONE_CORE), "world"),
            (f" {cpu:<5}", cpu_ink),
            ("mem ", "faint"),
            (sparkline(self.trail.memory, room, LEAST_MEMORY), "world"),
            (f" {used}", used_ink),
        ]

    def _wide(self, view: PaneView, width: int) -> list[Strip]:
        world = view.world
        turned: list[Span] = [(f"{turns(world)}   ", "faint")] if world.turns else []
        right = [*turned, *_tokens(view), ("   ", "text"), *_price(view)]
        rest = [("    ", "text"), *_files(view), *changed(view), *_tests(view)]
        taken = self._trails(view, 44)
        if length([*taken, *rest, *right]) + 8 > width:
            taken = _taken(view)
        if length([*taken, *rest, *right]) + 3 > width:  # the sum stays, its meter goes
            right = [*turned, *_tokens(view), ("   ", "text"), *_price(view)[:1]]
        left = [*taken, *_besides(view, taken, width - 6 - length([*rest, *right])), *rest]
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


def _price(view: PaneView) -> list[Span]:
    """What it has cost, as a meter of its budget where it has one."""
    cost: Span = (spent(view.world), "text")
    if view.budget is None or view.world.ended:
        return [cost]
    share = view.world.meter_usd / view.budget
    ink = near(view.world.meter_usd, view.budget, "dim")
    full = min(METER, max(1 if share > 0 else 0, round(METER * share)))
    meter: list[Span] = [(" " + "━" * full, ink), ("╌" * (METER - full), "faint")]
    return [(cost[0], ink if ink != "dim" else "text"), *meter, (f" {money(view.budget)}", "faint")]


def _in_files(view: PaneView) -> list[Span]:
    files = view.world.files_changed
    return [(f" in {files} file{'s' * (files != 1)}", "faint")] if files else []


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


def _besides(view: PaneView, taken: list[Span], room: int) -> list[Span]:
    """Disk, processes, connections: near their limits, and else where there is room."""
    shown: list[Span] = []
    uses = (disk(view), processes(view), connections(view))
    for use in sorted(uses, key=lambda use: not use.pressing):
        if use.pressing or length([*taken, *shown, *use.before]) <= room:
            shown += use.before
    return shown
