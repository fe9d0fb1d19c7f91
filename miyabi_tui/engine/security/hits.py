"""What an analysis finds in one version of one file, and what is new against the other version."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.security.threats import Severity, Threat

if TYPE_CHECKING:
    from collections.abc import Iterable


class Hit(msgspec.Struct, frozen=True):
    """One finding in one version of a file; `line` is 1-based, 0 where it is the whole file.

    `mark` is what it was found in, or a digest of that: never shown, it tells whether the other
    version has the same. It counts for nothing where the hit is not `exact`.
    """

    threat: Threat
    rule: str
    line: int
    message: str
    severity: Severity
    mark: str = ""
    exact: bool = True


def digest(text: str | bytes) -> str:
    """A mark that does not tell what it stands for."""
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    return hashlib.blake2b(data, digest_size=16).hexdigest()


class Known:
    """The hits of the old versions, each of which excuses one hit of the new ones."""

    def __init__(self, hits: Iterable[Hit]) -> None:
        self._left = Counter((hit.threat, hit.rule, hit.message, hit.mark) for hit in hits)

    def excuse(self, hit: Hit) -> bool:
        """Whether the same was there already; lines may have moved."""
        return self._take((hit.threat, hit.rule, hit.message, hit.mark))

    def excuse_edited(self, hit: Hit) -> bool:
        """Whether the same kind was there already, in other words."""
        if hit.exact:
            return False
        kind = (hit.threat, hit.rule, hit.message)
        return any(self._take(key) for key in tuple(self._left) if key[:3] == kind)

    def _take(self, key: tuple[Threat, str, str, str]) -> bool:
        if self._left[key] <= 0:
            return False
        self._left[key] -= 1
        return True


def fresh(old: Known, new: Iterable[Hit], elsewhere: Known) -> list[Hit]:
    """The hits that are new; `elsewhere` are those of files that are gone, perhaps renamed.

    What was edited and is inexact is a step less bad than what came.
    """
    rest = [hit for hit in new if not old.excuse(hit) and not elsewhere.excuse(hit)]
    return [
        msgspec.structs.replace(hit, severity=hit.severity.milder)
        if old.excuse_edited(hit)
        else hit
        for hit in rest
    ]
