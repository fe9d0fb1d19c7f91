"""The threat model: what a change may do to whoever merges it, and how bad that is."""

from __future__ import annotations

from enum import StrEnum


class Threat(StrEnum):
    """What kind of harm a finding is about."""

    MALICIOUS = "malicious code"
    UNSAFE = "unsafe feature"
    SECRET = "leaked secret"
    NETWORK = "network access"
    FILESYSTEM = "file-system attack"
    DEPENDENCY = "dependency"


class Severity(StrEnum):
    """How bad a security finding is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Its place in the order, 0 for the least."""
        return _ORDER.index(self)

    @property
    def blocks(self) -> bool:
        """Whether a world with such a finding may not be merged unseen."""
        return self.rank >= Severity.HIGH.rank

    @property
    def milder(self) -> Severity:
        """One step less bad; the least stays what it is."""
        return _ORDER[max(0, self.rank - 1)]


_ORDER = tuple(Severity)
