"""Bytes of folders: what they take on disk, and what their files say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BLOCK = 512  # the unit of st_blocks, whatever the file system's is


class Space(msgspec.Struct, frozen=True):
    """`on_disk` is in blocks that are really taken, `apparent` what the files' sizes add up to."""

    on_disk: int = 0
    apparent: int = 0

    def __add__(self, other: Space) -> Space:
        return Space(self.on_disk + other.on_disk, self.apparent + other.apparent)


def taken(folders: Iterable[Path]) -> Space:
    """The space of all in there together; a file with two names counts once. Blocks."""
    seen: set[tuple[int, int]] = set()
    on_disk = apparent = 0
    waiting = [str(folder) for folder in folders]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if (status.st_dev, status.st_ino) in seen:
                        continue
                    if status.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                        seen.add((status.st_dev, status.st_ino))
                    on_disk += getattr(status, "st_blocks", 0) * BLOCK
                    apparent += status.st_size
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:  # it goes away meanwhile, or is not ours to look into
            continue
    return Space(on_disk, apparent)
