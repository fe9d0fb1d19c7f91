"""The podium: when the race is decided, all worlds by rank with every lost point, and what now."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from miyabi_tui.engine.safety import reasons
from miyabi_tui.engine.scoring.score import PART_POINTS, Part
from miyabi_tui.engine.standing import Standing, standings
from miyabi_tui.engine.state import RunState
from miyabi_tui.widgets.asking import spent
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.palette import inks
from miyabi_tui.widgets.rows import ReadyRows, Span, strip_of
from miyabi_tui.widgets.wheel import Wheel
from miyabi_tui.widgets.words import asks_for_a_pick, calm_ink, clock, points
from miyabi_tui.widgets.wrap import breaks, cells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.strip import Strip

    from miyabi_tui.engine.state import WorldState
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.keyline import Hint
    from miyabi_tui.widgets.words import Sign

NAME, SIGN, TOTAL, PART = 12, 14, 7, 12
LEAST_PARTS = NAME + SIGN + TOTAL + 5 * PART + 2
SHORT_PART = 5
INDENT = "    "
AIRY = 16  # rows from which some may be blank


def decided(run: RunState) -> bool:
    """Whether there is a podium: worlds have a score, and a winner is there or cannot be."""
    scored = any(world.score is not None for world in run.worlds)
    return scored and (run.winner is not None or run.finished or asks_for_a_pick(run))


class Podium(Wheel, ReadyRows):
    """Over the board; scrolls where not all of it fits."""

    GROUND = "background"

    def __init__(self) -> None:
        super().__init__(id="podium")
        self._run = RunState()
        self._signs: Mapping[WorldId, Sign] = {}
        self._focused: WorldId | None = None
        self._hints: Sequence[Hint] = ()
        self._top = 0

    def show(
        self,
        run: RunState,
        signs: Mapping[WorldId, Sign],
        focused: WorldId | None,
        hints: Sequence[Hint],
    ) -> None:
        """Show another state; `hints` are what can be done now."""
        self._run, self._signs, self._focused, self._hints = run, signs, focused, hints
        self.remake()

    def scroll_rows(self, rows: int) -> None:
        """Scroll by rows, as far as there are any."""
        self._top = max(0, self._top + rows)
        self.remake()

    def make(self, width: int, height: int) -> list[Strip]:
        """The winner and why; the worlds by rank; what now."""
        rows = [*self._head(width, airy=height >= AIRY), self._names(width)]
        for one in standings(self._run):
            rows += [self._world(one, width), *self._lost(one.world, width)]
        rows += [strip_of((), width, self.ink), *self._now(width)]
        self._top = max(0, min(self._top, len(rows) - height))
        shown = rows[self._top : self._top + height]
        below = len(rows) - self._top - height
        if below > 0 and shown:
            shown[-1] = strip_of([(f" ↓ {below + 1} more below ", "band")], width, self.ink)
        return shown

    def _head(self, width: int, *, airy: bool) -> list[Strip]:
        """Why it won; how, stands in the head line. Blank rows only where there are rows enough."""
        blank = [strip_of((), width, self.ink)] if airy else []
        why = one_line(self._run.winner_reason)
        return [*blank, *self._wrapped(why, "won", width, ""), *blank] if why else blank

    def _names(self, width: int) -> Strip:
        spans: list[Span] = [(" " * (1 + NAME + SIGN), "text"), (f"{'total':>{TOTAL}}", "faint")]
        for part in Part:
            if width >= LEAST_PARTS:
                spans.append((f"   {part} /{PART_POINTS[part]:g}".ljust(PART), "faint"))
            else:
                spans.append((str(part)[0].upper().rjust(SHORT_PART), "faint"))
        return strip_of(spans, width, self.ink)

    def _world(self, one: Standing, width: int) -> Strip:
        world = one.world
        ink = inks(self, self.GROUND, world.id)
        sign = self._signs.get(world.id)
        mark = "▸" if world.id is self._focused else " "
        words = str(sign).strip() if sign else ""
        for number in (points(world.score.total),) if world.score else ():
            words = words.removesuffix(number).rstrip()
        total = points(world.score.total) if world.score else "–"
        spans: list[Span] = [
            (mark, "world"),
            (f"{world.id.key} {world.id}".ljust(NAME), "name"),
            (words[:SIGN].ljust(SIGN), calm_ink(sign.ink if sign else "text")),
            (f"{total:>{TOTAL}}", "strong"),
        ]
        for part in Part:
            spans += _part(world, part, width >= LEAST_PARTS)
        taken = (world.ended_at or 0.0) - (world.started_at or 0.0)
        rest = [("  ", "text"), (spent(world), "text")]
        if world.ended_at and world.started_at:
            rest.append((f"  {clock(taken)}", "dim"))
        rest += [(f"  +{world.lines_added}", "added"), (f" −{world.lines_deleted}", "deleted")]
        if sum(cells(text) for text, _ in (*spans, *rest)) < width:
            spans += rest
        return strip_of(spans, width, ink)

    def _lost(self, world: WorldState, width: int) -> list[Strip]:
        """Why it may not win or how it ended, and where each lost point went."""
        rows: list[Strip] = []
        for text in reasons(world) if world.ineligible else ():
            rows += self._wrapped(f"may not win: {one_line(text)}", "bad", width)
        if world.score is None and world.reason:
            rows += self._wrapped(one_line(world.reason), "dim", width)
        for item in world.score.lost if world.score else ():
            text = f"−{points(item.points)} {item.part}: {one_line(item.reason)}"
            rows += self._wrapped(text, "dim", width)
        return rows

    def _wrapped(self, text: str, ink: str, width: int, indent: str = INDENT) -> list[Strip]:
        room = max(8, width - len(indent) - 2)
        pieces = [text[start:stop] for start, stop in _spans(text, room)]
        return [
            strip_of([(f" {indent}{'' if not n else '  '}", "text"), (one, ink)], width, self.ink)
            for n, one in enumerate(pieces[:4])
        ]

    def _now(self, width: int) -> list[Strip]:
        """What can be done now, each with its key, in as many rows as that takes."""
        rows: list[list[Span]] = [[(" ", "text")]]
        used = 1
        for hint in self._hints:
            said, gap = f" {hint.label}", "   " if used > 1 else ""
            if gap and used + cells(gap + hint.key + said) > width:
                rows.append([(" ", "text")])
                used, gap = 1, ""
            ink = "warn" if hint.urgent else "strong"
            rows[-1] += [(gap, "dim"), (hint.key, ink), (said, "dim")]
            used += cells(gap + hint.key + said)
        return [strip_of(spans, width, self.ink) for spans in rows]


def _spans(text: str, room: int) -> list[tuple[int, int]]:
    cuts = [0, *breaks(text, room), len(text)]
    return [(a, b) for a, b in pairwise(cuts) if b > a]


def _part(world: WorldState, part: Part, roomy: bool) -> list[Span]:
    """The points of a part, with a bar where there is room for one."""
    if world.score is None:
        return [(" " * (PART if roomy else SHORT_PART), "text")]
    got, most = world.score.part(part), PART_POINTS[part]
    ink = "good" if got >= most else "bad" if got <= most / 2 else "warn"
    if not roomy:
        return [(f"{points(got):>{SHORT_PART}}", ink)]
    length = PART - 8
    full = min(length - (got < most), max(int(got > 0), round(length * got / most)))
    bar: list[Span] = [("━" * full, ink), ("╌" * (length - full), "faint")]
    return [(f"{points(got):>7} ", ink), *bar]
