"""The git data that a world's commands see: its own, which can harm nobody else's.

In the worktree's git dir lies a small repository with the user's objects (through alternates, so
nothing is copied), the names of their branches and tags, and the world's own branch and index; no
hooks, none of the settings that can run a program, no other world's refs. A world's `.git` names
it, so `git commit`, `stash` or `rebase` work in there as ever. What it did is adopted afterwards:
its commits, where its branch and HEAD stand, and what it staged.

It is written by an agent: git never runs in it on our side. Only its refs, index and objects are
read, through the repository's own git dir, as those of any repository found in a worktree.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.repo.contents import restore_dot_git
from miyabi_tui.engine.repo.git import commit_of, identity
from miyabi_tui.engine.repo.inner import bring_in
from miyabi_tui.engine.repo.standing import set_ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.repo.worktrees import Worktree

FOLDER = "miyabi-view"  # in a worktree's git dir
DOT_GIT = "miyabi-dot-git"  # beside it: what stands in `.git` for the world's commands
INDEX_AT_MOST = 500_000_000  # bytes
OBJECTS_AT_MOST = 1_000_000  # files
_WORLDS = re.compile(r"refs/heads/world-[A-Z]")
_HARMLESS = re.compile(
    r"core\.(autocrlf|eol|filemode|ignorecase|symlinks|precomposeunicode|whitespace|abbrev)"
    r"|user\.(name|email)|extensions\.objectformat|init\.defaultbranch|merge\.conflictstyle"
)
_ON_BRANCH = re.compile(r"ref: (refs/heads/\S+)\n?")
_NAME = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class GitView:
    """The view of one worktree. `git` is the repository's. Every method blocks for git calls."""

    def __init__(self, git: Git, worktree: Worktree) -> None:
        self._git = git
        self._worktree = worktree
        self.folder = worktree.git_dir / FOLDER
        self._seen: tuple[object, ...] = ()

    @property
    def dot_git(self) -> Path:
        """The file that is to be seen as the worktree's `.git`."""
        return self._worktree.git_dir / DOT_GIT

    @property
    def objects(self) -> list[Path]:
        """The folders with the repository's objects, which the view reads."""
        found = [self._git.common_dir / "objects"]
        for folder in found:  # those of the repositories it was cloned from, as git follows them
            with contextlib.suppress(OSError):
                for line in (folder / "info" / "alternates").read_text().splitlines():
                    other = Path(os.path.normpath(folder / line))
                    if line and not line.startswith("#") and other not in found and len(found) < 20:
                        found.append(other)
        return found

    def make(self) -> None:
        """Make the view anew, as the worktree's git stands now.

        Raises:
            GitError: the repository cannot be read.
            OSError: it cannot be written.
        """
        folder = self.folder
        if folder.exists() or folder.is_symlink():
            _remove(folder)
        for name in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
            (folder / name).mkdir(parents=True)
        alternates = "".join(f"{one}\n" for one in self.objects)
        (folder / "objects" / "info" / "alternates").write_text(alternates)
        (folder / "config").write_text(self._config(), encoding="utf-8", errors="surrogateescape")
        (folder / "packed-refs").write_text(self._refs(), encoding="utf-8")
        for source, name in (
            (self._worktree.git_dir, "HEAD"),
            (self._worktree.git_dir, "index"),
            (self._git.common_dir, "shallow"),
            (self._git.common_dir, "info/exclude"),
            (self._git.common_dir, "info/attributes"),
        ):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(source / name, folder / name)
        self.dot_git.write_bytes(b"gitdir: " + os.fsencode(folder) + b"\n")
        self._seen = self._fingerprint()

    def redirect(self) -> None:
        """Let the worktree's own `.git` name the view, where no mount can stand in its place."""
        restore_dot_git(self._worktree)
        shutil.copyfile(self.dot_git, self._worktree.path / ".git")

    def adopt(self) -> None:
        """Take over what was done in the view since the last time; nothing where there is none.

        A view that cannot be read is left alone: the worktree's files are kept all the same.
        """
        now = self._fingerprint()
        if not now or now == self._seen or not _only_plain_files(self.folder / "objects"):
            return
        with contextlib.suppress(GitError, OSError):
            bring_in(self._git, self.folder, self._worktree.base)
            self._follow()
            self._seen = now
            self._take_index()

    def close(self) -> None:
        """Adopt what was done, and let the worktree's `.git` name its real git dir again.

        What is adopted goes, so that it is not adopted once more when things have moved on; what
        cannot be read stays for a person to look at.
        """
        self.adopt()
        with contextlib.suppress(OSError):
            if _points_at(self._worktree.path / ".git", self.folder):
                restore_dot_git(self._worktree)
            if self._seen and self._seen == self._fingerprint():
                _remove(self.folder)

    def _config(self) -> str:
        lines = ["[core]", "\trepositoryformatversion = 0", "\tbare = false"]
        lines += ["\tlogallrefupdates = true", f"\tworktree = {_quoted(self._worktree.path)}"]
        _, listing = self._git.run("config", "--list", "--null", strip=False)
        author = identity(self._git)
        found = {"user.name": author["GIT_AUTHOR_NAME"], "user.email": author["GIT_AUTHOR_EMAIL"]}
        for entry in filter(None, listing.split("\0")):
            key, _, value = entry.partition("\n")
            if _HARMLESS.fullmatch(key) and key not in found:
                found[key] = value
        if "extensions.objectformat" in found:
            lines[1] = "\trepositoryformatversion = 1"
        for key, value in found.items():
            section, _, name = key.partition(".")
            lines += [f"[{section}]", f"\t{name} = {_quoted(value)}"]
        return "\n".join([*lines, ""])

    def _refs(self) -> str:
        """Branches and tags, but for those of other worlds; git wants them sorted."""
        own = f"refs/heads/{self._worktree.branch}"
        _, listing = self._git.run(
            "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags",
            "refs/remotes",
        )  # fmt: skip
        lines = [
            line
            for line in listing.splitlines()
            if (name := line.partition(" ")[2]) == own or not _WORLDS.match(name)
        ]
        return "\n".join(["# pack-refs with: sorted ", *lines, ""])

    def _follow(self) -> None:
        """Put the world's branch and HEAD where they are in the view, if that is a commit."""
        git, worktree = self._git, self._worktree
        own = f"refs/heads/{worktree.branch}"
        tip = self._value(own) if worktree.branch else ""
        if tip and commit_of(git, tip) and tip != commit_of(git, own):
            set_ref(git, own, tip, why="from inside")
        head = _text(self.folder / "HEAD")
        on = _ON_BRANCH.fullmatch(head)
        if on and on[1] == own:
            worktree.git.run("symbolic-ref", "-m", "miyabi: from inside", "HEAD", own)
            return
        at = self._value(on[1]) if on else head.strip()
        if _NAME.fullmatch(at) and commit_of(git, at):
            why = ("-m", "miyabi: from inside")
            worktree.git.run("update-ref", "--no-deref", *why, "HEAD", at)

    def _value(self, ref: str) -> str:
        """What a ref of the view names; empty where that is no name of an object."""
        found = _text(self.folder / ref).strip()
        if not found:
            packed = re.search(rf"(?m)^(\S+) {re.escape(ref)}$", _text(self.folder / "packed-refs"))
            found = packed[1] if packed else ""
        return found if _NAME.fullmatch(found) else ""

    def _take_index(self) -> None:
        """The view's index into the git dir, with what was staged and is in no file."""
        index = self.folder / "index"
        info = index.lstat()
        if not stat.S_ISREG(info.st_mode) or info.st_size > INDEX_AT_MOST:
            return
        target = self._worktree.git_dir / "index"
        taken = target.with_name("index.miyabi")
        shutil.copy2(index, taken)
        self._git.run("ls-files", "--stage", env={"GIT_INDEX_FILE": str(taken)})  # is it an index?
        with contextlib.suppress(GitError):  # in the midst of a merge there is no tree to it
            bring_in(self._git, self.folder, self._worktree.base, index=taken)
        os.replace(taken, target)

    def _fingerprint(self) -> tuple[object, ...]:
        """What changes whenever git has done something in the view; empty where there is none."""
        if self.folder.is_symlink() or not (self.folder / "objects").is_dir():
            return ()
        names = (
            *("HEAD", "index", "packed-refs", "logs/HEAD", "logs/refs/stash", "refs", "refs/tags"),
            *("refs/stash", "refs/heads", f"refs/heads/{self._worktree.branch}"),
        )
        return tuple(_times(self.folder / name) for name in names)


def _times(path: Path) -> tuple[int, int]:
    try:
        info = path.lstat()
    except OSError:
        return (0, 0)
    return info.st_mtime_ns, info.st_size


def _text(path: Path) -> str:
    """A small file's text; empty where it is none."""
    with contextlib.suppress(OSError):
        if stat.S_ISREG(path.lstat().st_mode):
            return path.read_text(encoding="utf-8", errors="replace")
    return ""


def _quoted(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def _points_at(dot_git: Path, folder: Path) -> bool:
    return dot_git.is_file() and _text(dot_git) == f"gitdir: {folder}\n"


def _only_plain_files(root: Path) -> bool:
    """Whether git can read a folder of objects without waiting: a pipe in there never answers."""
    return all(stat.S_ISDIR(mode) or stat.S_ISREG(mode) for mode in _modes(root, OBJECTS_AT_MOST))


def _modes(root: Path, most: int) -> Iterator[int]:
    left = [str(root)]
    while left and most > 0:
        with contextlib.suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                most -= 1
                yield entry.stat(follow_symlinks=False).st_mode
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)


def _remove(folder: Path) -> None:
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink()
    else:
        shutil.rmtree(folder)
