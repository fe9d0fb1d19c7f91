"""Test reports: JUnit XML, or the summary lines that test runners print."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import msgspec

if TYPE_CHECKING:
    from pathlib import Path


class Outcome(StrEnum):
    """How one test ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class TestReport(msgspec.Struct, frozen=True):
    """The outcome of each test by its name; `remark` says what went wrong with the run itself."""

    __test__ = False

    outcomes: dict[str, Outcome] = {}
    not_collected: tuple[str, ...] = ()
    remark: str = ""

    def having(self, outcome: Outcome) -> set[str]:
        """The names of the tests that ended so."""
        return {name for name, one in self.outcomes.items() if one is outcome}


def read_junit(path: Path) -> TestReport:
    """The report in a JUnit XML file.

    Raises:
        OSError: the file cannot be read.
        ElementTree.ParseError: it is not XML.
    """
    outcomes: dict[str, Outcome] = {}
    not_collected = []
    for case in ElementTree.parse(path).iter("testcase"):
        name, file = case.get("name", ""), case.get("file", "")
        owner = case.get("classname", "")
        error = case.find("error")
        if error is not None and "collection" in (error.get("message") or ""):
            not_collected.append(name or file)
            continue
        if file:  # pytest's xunit1: a.b.test_x.TestCase -> TestCase
            module = file.removesuffix(".py").replace("/", ".")
            owner = owner.removeprefix(module).strip(".")
            identity = "::".join(filter(None, (file, owner.replace(".", "::"), name)))
        else:
            identity = "::".join(filter(None, (owner, name)))
        if error is not None or case.find("failure") is not None:
            outcomes[identity] = Outcome.FAILED
        elif case.find("skipped") is not None:
            outcomes.setdefault(identity, Outcome.SKIPPED)
        else:
            outcomes.setdefault(identity, Outcome.PASSED)
    return TestReport(outcomes, tuple(not_collected))


_NAMED = (
    # go test -v; TAP
    re.compile(r"^\s*--- (?P<how>PASS|FAIL|SKIP): (?P<name>\S+)", re.M),
    re.compile(r"^\s*(?P<how>ok|not ok) \d+ -? ?(?P<name>.+?)\s*$", re.M),
    re.compile(r"^test (?P<name>\S+) \.\.\. (?P<how>ok|FAILED|ignored)", re.M),  # cargo
)
_COUNTS = re.compile(r"(\d+) (passed|passing|failed|failing|errors?)\b")
_HOW = {
    "PASS": Outcome.PASSED,
    "FAIL": Outcome.FAILED,
    "SKIP": Outcome.SKIPPED,
    "ok": Outcome.PASSED,
    "not ok": Outcome.FAILED,
    "FAILED": Outcome.FAILED,
    "ignored": Outcome.SKIPPED,
}


def read_output(output: str, exit_code: int | None) -> TestReport:
    """The report that a runner printed: names (go, cargo, TAP), counts, or just the exit code."""
    for pattern in _NAMED:
        found = {match["name"]: _HOW[match["how"]] for match in pattern.finditer(output)}
        if found:
            return TestReport(found)
    outcomes: dict[str, Outcome] = {}
    counts = [(int(number), word) for number, word in _COUNTS.findall(output)]
    for number, word in counts[-4:]:
        how = Outcome.PASSED if word.startswith("pass") else Outcome.FAILED
        outcomes |= {f"test {how} {n + 1}": how for n in range(min(number, 10_000))}
    if outcomes:
        return TestReport(outcomes)
    if exit_code == 0:
        return TestReport({"the test command": Outcome.PASSED})
    return TestReport(
        {"the test command": Outcome.FAILED}, remark=f"the test command ended with {exit_code}"
    )
