"""What a suite's run comes to: its outcomes as they were said, set against the report it left.

The report is written by the process that also runs the tests, which can change it: in a test, in
conftest.py, when pytest ends, or from another process. What counts is what was said of each test as
it happened; the report only shows whether somebody wanted it to say otherwise.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

from miyabi_tui.engine.scoring.careful import NotPlainError
from miyabi_tui.engine.scoring.junit import Case, Outcome, TestReport, as_report, read_cases
from miyabi_tui.engine.scoring.told import PYTEST_ENDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from miyabi_tui.engine.scoring.told import Told

CHANGED = "the suite changed its own report"
NAMED_AT_MOST = 3
PASSED, FAILED, SKIPPED = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED


class Run(NamedTuple):
    """How the command of a suite ended: in words, and its exit code, None over the time limit."""

    end: str
    exit_code: int | None


class Left(NamedTuple):
    """The report that was found afterwards: its cases, or why there are none."""

    cases: tuple[Case, ...] | None = None
    error: Exception | None = None

    @property
    def missing(self) -> bool:
        """Whether there is no report, or none that pytest wrote."""
        return isinstance(self.error, FileNotFoundError | ElementTree.ParseError)


class _Lie(NamedTuple):
    what: str
    names: tuple[str, ...] = ()


def look_at(path: Path) -> Left:
    """Read the report, whatever it is."""
    try:
        return Left(tuple(read_cases(path)))
    except (OSError, ElementTree.ParseError) as error:
        return Left(error=error)


def judge(heard: Told, left: Left, run: Run) -> TestReport:
    """The tests of a run of `suite.py`; what tells of tampering is in the remark."""
    outcomes = _with_cut_ones(heard, left) if heard.cut else heard.outcomes
    if lie := _lie(heard, left, run):
        named = f" ({_some(lie.names)})" if lie.names else ""
        tampered = f"{CHANGED}: {lie.what}"
        return TestReport(outcomes, heard.not_collected, f"{tampered}{named}", False, tampered)
    remark = _remark(heard, left, run)
    return TestReport(outcomes, heard.not_collected, remark, complete=not remark)


def _remark(heard: Told, left: Left, run: Run) -> str:
    """Why tests may be missing; empty where none are."""
    if heard.finished is None and left.cases is None:
        return f"no report was written; {run.end}"
    if run.exit_code not in PYTEST_ENDS or heard.interrupted:
        return f"ended with {run.end}"
    if heard.cut:
        return "the suite printed too much: not all of its outcomes are known"
    if left.missing:
        return f"no report was written; {run.end}"
    return f"{heard.lost} of {heard.collected} tests did not run" if heard.lost else ""


def _lie(heard: Told, left: Left, run: Run) -> _Lie | None:
    """The first contradiction between what was said, what was left and how it ended."""
    if heard.forged:
        return _Lie("it spoke in our name")
    if isinstance(left.error, NotPlainError):
        return _Lie("something else is in its place")
    if left.missing and heard.ended in PYTEST_ENDS:
        return _Lie("what pytest wrote is gone")
    if left.cases is not None:
        if heard.finished is None and not heard.cut:
            return _Lie("there is one, but pytest never came to its end")
        if lie := _contradiction(heard, left.cases):
            return lie
    if run.exit_code in (0, 5) and heard.failed:
        names = [name for name, how in heard.outcomes.items() if how is FAILED]
        return _Lie("it ended as if all had passed", (*names, *heard.not_collected))
    if run.exit_code == 0 and heard.ended:
        return _Lie(f"it ended with exit code 0 after pytest's {heard.ended}")
    return None


def _contradiction(heard: Told, cases: tuple[Case, ...]) -> _Lie | None:
    """What the report makes better than it was. A project may give its tests other names in it."""
    said = _by_key(heard)
    written: dict[str, Outcome] = {}
    others: list[Case] = []
    for case in cases:
        key = f"{case.owner}::{case.name}"
        if case.outcome is None:
            continue
        if key not in said:
            others.append(case)
        elif case.outcome is FAILED or key not in written:
            written[key] = case.outcome
    for how, better in ((FAILED, (PASSED, SKIPPED)), (SKIPPED, (PASSED,))):
        names = [
            said[key][0] for key, now in written.items() if said[key][1] is how and now in better
        ]
        if names:
            return _Lie(f"{_count(names, f'{how} test')} not {how} in it", tuple(names))
    if heard.cut:
        return None
    unsaid = [said[key] for key in said.keys() - written.keys()]
    return _by_number(heard, unsaid, others) or _not_collected(heard, cases)


def _by_number(heard: Told, missing: list[tuple[str, Outcome]], others: list[Case]) -> _Lie | None:
    """Compare the tests that are missing in the report with those that only it has."""
    failed = sorted(name for name, how in missing if how is FAILED)
    if sum(case.outcome is FAILED for case in others) < len(failed):
        return _Lie(f"{_count(failed, 'failed test')} missing in it", tuple(failed))
    if heard.interrupted or heard.lost:  # pytest counts a test as passed that it gave up
        return None
    passed = tuple(case.identity for case in others if case.outcome is PASSED)
    if len(passed) > sum(how is PASSED for _, how in missing):
        return _Lie(f"{_count(passed, 'passed test')} in it that never ran", passed)
    return None


def _not_collected(heard: Told, cases: tuple[Case, ...]) -> _Lie | None:
    known = as_report(cases).not_collected
    hidden = tuple(name for name in heard.not_collected if name not in known)
    if len(heard.not_collected) > len(set(known)):
        return _Lie(f"{_count(hidden, 'file')} missing in it that cannot be collected", hidden)
    return None


def _by_key(heard: Told) -> dict[str, tuple[str, Outcome]]:
    """Name and outcome by what a test is called in pytest's report; once failed is failed."""
    found: dict[str, tuple[str, Outcome]] = {}
    for name, how in heard.outcomes.items():
        key = _key(name)
        if key not in found or how is FAILED:
            found[key] = name, how
    return found


def _key(name: str) -> str:
    """As pytest's `mangle_test_address` has it: a/b.py::C::t[x] is a.b.C and t[x]."""
    path, bracket, parameters = name.partition("[")
    names = path.split("::")
    names[0] = re.sub(r"\.py$", "", names[0].replace("/", "."))
    names[-1] += bracket + parameters
    return f"{'.'.join(names[:-1])}::{names[-1]}"


def _with_cut_ones(heard: Told, left: Left) -> dict[str, Outcome]:
    """What was said, and for the lines that were cut the report, if it has as many of each."""
    if left.cases is None or not heard.counts:
        return heard.outcomes
    known = {_key(name) for name in heard.outcomes}
    rest = as_report(case for case in left.cases if f"{case.owner}::{case.name}" not in known)
    both = heard.outcomes | rest.outcomes
    counted = Counter(both.values())
    agree = tuple(counted[how] for how in (PASSED, FAILED, SKIPPED)) == tuple(heard.counts)
    return both if agree else heard.outcomes


def _count(names: Sequence[str], noun: str) -> str:
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'}"


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:NAMED_AT_MOST])
    more = len(names) - NAMED_AT_MOST
    return f"{shown} and {more} more" if more > 0 else shown
