"""A world set against the base: what is new, and what makes it ineligible."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine.repo.git import Diffstat
from miyabi_tui.engine.scoring import testcode
from miyabi_tui.engine.scoring.compare import evidence, ineligible, new_findings
from miyabi_tui.engine.scoring.junit import Outcome, TestReport
from miyabi_tui.engine.scoring.measurement import Measurement
from miyabi_tui.engine.scoring.runners import read_output
from miyabi_tui.engine.scoring.score import Evidence, Finding, Part, Severity, score

if TYPE_CHECKING:
    from pathlib import Path

P, F, S = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED
X = ("x.py",)
BROKEN = "it breaks tests that passed on the base: "
WEAKENED = "it deletes or weakens tests: "
CHANGE = Diffstat(5, 1, ("a.py",))


def report(*passed: str, failed: str = "", skipped: str = "", **more: object) -> TestReport:
    outcomes = dict.fromkeys(passed, P)
    outcomes |= dict.fromkeys(failed.split(), F) | dict.fromkeys(skipped.split(), S)
    return TestReport(outcomes, **more)  # type: ignore[arg-type]


def measured(tests: TestReport, **more: object) -> Measurement:
    return Measurement(tests=tests, **more)  # type: ignore[arg-type]


def compare(
    base: Measurement, world: Measurement, change: Diffstat = CHANGE
) -> tuple[Evidence, tuple[str, ...]]:
    found = evidence(base, world, change)
    return found, ineligible(base, world, found)


# --- findings -------------------------------------------------------------------------------------


def finding(
    line: int, message: str = "bad", path: str = "a.py", severity: Severity = Severity.LOW
) -> Finding:
    return Finding(path, line, "E1", message, severity)


@pytest.mark.parametrize(
    ("base", "world", "new"),
    [
        ([], [finding(1)], [finding(1)]),
        ([finding(1)], [finding(40)], []),  # moved
        ([finding(1, "102 > 100")], [finding(1, "131 > 100")], []),
        ([finding(1)], [finding(1), finding(9)], [finding(9)]),  # one more of the same
        ([finding(1), finding(2)], [finding(3)], []),  # one less
        ([finding(1)], [finding(1, path="b.py")], [finding(1, path="b.py")]),
        ([finding(1)], [finding(1, "worse")], [finding(1, "worse")]),
    ],
)
def test_new_findings(base: list[Finding], world: list[Finding], new: list[Finding]) -> None:
    assert list(new_findings(base, world)) == new


def test_only_what_is_new_is_evidence() -> None:
    old = finding(1)
    base = measured(
        report("t"), lint=(old,), security=(old,), complexity=(old,), build_failures=("x:1 e",)
    )
    world = measured(
        report("t"),
        lint=(old, finding(2, "`n` unused")),
        security=(old, finding(3)),
        complexity=(old, finding(4, "`f` is too complex (12 > 10)"), finding(5, "other")),
        build_failures=("x:7 e", "y:1 e"),
    )
    found, _ = compare(base, world)
    assert [one.line for one in found.lint] == [2]
    assert [one.line for one in found.security] == [3]
    assert found.complex_functions == ("a.py f", "a.py line 5")
    assert found.build_failures == ("y:1 e",)


# --- tests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "world", "known", "failed"),
    [
        (report("a", "b"), report("a", "b"), 2, ()),
        (report("a", "b"), report("a", failed="b"), 2, ("b",)),
        (report("a", "b"), report("a"), 2, ("b",)),  # gone is not passed
        (report("a"), report("a", "new"), 2, ()),
        (report("a"), report("a", failed="new"), 2, ("new",)),
        (report("a", failed="b"), report("a", "b"), 2, ()),  # the fix
        (report("a", failed="b"), report("a"), 2, ("b",)),
        (report("a", "b"), report("a", skipped="b"), 2, ("b",)),  # now skipped
        (report("a", skipped="b"), report("a", skipped="b"), 1, ()),
        (report("a", skipped="b"), report("a"), 1, ()),
        (report("a", skipped="b"), report("a", failed="b"), 2, ("b",)),
        (report("t[1]", "t[2]"), report("t[one]", "t[two]"), 2, ()),  # other names
        (report("t[1]", "t[2]"), report("t[1]", complete=False), 2, ("t[2]",)),
        (report("x.py::t"), report("x.py::t", not_collected=("new.py",)), 2, ("new.py",)),
        (report("t", not_collected=("old.py",)), report("t", not_collected=("old.py",)), 1, ()),
    ],
)  # fmt: skip
def test_which_tests_count(
    base: TestReport, world: TestReport, known: int, failed: tuple[str, ...]
) -> None:
    found, _ = compare(measured(base), measured(world))
    assert (found.tests_known, found.tests_failed) == (known, failed)
    assert found.tests_passed == known - len(failed)


@pytest.mark.parametrize(
    ("base", "world", "reason"),
    [
        (report("a"), report(failed="a"), BROKEN + "a"),
        (report("a", failed="b"), report("a", failed="b"), ""),
        (report("a", failed="b"), report("a"), WEAKENED + "b runs 0 × instead of 1 ×"),
        (report("a", "b"), report("a"), WEAKENED + "b runs 0 × instead of 1 ×"),
        (report("a", "b"), report("a", skipped="b"), WEAKENED + "b runs 0 × instead of 1 ×"),
        (report("t[1]", "t[2]"), report("t[1]"), WEAKENED + "t runs 1 × instead of 2 ×"),
        (report("t[1]", "t[2]"), report("t[x]", "t[y]"), ""),
        (report("a", "b"), report(), BROKEN + "a, b"),
        (report("a", "b"), report("a", complete=False), BROKEN + "b"),
        (report("x.py::t", "y.py::t"), report("y.py::t", not_collected=X), BROKEN + "x.py::t"),
        (report("t", not_collected=X), report("t", not_collected=X), ""),
        (report("t", "u", not_collected=X), report("t", not_collected=X),
         WEAKENED + "u runs 0 × instead of 1 ×"),
        (report(*"abcde"), report(failed="a b c d e"), BROKEN + "a, b, c and 2 more"),
        (report(), report(failed="new"), ""),
    ],
)  # fmt: skip
def test_tests_that_are_broken_or_gone(base: TestReport, world: TestReport, reason: str) -> None:
    _, reasons = compare(measured(base), measured(world))
    assert reasons == ((reason,) if reason else ())


@pytest.mark.parametrize(
    ("base", "world", "passed", "known", "broken"),
    [
        (("3 passed", 0), ("2 passed, 1 failed", 1), 2, 3, True),
        (("", 0), ("", 1), 0, 1, True),
        (("ok  \tx\t0.1s", 0), ("--- FAIL: TestA (0.0s)\nFAIL\tx\t0.1s", 1), 0, 2, True),
        (("3 passed", 0), ("make: *** error", 2), 0, 4, True),
        (("2 passed, 1 failed", 1), ("3 passed", 0), 3, 3, False),
        (("2 passed, 1 failed", 1), ("2 passed, 1 failed", 1), 2, 3, False),
        (("3 passed", 0), ("4 passed", 0), 4, 4, False),
    ],
)
def test_runners_that_print_only_numbers(
    base: tuple[str, int], world: tuple[str, int], passed: int, known: int, broken: bool
) -> None:
    found, reasons = compare(measured(read_output(*base)), measured(read_output(*world)))
    assert (found.tests_passed, found.tests_known) == (passed, known)
    assert [reason.split(":")[0] for reason in reasons] == (
        ["it breaks tests that passed on the base"] if broken else []
    )


# --- the test code itself -------------------------------------------------------------------------

BEFORE = """
    import pytest

    def test_a():
        assert f(1) == 1
        assert f(2) == 2

    class TestB:
        def test_b(self):
            with pytest.raises(ValueError):
                f(3)
