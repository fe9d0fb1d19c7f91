"""What the tests of a world say: base against now, which fail, what its own runs printed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from miyabi_tui.engine.scoring.score import Part
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.words import points, seconds

if TYPE_CHECKING:
    from miyabi_tui.engine.events import BaseMeasured
    from miyabi_tui.engine.state import Checkpoint, WorldState
    from miyabi_tui.widgets.page import Facts, Page
    from miyabi_tui.widgets.rows import Span

MOST_RUNS = 12
_FAILED = re.compile(r"\b[1-9]\d* (?:failed|error)")


def write_tests(page: Page, facts: Facts) -> None:
    """Base against now, which fail, what that costs, and what its own runs printed."""
    world, base = facts.world, facts.run.base
    page.heading("Tests that pass")
    _standing(page, base, world)
    _failing(page, world)
    _lost(page, world)
    _own_runs(page, world)


def tests_of(checkpoint: Checkpoint, short: bool) -> Span:
    """What the tests said then, and its ink."""
    said = one_line(checkpoint.tests)
    ink = "warn" if _FAILED.search(said) else "good"
    if short:
        said = said.replace(" passed", "✓").replace(" failed", "✗").replace(",", "")
    return said, ink


def passed(world: WorldState) -> tuple[int, int, str] | None:
    """The newest that is known: passed, of how many, and from where."""
    if world.evidence is not None:
        return world.evidence.tests_passed, world.evidence.tests_known, "as scored"
    if world.sampled is not None and world.sampled.builds:
        found = world.sampled
        return found.passed, found.known, f"sampled at step {found.step}"
    if world.sampled is None and world.progress.tests:
        last = world.progress.tests[-1]
        return last.passed, last.known, f"its own run, step {last.step}"
    return None


def _standing(page: Page, base: BaseMeasured | None, world: WorldState) -> None:
    if base is None:
        page.text("the base is not measured yet", "dim")
    else:
        share = base.tests_passed / base.tests_known if base.tests_known else 0.0
        said = f"the base, {seconds(base.seconds)}"
        page.bar(share, "dim", _figures(base.tests_passed, base.tests_known, said))
        if base.remark:
            page.text(base.remark, "dim")
    now = passed(world)
    if now is None:
        page.text(_not_yet(world), "warn" if world.sampled else "dim")
        return
    good, known, where = now
    ink = "good" if good == known and known else "bad" if good * 2 < known else "warn"
    more = good - base.tests_passed if base is not None else 0
    change: list[Span] = [(f"  {'+' if more > 0 else '−'}{abs(more)}", ink)] if more else []
    page.bar(good / known if known else 0.0, ink, [*_figures(good, known, where, ink), *change])


def _figures(good: int, known: int, where: str, ink: str = "text") -> list[Span]:
    return [(f"{f'{good} of {known}':<10}", ink), (f"  {where}", "faint")]


def _not_yet(world: WorldState) -> str:
    if world.sampled is not None:
        return f"it did not build when it was last tried, after step {world.sampled.step}"
    if world.ended:
        return "they were never run here"
    return "not run here yet: a sample is taken while it works, and all are run at its end"


def _failing(page: Page, world: WorldState) -> None:
    """The names of those that fail, or why it does not build."""
    evidence, sampled = world.evidence, world.sampled
    if evidence is not None:
        names, broken = evidence.tests_failed, evidence.build_failures
        missing = evidence.tests_known - evidence.tests_passed
    elif sampled is not None:
        names = sampled.failures if sampled.builds else ()
        broken = () if sampled.builds else sampled.failures
        missing = sampled.known - sampled.passed if sampled.builds else 0
    else:
        return
    if broken:
        page.heading("It does not build")
        for one in broken:
            page.text(one, "bad", ("✗ ", "bad"))
    if missing <= 0 and not names:
        return
    page.heading("Failing now", [(f"{max(missing, len(names))}", "warn")])
    for one in names:
        page.text(one, "text", ("✗ ", "bad"))
    if missing > len(names):
        rest = missing - len(names)
        what = f"{rest} more, of which no name is known" if names else "their names are not known"
        page.text(what, "dim", ("  ", "text"))


def _lost(page: Page, world: WorldState) -> None:
    lost = [one for one in world.score.lost if one.part is Part.TESTS] if world.score else []
    remark = world.evidence.tests_remark if world.evidence else ""
    if not lost and not remark:
        return
    page.heading("What it costs")
    for one in lost:
        cost = f"−{points(one.points)} " if one.points else "   "
        page.text(one.reason, "text", (cost, "warn"))
    if remark and not any(remark in one.reason for one in lost):
        page.text(remark, "dim")


def _own_runs(page: Page, world: WorldState) -> None:
    """What its own test runs printed, the newest first; a run that said the same is left out."""
    runs = [one for one in world.checkpoints if one.tests]
    news = [one for n, one in enumerate(runs) if n == 0 or one.tests != runs[n - 1].tests]
    page.heading("What its own runs printed")
    if not news:
        page.text("it has run no tests yet" if not world.ended else "it ran none", "dim")
    for one in news[: -MOST_RUNS - 1 : -1]:
        said, ink = tests_of(one, short=False)
        page.row([(f"step {one.step:<4}", "faint"), (one_line(said), ink)])
    if len(news) > MOST_RUNS:
        page.text(f"and {len(news) - MOST_RUNS} before", "faint")
