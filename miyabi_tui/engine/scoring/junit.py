"""Test reports: JUnit XML, or the summary lines that test runners print."""

from __future__ import annotations

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
    """The outcome of each test by its name; `remark` says what went wrong with the run itself.

    `complete` is false where tests may be missing because the run did not come to its end.
    """

    __test__ = False

    outcomes: dict[str, Outcome] = {}
    not_collected: tuple[str, ...] = ()
    remark: str = ""
    complete: bool = True

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
        if error is not None and error.get("message") == "collection failure":
            not_collected.append(file or name)
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
