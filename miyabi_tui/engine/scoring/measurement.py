"""What is measured of a commit, base or world alike."""

from __future__ import annotations

import msgspec

from miyabi_tui.engine.scoring.junit import TestReport
from miyabi_tui.engine.scoring.score import Finding, Severity
from miyabi_tui.engine.scoring.testcode import TestFunction
from miyabi_tui.engine.security.threats import Threat

REPORT = "junit.xml"
TAMPERING = "report-tampering"


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the project's commands said about one commit.

    `threats` are new against the base already, but for what the suite did to its own report.
    """

    build_failures: tuple[str, ...] = ()
    tests: TestReport = TestReport()
    test_functions: dict[str, TestFunction] = {}
    lint: tuple[Finding, ...] = ()
    lint_remark: str = ""
    complexity: tuple[Finding, ...] = ()
    security: tuple[Finding, ...] = ()
    security_remark: str = ""
    threats: tuple[Finding, ...] = ()
    threats_remark: str = ""


def tampering(tests: TestReport) -> tuple[Finding, ...]:
    """What the suite did to its own report, as a finding against whoever brought that."""
    if not tests.tampered:
        return ()
    what, high = tests.tampered, Severity.HIGH
    return (Finding(REPORT, 0, TAMPERING, what, high, Threat.MALICIOUS),)