"""


def code(root: Path, files: dict[str, str]) -> Measurement:
    """A measurement in which all tests of these files passed."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(textwrap.dedent(text))
    found = testcode.functions(root, list(files))
    return measured(report(*found), test_functions=found)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("assert f(2) == 2", "f(2)", "test_t.py::test_a asserts 1 × instead of 2 ×"),
        ("assert f(2) == 2", "assert True", "test_t.py::test_a asserts 1 × instead of 2 ×"),
        ("assert f(2) == 2", "assert (f(2) == 2, 'two')", "asserts 1 × instead of 2 ×"),
        ("assert f(2) == 2", "assert f(2) == 2 or True", "asserts 1 × instead of 2 ×"),
        ("assert f(2) == 2", "x = f(2); assert x == x", "asserts 1 × instead of 2 ×"),
        ("assert f(2) == 2", "assert 1 == 1", "asserts 1 × instead of 2 ×"),
        ("assert f(1) == 1", "return", "test_t.py::test_a asserts 0 × instead of 2 ×"),
        ("with pytest.raises(ValueError):", "if True:", "test_t.py::TestB::test_b asserts 0 ×"),
        ("def test_a", "@pytest.mark.skip\n    def test_a", "test_t.py::test_a may now be skipped"),
        ("def test_a", "@pytest.mark.xfail()\n    def test_a", "test_a may now be skipped"),
        (
            "def test_a",
            "@pytest.mark.skipif(True, reason='')\n    def test_a",
            "may now be skipped",
        ),
        ("assert f(1)", "pytest.skip('later')\n        assert f(1)", "may now be skipped"),
        ("f(3)", "self.skipTest('later')", "test_t.py::TestB::test_b may now be skipped"),
        ("def test_a", "def helper_a", "test_t.py::test_a is gone"),
        ("class TestB:", "class Other:", ""),  # moved, and still there
        ("def test_a", "def test_renamed", ""),
        ("assert f(1) == 1", "assert f(1) == 1\n        assert f(0) == 0", ""),
        ("f(3)", "query.skip(3)", ""),  # not every skip is one
    ],
)
def test_a_test_that_is_weakened(tmp_path: Path, old: str, new: str, reason: str) -> None:
    assert old in BEFORE
    base = code(tmp_path / "base", {"test_t.py": BEFORE})
    world = code(tmp_path / "world", {"test_t.py": BEFORE.replace(old, new)})
    _, reasons = compare(base, world)
    assert bool(reasons) is bool(reason)
    assert reason in "".join(reasons)


