"""The git data that a world's commands see: git works in there, and nothing of it harms ours."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine.repo.snapshots import Keeper
from miyabi_tui.engine.repo.view import GitView
from miyabi_tui.engine.repo.worktrees import FiveWorldsManager, Worktree, commit_all
from miyabi_tui.engine.worlds import WorldId
from tests.repositories import Repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Repository]

pytestmark = pytest.mark.anyio
AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"))
}


class Inside:
    """Alpha's worktree, whose `.git` names its view, and commands in it."""

    def __init__(self, repo: Repository, worktree: Worktree) -> None:
        self.repo = repo
        self.worktree = worktree
        self.view = GitView(repo.opened(), worktree)
        self.enter()

    def enter(self) -> None:
        self.view.make()
        self.view.redirect()

    def bash(self, script: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", script], cwd=self.worktree.path, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    @property
    def tip(self) -> str:
        return self.repo.git("rev-parse", self.worktree.branch)


@pytest.fixture
async def inside(repository: Make) -> Inside:
    repo = repository({"a.txt": "one\n", "b.txt": "two\n"})
    repo.commit("second")
    repo.git("tag", "v1")
    five = FiveWorldsManager(repo.opened(), repo.head, "issue-1", "task")
    await five.spawn_world(WorldId.BETA)
    return Inside(repo, await five.spawn_world(WorldId.ALPHA))


async def test_history_branches_and_tags_are_there_and_other_worlds_are_not(
    inside: Inside,
) -> None:
    assert inside.bash("git status --porcelain") == ""
    assert inside.bash("git log --format=%s") == "second\nfirst"
    assert inside.bash("git describe --tags") == "v1"
    branches = inside.bash("git branch --all --format='%(refname:short)'").splitlines()
    assert branches == ["main", inside.worktree.branch]
    assert inside.bash("git rev-parse --abbrev-ref HEAD") == inside.worktree.branch


async def test_commits_branch_index_and_stash_are_adopted(inside: Inside) -> None:
    inside.bash("echo stashed >> b.txt; git stash -q; echo more >> a.txt; git commit -qam inside")
    inside.bash("echo staged > new.txt; git add new.txt")
    head = inside.bash("git rev-parse HEAD")
    stash = inside.bash("git rev-parse stash@{0}")
    assert inside.tip != head

    inside.view.adopt()

    assert inside.tip == head
    assert inside.repo.show(inside.tip, "a.txt") == "one\nmore"
    assert inside.repo.git("cat-file", "-t", stash) == "commit"
    assert "new.txt" in inside.worktree.git.run("ls-files")[1].splitlines()
    assert inside.repo.git("fsck", "--no-dangling", "--no-reflogs") == ""
    assert inside.repo.git("stash", "list") == ""  # the user's own is another one


async def test_what_is_adopted_is_in_the_world_s_commit_and_comes_back(inside: Inside) -> None:
    inside.bash("echo more >> a.txt; git commit -qam inside; echo rest >> b.txt")
    inside.view.close()
    assert (inside.worktree.path / ".git").read_text() == f"gitdir: {inside.worktree.git_dir}\n"
    commit = await commit_all(inside.worktree, "all of it", AUTHOR)

    log = inside.repo.git("log", "--format=%s", f"{inside.worktree.base}..{commit}")
    assert log == "all of it\ninside"
    inside.enter()
    assert inside.bash("git log --format=%s -2") == "all of it\ninside"
    assert inside.bash("git status --porcelain") == ""


async def test_a_detached_head_is_where_it_is_inside(inside: Inside) -> None:
    inside.bash("git checkout -q --detach; echo x > x.txt; git add x.txt; git commit -qm aside")
    head = inside.bash("git rev-parse HEAD")
    inside.view.adopt()
    assert inside.worktree.git.run("rev-parse", "HEAD")[1] == head
    assert inside.tip == inside.worktree.base


async def test_settings_hooks_and_remotes_stay_outside(inside: Inside) -> None:
    inside.repo.git("config", "remote.origin.url", "https://user:secret@example.org/x.git")
    inside.repo.git("config", "filter.evil.clean", "touch /tmp/never")
    inside.repo.git("config", "core.autocrlf", "input")
    hook = inside.repo.path / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    inside.enter()

    listing = inside.bash("git config --list --show-origin")
    assert "secret" not in listing and "evil" not in listing
    assert "core.autocrlf=input" in listing
    inside.bash("echo more >> a.txt; git commit -qam 'no hook stops it'")


async def test_what_is_written_into_the_view_never_runs_outside(
    inside: Inside, tmp_path: Path
) -> None:
    """Settings, hooks and filters of the view's own repository, and another `commondir`."""
    marker, folder = tmp_path / "ran", inside.view.folder
    inside.bash(
        f"git config core.fsmonitor 'touch {marker}'; git config core.hooksPath {folder}/own\n"
        f"mkdir {folder}/own; printf '#!/bin/sh\\ntouch {marker}\\n' > {folder}/own/post-commit\n"
        f"chmod +x {folder}/own/*; git config filter.x.clean 'touch {marker}; cat'\n"
        "echo '* filter=x' > .gitattributes; echo more >> a.txt"
    )
    inside.view.adopt()
    await commit_all(inside.worktree, "kept", AUTHOR)
    await Keeper(inside.repo.opened(), "run").checkpoint("Alpha", inside.worktree, 1, "a step")
    inside.view.close()
    assert not marker.exists()


@pytest.mark.parametrize(
    "damage",
    [
        "rm -rf {0}/objects; mkdir {0}/objects",
        "echo nonsense > {0}/HEAD",
        "echo nonsense > {0}/index",
        "ln -sf /etc/passwd {0}/index",
        "mkfifo {0}/objects/pack/pipe",
        "rm {0}/HEAD; mkfifo {0}/HEAD",
        "rm -rf {0}/refs; ln -s / {0}/refs",
        "echo {1} > {0}/HEAD; echo > {0}/objects/info/alternates",
    ],
)
async def test_a_view_that_is_damaged_costs_nothing_else(inside: Inside, damage: str) -> None:
    inside.bash("echo more >> a.txt; git commit -qam inside; echo rest >> b.txt")
    inside.bash(damage.format(inside.view.folder, inside.tip))
    inside.view.adopt()
    commit = await commit_all(inside.worktree, "all of it", AUTHOR)
    assert inside.repo.show(commit, "a.txt") == "one\nmore"
    assert inside.repo.show(commit, "b.txt") == "two\nrest"
    inside.enter()
    assert inside.bash("git status --porcelain") == ""


async def test_what_was_adopted_is_not_adopted_again(inside: Inside) -> None:
    inside.bash("echo more >> a.txt; git commit -qam inside")
    inside.view.close()
    ref = f"refs/heads/{inside.worktree.branch}"
    inside.repo.git("update-ref", ref, inside.worktree.base)
    GitView(inside.repo.opened(), inside.worktree).close()
    assert inside.tip == inside.worktree.base
    assert not inside.view.folder.exists()


async def test_a_view_that_a_killed_engine_left_is_adopted_when_its_worktree_is_found(
    repository: Make,
) -> None:
    repo = repository({"a.txt": "one\n"})
    five = FiveWorldsManager(repo.opened(), repo.head, "issue-1", "task")
    inside = Inside(repo, await five.spawn_world(WorldId.ALPHA))
    inside.bash("echo more >> a.txt; git commit -qam inside")
    head = inside.bash("git rev-parse HEAD")

    again = FiveWorldsManager(repo.opened(), repo.head, "issue-1", "task")
    path, git_dir = inside.worktree.path, inside.worktree.git_dir
    await again.find(WorldId.ALPHA, path, git_dir, inside.worktree.branch)

    assert inside.tip == head
    assert (path / ".git").read_text() == f"gitdir: {git_dir}\n"


@pytest.mark.parametrize("form", ["sha1", "sha256"])
async def test_other_formats_and_borrowed_objects(tmp_path: Path, form: str) -> None:
    files = {"a.txt": "one\n"}
    origin = Repository.create(tmp_path / "origin", files, f"--object-format={form}")
    origin.git("clone", "-q", "--shared", str(origin.path), str(tmp_path / "shared"))
    repo = Repository(tmp_path / "shared")
    five = FiveWorldsManager(repo.opened(), repo.head, "issue-1", "task")
    inside = Inside(repo, await five.spawn_world(WorldId.ALPHA))
    inside.bash("echo more >> a.txt; git commit -qam inside")
    inside.view.adopt()
    assert repo.git("log", "--format=%s", inside.worktree.branch) == "inside\nfirst"
    assert origin.path / ".git" / "objects" in inside.view.objects
