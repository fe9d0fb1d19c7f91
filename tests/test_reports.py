"""Test reports: JUnit XML from a real pytest, and what runners print."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from miyabi_tui.engine.scoring.junit import Outcome, TestReport, read_junit
from miyabi_tui.engine.scoring.runners import read_output

if TYPE_CHECKING:
    from pathlib import Path

ENDED = "the test command ended with "
P, F, S = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED

SUITE = {
    "tests/test_a.py": """
        import pytest, unittest

        class TestA:
            class TestInner:
                def test_deep(self): pass
            def test_fails(self): assert False

        @pytest.mark.parametrize("x", ["a.b", "a::b", "[c]", "日本"])
        def test_cases(x): pass

        @pytest.fixture
        def boom(): raise KeyError("collection failure")
        def test_setup(boom): pass

        @pytest.fixture
        def late():
            yield
            raise KeyError("late")
        def test_teardown(late): pass

        class Old(unittest.TestCase):
            def test_old(self): pass
            def test_skips(self): self.skipTest("later")

        @pytest.mark.xfail
        def test_xfail(): assert False
        @pytest.mark.xfail
        def test_xpass(): pass
        @pytest.mark.xfail(strict=True)
        def test_strict(): pass
    """,
    "tests/test_broken.py": "import no_such_module\ndef test_x(): pass\n",
    "tests/test_syntax.py": "def test_y(:\n",
    "tests/test_none.py": "import pytest\npytest.importorskip('no_such_module')\n",
    "other/deep/test_a.py": "def test_same(): pass\n",
}
OUTCOMES = {
    "other/deep/test_a.py::test_same": P,
    "tests/test_a.py::TestA::TestInner::test_deep": P,
    "tests/test_a.py::TestA::test_fails": F,
    "tests/test_a.py::test_cases[a.b]": P,
    "tests/test_a.py::test_cases[a::b]": P,
    "tests/test_a.py::test_cases[[c]]": P,
    "tests/test_a.py::test_cases[\\u65e5\\u672c]": P,
    "tests/test_a.py::test_setup": F,
    "tests/test_a.py::test_teardown": F,
    "tests/test_a.py::Old::test_old": P,
    "tests/test_a.py::Old::test_skips": S,
    "tests/test_a.py::test_xfail": S,
    "tests/test_a.py::test_xpass": P,
    "tests/test_a.py::test_strict": F,
}


def test_a_real_suite(tmp_path: Path) -> None:
    for name, text in SUITE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-o", "junit_family=xunit1"),
            *("--junitxml=out.xml", "--import-mode=importlib"),
            *("--continue-on-collection-errors", "-p", "no:cacheprovider"),
        ],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    report = read_junit(tmp_path / "out.xml")
    skipped_file = {name: how for name, how in report.outcomes.items() if "test_none" in name}
    assert list(skipped_file.values()) == [S]
    assert {
        name: how for name, how in report.outcomes.items() if name not in skipped_file
    } == OUTCOMES
    assert report.not_collected == ("tests/test_broken.py", "tests/test_syntax.py")


def test_junit_of_other_tools(tmp_path: Path) -> None:
    path = tmp_path / "TEST.xml"
    path.write_text(
        '<testsuite><testcase classname="com.x.FooTest" name="adds"/>'
        '<testcase classname="com.x.FooTest" name="fails"><failure/></testcase>'
        '<testcase classname="com.x.FooTest" name="fails"/>'
        '<testcase name="bare"><skipped/></testcase></testsuite>'
    )
    assert read_junit(path).outcomes == {
        "com.x.FooTest::adds": P,
        "com.x.FooTest::fails": F,  # once failed is failed
        "bare": S,
    }


def test_a_report_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        read_junit(tmp_path / "none.xml")
    (tmp_path / "half.xml").write_text("<testsuite><testcase")
    with pytest.raises(ElementTree.ParseError):
        read_junit(tmp_path / "half.xml")


CARGO = """\
   Compiling adder v0.1.0
running 4 tests
test tests::adds ... ok
test tests::breaks ... FAILED
test tests::slow ... ignored, takes a minute
test tests::panics - should panic ... ok

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out

running 1 test
test src/lib.rs - add (line 3) ... ok
test tests::adds ... ok
"""
GO_VERBOSE = """\
=== RUN   TestAdd
--- PASS: TestAdd (0.00s)
=== RUN   TestSub
    --- FAIL: TestSub/zero (0.00s)
