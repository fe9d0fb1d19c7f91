"""The arithmetic of the 100 points, rule by rule, and the choice that rests on it."""

from __future__ import annotations

import msgspec
import pytest

from miyabi_tui.engine.scoring.score import (
    EvaluationScore,
    Evidence,
    Finding,
    Lost,
    Part,
    Severity,
    score,
)
from miyabi_tui.engine.scoring.selection import best, why
from miyabi_tui.engine.state import WorldState
from miyabi_tui.engine.worlds import WorldId, default_worlds

PERFECT = Evidence(
    tests_known=10, tests_passed=10, tests_added=True, lines_added=5, files_changed=1
)
ONE = "1 of 10 tests do not pass:"
LINT = Finding("a.py", 3, "E501", "too long")


def scored(**changes: object) -> EvaluationScore:
    return score(msgspec.structs.replace(PERFECT, **changes))


def reasons(result: EvaluationScore, part: Part) -> list[tuple[float, str]]:
    return [(lost.points, lost.reason) for lost in result.lost if lost.part is part]


def test_nothing_lost_is_a_hundred() -> None:
    result = scored()
    assert result.as_dict() == {
        "build": 30.0,
        "tests": 30.0,
        "lint": 20.0,
        "quality": 10.0,
        "security": 10.0,
        "total": 100.0,
    }
    assert result.lost == ()


@pytest.mark.parametrize(
    ("failures", "reason"),
    [
        (("a.py:1 bad",), "does not build: a.py:1 bad"),
        (("a", "b", "c"), "does not build: a (and 2 more)"),
    ],
)
def test_the_build_is_all_or_nothing(failures: tuple[str, ...], reason: str) -> None:
    result = scored(build_failures=failures)
    assert (result.build, result.total) == (0.0, 70.0)
    assert reasons(result, Part.BUILD) == [(30.0, reason)]


@pytest.mark.parametrize(
    ("passed", "known", "points"),
    [
        (10, 10, 30.0),
        (9, 10, 27.0),
        (1, 3, 10.0),
        (2, 3, 20.0),
        (5, 7, 21.43),
        (0, 10, 0.0),
        (0, 0, 0.0),
        (9_999, 10_000, 29.99),  # never full by rounding
        (999_999, 1_000_000, 29.99),
    ],
)
def test_tests_by_their_share(passed: int, known: int, points: float) -> None:
    assert scored(tests_passed=passed, tests_known=known).tests == points


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tests_failed": ("t1",)}, f"{ONE} t1"),
        ({"tests_failed": ("t1", "t2", "t3", "t4", "t5")}, f"{ONE} t1, t2, t3 and 2 more"),
        ({"tests_failed": ("t1",), "tests_remark": "crashed"}, f"{ONE} crashed"),
        ({"tests_known": 0, "tests_remark": "no pytest"}, "no test ran: no pytest"),
        ({"tests_known": 0}, "no test ran"),
    ],
)  # fmt: skip
def test_the_reason_for_lost_tests(changes: dict[str, object], reason: str) -> None:
    [(_, text)] = reasons(scored(tests_passed=9, **changes), Part.TESTS)
    assert text == reason


@pytest.mark.parametrize(
    ("count", "points"), [(0, 20.0), (1, 18.0), (9, 2.0), (10, 0.0), (25, 0.0)]
)
def test_two_for_each_lint_finding(count: int, points: float) -> None:
    result = scored(lint=(LINT,) * count)
    assert result.lint == points
    assert reasons(result, Part.LINT) == [(2.0, "new: a.py:3 E501 too long")] * count


@pytest.mark.parametrize(("count", "points"), [(1, 9.0), (3, 7.0), (4, 7.0), (40, 7.0)])
def test_one_for_each_complex_function_up_to_three(count: int, points: float) -> None:
    names = tuple(f"a.py f{n}" for n in range(count))
    result = scored(complex_functions=names)
    assert result.quality == points
    assert reasons(result, Part.QUALITY) == [
        (10 - points, f"newly too complex: {', '.join(names)}")
    ]


@pytest.mark.parametrize(
    ("added", "deleted", "points"),
    [
        (100, 0, 10.0),
        (199, 0, 10.0),
        (150, 50, 9.0),
        (0, 299, 9.0),
        (300, 0, 8.0),
        (500, 0, 6.0),
        (90_000, 0, 6.0),
    ],
)
def test_one_for_each_full_hundred_lines_beyond_the_first(
    added: int, deleted: int, points: float
) -> None:
    assert scored(lines_added=added, lines_deleted=deleted).quality == points


