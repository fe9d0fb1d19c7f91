"""The old and new versions of the files that a commit changed, laid out in two folders.

They come out of git's objects as they are: what a worktree holds may change under a scan, and no
filter, attribute or setting of anybody has a say.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import msgspec

from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.repo.git import GUARDS, printable
from miyabi_tui.engine.repo.index import SUBMODULE
from miyabi_tui.engine.security.reading import LARGEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from miyabi_tui.engine.repo.git import Git

NOTHING, LINK = "000000", "120000"


class Versions(NamedTuple):
    """Two folders with the same relative paths; what a side does not have is absent there.

    `remark` says why there is nothing in them, if so.
    """

    old: Path
    new: Path
    files: tuple[str, ...] = ()
    remark: str = ""


class _Blob(msgspec.Struct, frozen=True):
    path: Path
    mode: str
    object: str


def lay_out(git: Git, base: str, commit: str, folder: Path) -> Versions:
    """Write both versions of every file that differs from `base` to `commit`. Blocks.

    `folder` is made anew. A file too large to be analysed has its size, and nothing in it.

    Raises:
        GitError: git refuses, or the files cannot be written.
    """
    try:
        if os.path.lexists(folder):
            shutil.rmtree(folder)
        found = Versions(folder / "old", folder / "new")
        found.old.mkdir(parents=True)
        found.new.mkdir()
        _, listing = git.run(
            "diff-tree", "-r", "--raw", "--no-abbrev", "--no-renames", "-z", base, commit
        )
        words = listing.split("\0")
        blobs, files = [], []
        for change, name in zip(words[::2], words[1::2], strict=False):
            before, after, old, new, _ = change.lstrip(":").split(" ")
            files.append(name)
            for root, mode, object_ in ((found.old, before, old), (found.new, after, new)):
                if mode != NOTHING:
                    blobs.append(_Blob(_below(root, name), mode, object_))
        _write(git, blobs)
    except (OSError, ValueError) as error:
        raise GitError(
            "the versions of a change cannot be laid out", printable(str(error))
        ) from error
    return found._replace(files=tuple(files))


def _below(root: Path, name: str) -> Path:
    if name.startswith("/") or {"", ".", ".."} & set(name.split("/")):
        raise ValueError(f"{name!r} is no path in a tree")
    return root / name


def _write(git: Git, blobs: Sequence[_Blob]) -> None:
    """Submodules become empty folders, the rest what it is."""
    plain = []
    for blob in blobs:
        blob.path.parent.mkdir(parents=True, exist_ok=True)
        if blob.mode == SUBMODULE:
            blob.path.mkdir()
        else:
            plain.append(blob)
    sizes = _sizes(git, plain)
    small = []
    for blob, size in zip(plain, sizes, strict=True):
        if size > LARGEST:
            with blob.path.open("xb") as file:
                file.truncate(size)
        else:
            small.append(blob)
    with _ask(git, "--batch", small) as answers:
        for blob in small:
            size = int(answers.readline().split()[2])
            data = answers.read(size)
            answers.read(1)
            if blob.mode == LINK:
                os.symlink(data, os.fsencode(blob.path))
            else:
                with blob.path.open("xb") as file:
                    file.write(data)


def _sizes(git: Git, blobs: Sequence[_Blob]) -> list[int]:
    with _ask(git, "--batch-check", blobs) as answers:
        return [int(line.split()[2]) for line in answers]


def _ask(git: Git, how: str, blobs: Iterable[_Blob]) -> IO[bytes]:
    """What `git cat-file` says about objects, in a file at its start.

    Raises:
        GitError: git refuses.
    """
    answers = tempfile.TemporaryFile()
    with tempfile.TemporaryFile() as names:
        names.write("".join(f"{blob.object}\n" for blob in blobs).encode())
        names.seek(0)
        done = subprocess.run(
            ["git", *GUARDS, f"--git-dir={git.git_dir}", "cat-file", how],
            stdin=names,
            stdout=answers,
            stderr=subprocess.PIPE,
            check=False,
        )
    if done.returncode:
        answers.close()
        raise GitError("git cat-file failed", printable(done.stderr.decode("utf-8", "replace")))
    answers.seek(0)
    return answers
