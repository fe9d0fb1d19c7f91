"""A checkpoint in a repository of 10,000 files against `git add -A && git write-tree`: ≤ 3 ×.

Both with a warm index, and three files changed before each.
"""

from __future__ import annotations

import itertools
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from benchmarks.common import compare, verdict
from miyabi_tui.engine.repo.git import open_repository
from miyabi_tui.engine.repo.snapshots import Keeper
from miyabi_tui.engine.repo.worktrees import FiveWorldsManager
from miyabi_tui.engine.worlds import WorldId

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.engine.repo.worktrees import Worktree

FILES, IN_A_FOLDER, ROUNDS = 10_000, 50, 31
TWO_STEPS = "git add -A && git write-tree"


def repository(path: Path, files: int = FILES) -> Path:
    """A repository with so many files in its first commit."""
    for number in range(files):
        file = path / f"d{number // IN_A_FOLDER % 20}/e{number // IN_A_FOLDER}/f{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"x = {number}\n" * 20)
    author = "-c user.name=miyabi -c user.email=miyabi@localhost"
    script = f"git init -q . && git add -A && git {author} commit -qm first"
    subprocess.run(script, shell=True, cwd=path, check=True)
    return path


def seconds_after_a_change(path: Path, do: Callable[[], object]) -> float:
    """Seconds of `do`, when three files have just been changed."""
    for name in ("d1/e1/f50.py", "d7/e7/f350.py", "new.py"):
        with (path / name).open("a") as file:
            file.write("y = 1\n")
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


async def two_worktrees(path: Path) -> tuple[Keeper, Worktree, Worktree]:
    """A keeper, and two worktrees that are alike."""
    git = open_repository(path)
    base = await git("rev-parse", "HEAD")
    five = FiveWorldsManager(git, base, "issue-1", "task")
    keeper = Keeper(git, "bench")
    await keeper.pin_base(base)
    return keeper, await five.spawn_world(WorldId.ALPHA), await five.spawn_world(WorldId.BETA)


def main() -> bool:
    """Measure; whether the bound is kept."""
    with tempfile.TemporaryDirectory() as scratch:
        path = repository(Path(scratch))
        keeper, kept, bare = anyio.run(two_worktrees, path)
        steps, commits = itertools.count(), [""]

        async def checkpoint() -> None:
            step = next(steps)
            snapshot = await keeper.checkpoint(
                WorldId.ALPHA, kept, step, "a step", after=commits[-1]
            )
            commits.append(snapshot.commit)

        def git() -> None:
            subprocess.run(TWO_STEPS, shell=True, cwd=bare.path, check=True, capture_output=True)

        for _ in range(3):  # warm, and the files of the checkout are older than the index
            time.sleep(0.7)
            seconds_after_a_change(kept.path, lambda: anyio.run(checkpoint))
            seconds_after_a_change(bare.path, git)
        found = compare(
            ROUNDS,
            bare=lambda: seconds_after_a_change(bare.path, git),
            # anyio.run makes an event loop each time, 1 ms that an engine does not have
            kept=lambda: seconds_after_a_change(kept.path, lambda: anyio.run(checkpoint)),
        )
    print(", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in found.items()))
    return verdict("checkpoint ÷ bare git add and write-tree", found["kept"] / found["bare"], 3)


if __name__ == "__main__":
    raise SystemExit(not main())