def test_a_test_file_that_is_moved_counts_as_before(tmp_path: Path) -> None:
    base = code(tmp_path / "base", {"test_t.py": BEFORE})
    world = code(tmp_path / "world", {"tests/unit/test_new.py": BEFORE})
    found, reasons = compare(base, world)
    assert reasons == ()
    assert (found.tests_passed, found.tests_known) == (2, 2)
    assert not found.tests_added


def test_a_moved_test_that_asserts_less_is_gone(tmp_path: Path) -> None:
    base = code(tmp_path / "base", {"test_t.py": BEFORE})
    less = BEFORE.replace("assert f(2) == 2", "f(2)")
    found, reasons = compare(base, code(tmp_path / "world", {"test_new.py": less}))
    assert reasons == ("it deletes or weakens tests: test_t.py::test_a is gone",)
    assert (found.tests_passed, found.tests_known) == (2, 3)


def test_one_test_cannot_stand_for_two(tmp_path: Path) -> None:
    two = "def test_a():\n    assert f()\n\ndef test_b():\n    assert f()\n"
    base = code(tmp_path / "base", {"test_t.py": two})
    world = code(tmp_path / "world", {"test_t.py": two.split("\n\n")[0].replace("_a", "_c")})
    assert "is gone" in compare(base, world)[1][0]


