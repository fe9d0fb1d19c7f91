"""One world of a run with its worktree and its keeper, and an agent's hand in it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from miyabi_tui.engine.repo.snapshots import Keeper
from miyabi_tui.engine.repo.worktrees import FiveWorldsManager, Worktree
from miyabi_tui.engine.worlds import WorldId

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.engine.repo.owner import Owner
    from tests.repositories import Repository


class World:
    """Alpha with its worktree and its keeper, and an agent's hand in it."""

    def __init__(self, repo: Repository, keeper: Keeper, five: FiveWorldsManager) -> None:
        self.repo = repo
        self.keeper = keeper
        self.five = five

    @classmethod
    async def of(
        cls, repo: Repository, *, ignored: bool = False, owner: Owner | None = None
    ) -> World:
        """A run `run1` in the repository, with its first worktree."""
        git = repo.opened()
        keeper = Keeper(git, "run1", ignored=ignored)
        await keeper.pin_base(repo.head)
        made = cls(repo, keeper, FiveWorldsManager(git, repo.head, "issue-1", "task", owner=owner))
        await made.five.spawn_world(WorldId.ALPHA)
        return made

    @property
    def worktree(self) -> Worktree:
        return self.five.worktrees[WorldId.ALPHA]

    @property
    def path(self) -> Path:
        return self.worktree.path

    def bash(self, script: str) -> str:
        """What an agent would run."""
        done = subprocess.run(["bash", "-ec", script], cwd=self.path, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode(errors="surrogateescape").strip()

    async def checkpoint(self, step: int = 1, after: str = "") -> str:
        kept = await self.keeper.checkpoint(
            WorldId.ALPHA, self.worktree, step, "did it", after=after
        )
        assert self.repo.git("rev-parse", f"refs/miyabi/run1/Alpha/{step}") == kept.commit
        return kept.commit

    async def archive(self, reason: str = "it goes") -> str:
        return await self.keeper.archive(WorldId.ALPHA, self.worktree, 1, reason)

    async def difference(self, commit: str) -> str:
        return await self.keeper.difference(self.worktree, commit)

    def files(self, commit: str) -> list[str]:
        return self.repo.git("ls-tree", "-rz", "--name-only", commit).split("\0")[:-1]

    def standing(self) -> tuple[str, str]:
        """HEAD and the branch, as git says it of the worktree."""
        head = self.bash("git rev-parse HEAD; git symbolic-ref -q HEAD || true")
        return head, self.repo.git("rev-parse", self.worktree.branch)
