"""The JSON reports of ruff and bandit as findings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from miyabi_tui.engine.scoring.score import Finding, Severity
from miyabi_tui.engine.scoring.testcode import looks_like_test
from miyabi_tui.engine.security.report import threat_of_bandit

if TYPE_CHECKING:
    from pathlib import Path

_SEVERITY = {"HIGH": Severity.HIGH, "MEDIUM": Severity.MEDIUM, "LOW": Severity.LOW}
ASSERT_USED = "B101"


def read_ruff(rows: Any, root: Path) -> tuple[Finding, ...] | None:
    """The findings in ruff's JSON report, None where it is none. Syntax errors are the build's."""
    if not isinstance(rows, list):
        return None
    real = os.path.realpath(root)
    return tuple(
        Finding(
            os.path.relpath(row["filename"], real),
            row["location"]["row"],
            row["code"],
            row["message"],
        )
        for row in rows
        if row.get("code") and row["code"] != "invalid-syntax"
    )


def read_bandit(report: Any) -> tuple[Finding, ...] | None:
    """The findings in bandit's JSON report, None where it is none; asserts in tests are fine."""
    if not isinstance(report, dict) or "results" not in report:
        return None
    return tuple(
        Finding(
            os.path.normpath(row["filename"]),
            row["line_number"],
            row["test_id"],
            row["issue_text"],
            _SEVERITY.get(row["issue_severity"], Severity.LOW),
            threat_of_bandit(row["test_id"]),
        )
        for row in report["results"]
        if not (row["test_id"] == ASSERT_USED and looks_like_test(row["filename"]))
    )