def test_three_for_no_test_and_quality_can_be_lost_whole() -> None:
    assert reasons(scored(tests_added=False), Part.QUALITY) == [(3.0, "no test was added")]
    worst = scored(tests_added=False, lines_added=9_999, complex_functions=("a", "b", "c", "d"))
    assert worst.quality == 0.0


@pytest.mark.parametrize(
    ("severities", "points"),
    [
        ([Severity.LOW], 9.0),
        ([Severity.MEDIUM], 6.0),
        ([Severity.MEDIUM, Severity.LOW, Severity.LOW], 4.0),
        ([Severity.MEDIUM] * 3, 0.0),
        ([Severity.HIGH], 0.0),
        ([Severity.CRITICAL, Severity.HIGH], 0.0),
    ],
)
def test_security_by_severity(severities: list[Severity], points: float) -> None:
    findings = tuple(Finding("a.py", 1, "B1", "bad", severity) for severity in severities)
    result = scored(security=findings)
    assert result.security == points
    assert [reason for _, reason in reasons(result, Part.SECURITY)] == [
        f"new, {severity}: a.py:1 B1 bad" for severity in severities
    ]


def test_what_nobody_can_measure_costs_nothing_and_is_said() -> None:
    result = scored(lint_remark="no linter", security_remark="no Python")
    assert result.total == 100.0
    assert result.lost == (
        Lost(Part.LINT, 0.0, "no linter"),
        Lost(Part.SECURITY, 0.0, "no Python"),
    )


def test_what_only_this_world_made_unmeasurable_costs_all_of_it() -> None:
    result = scored(
        lint_remark="ruff broke",
        security_remark="bandit broke",
        unmeasured=(Part.LINT, Part.SECURITY),
    )
    assert (result.lint, result.security, result.total) == (0.0, 0.0, 70.0)


def test_the_total_has_two_decimals() -> None:
    assert scored(tests_passed=5, tests_known=7).total == 91.43
    assert scored(tests_passed=1, tests_known=3, tests_added=False).total == 77.0


# --- the choice -----------------------------------------------------------------------------------


def world(
    which: WorldId, total: float, *, lines: int = 1, cost: float = 0.0, eligible: bool = True
) -> WorldState:
    config = next(one for one in default_worlds("a/b", "c/d") if one.id is which)
    result = EvaluationScore(build=total, tests=0, lint=0, quality=0, security=0)
    state = WorldState(config=config)
    return msgspec.structs.replace(
        state, score=result, lines_added=lines, cost_usd=cost, ineligible=() if eligible else ("x",)
    )


ALPHA, BETA, GAMMA = WorldId.ALPHA, WorldId.BETA, WorldId.GAMMA


@pytest.mark.parametrize(
    ("worlds", "winner", "reason"),
    [
        (
            [world(ALPHA, 90), world(BETA, 91.5)],
            BETA,
            "91.5 of 100, ahead of Alpha with 90",
        ),
        (
            [world(ALPHA, 90, lines=8), world(BETA, 90, lines=7)],
            BETA,
            "90 of 100 like Alpha, with fewer changed lines (7 against 8)",
        ),
        (
            [world(ALPHA, 90, cost=0.2), world(BETA, 90, cost=0.1)],
            BETA,
            "90 of 100 like Alpha, at the lower cost",
        ),
        (
            [world(ALPHA, 90), world(BETA, 90)],
            ALPHA,
            "90 of 100, level with Beta in score, size and cost",
        ),
        (
            [world(ALPHA, 99, eligible=False), world(BETA, 1), world(GAMMA, 50, eligible=False)],
            BETA,
            "1 of 100, the only eligible world",
        ),
    ],
)
def test_the_choice_and_its_reason(worlds: list[WorldState], winner: WorldId, reason: str) -> None:
    chosen = best(worlds)
    assert chosen is not None
    assert chosen.id is winner
    assert why(chosen, worlds) == reason


def test_nobody_eligible_is_no_winner() -> None:
    unscored = WorldState(config=default_worlds("a/b", "c/d")[1])
    assert best([world(ALPHA, 100, eligible=False), unscored]) is None
