"""The score of a world in its five parts, each lost point with its reason, each finding's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine import safety
from miyabi_tui.engine.scoring.score import PART_POINTS, Finding, Part, Severity
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.page import bar
from miyabi_tui.widgets.words import points

if TYPE_CHECKING:
    from miyabi_tui.engine.scoring.score import Evidence
    from miyabi_tui.engine.state import WorldState
    from miyabi_tui.widgets.page import Facts, Page
    from miyabi_tui.widgets.rows import Span

NAME = 10
BAR = 20
MEANS = {
    Part.BUILD: "all or nothing: what built on the base has to build here",
    Part.TESTS: "the share that passes of all tests known from the base and from here",
    Part.LINT: "2 off for each finding that the base did not have",
    Part.QUALITY: "1 off for each function too complex, for each 100 lines more; 3 without a test",
    Part.SECURITY: "10 off for a new finding that is high, 4 for medium, 1 for low",
}


def write_score(page: Page, facts: Facts) -> None:
    """The total and what may speak against it, then part by part."""
    world = facts.world
    if world.score is None:
        _not_yet(page, world)
        return
    total = points(world.score.total)
    page.heading(f"{total} of 100", [_standing(facts)])
    for reason in safety.reasons(world):
        page.text(f"may not win: {reason}", "bad", ("⊘ ", "bad"))
    for finding in facts.run.overridden if world.id is facts.run.winner else ():
        page.text(f"overridden by you: {finding}", "bad", ("⚠ ", "bad"))
    page.blank()
    for part in Part:
        _part(page, world, part)
    _size(page, world.evidence)


def _standing(facts: Facts) -> Span:
    run, world = facts.run, facts.world
    if world.id is run.winner:
        return ("★ winner", "won")
    scored = [one for one in run.ranking if one.score is not None]
    place = 1 + next((n for n, one in enumerate(scored) if one.id is world.id), 0)
    return (f"place {place} of {len(scored)} scored", "dim")


def _not_yet(page: Page, world: WorldState) -> None:
    """What will be looked at; no number before it is measured."""
    page.heading("No score" if world.ended else "No score yet")
    why = "it ended before it was measured" if world.ended else "it comes when the world is done"
    page.text(why, "dim")
    page.blank()
    for part in Part:
        mark = (f"{part:<{NAME}}{points(PART_POINTS[part]):>3}  ", "text")
        page.text(MEANS[part], "dim", mark)


def _part(page: Page, world: WorldState, part: Part) -> None:
    """Its bar, and below it why it is not full."""
    assert world.score is not None
    got, most = world.score.part(part), PART_POINTS[part]
    ink = "good" if got >= most else "bad" if got <= most / 2 else "warn"
    length = max(6, min(BAR, page.width - NAME - 20))
    figure = f"{points(got)} of {points(most)}"
    spans = [(f"{part!s:<{NAME}}", "strong"), *bar(got / most, length, ink)]
    page.row([*spans, ("  ", "text"), (figure, ink)])
    lost = [one for one in world.score.lost if one.part is part]
    found = _findings(world.evidence, part)
    for one in lost:
        if not any(str(finding) in one.reason for finding in found):
            cost = f"−{points(one.points)}" if one.points else "·"
            page.text(one.reason, "text", (f"{cost:>{NAME - 2}}  ", ink))
    for finding in found:
        _finding(page, finding, part)
    for remark in _remarks(world.evidence, part, [one.reason for one in lost]):
        page.text(remark, "dim", (" " * NAME, "text"))


def _finding(page: Page, finding: Finding, part: Part) -> None:
    """Where it is and by which rule, then what it says."""
    bad = part is Part.SECURITY and finding.severity.blocks
    how = f"{finding.threat or finding.severity}, " if finding.threat else ""
    spans = [(" " * (NAME - 2), "text"), ("✗ ", "bad" if bad else "warn"), *_place(finding)]
    if part is Part.SECURITY:
        spans.append((f"  {how}{finding.severity}", "bad" if bad else "warn"))
    page.row(spans)
    if finding.message:
        page.text(finding.message, "text", (" " * NAME, "text"))


def _place(finding: Finding) -> list[Span]:
    line = f":{finding.line}" if finding.line else ""
    rule = one_line(finding.rule)
    return [(one_line(finding.path) + line, "accent"), (f"  {rule}", "dim")]


def _findings(evidence: Evidence | None, part: Part) -> tuple[Finding, ...]:
    if evidence is None or part not in (Part.LINT, Part.SECURITY):
        return ()
    found = evidence.lint if part is Part.LINT else evidence.security
    worst = list(Severity)[::-1]
    return tuple(sorted(found, key=lambda one: worst.index(one.severity)))


def _remarks(evidence: Evidence | None, part: Part, told: list[str]) -> list[str]:
    if evidence is None:
        return []
    said = {
        Part.TESTS: evidence.tests_remark,
        Part.LINT: evidence.lint_remark,
        Part.SECURITY: evidence.security_remark,
    }.get(part, "")
    return [said] if said and not any(said in one for one in told) else []


def _size(page: Page, evidence: Evidence | None) -> None:
    if evidence is None:
        return
    files = f"{evidence.files_changed} file{'s' * (evidence.files_changed != 1)}"
    tests = "tests were added" if evidence.tests_added else "no test was added"
    page.row(
        [
            (f"{'change':<{NAME}}", "faint"),
            (f"+{evidence.lines_added}", "added"),
            (f" −{evidence.lines_deleted}", "deleted"),
            (f"  in {files} · {tests}", "dim"),
        ]
    )
