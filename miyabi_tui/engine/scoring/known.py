"""What the scanners said of contents that they have seen: the same content is not scanned again.

Five worlds often write the same, a fork or a resumed world is measured again, and a scanner takes
half a second to begin. It is remembered by this process alone, where no world can write.
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from cachetools import LRUCache

from miyabi_tui.engine.scoring.careful import read_plain
from miyabi_tui.engine.security.reading import read

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from miyabi_tui.engine.security.versions import Versions

T = TypeVar("T")
MOST = 4_000  # contents that are remembered
LARGEST = 1_000_000  # bytes of a file that is


class Known(Generic[T]):
    """The latest results by content. From any thread."""

    def __init__(self, most: int = MOST) -> None:
        self._results: LRUCache[bytes, T] = LRUCache(most)
        self._lock = threading.Lock()

    def get(self, content: bytes | None) -> T | None:
        """What was said of this content; None where nothing was."""
        with self._lock:
            return self._results.get(content) if content else None

    def put(self, content: bytes | None, result: T) -> None:
        """Remember it; nothing where the content could not be told."""
        if content:
            with self._lock:
                self._results[content] = result


def contents(root: Path, names: Iterable[str]) -> dict[str, bytes | None]:
    """A digest of each file below `root` with its name; None for what is no plain file. Blocks."""
    return {name: _content(root, name) for name in names}


def _content(root: Path, name: str) -> bytes | None:
    try:
        data = read_plain(root / name, root, LARGEST)
    except (OSError, ValueError):
        return None
    return _digest(name, data)


def change(versions: Versions) -> bytes:
    """A digest of both sides of a change. Blocks."""
    parts: list[str | bytes] = []
    for name in versions.files:
        parts.append(name)
        for root in (versions.old, versions.new):
            one = read(root, name)
            parts += [one.kind.name, one.data, one.target]
    return _digest(*parts)


def _digest(*parts: str | bytes) -> bytes:
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        whole.update(b"%d:" % len(data))
        whole.update(data)
    return whole.digest()
