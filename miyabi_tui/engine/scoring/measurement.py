"""What is measured of a commit, base or world alike."""

from __future__ import annotations

import msgspec

from miyabi_tui.engine.scoring.junit import TestReport
from miyabi_tui.engine.scoring.score import Finding
from miyabi_tui.engine.scoring.testcode import TestFunction


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the project's commands said about one commit."""

    build_failures: tuple[str, ...] = ()
    tests: TestReport = TestReport()
    test_functions: dict[str, TestFunction] = {}
    lint: tuple[Finding, ...] = ()
    lint_remark: str = ""
    complexity: tuple[Finding, ...] = ()
    security: tuple[Finding, ...] = ()
    security_remark: str = ""
