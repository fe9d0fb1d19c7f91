"""The commits of another repository, brought into ours without running git in there.

Its settings and hooks are whatever an agent wrote: only its refs and objects are read.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.repo.git import git_dir_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from miyabi_tui.engine.repo.git import Git

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
    objects = str(shared / "objects").replace("\\", "\\\\").replace('"', '\\"')
    env = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{objects}"'}
    try:
        tips = [one for one in named if _is_commit(git, one, env)]
        if tips:
            _copy(git, tips, env)
    except GitError:
        return []
    return tips


def _named(git_dir: Path, shared: Path) -> Iterator[str]:
    """What HEAD and the refs name."""
    files = [git_dir / "HEAD", shared / "packed-refs"]
    files += [path for path in (shared / "refs").rglob("*") if path.is_file()]
    for file in files:
        with contextlib.suppress(OSError):
            yield from _COMMIT.findall(file.read_text(encoding="utf-8", errors="replace"))


def _is_commit(git: Git, name: str, env: dict[str, str]) -> bool:
    code, kind = git.run("cat-file", "-t", name, env=env, allowed=(0, 128))
    return code == 0 and kind == "commit"


def _copy(git: Git, tips: list[str], env: dict[str, str]) -> None:
    with tempfile.TemporaryFile() as revisions:
        revisions.write("".join(f"{tip}\n" for tip in tips).encode())
        revisions.seek(0)
        packs = str(git.common_dir / "objects" / "pack" / "pack")
        git.run("pack-objects", "--revs", "--quiet", packs, env=env, stdin=revisions)
