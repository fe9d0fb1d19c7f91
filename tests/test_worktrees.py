"""Five worktrees on five branches; the user's own checkout is not touched."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine.errors import WorktreeError
from miyabi_tui.engine.repo.git import open_repository
from miyabi_tui.engine.repo.worktrees import (
    FiveWorldsManager,
    Worktree,
    commit_all,
    present_diff,
    present_diffstat,
)
from miyabi_tui.engine.worlds import FIVE, WorldId

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.repositories import Repository

    Make = Callable[..., Repository]

pytestmark = pytest.mark.anyio
ALPHA = WorldId.ALPHA


def manager(repo: Repository, task: str = "task") -> FiveWorldsManager:
    return FiveWorldsManager(repo.opened(), repo.head, "issue-270", task)


async def spawn_all(five: FiveWorldsManager) -> dict[WorldId, Worktree]:
    async def created(world: WorldId, worktree: Worktree) -> None:
        assert (worktree.path / ".git").is_file(), world

    return await five.spawn_all_worlds(FIVE, created)


async def test_five_at_once_each_on_its_own_branch(repository: Make) -> None:
    repo = repository({f"d{n}/f{n}": str(n) for n in range(40)})
    worlds = await spawn_all(manager(repo))
    assert set(worlds) == set(FIVE)
    for world, worktree in worlds.items():
        assert worktree.path == repo.path / f".miyabi/worktrees/world-{world}/issue-270/task"
        assert (worktree.path / "d7" / "f7").read_text() == "7"
        assert await worktree.git("status", "--porcelain") == ""
        assert await worktree.git("branch", "--show-current") == worktree.branch
    assert {f"world-{world}-issue-270-task" for world in FIVE} < set(repo.branches)


async def test_nothing_of_the_user_is_touched(repository: Make) -> None:
    repo = repository({"a": "1\n", "b": "2\n", "c": "3\n"})
    repo.write({"a": "stashed\n"})
    repo.git("stash", "--quiet")
    repo.write({"a": "unstaged\n", "b": "staged\n", "untracked": "mine\n"})
    repo.git("add", "b")
    repo.git("rm", "--quiet", "--cached", "c")
    repo.git("config", "branch.autoSetupMerge", "always")
    status, before = repo.git("status", "--porcelain"), repo.snapshot()
    five = manager(repo)
    for worktree in (await spawn_all(five)).values():
        assert (worktree.path / "a").read_text() == "1\n"
        (worktree.path / "a").write_text("world\n")
        await present_diffstat(worktree)
        await commit_all(worktree, "work")
    base = await five.spawn_base()
    await five.remove(base)
    await five.cleanup_all_worlds()
    assert repo.snapshot() == before
    assert repo.git("status", "--porcelain") == status  # .miyabi ignores itself


async def test_hooks_of_the_user_do_not_run(repository: Make, tmp_path: Path) -> None:
    repo = repository()
    for name in (
        "post-checkout",
        "pre-commit",
        "commit-msg",
        "post-commit",
        "reference-transaction",
    ):
        hook = repo.path / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/{name}.ran'\n")
        hook.chmod(0o755)
    worktree = await manager(repo).spawn_world(ALPHA)
    (worktree.path / "new").write_text("x")
    await commit_all(worktree, "work")
    assert [name for name in os.listdir(tmp_path) if name.endswith(".ran")] == []


async def test_files_that_git_does_not_have_are_brought_along(repository: Make) -> None:
    repo = repository(
        {".gitignore": ".env\ndata/\n", ".worktreeinclude": ".env\ndata/**/*.bin\n!data/no.bin\n"}
    )
    repo.write({".env": "KEY=1", "data/a/x.bin": b"\0", "data/no.bin": b"", "data/other": "x"})
    (repo.path / "data/a/link.bin").symlink_to("x.bin")
    worktree = await manager(repo).spawn_world(ALPHA)
    assert (worktree.path / ".env").read_text() == "KEY=1"
    assert (worktree.path / "data/a/link.bin").is_symlink()
    assert sorted(path.name for path in (worktree.path / "data").rglob("*.*")) == [
        "link.bin",
        "x.bin",
    ]
    assert (await present_diffstat(worktree)).files == ()


async def test_a_second_run_gets_worktrees_of_its_own(repository: Make) -> None:
    repo = repository()
    (repo.path / ".worktreeinclude").write_text("*\n")  # even this does not copy .miyabi itself
    first = await manager(repo, "one").spawn_world(ALPHA)
    second = await manager(repo, "two").spawn_world(ALPHA)
    assert first.path != second.path
    assert not (second.path / ".miyabi").exists()


async def test_a_branch_that_exists_is_not_taken_over(repository: Make) -> None:
    repo = repository()
    repo.git("branch", "world-Alpha-issue-270-task")
    five = manager(repo)
    with pytest.raises(WorktreeError, match="already exists"):
        await five.spawn_world(ALPHA)
    assert not five.worktrees
    assert not five.path(WorldId.ALPHA).exists()


async def test_a_worktree_that_cannot_be_filled_leaves_nothing(repository: Make) -> None:
    repo = repository({".gitattributes": "*.big filter=lfs\n", "a.big": "x"})
    repo.git("config", "filter.lfs.smudge", "false")
    repo.git("config", "filter.lfs.required", "true")
    with pytest.raises(WorktreeError, match="smudge filter lfs failed"):
        await manager(repo).spawn_world(ALPHA)
    assert repo.branches == ["main"]
    assert repo.git("worktree", "list", "--porcelain").count("worktree ") == 1


async def test_cleanup_removes_all_five_and_loses_nothing(repository: Make) -> None:
    repo = repository({"kept": "1", "deleted": "2"})
    five = manager(repo)
    worlds = await spawn_all(five)
    for world, worktree in worlds.items():
        (worktree.path / "untracked").write_text(f"by {world}")
        (worktree.path / "deleted").unlink()
    await five.cleanup_all_worlds()
    assert five.worktrees == {}
    assert repo.git("worktree", "list", "--porcelain").count("worktree ") == 1
    for world, worktree in worlds.items():
        assert not worktree.path.exists()
        assert repo.show(worktree.branch, "untracked") == f"by {world}"
        assert repo.git("ls-tree", "--name-only", worktree.branch).split() == ["kept", "untracked"]


async def test_cleanup_needs_no_identity_and_no_folder(
    repository: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = repository()
    five = manager(repo)
    kept, gone = await five.spawn_world(ALPHA), await five.spawn_world(WorldId.BETA)
    (kept.path / "new").write_text("x")
    for path in gone.path.iterdir():
        path.unlink()
    gone.path.rmdir()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    await five.cleanup_all_worlds()
    assert repo.show(kept.branch, "new") == "x"


async def test_one_world_that_must_be_kept_does_not_keep_the_others(repository: Make) -> None:
    repo = repository()
    five = manager(repo)
    worlds = await spawn_all(five)
    nested = worlds[ALPHA].path / "vendor"
    nested.mkdir()
    repo.git("init", "--quiet", str(nested))
    with pytest.raises(WorktreeError, match="a repository inside the worktree"):
        await five.cleanup_all_worlds()
    assert set(five.worktrees) == {ALPHA}
    assert nested.exists()


NAMES = [
    "new\nline",
    'tab\tand \\ "quote"',
    "日本語.txt",
    "é" * 127,
    "n" * 255,
    " a ",
    "-rf",
    ":(top)x",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
async def test_any_file_name(repository: Make, name: str) -> None:
    repo = repository({name: "one\n"})
    five = manager(repo)
    worktree = await five.spawn_world(ALPHA)
    (worktree.path / name).write_text("two\n")
    change = await present_diffstat(worktree)
    assert (change.added, change.deleted, change.files) == (1, 1, (name,))
    assert "+two" in present_diff(worktree)
    await five.cleanup_all_worlds()
    assert repo.show(worktree.branch, name) == "two"


async def test_names_and_content_that_are_not_utf_8(repository: Make) -> None:
    repo = repository()
    worktree = await manager(repo).spawn_world(ALPHA)
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    (worktree.path / name).write_bytes(b"cr\xe8me\n")
    assert (await present_diffstat(worktree)).files == (name,)
    present_diff(worktree).encode()
    await commit_all(worktree, "work")
    assert repo.git("ls-tree", "-z", "--name-only", worktree.branch, name) == f"{name}\0"


@pytest.mark.parametrize("where", ["subfolder", "linked worktree"])
async def test_opened_from_elsewhere(repository: Make, tmp_path: Path, where: str) -> None:
    repo = repository({"sub/a": "1"})
    start = repo.path / "sub"
    if where == "linked worktree":
        start = tmp_path / "linked"
        repo.git("worktree", "add", "--quiet", "-b", "other", str(start))
    git = open_repository(start)
    five = FiveWorldsManager(git, repo.head, "issue-1", "task")
    worktree = await five.spawn_world(ALPHA)
    assert worktree.path.is_relative_to(git.work_tree / ".miyabi")
    (worktree.path / "sub" / "a").write_text("2")
    await five.cleanup_all_worlds()
    assert repo.show(worktree.branch, "sub/a") == "2"


SETTINGS = [
    ("core.autocrlf", "true"),
    ("core.autocrlf", "input"),
    ("core.splitIndex", "true"),
    ("core.untrackedCache", "true"),
    ("core.trustctime", "false"),
    ("submodule.recurse", "true"),
    ("extensions.worktreeConfig", "true"),
    ("commit.gpgSign", "true"),
    ("commit.cleanup", "strip"),
    ("worktree.guessRemote", "true"),
    ("checkout.defaultRemote", "origin"),
    ("feature.manyFiles", "true"),
    ("core.checkStat", "minimal"),
]


@pytest.mark.parametrize("setting", SETTINGS, ids="=".join)
async def test_any_setting_of_the_user(repository: Make, setting: tuple[str, str]) -> None:
    repo = repository({"unix": "1\n", "windows": "1\r\n", "same": "x\n"})
    repo.git("config", *setting)
    repo.git("config", "core.safecrlf", "true")
    worktree = await manager(repo).spawn_world(ALPHA)
    assert (await present_diffstat(worktree)).files == ()
    (worktree.path / "unix").write_text("2\n")
    (worktree.path / "windows").write_bytes(b"2\r\n")
    assert (await present_diffstat(worktree)).files == ("unix", "windows")
    commit = await commit_all(worktree, "# a subject like a comment")
    assert repo.git("log", "-1", "--format=%s", commit) == "# a subject like a comment"
    assert repo.show(commit, "unix") == "2"


async def test_the_users_own_ignores_hold(repository: Make) -> None:
    repo = repository()
    (repo.path.parent / "ignores").write_text("*.swp\n")
    repo.git("config", "core.excludesFile", str(repo.path.parent / "ignores"))
    worktree = await manager(repo).spawn_world(ALPHA)
    (worktree.path / "a.swp").write_text("x")
    assert (await present_diffstat(worktree)).files == ()


async def test_a_submodule_may_be_there_or_filled(repository: Make) -> None:
    library = repository({"lib.c": "1"}, name="library")
    repo = repository()
    allowed = ("-c", "protocol.file.allow=always")
    repo.git(*allowed, "submodule", "--quiet", "add", str(library.path), "vendor/lib")
    repo.commit("with a submodule")
    repo.git("config", "submodule.recurse", "true")
    five = manager(repo)
    worktree = await five.spawn_world(ALPHA)
    (worktree.path / "a").write_text("x")
    assert (await present_diffstat(worktree)).files == ("a",)
    await worktree.git(*allowed, "submodule", "--quiet", "update", "--init")  # as a setup would
    assert (worktree.path / "vendor/lib/lib.c").exists()
    assert (await present_diffstat(worktree)).files == ("a",)
    await five.cleanup_all_worlds()
    assert repo.git("diff", "--name-only", "main", worktree.branch) == "a"
