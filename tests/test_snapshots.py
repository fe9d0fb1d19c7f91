"""Snapshots of a worktree: all of it is kept, nothing of it moves, and it can be put back."""

from __future__ import annotations

import os
import shutil
import threading
from typing import TYPE_CHECKING

import anyio
import pytest

from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.repo.note import Note
from miyabi_tui.engine.repo.owner import Owner
from miyabi_tui.engine.repo.snapshots import Keeper
from miyabi_tui.engine.repo.worktrees import FiveWorldsManager, Worktree, commit_all
from miyabi_tui.engine.worlds import WorldId
from tests.one_world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.repositories import Repository

    Make = Callable[..., Repository]

pytestmark = pytest.mark.anyio
ALPHA, BETA = WorldId.ALPHA, WorldId.BETA


@pytest.fixture
async def alpha(repository: Make) -> World:
    return await World.of(repository({"a.txt": "one\n", "b.txt": "two\n", ".gitignore": "*.log\n"}))


async def test_all_of_it_is_kept_and_nothing_moves(alpha: World) -> None:
    alpha.bash("echo more >> a.txt; git rm -q b.txt; echo run > run; chmod +x run; ln -s a.txt ln")
    alpha.bash(
        "mkdir -p 日本語; echo x > $'日本語/new\\nline'; echo y > $'caf\\xe9'; echo no > x.log"
    )
    index = alpha.worktree.git_dir / "index"
    before = (alpha.repo.snapshot(), index.read_bytes(), alpha.standing(), alpha.repo.branches)
    kept = await alpha.keeper.checkpoint(ALPHA, alpha.worktree, 3, "ran\nthe tests")
    assert (alpha.repo.snapshot(), index.read_bytes()) == before[:2]
    assert (alpha.standing(), alpha.repo.branches) == before[2:]
    caf = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert set(alpha.files(kept.commit)) == {
        *(".gitignore", "a.txt", caf, "ln", "run", "日本語/new\nline")
    }
    modes = alpha.repo.git("ls-tree", kept.commit, "run", "ln").split()
    assert (modes[0], modes[4]) == ("120000", "100755")
    assert (kept.change.added, kept.change.deleted) == (5, 1)
    assert alpha.repo.git("log", "-1", "--format=%s", "refs/miyabi/run1/Alpha/3") == (
        "Alpha, step 3: ran the tests"
    )


async def test_one_ref_keeps_the_whole_chain(alpha: World) -> None:
    first = await alpha.checkpoint(1)
    alpha.bash("echo 2 > a.txt; git commit -qam 'of the agent'")
    second = await alpha.checkpoint(2, after=first)
    alpha.bash("git reset -q --hard HEAD~1")
    third = await alpha.checkpoint(3, after=second)
    alpha.repo.git("update-ref", "-d", "refs/miyabi/run1/Alpha/1")
    alpha.repo.git("update-ref", "-d", "refs/miyabi/run1/Alpha/2")
    assert alpha.repo.git("rev-parse", f"{third}^", f"{third}^^").split() == [second, first]
    assert "of the agent" in alpha.repo.git("log", "--format=%s", third).splitlines()
    assert alpha.repo.git("rev-list", "--parents", "-1", third).split() == [third, second]


