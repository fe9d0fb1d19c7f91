"""Reading files of hostile making: no link is followed, nothing but plain files is opened."""

from __future__ import annotations

import os
import stat
from enum import Enum, auto
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 4_000_000  # bytes of a file that is analysed


class Kind(Enum):
    """What is at a path."""

    ABSENT = auto()
    PLAIN = auto()
    LINK = auto()
    FOLDER = auto()  # another repository: git lists no others
    SPECIAL = auto()
    TOO_LARGE = auto()
    UNREADABLE = auto()


class Version(msgspec.Struct, frozen=True):
    """What is at a path: the bytes of a plain file, or where a link leads."""

    kind: Kind
    data: bytes = b""
    target: str = ""


def read(root: Path, name: str) -> Version:
    """What is at `name` below `root`; whatever goes wrong is a kind, not an error. Blocks."""
    try:
        folder = os.path.join(os.path.realpath(root), os.path.dirname(name))
        if os.path.realpath(folder) != os.path.normpath(folder) or ".." in name.split("/"):
            return Version(Kind.UNREADABLE)  # through a link
        path = os.path.join(folder, os.path.basename(name))
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            return Version(Kind.LINK, target=os.readlink(path))
        if stat.S_ISDIR(status.st_mode):
            return Version(Kind.FOLDER)
        if not stat.S_ISREG(status.st_mode):
            return Version(Kind.SPECIAL)
        if status.st_size > LARGEST:
            return Version(Kind.TOO_LARGE)
        return _plain(path)
    except (FileNotFoundError, NotADirectoryError):
        return Version(Kind.ABSENT)
    except (OSError, ValueError):
        return Version(Kind.UNREADABLE)


def _plain(path: str) -> Version:
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            return Version(Kind.SPECIAL)
        data = file.read(LARGEST + 1)
    return Version(Kind.TOO_LARGE) if len(data) > LARGEST else Version(Kind.PLAIN, data)