def test_a_test_file_whose_name_is_not_utf_8_can_be_named(tmp_path: Path) -> None:
    base = code(tmp_path / "base", {"test_\udcff.py": BEFORE})
    _, reasons = compare(base, code(tmp_path / "world", {"test_t.py": ""}))
    "".join(reasons).encode()
    assert "test_?.py::test_a is gone" in "".join(reasons)


def test_a_broken_test_file_is_broken_and_not_deleted(tmp_path: Path) -> None:
    base = code(tmp_path / "base", {"test_t.py": BEFORE, "test_u.py": "def test_u(): assert f()"})
    world = measured(
        report("test_u.py::test_u", not_collected=("test_t.py",)),
        test_functions={"test_u.py::test_u": base.test_functions["test_u.py::test_u"]},
        build_failures=("test_t.py:3 invalid syntax",),
    )
    found, reasons = compare(base, world)
    assert found.tests_remark == "pytest could not collect test_t.py"
    assert [reason.split(":")[0] for reason in reasons] == [
        "it does not build",
        "it breaks tests that passed on the base",
    ]


def test_tests_in_files_of_other_names_are_watched_by_their_runs(tmp_path: Path) -> None:
    base = code(tmp_path / "base", {"test_t.py": BEFORE})
    with_more = {**base.tests.outcomes, "checks.py::check_x": P}
    base = measured(TestReport(with_more), test_functions=base.test_functions)
    _, reasons = compare(base, code(tmp_path / "world", {"test_t.py": BEFORE}))
    assert reasons == ("it deletes or weakens tests: checks.py::check_x runs 0 × instead of 1 ×",)


@pytest.mark.parametrize(
    ("world", "files", "added"),
    [
        ({"test_t.py": BEFORE}, ("a.py",), False),
        ({"test_t.py": BEFORE, "test_n.py": "def test_n(): assert f()"}, ("test_n.py",), True),
        ({"test_t.py": BEFORE.replace("== 2", "== 2\n        assert f(5)")}, ("test_t.py",), True),
        ({"test_t.py": BEFORE}, ("spec/a.spec.ts",), True),
        ({"test_t.py": BEFORE}, ("pkg/a_test.go",), True),
        ({"test_t.py": BEFORE}, ("latest.md", "contest.py"), False),
    ],
)
def test_whether_a_test_was_added(
    tmp_path: Path, world: dict[str, str], files: tuple[str, ...], added: bool
) -> None:
    base = code(tmp_path / "base", {"test_t.py": BEFORE})
    found, _ = compare(base, code(tmp_path / "world", world), Diffstat(1, 0, files))
    assert found.tests_added is added


# --- other reasons --------------------------------------------------------------------------------


def test_nothing_changed() -> None:
    same = measured(report("a"))
    assert compare(same, same, Diffstat())[1] == ("it changes nothing",)


def test_it_does_not_build() -> None:
    _, reasons = compare(
        measured(report("a")), measured(report("a"), build_failures=("a.py:1 bad",))
    )
    assert reasons == ("it does not build: a.py:1 bad",)


@pytest.mark.parametrize("severity", list(Severity))
def test_a_high_finding(severity: Severity) -> None:
    new = finding(7, "eval", severity=severity)
    _, reasons = compare(measured(report("a")), measured(report("a"), security=(new,)))
    high = severity in (Severity.HIGH, Severity.CRITICAL)
    assert reasons == ((f"security, {severity}: a.py:7 E1 eval",) if high else ())


def test_a_world_that_makes_itself_unmeasurable() -> None:
    base = measured(report("a"))
    world = measured(report("a"), lint_remark="ruff broke", security_remark="bandit broke")
    found, reasons = compare(base, world)
    assert found.unmeasured == (Part.LINT, Part.SECURITY)
    assert reasons == ("security could not be measured: bandit broke",)
    assert (score(found).lint, score(found).security) == (0.0, 0.0)
    assert compare(world, world)[0].unmeasured == ()  # as on the base