async def test_a_snapshot_needs_no_identity(alpha: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    commit = await alpha.checkpoint()
    assert alpha.repo.git("log", "-1", "--format=%an %cn", commit) == "miyabi miyabi"


async def test_a_lock_that_a_killed_git_left_holds_nothing_up(alpha: World) -> None:
    refs = alpha.repo.path / ".git" / "refs"
    for name in ("miyabi/run1/Alpha/1.lock", f"heads/{alpha.worktree.branch}.lock"):
        lock = refs / name
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
        os.utime(lock, (1_600_000_000, 1_600_000_000))
    alpha.bash("echo mine > mine")
    commit = await alpha.checkpoint()
    assert alpha.files(await commit_all(alpha.worktree, "done")) == alpha.files(commit)


async def test_nothing_of_git_gc_in_between_is_missed(alpha: World) -> None:
    alpha.bash("mkdir d; echo kept > d/kept; echo a > d/a")
    await alpha.keeper.save(ALPHA, alpha.worktree, 0, "by the clock")
    alpha.repo.git("update-ref", "-d", "refs/miyabi/run1/Alpha/saved")  # nothing holds its objects
    alpha.repo.git("gc", "--quiet", "--prune=now")
    alpha.bash("echo b > d/b")
    commit = await alpha.checkpoint()
    assert alpha.repo.show(commit, "d/kept") == "kept"
    assert await alpha.keeper.readable(commit)
    alpha.repo.git("gc", "--quiet", "--prune=now")
    assert await alpha.keeper.readable(commit)
    assert await alpha.difference(commit) == ""


async def test_our_own_indexes_may_be_damaged(alpha: World) -> None:
    alpha.bash("echo mine > mine")
    commit = await alpha.checkpoint()
    for names in (["step"], ["base"], ["step", "base"]):
        for damage in ("garbage", "gone"):
            for name in names:
                index = alpha.worktree.git_dir / f"miyabi-{name}-index"
                index.unlink(missing_ok=True)
                if damage == "garbage":
                    index.write_bytes(b"DIRC garbage")
            commit = await alpha.checkpoint(2, after=commit)
            assert alpha.files(commit) == [".gitignore", "a.txt", "b.txt", "mine"], (names, damage)
    (alpha.worktree.git_dir / "miyabi-step-index").write_bytes(b"DIRC garbage")
    alpha.bash("rm a.txt")
    await alpha.keeper.put_back(alpha.worktree, commit)
    assert alpha.bash("cat a.txt mine") == "one\nmine"


async def test_objects_that_a_dead_box_left_empty_are_noticed(alpha: World) -> None:
    alpha.bash("echo mine > mine")
    commit = await alpha.checkpoint()
    assert await alpha.keeper.readable(commit)
    blob = alpha.repo.git("rev-parse", f"{commit}:mine")
    loose = alpha.repo.path / ".git" / "objects" / blob[:2] / blob[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"")
    assert not await alpha.keeper.readable(commit)
    assert not await alpha.keeper.readable("0" * 40)


MESSES = {
    "files": "echo x > a.txt; rm sub/in; echo y > new; mkdir -p d/e; echo z > d/e/f",
    "a folder in place of a file": "rm a.txt; mkdir a.txt; echo x > a.txt/x",
    "a file in place of a folder": "rm -r sub; echo x > sub",
    "a link in place of a folder": "mv sub ../moved; ln -s ../moved sub",
    "committed": "echo x > a.txt; git commit -qam x",
    "detached": "git checkout -q --detach; git commit -q --allow-empty -m x",
    "another branch": "git checkout -q -b fix; echo x > a.txt; git commit -qam x",
    "branch deleted": "git checkout -q --detach; git branch -qD world-Alpha-issue-1-task",
    "half merged": "git add -A; git commit -qm m; git checkout -qb x HEAD~1; echo x > a.txt; "
    "git commit -qam x; git checkout -q -; echo y > a.txt; git commit -qam y; git merge x || true",
    "locked": 'touch "$(git rev-parse --git-dir)/index.lock" x',
    "index corrupt": 'echo garbage > "$(git rev-parse --git-dir)/index"; touch x',
    "HEAD corrupt": 'echo garbage > "$(git rev-parse --git-dir)/HEAD"; touch x',
    "a .git of its own": "rm .git; git init -q; git add -A; git commit -qm mine",
    ".git elsewhere": "git init -q ../other; echo gitdir: ../other/.git > .git; touch x",
    "flagged": "git update-index --assume-unchanged a.txt; echo x > a.txt",
    "a repository inside": "git init -q in; cd in; echo x > x; git add x; git commit -qm x",
    "one without a commit": "git init -q in; echo x > in/x",
    "a .gitignore": "echo '*' > .gitignore; echo x > hidden; echo x > a.txt",
    "no .gitignore": "rm .gitignore",
    "folder emptied": "rm -rf * .g*",
    "not writable": "chmod 555 sub; chmod 000 a.txt",
}


@pytest.mark.parametrize("third", range(3))
async def test_put_back_whatever_was_done_to_it(alpha: World, third: int) -> None:
    alpha.bash("echo 1 > a.txt; git commit -qam work; echo 2 > a.txt; rm b.txt")
    alpha.bash("mkdir sub; echo in > sub/in; chmod +x sub/in; ln -s sub ln; echo log > big.log")
    commit, before = await alpha.checkpoint(), alpha.standing()
    status = alpha.bash("git status --porcelain")
    assert await alpha.difference(commit) == ""
    for name in list(MESSES)[third::3]:
        alpha.bash(MESSES[name])
        if name != "not writable":
            assert await alpha.difference(commit), name
        await alpha.keeper.put_back(alpha.worktree, commit)
        assert await alpha.difference(commit) == "", name
        assert alpha.standing() == before, name
        assert alpha.bash("git status --porcelain") == status, name
        looked = alpha.bash("cat a.txt sub/in; readlink ln; ls -A sub; test -x sub/in")
        assert looked == "2\nin\nsub\nin", name
        there = {".git", ".gitignore", "a.txt", "ln", "sub"}
        if name != "folder emptied":
            there.add("big.log")
        assert set(os.listdir(alpha.path)) - {"hidden"} == there, name
        alpha.bash("rm -f hidden; echo log > big.log; git branch -qD fix x 2> /dev/null || true")


async def test_git_stands_where_it_stood(alpha: World) -> None:
    for name in ("committed", "detached", "another branch", "branch deleted"):
        alpha.bash("git checkout -qfB world-Alpha-issue-1-task main; " + MESSES[name])
        commit, head = await alpha.checkpoint(), alpha.bash("git rev-parse HEAD")
        on = alpha.bash("git branch --show-current")
        alpha.bash("git checkout -q --detach main; git branch -f world-Alpha-issue-1-task main")
        if name != "branch deleted":
            assert "moved" in await alpha.difference(commit), name
        await alpha.keeper.put_back(alpha.worktree, commit)
        assert alpha.bash("git rev-parse HEAD; git branch --show-current").split() == [
            head,
            *on.split(),
        ]


async def test_a_branch_that_is_not_its_own_is_never_moved(alpha: World) -> None:
    alpha.bash("git checkout -q -b fix; git commit -q --allow-empty -m x")
    commit, head = await alpha.checkpoint(), alpha.bash("git rev-parse HEAD")
    alpha.bash("git commit -q --allow-empty -m y")
    moved = alpha.repo.git("rev-parse", "fix")
    await alpha.keeper.put_back(alpha.worktree, commit)
    assert (alpha.repo.git("rev-parse", "fix"), alpha.bash("git rev-parse HEAD")) == (moved, head)
    assert await alpha.difference(commit) == ""


async def test_what_is_different_is_said_in_few_words(alpha: World) -> None:
    alpha.bash("git commit -q --allow-empty -m x")
    commit = await alpha.checkpoint()
    alpha.bash("echo x > a.txt; echo y > new")
    assert await alpha.difference(commit) == "2 files changed"
    alpha.bash("git branch -m other")
    assert await alpha.difference(commit) == "2 files changed, its branch is gone"
    alpha.bash("git checkout -qf --detach HEAD~1; rm new")
    alpha.repo.git("branch", alpha.worktree.branch, "other")
    assert await alpha.difference(commit) == "its HEAD was moved"
    shutil.rmtree(alpha.path)
    assert await alpha.difference(commit) == "its folder is gone"


async def test_ignored_files_are_left_alone(alpha: World) -> None:
    alpha.bash("echo deps/ >> .gitignore; mkdir deps; echo 1 > deps/x; git init -q deps/in")
    commit = await alpha.checkpoint()
    assert "deps/x" not in alpha.files(commit)
    alpha.bash("echo 2 > deps/x; echo b > a.txt")
    await alpha.keeper.put_back(alpha.worktree, commit)
    assert alpha.bash("cat deps/x a.txt; ls -A deps/in") == "2\none\n.git"


async def test_ignored_files_are_kept_where_that_is_set(repository: Make) -> None:
    alpha = await World.of(repository({".gitignore": "*.log\n"}), ignored=True)
    alpha.bash("echo 1 > x.log")
    commit = await alpha.checkpoint()
    alpha.bash("echo 2 > x.log; echo 3 > y.log")
    assert await alpha.difference(commit) == "2 files changed"
    await alpha.keeper.put_back(alpha.worktree, commit)
    assert alpha.bash("cat *.log") == "1"


async def test_a_file_that_came_to_be_ignored_is_no_difference(alpha: World) -> None:
    alpha.bash("mkdir out; echo 1 > out/x")
    commit = await alpha.checkpoint(1)
    alpha.bash("echo out/ >> .gitignore")
    second = await alpha.checkpoint(2, after=commit)
    (alpha.worktree.git_dir / "miyabi-step-index").unlink()
    assert await alpha.difference(second) == ""
    await alpha.keeper.put_back(alpha.worktree, commit)
    assert await alpha.difference(commit) == ""


async def test_a_base_without_files(repository: Make) -> None:
    repo = repository({"a": "1"})
    repo.git("rm", "--quiet", "a")
    repo.commit("empty")
    alpha = await World.of(repo)
    empty = await alpha.checkpoint(1)
    alpha.bash("echo x > x")
    full = await alpha.checkpoint(2, after=empty)
    await alpha.keeper.put_back(alpha.worktree, empty)
    assert os.listdir(alpha.path) == [".git"]
    await alpha.keeper.put_back(alpha.worktree, full)
    assert alpha.bash("cat x") == "x"


async def test_of_a_repository_inside_the_files_are_kept(alpha: World) -> None:
    alpha.bash("git init -q lib/in; cd lib/in; echo 1 > x; git add x; git commit -qm inner")
    alpha.bash("git init -q lib/in/new; echo 2 > lib/in/new/y")
    commit = await alpha.checkpoint()
    assert {"lib/in/x", "lib/in/new/y"} < set(alpha.files(commit))
    assert "Miyabi-Inside: lib/in" in alpha.repo.git("log", "-1", "--format=%b", commit)
    alpha.bash("rm -rf lib")
    await alpha.keeper.put_back(alpha.worktree, commit)
    assert alpha.bash("cat lib/in/x lib/in/new/y") == "1\n2"


async def test_an_archive_keeps_what_is_in_no_file(alpha: World) -> None:
    alpha.bash("git commit -q --allow-empty -m 'reset away'; git reset -q --hard HEAD~1")
    alpha.bash("echo staged > gone; git add gone; rm gone")
    alpha.bash("git init -q in; cd in; git commit -q --allow-empty -m 'of the inner'; git gc -q")
    alpha.bash("rm .git; git init -q; git commit -q --allow-empty -m 'of the other git'")
    ref = await alpha.archive("found at a resume")
    shutil.rmtree(alpha.path)
    alpha.repo.git("worktree", "prune")
    alpha.repo.git("reflog", "expire", "--expire=all", "--all")
    alpha.repo.git("gc", "--quiet", "--prune=now")
    subjects = alpha.repo.git("log", "--format=%s", ref).splitlines()
    assert {"reset away", "of the inner", "of the other git", "what was staged"} < set(subjects)
    staged = alpha.repo.git("log", "--format=%H", "--grep=what was staged", ref)
    assert alpha.repo.show(staged, "gone") == "staged"
    assert "gone" not in alpha.files(ref)


async def test_an_archive_keeps_the_files_of_submodules(repository: Make) -> None:
    library = repository({"lib.c": "1"}, name="library")
    repo = repository()
    allowed = "-c protocol.file.allow=always"
    repo.git(*allowed.split(), "submodule", "--quiet", "add", str(library.path), "vendor/lib")
    repo.commit("with a submodule")
    alpha = await World.of(repo)
    alpha.bash(f"git {allowed} submodule --quiet update --init; cd vendor/lib; echo 2 > lib.c")
    commit = await alpha.checkpoint()
    ref = await alpha.archive()
    assert alpha.files(ref) == [".gitmodules", "README", "vendor/lib"]
    kept = repo.git("log", "--format=%H", "--grep=the files of vendor/lib", ref)
    assert repo.show(kept, "lib.c") == "2"
    await alpha.keeper.put_back(alpha.worktree, commit)
    assert alpha.bash("cat vendor/lib/lib.c") == "2"


async def test_archives_of_two_engines_get_numbers_of_their_own(alpha: World) -> None:
    other = Keeper(alpha.repo.opened(), "run1")
    refs = []

    async def archive(keeper: Keeper) -> None:
        refs.append(await keeper.archive(ALPHA, alpha.worktree, 1, "two\nat once"))
        refs.append(await keeper.archive_commit(ALPHA, alpha.repo.head, 1, "a commit"))

    async with anyio.create_task_group() as group:
        for keeper in (alpha.keeper, other):
            group.start_soon(archive, keeper)
    assert sorted(refs) == [f"refs/miyabi/run1/archive/Alpha/{n}" for n in (1, 2, 3, 4)]
    notes = [Note.of(alpha.repo.opened(), ref) for ref in refs]
    assert {(one.kind, one.world, one.run) for one in notes} == {("archive", "Alpha", "run1")}
    assert {one.reason for one in notes} == {"two at once", "a commit"}


async def test_a_save_while_files_come_and_go(alpha: World) -> None:
    folder, stop = alpha.path / "tmp", threading.Event()
    folder.mkdir()
    alpha.bash("echo here > stays")

    def churn() -> None:
        number = 0
        while not stop.wait(0.0005):
            number += 1
            file = folder / f"f{number % 50}"
            file.unlink() if file.exists() else file.write_bytes(b"x" * (number % 5_000))

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(5):
            ref, commit = await alpha.keeper.save(ALPHA, alpha.worktree, 2, "by the clock")
    finally:
        stop.set()
        thread.join()
    assert (ref, alpha.repo.git("rev-parse", ref)) == ("refs/miyabi/run1/Alpha/saved", commit)
    assert alpha.repo.show(commit, "stays") == "here"


async def test_a_checkpoint_of_another_world_and_a_plain_commit(alpha: World) -> None:
    """A fork goes on from another world's checkpoint; a finished world stands on its commit."""
    alpha.bash("echo 1 > new; git add new; git commit -qm of-alpha; echo 2 > new")
    commit = await alpha.checkpoint()
    beta = await alpha.five.spawn_world(BETA)
    await alpha.keeper.put_back(beta, commit)
    assert (beta.path / "new").read_text() == "2\n"
    assert await beta.git("branch", "--show-current") == beta.branch
    assert await beta.git("log", "-1", "--format=%s") == "of-alpha"
    done = await commit_all(alpha.worktree, "done")
    assert await alpha.difference(done) == ""
    alpha.bash("git checkout -q --detach; rm new")
    await alpha.keeper.put_back(alpha.worktree, done)
    assert alpha.standing()[1] == done
    assert await alpha.difference(done) == ""


async def test_nothing_of_the_agents_runs_on_the_host(alpha: World, tmp_path: Path) -> None:
    marker, hooks = tmp_path / "ran", tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "post-index-change", "reference-transaction", "monitor"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {marker}\n")
        (hooks / name).chmod(0o755)
    alpha.bash("git init -q in; echo x > in/x; cd in; git add x; git commit -qm x")
    for git in ("git", "git -C in"):
        alpha.bash(f"{git} config core.fsmonitor {hooks}/monitor")
        alpha.bash(f"{git} config core.hooksPath {hooks}")
    commit = await alpha.checkpoint()
    marker.unlink(missing_ok=True)  # the agent's own git ran it
    await alpha.archive()
    await alpha.keeper.put_back(alpha.worktree, commit)
    assert await alpha.difference(commit) == ""
    assert not marker.exists()


# --- a worktree of an earlier engine --------------------------------------------------------------


def later(alpha: World) -> FiveWorldsManager:
    owner = Owner("run1", "/state/miyabi.db")
    base = alpha.worktree.base
    return FiveWorldsManager(alpha.repo.opened(), base, "issue-1", "task", owner=owner)


async def found(alpha: World, five: FiveWorldsManager) -> Worktree | None:
    one = alpha.worktree
    return await five.find(ALPHA, one.path, one.git_dir, one.branch)


@pytest.mark.parametrize("mess", ["true", "rm .git; git init -q", MESSES["HEAD corrupt"]])
async def test_a_worktree_of_an_earlier_engine_is_found(alpha: World, mess: str) -> None:
    alpha.bash(mess)
    five = later(alpha)
    assert await found(alpha, five) == alpha.worktree == five.worktrees[ALPHA]


LOSSES = {
    "folder gone": "rm -rf $W",
    ".miyabi gone": "rm -rf $R/.miyabi",
    "registration gone": "rm -rf $G",
    "registration of another": "echo /elsewhere/.git > $G/gitdir",
    "registration pruned": "rm -rf $W; git -C $R worktree prune",
    "a link in its place": "mv $W $W.there; ln -s $W.there $W",
    "a file in its place": "rm -rf $W; echo mine > $W",
    "branch gone too": "rm -rf $W; git -C $R worktree prune; git -C $R branch -qD $B",
    "locked": "git -C $R worktree lock $W; rm -rf $W",
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))
async def test_a_lost_worktree_is_made_again(alpha: World, loss: str) -> None:
    alpha.bash("echo 1 > new; git add new; git commit -qm work; echo mine > mine")
    commit, tip = await alpha.checkpoint(), alpha.standing()[1]
    lost = alpha.worktree
    names = {"W": lost.path, "G": lost.git_dir, "R": alpha.repo.path, "B": lost.branch}
    alpha.bash("; ".join([*(f"{name}='{value}'" for name, value in names.items()), loss]))
    five = later(alpha)
    assert await found(alpha, five) is None
    made = await five.rebuild(ALPHA, lost.path, lost.branch)
    assert five.worktrees == {ALPHA: made}
    assert sorted(os.listdir(made.path)) == [".git", ".gitignore", "a.txt", "b.txt"]
    branch = await made.git("rev-parse", lost.branch)
    assert branch == (made.base if loss == LOSSES["branch gone too"] else tip)
    signed = Owner("run1", "/state/miyabi.db", lost.branch, lost.base)
    assert Owner.of(made.git_dir) == signed
    aside = lost.path.with_name(f"{lost.path.name}.found-1")
    assert (aside.is_symlink() or aside.exists()) == (
        "rm -rf" not in loss or "mine >" in loss or "$G" in loss
    )
    await alpha.keeper.put_back(made, commit)
    assert await alpha.keeper.difference(made, commit) == ""
    assert (made.path / "mine").read_text() == "mine\n"
    assert alpha.repo.git("status", "--porcelain") == ""


async def test_what_goes_with_a_worktree_is_archived(alpha: World) -> None:
    alpha.bash("git checkout -q --detach; git commit -q --allow-empty -m aside; git checkout -q -")
    alpha.bash("echo mine > mine")
    await alpha.five.cleanup_all_worlds()
    assert alpha.repo.git("worktree", "list", "--porcelain").count("worktree ") == 1
    ref = "refs/miyabi/task/archive/Alpha/1"
    assert alpha.repo.show(ref, "mine") == "mine"
    assert "aside" in alpha.repo.git("log", "--format=%s", ref).splitlines()


async def test_what_cannot_be_kept_says_so(alpha: World) -> None:
    shutil.rmtree(alpha.repo.path / ".git" / "objects")
    with pytest.raises(GitError):
        await alpha.checkpoint()
