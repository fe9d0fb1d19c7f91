"""The commits of another repository, brought into ours without running git in there.

Its settings and hooks are whatever an agent wrote: only its refs and objects are read.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.repo.git import git_dir_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miyabi_tui.engine.repo.git import Git

FILES_AT_MOST, LOGGED_AT_MOST = 10_000, 1_000
# A line of a reflog: the old commit, the new one, who, and why.
_LOGGED = re.compile(r"(?m)^[0-9a-f]+ ([0-9a-f]{40}(?:[0-9a-f]{24})?) ")
_COMMIT = re.compile(r"(?m)^(?:[0-9a-f]{64}|[0-9a-f]{40})\b")


def histories(git: Git, checkout: Path) -> list[str]:
    """The tips of the repository in `checkout`; all they reach is in ours afterwards. Blocks.

    Empty where it has none, or not all of its history (a shallow clone).
    """
    try:
        theirs = git_dir_of(checkout)
        common = theirs / "commondir"
        shared = (theirs / common.read_text().strip()).resolve() if common.is_file() else theirs
        named = sorted(set(_named(theirs, shared)))
    except (OSError, ValueError):
        return []
    env = _beside(shared)
    try:
        tips = [one for one in named if _is_commit(git, one, env)]
        if tips:
            _copy(git, tips, env)
    except GitError:
        return []
    return tips


def bring_in(git: Git, theirs: Path, base: str, *, index: Path | None = None) -> list[str]:
    """What the repository `theirs`, made from ours, has besides: the new commits, now in ours too.

    Those in its reflog are among them, and with an `index` of it what is staged. Blocks.

    Raises:
        GitError: it cannot be read whole.
        OSError: as above.
    """
    env = _beside(theirs)
    named = list(dict.fromkeys(_named(theirs, theirs, logs=True)))
    new = [one for one in _lacking(git, named) if _is_commit(git, one, env)]
    tips = list(new)
    if index is not None:
        _, tree = git.run("write-tree", env={**env, "GIT_INDEX_FILE": str(index)})
        tips.append(tree)
    if tips:
        _copy(git, [*tips, f"^{base}"], env)
    return new


def _beside(theirs: Path) -> dict[str, str]:
    """Lets git read their objects too; what it writes goes into ours."""
    objects = str(theirs / "objects").replace("\\", "\\\\").replace('"', '\\"')
    return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{objects}"'}


def _lacking(git: Git, names: list[str]) -> list[str]:
    """Those that are no objects of ours."""
    with tempfile.TemporaryFile() as asked:
        asked.write("".join(f"{name}\n" for name in names).encode())
        asked.seek(0)
        _, listing = git.run("cat-file", "--batch-check=%(objectname)", "--buffer", stdin=asked)
    found = listing.splitlines()
    return [line.removesuffix(" missing") for line in found if line.endswith(" missing")]


def _named(git_dir: Path, shared: Path, *, logs: bool = False) -> Iterator[str]:
    """What HEAD and the refs name, and with `logs` what they named before."""
    for file in (git_dir / "HEAD", shared / "packed-refs", *_below(shared / "refs")):
        yield from _COMMIT.findall(_text(file))
    for file in _below(shared / "logs") if logs else ():
        yield from _LOGGED.findall(_text(file))[-LOGGED_AT_MOST:]


def _below(folder: Path) -> Iterator[Path]:
    """The files in a folder, to a number; no link is followed: it can lead anywhere."""
    if folder.is_symlink():
        return
    left = FILES_AT_MOST
    for inside, _, names in os.walk(folder):
        for name in names[:left]:
            yield Path(inside, name)
        if (left := left - len(names)) <= 0:
            return


def _text(path: Path) -> str:
    """A file's text, empty where it is none: a pipe would be waited for for ever."""
    with contextlib.suppress(OSError):
        if stat.S_ISREG(path.lstat().st_mode):
            return path.read_text(encoding="utf-8", errors="replace")
    return ""


def _is_commit(git: Git, name: str, env: dict[str, str]) -> bool:
    code, kind = git.run("cat-file", "-t", name, env=env, allowed=(0, 128))
    return code == 0 and kind == "commit"


def _copy(git: Git, tips: list[str], env: dict[str, str]) -> None:
    with tempfile.TemporaryFile() as revisions:
        revisions.write("".join(f"{tip}\n" for tip in tips).encode())
        revisions.seek(0)
        packs = str(git.common_dir / "objects" / "pack" / "pack")
        git.run("pack-objects", "--revs", "--quiet", packs, env=env, stdin=revisions)
