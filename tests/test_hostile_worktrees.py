"""What an agent may do to its own worktree: none of it runs on the host, hides or loses work."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import anyio
import pytest

from miyabi_tui.engine.errors import WorktreeError
from miyabi_tui.engine.repo.worktrees import (
    FiveWorldsManager,
    Worktree,
    commit_all,
    present_diff,
    present_diffstat,
)
from miyabi_tui.engine.worlds import WorldId

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.repositories import Repository

    Make = Callable[..., Repository]

pytestmark = pytest.mark.anyio


class Alpha:
    """A world with its worktree, and an agent's hand in it."""

    def __init__(self, repo: Repository, five: FiveWorldsManager, worktree: Worktree) -> None:
        self.repo = repo
        self.five = five
        self.worktree = worktree
        self.path = worktree.path

    def bash(self, script: str) -> None:
        """What an agent would run."""
        subprocess.run(["bash", "-ec", script], cwd=self.path, check=True, capture_output=True)

    async def kept(self) -> list[str]:
        """The files on the world's branch after its worktree was removed."""
        await self.five.cleanup_all_worlds()
        assert self.path.name not in self.repo.git("worktree", "list")
        return self.repo.git("ls-tree", "-r", "--name-only", self.worktree.branch).splitlines()


@pytest.fixture
async def alpha(repository: Make) -> Alpha:
    repo = repository({"a.txt": "one\n", "b.txt": "two\n"})
    repo.commit("second")
    five = FiveWorldsManager(repo.opened(), repo.head, "issue-1", "task")
    return Alpha(repo, five, await five.spawn_world(WorldId.ALPHA))


