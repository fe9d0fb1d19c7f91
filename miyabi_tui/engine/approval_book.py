"""What the person allowed for always, for each repository: one JSON file of the state folder.

Never in the repository, which anybody may have written. All of it blocks.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Allowed(msgspec.Struct, frozen=True):
    """One command that is allowed: `key` is what it is known by, the rest is for people."""

    key: str
    pattern: str
    command: str
    at: float  # Unix time


class _Book(msgspec.Struct, omit_defaults=True):
    version: int = 1
    always: dict[str, list[Allowed]] = {}


class Unusable(Exception):
    """The file cannot be trusted, or not be read; the text says why."""


class ApprovalBook:
    """Shared by all engines of a user."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keys(self, repo: str) -> frozenset[str]:
        """What is allowed in a repository.

        Raises:
            Unusable: the file cannot be read; nothing is allowed by it.
        """
        return frozenset(one.key for one in self._read().always.get(repo, ()))

    def add(self, repo: str, allowed: Allowed) -> None:
        """Keep it. A file that cannot be used is put aside.

        Raises:
            OSError: it cannot be written.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone():
            try:
                book = self._read()
            except Unusable:
                os.replace(self.path, self.path.with_name(f"{self.path.name}.damaged"))
                book = _Book()
            others = [one for one in book.always.get(repo, ()) if one.key != allowed.key]
            book.always = {**book.always, repo: [*others, allowed]}
            self._write(msgspec.json.format(msgspec.json.encode(book)))

    def _read(self) -> _Book:
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_uid != os.getuid() or found.st_mode & OTHERS_MAY_WRITE:
                    raise Unusable("others may write it")
                return msgspec.json.decode(file.read(), type=_Book)
        except FileNotFoundError:
            return _Book()
        except (OSError, ValueError, RecursionError) as error:  # msgspec's own are ValueErrors
            raise Unusable(str(error)) from error

    def _write(self, data: bytes) -> None:
        new = self.path.with_name(f"{self.path.name}.new")
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(data + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self.path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While one engine adds, no other does."""
        lock = self.path.with_name(f"{self.path.name}.lock")
        with open(os.open(lock, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