--- FAIL: TestSub (0.00s)
--- SKIP: TestNet (0.00s)
FAIL
FAIL\texample.com/calc\t0.003s
--- PASS: TestAdd (0.00s)
ok  \texample.com/other\t0.002s
?   \texample.com/cmd\t[no test files]
FAIL\texample.com/broken [build failed]
FAIL
"""
TAP = """\
TAP version 13
# a comment
ok 1 - adds
not ok 2 - breaks
  ---
  message: 'no'
  ...
ok 3 - later # SKIP no network
not ok 4 - unfinished # TODO some day
ok 5
    # Subtest: in
    ok 1 - in it
    1..1
ok 6 - outer # time=3ms
1..6
"""
JEST = """\
PASS src/a.test.js
FAIL src/b.test.js
Test Suites: 1 failed, 1 passed, 2 total
Tests:       1 failed, 1 skipped, 3 passed, 5 total
Snapshots:   9 passed, 9 total
Time:        1.2 s
"""
VITEST = """\
\x1b[2m Test Files \x1b[22m \x1b[1m\x1b[31m1 failed\x1b[39m\x1b[22m | \x1b[32m2 passed\x1b[39m (3)
\x1b[2m      Tests \x1b[22m \x1b[31m1 failed\x1b[39m | \x1b[32m3 passed\x1b[39m (4)
   Duration  312ms
"""
MOCHA = "  adds\n    ✔ one\n\n  3 passing (12ms)\n  1 pending\n  1 failing\n\n  1) adds\n"
UNITTEST = """\
.F.sxE
----------------------------------------------------------------------
Ran 6 tests in 0.001s

FAILED (failures=1, errors=1, skipped=1, expected failures=1)
"""


@pytest.mark.parametrize(
    ("output", "outcomes"),
    [
        (
            CARGO,
            {
                "tests::adds": P,
                "tests::breaks": F,
                "tests::slow": S,
                "tests::panics - should panic": P,
                "src/lib.rs - add (line 3)": P,
                "tests::adds[#2]": P,
            },
        ),
        (
            GO_VERBOSE,
            {
                "TestAdd": P,
                "TestSub/zero": F,
                "TestSub": F,
                "TestNet": S,
                "TestAdd[#2]": P,
                "example.com/calc": F,
                "example.com/other": P,
                "example.com/broken": F,
            },
        ),
        (
            TAP,
            {
                "adds": P,
                "breaks": F,
                "later": S,
                "unfinished": S,
                "test 5": P,
                "in it": P,
                "outer": P,
            },
        ),
    ],
    ids=["cargo", "go", "TAP"],
)
def test_runners_that_name_their_tests(output: str, outcomes: dict[str, Outcome]) -> None:
    assert read_output(output, 1) == TestReport(outcomes, complete=False)


@pytest.mark.parametrize(
    ("output", "passed", "failed"),
    [
        (JEST, 3, 1),
        (VITEST, 3, 1),
        (MOCHA, 3, 1),
        (UNITTEST, 3, 2),
        ("== 1 failed, 3 passed, 1 skipped, 2 errors in 0.12s ==", 3, 3),
        ("JEST 1\n" + JEST + "JEST 2\n" + JEST, 6, 2),
        ("Ran 1 test in 0.1s\n\nFAILED (unexpected successes=1)", 0, 1),
    ],
    ids=["jest", "vitest", "mocha", "unittest", "pytest", "two packages", "unexpected"],
)
def test_runners_that_count(output: str, passed: int, failed: int) -> None:
    report = read_output(output, 1)
    assert (len(report.having(P)), len(report.having(F))) == (passed, failed)
    assert report.remark == ""


@pytest.mark.parametrize(
    ("output", "exit_code", "outcomes", "remark"),
    [
        ("all good", 0, {"the test command": P}, ""),
        ("", 2, {"the test command": F}, "the test command ended with exit code 2"),
        ("3 passed", 0, {"test 1": P, "test 2": P, "test 3": P}, ""),
        ("OK\nRan 1 test in 0.1s\n\nOK", 0, {"test 1": P}, ""),
        # It says that all is well and ends badly: believed is the worse.
        ("1 passed", 7, {"test 1": P, "the test command": F}, ENDED + "exit code 7"),
        ("1 passed", None, {"test 1": P, "the test command": F}, ENDED + "the time limit"),
        ("1 failed, 1 passed", None, {"test 1": P, "test 2": F, "the test command": F},
         ENDED + "the time limit"),
        # Not TAP without its plan.
        ("ok 7 files copied", 0, {"the test command": P}, ""),
    ],
)  # fmt: skip
def test_exit_codes(
    output: str, exit_code: int | None, outcomes: dict[str, Outcome], remark: str
) -> None:
    report = read_output(output, exit_code)
    assert (report.outcomes, report.remark) == (outcomes, remark)
    assert report.complete is (exit_code == 0)
