"""Whether anything of the user's repository changed while worlds ran that nothing holds back.

Without isolation a command can do whatever the user can. Git data cannot be watched over then, but
what it was and what it is can be compared: at the beginning, and after each step of a world.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import GitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from miyabi_tui.engine.repo.git import Git

REFS = ("refs/heads", "refs/tags", "refs/remotes", "refs/stash")  # what miyabi keeps is its own
TOLD_AT_MOST = 10


class Sentinel:
    """Compares the repository of `git` with what it was. It blocks for some ms: use a thread.

    Worlds run at the same time: a change is told with the names of all that ran since the last
    look, and what one of them may do, move its own branch, is not told at all.
    """

    def __init__(self, git: Git) -> None:
        self._git = git
        self._before = self._look()
        self._running: dict[str, str] = {}
        self._ran: dict[str, str] = {}
        self._hand = threading.Lock()

    def begin(self, world: str, branch: str) -> None:
        """A world begins a step; `branch` is its own."""
        with self._hand:
            self._running[world] = self._ran[world] = branch

    def end(self, world: str) -> list[str]:
        """A step is over: what changed since the last look, in words."""
        with self._hand:
            suspects, before, self._before = self._ran, self._before, self._look()
            self._running.pop(world, None)
            self._ran = dict(self._running)
            now = self._before
        own = {f"branch {branch}" for branch in suspects.values()}
        others = [one for one in suspects if one != world]
        also = f" ({', '.join(others)} ran too)" if others else ""
        changed = [one for one in _changes(before, now) if one[0] not in own]
        return [f"{what} {how} while {world} ran{also}" for what, how in changed[:TOLD_AT_MOST]]

    def accept(self, branch: str) -> None:
        """Take this branch as it is: miyabi itself has moved it."""
        what = f"branch {branch}"
        with self._hand:
            now = self._look().get(what)
            if now is None:
                self._before.pop(what, None)
            else:
                self._before[what] = now

    def renew(self) -> None:
        """Take what is there as it is: miyabi itself has changed something."""
        with self._hand:
            self._before = self._look()

    def _look(self) -> dict[str, str]:
        """Everything that is compared, by what it is called."""
        common = self._git.common_dir
        found = {
            ".git/config": _digest(common / "config"),
            "what is checked out in your checkout": _digest(self._git.git_dir / "HEAD"),
            "the index of your checkout": _stamp(self._git.git_dir / "index"),
        }
        with contextlib.suppress(OSError):
            hooks = sorted((common / "hooks").iterdir())
            found |= {f".git/hooks/{one.name}": _digest(one) for one in hooks}
        return found | dict(self._refs())

    def _refs(self) -> Iterator[tuple[str, str]]:
        try:
            _, listing = self._git.run("for-each-ref", "--format=%(objectname) %(refname)", *REFS)
        except GitError:
            return
        for line in listing.splitlines():
            commit, _, ref = line.partition(" ")
            yield _called(ref), commit


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for what in sorted(before.keys() | now.keys()):
        was, this = before.get(what, ""), now.get(what, "")
        if was != this:
            yield what, "was changed" if was and this else "was made" if this else "was removed"


def _called(ref: str) -> str:
    """A ref as people say it."""
    if ref.startswith("refs/heads/"):
        return f"branch {ref.removeprefix('refs/heads/')}"
    return "the stash" if ref == "refs/stash" else ref.removeprefix("refs/")


def _digest(path: Path) -> str:
    """What a small file holds, empty where there is none; of a large one when it was written."""
    try:
        if not path.is_file() or path.stat().st_size > 1_000_000:
            return _stamp(path)
        mode = path.stat().st_mode
        return f"{mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    except OSError:
        return ""


def _stamp(path: Path) -> str:
    try:
        found = path.lstat()
    except OSError:
        return ""
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"
