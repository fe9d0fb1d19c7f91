"""EvaluationScore: the arithmetic of the 100 points, all of it here.

| part     | points | rule                                                                       |
|----------|--------|----------------------------------------------------------------------------|
| build    | 30     | all or nothing: nothing that built on the base may fail to build           |
| tests    | 30     | 30 × passed ÷ all tests known from the base and from this world            |
| lint     | 20     | −2 for each finding that the base did not have; all of it where the base   |
|          |        | could be measured and this world can not                                   |
| quality  | 10     | −1 for each function newly too complex (3 at most), −1 for each full 100   |
|          |        | changed lines beyond the first 100 (4 at most), −3 if no test was added    |
| security | 10     | new findings: High −10, Medium −4, Low −1; all of it as with lint          |

The five parts and their weights are CR-1's; the rules inside a part are ours. No part falls below
zero, and none is full by rounding. Each lost point keeps its reason, for the screen.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from miyabi_tui.engine.security.threats import Severity as Severity
from miyabi_tui.engine.security.threats import Threat

BUILD_POINTS = 30.0
TEST_POINTS = 30.0
LINT_POINTS = 20.0
QUALITY_POINTS = 10.0
SECURITY_POINTS = 10.0

LINT_FINDING_COST = 2.0
COMPLEX_FUNCTION_COST, COMPLEX_FUNCTION_MOST = 1.0, 3.0
FREE_LINES, LINES_PER_POINT, SIZE_MOST = 100, 100, 4.0
NO_TEST_COST = 3.0


SEVERITY_COST = {
    Severity.LOW: 1.0,
    Severity.MEDIUM: 4.0,
    Severity.HIGH: 10.0,
    Severity.CRITICAL: 10.0,
}


class Part(StrEnum):
    """The five parts of a score, in the order in which they are shown."""

    BUILD = "build"
    TESTS = "tests"
    LINT = "lint"
    QUALITY = "quality"
    SECURITY = "security"


PART_POINTS = {
    Part.BUILD: BUILD_POINTS,
    Part.TESTS: TEST_POINTS,
    Part.LINT: LINT_POINTS,
    Part.QUALITY: QUALITY_POINTS,
    Part.SECURITY: SECURITY_POINTS,
}


class Lost(msgspec.Struct, frozen=True):
    """Points lost in one part, and why. Zero points is a remark worth showing."""

    part: Part
    points: float
    reason: str


class Finding(msgspec.Struct, frozen=True):
    """One finding of a linter or scanner; `line` is 1-based, 0 where unknown."""

    path: str
    line: int
    rule: str
    message: str
    severity: Severity = Severity.LOW
    threat: Threat | None = None

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place} {self.rule} {self.message}"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a world, already set against the base: the input of the score.

    `unmeasured` names the parts that could be measured on the base and not here.
    """

    build_failures: tuple[str, ...] = ()
    tests_passed: int = 0
    tests_known: int = 0
    tests_failed: tuple[str, ...] = ()
    tests_remark: str = ""
    lint: tuple[Finding, ...] = ()
    lint_remark: str = ""
    complex_functions: tuple[str, ...] = ()
    lines_added: int = 0
    lines_deleted: int = 0
    files_changed: int = 0
    tests_added: bool = False
    security: tuple[Finding, ...] = ()
    security_remark: str = ""
    unmeasured: tuple[Part, ...] = ()

    @property
    def changed_lines(self) -> int:
        """Lines added and deleted against the base."""
        return self.lines_added + self.lines_deleted


class EvaluationScore(msgspec.Struct, frozen=True, kw_only=True):
    """A score out of 100 in five parts, with the reason for every lost point."""

    build: float
    tests: float
    lint: float
    quality: float
    security: float
    lost: tuple[Lost, ...] = ()

    @property
    def total(self) -> float:
        """The sum of the five parts, 0 to 100, to two decimals."""
        return round(self.build + self.tests + self.lint + self.quality + self.security, 2)

    def part(self, part: Part) -> float:
        """The points of one part."""
        return float(getattr(self, part.value))

    def as_dict(self) -> dict[str, float]:
        """The five parts and the total, for JSON."""
        return {part.value: self.part(part) for part in Part} | {"total": self.total}


def score(evidence: Evidence) -> EvaluationScore:
    """The score of a world from what was measured of it."""
    lost = (
        *_build(evidence),
        *_tests(evidence),
        *_lint(evidence),
        *_quality(evidence),
        *_security(evidence),
    )
    left = dict(PART_POINTS)
    for item in lost:
        left[item.part] = max(0.0, left[item.part] - item.points)
    return EvaluationScore(
        build=left[Part.BUILD],
        tests=round(left[Part.TESTS], 2),
        lint=left[Part.LINT],
        quality=left[Part.QUALITY],
        security=left[Part.SECURITY],
        lost=lost,
    )


def _build(evidence: Evidence) -> list[Lost]:
    if not evidence.build_failures:
        return []
    first, *others = evidence.build_failures
    more = f" (and {len(others)} more)" if others else ""
    return [Lost(Part.BUILD, BUILD_POINTS, f"does not build: {first}{more}")]


def _tests(evidence: Evidence) -> list[Lost]:
    remark = f": {evidence.tests_remark}" if evidence.tests_remark else ""
    if evidence.tests_known == 0:
        return [Lost(Part.TESTS, TEST_POINTS, f"no test ran{remark}")]
    missing = evidence.tests_known - evidence.tests_passed
    if missing == 0:
        return []
    points = max(0.01, TEST_POINTS * missing / evidence.tests_known)
    named = ", ".join(evidence.tests_failed[:3])
    more = f" and {len(evidence.tests_failed) - 3} more" if len(evidence.tests_failed) > 3 else ""
    which = remark or (f": {named}{more}" if named else "")
    text = f"{missing} of {evidence.tests_known} tests do not pass{which}"
    return [Lost(Part.TESTS, points, text)]


def _lint(evidence: Evidence) -> list[Lost]:
    lost = [Lost(Part.LINT, LINT_FINDING_COST, f"new: {finding}") for finding in evidence.lint]
    if evidence.lint_remark:
        points = LINT_POINTS if Part.LINT in evidence.unmeasured else 0.0
        lost.append(Lost(Part.LINT, points, evidence.lint_remark))
    return lost


def _quality(evidence: Evidence) -> list[Lost]:
    lost = []
    if names := evidence.complex_functions:
        points = min(COMPLEX_FUNCTION_MOST, COMPLEX_FUNCTION_COST * len(names))
        lost.append(Lost(Part.QUALITY, points, f"newly too complex: {', '.join(names)}"))
    beyond = max(0, evidence.changed_lines - FREE_LINES) // LINES_PER_POINT
    if beyond:
        points = min(SIZE_MOST, float(beyond))
        lost.append(Lost(Part.QUALITY, points, f"{evidence.changed_lines} changed lines"))
    if not evidence.tests_added:
        lost.append(Lost(Part.QUALITY, NO_TEST_COST, "no test was added"))
    return lost


def _security(evidence: Evidence) -> list[Lost]:
    lost = [
        Lost(Part.SECURITY, SEVERITY_COST[finding.severity], f"new, {finding.severity}: {finding}")
        for finding in evidence.security
    ]
    if evidence.security_remark:
        points = SECURITY_POINTS if Part.SECURITY in evidence.unmeasured else 0.0
        lost.append(Lost(Part.SECURITY, points, evidence.security_remark))
    return lost
