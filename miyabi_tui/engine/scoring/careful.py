"""Reading files that a world's commands have written: only plain ones, and not without end."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 32_000_000  # bytes of a report
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotPlainError(OSError):
    """There is something else than a plain file: a link, a pipe, a device, a folder."""


class TooLargeError(OSError):
    """The file is larger than anybody needs."""


def read_plain(path: Path, below: Path | None = None, most: int | None = None) -> bytes:
    """The content of a plain file; neither it nor a folder on the way from `below` may be a link.

    `below` is the folder of the file where it is not given, or not above it.

    Raises:
        FileNotFoundError: there is none.
        NotPlainError: it is none, or reached through a link.
        TooLargeError: it has more than `most` bytes (`LARGEST` where not given).
        OSError: it cannot be read.
    """
    most = LARGEST if most is None else most
    with _at(path, below) as (folder, name):
        if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise NotPlainError(errno.EINVAL, "this is not a plain file", str(path))
        with open(os.open(name, _FILE, dir_fd=folder), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise NotPlainError(errno.EINVAL, "this is not a plain file", str(path))
            data = file.read(most + 1)
    if len(data) > most:
        raise TooLargeError(errno.EFBIG, "this is too large", str(path))
    return data


def remove_plain(path: Path, below: Path | None = None) -> None:
    """Remove what has that name, if it is not behind a link; a folder only where it is empty."""
    with contextlib.suppress(OSError), _at(path, below) as (folder, name):
        try:
            os.unlink(name, dir_fd=folder)
        except OSError:
            os.rmdir(name, dir_fd=folder)


@contextlib.contextmanager
def _at(path: Path, below: Path | None) -> Iterator[tuple[int, str]]:
    """The folder of the path, opened on the way from `below`, and the last name."""
    path = Path(os.path.normpath(path))
    if below is None or not path.is_relative_to(below):
        below = path.parent
    folder = os.open(below, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in path.relative_to(below).parts[:-1]:
            inner = _inner(folder, part, path)
            os.close(folder)
            folder = inner
        yield folder, path.name
    except OSError as error:
        if error.errno == errno.ELOOP:  # it became a link just now
            raise NotPlainError(error.errno, "this is a link", str(path)) from error
        raise
    finally:
        os.close(folder)


def _inner(folder: int, part: str, path: Path) -> int:
    try:
        return os.open(part, _FOLDER, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise NotPlainError(error.errno, "there is a link on the way", str(path)) from error
        raise
