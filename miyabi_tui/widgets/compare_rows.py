"""What worlds are compared by: a row a figure, a cell a world, the best of each row marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from miyabi_tui.engine import safety
from miyabi_tui.engine.scoring.score import PART_POINTS, Part
from miyabi_tui.engine.state import WorldStatus
from miyabi_tui.widgets.diff_text import counts
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.visible import visible
from miyabi_tui.widgets.words import clock, dollars, model, points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miyabi_tui.engine.state import RunState, WorldState
    from miyabi_tui.widgets.overlap import Touched
    from miyabi_tui.widgets.rows import Span

BEST = "▲"
CLASH = "≠"
NOTHING: Span = ("·", "faint")


@dataclass(frozen=True)
class Row:
    """A label, a cell for each world, and what more there is to say about it.

    `file` is set where the row is a file; `head` rows only name what follows.
    """

    label: Span
    cells: tuple[tuple[Span, ...], ...] = ()
    detail: str = ""
    file: Touched | None = None
    head: bool = False


def figures(run: RunState, worlds: Sequence[WorldState], now: float) -> list[Row]:
    """The rows above the files."""
    rows = [
        _row("state", [(_state(run, world),) for world in worlds], _why(worlds)),
        _best("score", worlds, [_total(one) for one in worlds], points, most=True, ink="strong"),
    ]
    rows += [_part(part, worlds) for part in Part]
    rows += [
        _tests(worlds),
        _best("lint found", worlds, [_found(one, "lint") for one in worlds], str),
        _best(
            "risks found",
            worlds,
            [_found(one, "security") for one in worlds],
            str,
            detail=_security(worlds),
        ),
        _row("changed", [_changed(one) for one in worlds]),
        _best(
            "steps",
            worlds,
            [float(one.step) if one.step else None for one in worlds],
            _whole,
            mark=False,
        ),
        _cost(worlds),
        _best(
            "time",
            worlds,
            [_time(one, now) for one in worlds],
            clock,
            mark=all(one.ended for one in worlds),
        ),
        _row("model", [((model(one, short=True), "dim"),) for one in worlds]),
    ]
    return rows


def files(touched: Sequence[Touched], worlds: Sequence[WorldState]) -> list[Row]:
    """A row for each file that one of these worlds touches."""
    shown = [one for one in touched if any(world.id in one.by for world in worlds)]
    return [
        Row((visible(one.path), "text"), _cells(one, worlds), _clash(one), one) for one in shown
    ]


def _cells(one: Touched, worlds: Sequence[WorldState]) -> tuple[tuple[Span, ...], ...]:
    made: list[tuple[Span, ...]] = []
    for world in worlds:
        file = one.by.get(world.id)
        if file is None:
            made.append((NOTHING,))
            continue
        said = tuple(counts(file)) or ((file.words or "touched", "dim"),)
        mark: tuple[Span, ...] = ((f"{CLASH} ", "warn"),) if world.id in one.clashes else ()
        made.append((*mark, *said))
    return tuple(made)


def _clash(one: Touched) -> str:
    names = [str(world) for world in one.clashes]
    if not names:
        said = "; ".join(
            f"{world}: {visible(file.words)}" for world, file in one.by.items() if file.words
        )
        return said or "no two worlds change the same lines of it"
    who = f"{', '.join(names[:-1])} and {names[-1]}"
    if one.where.startswith("line"):
        plural = "s" if any(sign in one.where for sign in "–,") else ""
        return f"{CLASH} {who} change the same line{plural}: {one.where.removeprefix('line ')}"
    return f"{CLASH} {who}: {one.where}"


def _row(name: str, cells: Sequence[tuple[Span, ...]], detail: str = "") -> Row:
    return Row((name, "dim"), tuple(cells), detail)


def _best(
    name: str,
    worlds: Sequence[WorldState],
    values: Sequence[float | int | None],
    said: object,
    *,
    most: bool = False,
    mark: bool = True,
    ink: str = "text",
    detail: str = "",
) -> Row:
    """A row of numbers; the one that stands out is marked."""
    assert callable(said)
    known = [value for value in values if value is not None]
    best = (max(known) if most else min(known)) if known else None
    marked = mark and len(known) > 1 and any(one != best for one in known)
    made: list[tuple[Span, ...]] = []
    for value in values:
        if value is None:
            made.append((NOTHING,))
        elif marked and value == best:
            made.append(((f"{said(value)} {BEST}", "won"),))
        else:
            made.append(((said(value), ink),))
    return _row(name, made, detail)


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _state(run: RunState, world: WorldState) -> Span:
    if run.winner is world.id:
        return "★ winner", "won"
    if world.ineligible:
        return "⊘ may not win", "bad"
    inks = {WorldStatus.KILLED: "bad", WorldStatus.FAILED: "bad", WorldStatus.RUNNING: "good"}
    return str(world.status), inks.get(world.status, "text")


def _why(worlds: Sequence[WorldState]) -> str:
    said = [
        f"{one.id}: {one_line('; '.join(safety.reasons(one)) or one.reason)}"
        for one in worlds
        if one.ineligible or one.reason
    ]
    return " · ".join(said)


def _total(world: WorldState) -> float | None:
    return world.score.total if world.score else None


def _part(part: Part, worlds: Sequence[WorldState]) -> Row:
    """Points of one part, and why some are lost."""
    made: list[tuple[Span, ...]] = []
    lost = []
    most = PART_POINTS[part]
    for world in worlds:
        if world.score is None:
            made.append((NOTHING,))
            continue
        got = world.score.part(part)
        ink = "good" if got >= most else "warn" if got else "bad"
        made.append(((points(got), ink), (f"/{points(most)}", "faint")))
        lost += [
            f"{world.id} −{points(one.points)} {one_line(one.reason)}"
            for one in world.score.lost
            if one.part is part
        ]
    return _row(f"  {part}", made, " · ".join(lost) or "nobody lost a point here")


def _tests(worlds: Sequence[WorldState]) -> Row:
    made: list[tuple[Span, ...]] = []
    failed = []
    for world in worlds:
        seen = world.evidence or world.sampled
        if seen is None:
            made.append((NOTHING,))
            continue
        passed, known = (
            (world.evidence.tests_passed, world.evidence.tests_known)
            if world.evidence
            else (world.sampled.passed, world.sampled.known)
            if world.sampled
            else (0, 0)
        )
        ink = "good" if known and passed >= known else "warn"
        made.append(((f"{passed}", ink), (f" of {known}", "faint")))
        if world.evidence and world.evidence.tests_failed:
            failed.append(f"{world.id}: {one_line(', '.join(world.evidence.tests_failed))}")
    return _row("tests pass", made, " · ".join(failed))


def _found(world: WorldState, what: str) -> int | None:
    return len(getattr(world.evidence, what)) if world.evidence else None


def _security(worlds: Sequence[WorldState]) -> str:
    said = [
        f"{one.id}: {one_line('; '.join(map(str, one.evidence.security)))}"
        for one in worlds
        if one.evidence and one.evidence.security
    ]
    return " · ".join(said)


def _changed(world: WorldState) -> tuple[Span, ...]:
    if not world.files_changed and not world.changed_lines:
        return (NOTHING,)
    return (
        (f"+{world.lines_added:,}", "added"),
        (f" −{world.lines_deleted:,}", "deleted"),
    )


def _cost(worlds: Sequence[WorldState]) -> Row:
    made = [
        (
            (dollars(one.meter_usd, one.price_known, one.is_estimate), "text")
            if one.turns or one.meter_usd
            else NOTHING,
        )
        for one in worlds
    ]
    return _row("cost", made)


def _time(world: WorldState, now: float) -> float | None:
    if world.started_at is None:
        return None
    return (world.ended_at or now) - world.started_at
