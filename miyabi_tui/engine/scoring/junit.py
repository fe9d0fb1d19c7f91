"""Test reports: JUnit XML, or the summary lines that test runners print."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from miyabi_tui.engine.scoring.careful import read_plain

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Outcome(StrEnum):
    """How one test ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class TestReport(msgspec.Struct, frozen=True):
    """The outcome of each test by its name; `remark` says what went wrong with the run itself.

    `complete` is false where tests may be missing because the run did not come to its end.
    `tampered` says, without names, what the suite did to its own report; empty where nothing.
    """

    __test__ = False

    outcomes: dict[str, Outcome] = {}
    not_collected: tuple[str, ...] = ()
    remark: str = ""
    complete: bool = True
    tampered: str = ""

    def having(self, outcome: Outcome) -> set[str]:
        """The names of the tests that ended so."""
        return {name for name, one in self.outcomes.items() if one is outcome}


class Case(NamedTuple):
    """A test case of a report; `outcome` is None where it could not be collected."""

    file: str
    owner: str
    name: str
    outcome: Outcome | None

    @property
    def identity(self) -> str:
        """The test as pytest names it, if it is pytest's: file::class::name."""
        owner = self.owner
        if self.file:  # pytest's xunit1: a.b.test_x.TestCase -> TestCase
            module = self.file.removesuffix(".py").replace("/", ".")
            owner = owner.removeprefix(module).strip(".").replace(".", "::")
        return "::".join(filter(None, (self.file, owner, self.name)))


def read_junit(path: Path, below: Path | None = None) -> TestReport:
    """The report in a JUnit XML file; for `below` see `read_plain`.

    Raises:
        OSError: the file cannot be read, or is no plain file.
        ElementTree.ParseError: it is not XML.
    """
    return as_report(read_cases(path, below))


def read_cases(path: Path, below: Path | None = None) -> list[Case]:
    """The test cases in a JUnit XML file. See `read_junit`."""
    from xml.etree import ElementTree

    target = _Target()
    parser = ElementTree.XMLParser(target=target)  # without a tree, which may be large
    try:
        parser.feed(read_plain(path, below))
        parser.close()
    except (ValueError, LookupError) as error:  # an encoding that nobody knows
        raise ElementTree.ParseError(str(error)) from error
    return target.cases


def as_report(cases: Iterable[Case]) -> TestReport:
    """The cases by name: a test that has several has failed if one of them has."""
    outcomes: dict[str, Outcome] = {}
    not_collected = []
    for case in cases:
        if case.outcome is None:
            not_collected.append(case.file or case.name)
        elif case.outcome is Outcome.FAILED:
            outcomes[case.identity] = Outcome.FAILED
        else:
            outcomes.setdefault(case.identity, case.outcome)
    return TestReport(outcomes, tuple(not_collected))


class _Target:
    """Takes in the elements of a report as they come."""

    def __init__(self) -> None:
        self.cases: list[Case] = []
        self._depth = 0
        self._outside = 0  # depth of the present case
        self._case: Case | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._case is None:
            if tag == "testcase":
                file, owner = attributes.get("file", ""), attributes.get("classname", "")
                self._case = Case(file, owner, attributes.get("name", ""), Outcome.PASSED)
                self._outside = self._depth
        elif self._depth == self._outside + 1 and self._case.outcome is not None:
            if tag == "error" and attributes.get("message") == "collection failure":
                self._case = self._case._replace(outcome=None)
            elif tag in ("error", "failure"):
                self._case = self._case._replace(outcome=Outcome.FAILED)
            elif tag == "skipped" and self._case.outcome is Outcome.PASSED:
                self._case = self._case._replace(outcome=Outcome.SKIPPED)

    def end(self, tag: str) -> None:
        if self._case is not None and self._depth == self._outside:
            self.cases.append(self._case)
            self._case = None
        self._depth -= 1

    def data(self, text: str) -> None:
        """Nothing of it is needed."""

    def close(self) -> None:
        """All is read."""
