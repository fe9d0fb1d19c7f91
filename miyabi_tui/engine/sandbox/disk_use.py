"""What folders take on the disk: counted a slice at a time, so that a huge tree costs little."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Mapping, Sequence
    from pathlib import Path

    Folders = Sequence[Path]

Key = TypeVar("Key")

AGAIN_SECONDS = 2.0  # from the end of one count of a folder to the next
# Of the time that passes, for counting: as a rule, at the first time, and where a disk fills up.
SHARE, FIRST_SHARE, URGENT_SHARE = 1 / 500, 1 / 100, 1 / 20
NEVER = float("-inf")
AT_ONCE = 64  # entries between two looks at the clock
BLOCK = 512
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Count:
    """One count of some folders. What two names share counts once; no link is followed."""

    def __init__(self, folders: Folders) -> None:
        self.bytes = 0
        self._linked: set[tuple[int, int]] = set()
        self._sizes = self._walk([os.fspath(folder) for folder in folders])

    def go_on(self, seconds: float) -> bool:
        """Count for about so much CPU time; whether it is complete."""
        until = time.thread_time() + seconds
        for number, size in enumerate(self._sizes, start=1):
            self.bytes += size
            if number % AT_ONCE == 0 and time.thread_time() > until:
                return False
        return True

    def close(self) -> None:
        """Count no more."""
        self._sizes.close()

    def _walk(self, folders: list[str]) -> Generator[int, None, None]:
        for folder in folders:
            with contextlib.suppress(OSError):
                top = os.lstat(folder)
                if stat.S_ISDIR(top.st_mode):
                    yield from self._tree(os.path.realpath(folder), top.st_dev)

    def _tree(self, folder: str, device: int) -> Generator[int, None, None]:
        """The bytes of each entry below a folder, on its own file system."""
        left = [folder]
        while left:
            path = left.pop()
            try:
                handle = _open(path)
            except OSError:  # gone, not ours to read, or no folder any more
                yield 0
                continue
            try:
                for found, name in _entries(handle):
                    if found.st_dev != device or self._seen(found):
                        yield 0
                        continue
                    if stat.S_ISDIR(found.st_mode):
                        left.append(f"{path}/{name}")
                    yield found.st_blocks * BLOCK
            finally:
                os.close(handle)

    def _seen(self, found: os.stat_result) -> bool:
        if found.st_nlink < 2 or stat.S_ISDIR(found.st_mode):
            return False
        known = (found.st_dev, found.st_ino) in self._linked
        self._linked.add((found.st_dev, found.st_ino))
        return known


def _entries(handle: int) -> Generator[tuple[os.stat_result, str], None, None]:
    """What lies in an open folder, with its name."""
    with os.scandir(handle) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                yield entry.stat(follow_symlinks=False), entry.name


def _open(path: str) -> int:
    """A folder to read, also where its path is longer than the system takes at once.

    Raises:
        OSError: it is gone, may not be read, or is no folder.
    """
    try:
        return os.open(path, _FLAGS)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
    handle = os.open("/", _FLAGS)
    for part in path.strip("/").split("/"):
        try:
            inner = os.open(part, _FLAGS, dir_fd=handle)
        finally:
            os.close(handle)
        handle = inner
    return handle


class _Tally(msgspec.Struct):
    """What is known of one world's folders; `stale` where they may hold something else by now."""

    bytes: int = 0
    stale: bool = True
    counted_at: float = NEVER
    free_then: int = 0
    free_before: int = 0
    count: Count | None = None

    def near(self, folders: Folders, limit: int) -> bool:
        """Whether so much room is gone since the last count that the limit may be reached."""
        return self.bytes + self.free_then - _free(folders) > limit


class DiskUse(Generic[Key]):
    """Bytes of the folders of several worlds. For one thread at a time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tallies: dict[Key, _Tally] = {}

    def forget(self, key: Key) -> None:
        """Whatever was counted: the folders of this world were made anew."""
        if (tally := self._tallies.pop(key, None)) and tally.count:
            tally.count.close()

    def look(
        self, folders: Mapping[Key, Folders], active: Collection[Key], seconds: float
    ) -> dict[Key, int]:
        """The bytes of each world after some more counting.

        `active` are those with processes, whose folders change; `seconds` went by since the last
        look. A count that is not complete tells already where it is more than the last one.
        """
        now = time.monotonic()
        for key in folders:
            if (tally := self._tallies.get(key)) is None:
                tally = self._tallies[key] = _Tally(free_then=_free(folders[key]))
            tally.stale = tally.stale or key in active
        due = [
            (not tally.near(folders[key], self._limit), tally.counted_at, key)
            for key, tally in self._tallies.items()
            if key in folders and self._due(tally, now)
        ]
        first = any(counted_at == NEVER for _, counted_at, _ in due)
        urgent = not all(calm for calm, _, _ in due)
        share = URGENT_SHARE if urgent else FIRST_SHARE if first else SHARE
        until = time.thread_time() + share * seconds
        for _, _, key in sorted(due, key=lambda one: one[:2]):
            if (left := until - time.thread_time()) <= 0:
                break
            self._count(self._tallies[key], folders[key], left)
        return {key: self._known(self._tallies[key]) for key in folders}

    def _due(self, tally: _Tally, now: float) -> bool:
        rested = now - tally.counted_at >= AGAIN_SECONDS
        return tally.count is not None or (tally.stale and rested)

    def _count(self, tally: _Tally, folders: Folders, seconds: float) -> None:
        if tally.count is None:
            tally.count, tally.stale = Count(folders), False
            tally.free_before = _free(folders)
        if tally.count.go_on(seconds):
            tally.bytes, tally.count = tally.count.bytes, None
            tally.counted_at, tally.free_then = time.monotonic(), tally.free_before

    def _known(self, tally: _Tally) -> int:
        return max(tally.bytes, tally.count.bytes if tally.count else 0)


def _free(folders: Folders) -> int:
    """Free bytes on the disk of the first folder that is there."""
    for folder in folders:
        with contextlib.suppress(OSError):
            found = os.statvfs(folder)
            return found.f_bfree * found.f_frsize
    return 0