class Marker:
    """A file that exists only if something of the agent's ran on the host."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.script = f"touch '{path}'"

    @property
    def ran(self) -> bool:
        return self.path.exists()


@pytest.fixture
def marker(tmp_path: Path) -> Marker:
    return Marker(tmp_path / "ran")


@pytest.mark.parametrize("where", ["a git dir of its own", "a folder", "its own git dir", "shared"])
async def test_nothing_of_it_runs_on_the_host(alpha: Alpha, marker: Marker, where: str) -> None:
    evil = alpha.path.parent / "evil"
    hooks = evil / "hooks"
    hooks.mkdir(parents=True)
    for name in ("pre-commit", "post-index-change", "post-checkout", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\n{marker.script}\n")
        (hooks / name).chmod(0o755)
    (evil / "monitor").write_text(f"#!/bin/sh\n{marker.script}\n")
    (evil / "monitor").chmod(0o755)
    if where == "a git dir of its own":
        alpha.bash(f"git init -q --bare '{evil}/repo' && echo 'gitdir: {evil}/repo' > .git")
        alpha.bash(f"git --git-dir='{evil}/repo' config core.worktree '{alpha.path}'")
    elif where == "a folder":
        alpha.bash("rm .git && git init -q .")
    scope = "--worktree" if where == "its own git dir" else "--local"
    if scope == "--worktree":
        alpha.bash("git config extensions.worktreeConfig true")
    alpha.bash(f"git config {scope} core.hooksPath '{hooks}'")
    alpha.bash(f"git config {scope} core.fsmonitor '{evil}/monitor'")
    (alpha.path / "a.txt").write_text("changed\n")

    assert (await present_diffstat(alpha.worktree)).files == ("a.txt",)
    assert "+changed" in present_diff(alpha.worktree)
    await commit_all(alpha.worktree, "work")
    assert await alpha.kept() == ["a.txt", "b.txt"]
    assert alpha.repo.show(alpha.worktree.branch, "a.txt") == "changed"
    assert not marker.ran


@pytest.mark.parametrize("commits", [False, True])
async def test_a_nested_repository_is_refused(alpha: Alpha, marker: Marker, commits: bool) -> None:
    alpha.bash("git init -q deep/er && cd deep/er && touch x && git add x")
    if commits:
        alpha.bash("cd deep/er && git commit -q -m x")
    alpha.bash(f'cd deep/er && git config core.fsmonitor "{marker.script}; false"')
    alpha.bash("echo mine > c.txt")
    assert (await present_diffstat(alpha.worktree)).files == ("c.txt",)  # looking still works
    with pytest.raises(WorktreeError, match=r"deep/er has a \.git of its own"):
        await commit_all(alpha.worktree, "work")
    assert not marker.ran


async def test_an_ignored_nested_repository_is_nobodys_business(alpha: Alpha) -> None:
    alpha.bash("echo build/ > .gitignore; git init -q build/dep; echo mine > c.txt")
    await commit_all(alpha.worktree, "work")
    assert await alpha.kept() == [".gitignore", "a.txt", "b.txt", "c.txt"]


async def test_a_repository_in_a_folder_that_is_not_walked_is_refused_all_the_same(
    alpha: Alpha,
) -> None:
    alpha.bash("git init -q venv/src && cd venv/src && git commit -q --allow-empty -m x")
    with pytest.raises(WorktreeError, match=r"venv/src has a \.git of its own"):
        await commit_all(alpha.worktree, "work")


HISTORIES = {
    "committed": "git commit -qam mine",
    "another branch": "git checkout -qb fix; git commit -qam mine",
    "detached": "git checkout -q --detach; git commit -qam mine",
    "rewound": "git stash -q; git reset -q --hard HEAD~1; git stash pop -q",
    "orphan": "git checkout -q --orphan new",
    "index emptied": "git rm -rq --cached .",
    "index locked": 'touch "$(git rev-parse --git-dir)/index.lock"',
    "flagged as unchanged": "git update-index --assume-unchanged a.txt",
    "flagged as not there": "git update-index --skip-worktree a.txt",
    "branch deleted": "git checkout -q --detach; git branch -qD world-Alpha-issue-1-task",
    "half merged": "git stash -q; git checkout -qb x; echo x > a.txt; git commit -qam x; "
    "git checkout -q -; echo y > a.txt; git commit -qam y; git merge x || true; echo mine > a.txt",
    "locked": "git worktree lock .",
    ".git gone": "rm .git",
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=list(HISTORIES))
async def test_whatever_it_did_to_git_the_branch_holds_the_files(
    alpha: Alpha, history: str
) -> None:
    alpha.bash("echo mine > a.txt; echo new > c.txt")
    alpha.bash(history)
    assert set((await present_diffstat(alpha.worktree)).files) == {"a.txt", "c.txt"}
    commit = await commit_all(alpha.worktree, "work")
    assert alpha.repo.git("rev-parse", alpha.worktree.branch) == commit
    assert await commit_all(alpha.worktree, "again") == commit  # nothing new, no commit
    assert await alpha.kept() == ["a.txt", "b.txt", "c.txt"]
    assert alpha.repo.show(commit, "a.txt") == "mine"


async def test_its_own_commits_stay_reachable(alpha: Alpha) -> None:
    alpha.bash("git checkout -q --detach; echo 1 > early; git add early; git commit -qm early")
    alpha.bash("git rm -q early; git commit -qm 'took it back'; git checkout -q HEAD~1; rm early")
    commit = await commit_all(alpha.worktree, "work")
    subjects = alpha.repo.git("log", "--format=%s", commit).splitlines()
    assert subjects == ["work", "early", "second", "first"]


async def test_an_edit_of_the_same_size_in_the_same_second_is_seen(alpha: Alpha) -> None:
    """git trusts a file's time only while the index is younger than it."""
    alpha.repo.git("config", "core.trustctime", "false")
    path, index = alpha.path / "a.txt", alpha.worktree.git_dir / "index"
    then = (1_600_000_000, 1_600_000_000)  # file and index are of one moment
    os.utime(path, then)
    await alpha.worktree.git("update-index", "--refresh")
    os.utime(index, then)
    shutil.copy2(index, index.with_name("miyabi-base-index"))
    path.write_text("ONE\n")
    os.utime(path, then)
    assert (await present_diffstat(alpha.worktree)).files == ("a.txt",)


async def test_looking_while_another_looks(alpha: Alpha) -> None:
    """The person opens the diff while the step is measured."""
    (alpha.path / "a.txt").write_text("changed\n")

    async def look() -> None:
        assert (await present_diffstat(alpha.worktree)).added == 1
        assert "+changed" in await anyio.to_thread.run_sync(present_diff, alpha.worktree)

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(look)
    assert [name for name in os.listdir(alpha.worktree.git_dir) if name.startswith("miyabi-")] == [
        "miyabi-base-index"
    ]


async def test_odd_files(alpha: Alpha) -> None:
    alpha.bash("mkfifo pipe; ln -s /etc/passwd link; ln -s nowhere dangling; mkdir empty")
    alpha.bash("echo x > run; chmod +x run; rm b.txt; mkdir b.txt; echo y > b.txt/in")
    assert "dangling" in (await present_diffstat(alpha.worktree)).files
    assert await alpha.kept() == ["a.txt", "b.txt/in", "dangling", "link", "run"]


async def test_a_worktree_whose_folder_was_replaced(alpha: Alpha) -> None:
    shutil.rmtree(alpha.path)
    alpha.path.mkdir()
    (alpha.path / "only").write_text("x")
    assert await alpha.kept() == ["only"]
