"""The scanner's report as findings, side by side with bandit's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from miyabi_tui.engine.scoring.score import Finding
from miyabi_tui.engine.security.threats import Threat

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

# The threats of bandit's tests by the longest start of their ids that is here.
_THREATS = {
    "B103": Threat.FILESYSTEM,
    "B104": Threat.NETWORK,
    "B105": Threat.SECRET,
    "B106": Threat.SECRET,
    "B107": Threat.SECRET,
    "B108": Threat.FILESYSTEM,
    "B113": Threat.NETWORK,
    "B202": Threat.FILESYSTEM,
    "B306": Threat.FILESYSTEM,
    "B310": Threat.NETWORK,
    "B312": Threat.NETWORK,
    "B321": Threat.NETWORK,
    "B401": Threat.NETWORK,
    "B402": Threat.NETWORK,
}


class Report(msgspec.Struct, frozen=True):
    """What the scanner found; the remark says what it could not analyse."""

    findings: tuple[Finding, ...]
    remark: str = ""


def read_report(data: Any) -> Report | None:
    """The report of `scan`, None where it is none."""
    try:
        return msgspec.convert(data, Report)
    except msgspec.ValidationError:
        return None


def request(root: Path, before: Path, files: Sequence[str]) -> bytes:
    """What `scan` is asked."""
    asked = {"root": str(root), "before": str(before), "files": list(files)}
    return json.dumps(asked).encode()


def threat_of_bandit(test: str) -> Threat:
    """What kind of threat one of bandit's tests is about."""
    return _THREATS.get(test, Threat.UNSAFE)


def joined(bandit: Iterable[Finding], ours: Sequence[Finding]) -> tuple[Finding, ...]:
    """Both, each line once for one threat: the graver finding, bandit's where both are alike."""
    theirs = list(bandit)
    kept = [one for one in ours if not any(_covers(other, one) for other in theirs)]
    left = [
        one
        for one in theirs
        if not any(_covers(other, one) and other.threat is one.threat for other in kept)
    ]
    return (*left, *kept)


def _covers(one: Finding, other: Finding) -> bool:
    """Whether one says all that the other does."""
    same = (one.path, one.line) == (other.path, other.line)
    return same and one.severity.rank >= other.severity.rank
