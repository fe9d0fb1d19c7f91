"""The merge of a winner: one commit, made without touching what the user has checked out."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine.errors import GitError, MergeConflict
from miyabi_tui.engine.repo.git import identity, open_repository
from miyabi_tui.engine.repo.merge import (
    MergeResult,
    find_merge,
    free_branch,
    land_merge,
    merge_winner,
    prepare_merge,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.repositories import Repository

    Make = Callable[..., Repository]

pytestmark = pytest.mark.anyio

FILES = {"a": "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "b": "b\n", "c": "c\n"}
MESSAGE = "Solve it\n\n# not a comment\nIssue: 270"


class Race:
    """A repository in which a world has won: it changed the first line of `a` and added `new`."""

    def __init__(self, repo: Repository) -> None:
        self.repo = repo
        self.base = repo.head
        repo.git("checkout", "--quiet", "-b", "world")
        repo.commit("Alpha: one", {"a": FILES["a"].replace("1", "one")})
        self.winner = repo.commit("Alpha: two", {"new": "new\n"})
        repo.git("checkout", "--quiet", "main")

    def merge(self, branch: str) -> MergeResult:
        git = self.repo.opened()
        return merge_winner(git, self.winner, self.base, branch, MESSAGE, identity(git))

    def conflict(self, branch: str) -> MergeConflict:
        """The conflict of a merge that must leave everything as it was."""
        before, log = self.repo.snapshot(), self.repo.git("for-each-ref")
        with pytest.raises(MergeConflict) as caught:
            self.merge(branch)
        assert (self.repo.snapshot(), self.repo.git("for-each-ref")) == (before, log)
        return caught.value


@pytest.fixture
def race(repository: Make) -> Race:
    return Race(repository(FILES))


def test_onto_a_new_branch(race: Race) -> None:
    race.repo.write({"a": "dirty", "untracked": "x"})
    before = race.repo.snapshot()
    git = race.repo.opened()
    branch, by = "miyabi/issue-1", identity(git)
    result = merge_winner(git, race.winner, race.base, branch, MESSAGE, by, new_branch=True)
    assert race.repo.snapshot() == before
    assert race.repo.git("rev-parse", "miyabi/issue-1", "miyabi/issue-1~1").splitlines() == [
        result.commit,
        race.base,
    ]
    assert race.repo.show("miyabi/issue-1", "new") == "new"
    assert race.repo.git("log", "-1", "--format=%B", result.commit).strip() == MESSAGE
    who = race.repo.git("log", "-1", "--format=%an <%ae> %cn <%ce>", result.commit)
    assert who == "Hana <hana@example.org> Hana <hana@example.org>"


def test_a_name_that_is_taken(race: Race) -> None:
    git = race.repo.opened()
    assert free_branch(git, "miyabi/issue-1") == "miyabi/issue-1"
    for expected in ("miyabi/issue-1", "miyabi/issue-1-2", "miyabi/issue-1-3"):
        assert race.merge(free_branch(git, "miyabi/issue-1")).branch == expected
    assert set(race.repo.branches) >= {"miyabi/issue-1", "miyabi/issue-1-2", "miyabi/issue-1-3"}


def test_a_name_that_cannot_be_since_its_folder_is_a_branch(race: Race) -> None:
    race.repo.git("branch", "miyabi")
    assert race.merge(free_branch(race.repo.opened(), "miyabi/issue-1")).branch == "miyabi-issue-1"


def test_a_name_that_git_refuses(race: Race) -> None:
    with pytest.raises(GitError, match="bad name"):
        race.merge("no..such:name")


def test_a_target_that_is_not_checked_out_and_has_moved_on(race: Race) -> None:
    race.repo.git("checkout", "--quiet", "-b", "release")
    tip = race.repo.commit("meanwhile", {"a": FILES["a"].replace("9", "nine"), "b": "B\n"})
    race.repo.git("checkout", "--quiet", "main")
    before = race.repo.snapshot()
    result = race.merge("release")
    assert race.repo.snapshot() == before
    assert race.repo.git("rev-parse", "release~1") == tip
    assert race.repo.show("release", "a").split() == ["one", *"2345678", "nine"]
    assert race.repo.show(result.commit, "b") == "B"


def test_a_target_that_does_not_exist_yet(race: Race) -> None:
    race.repo.commit("main moved on", {"b": "B\n"})
    race.merge("topic")
    assert race.repo.git("rev-parse", "topic~1") == race.base


def test_into_the_checked_out_branch_when_clean(race: Race) -> None:
    result = race.merge("main")
    assert race.repo.head == result.commit
    assert race.repo.git("status", "--porcelain") == ""
    assert race.repo.read("new") == "new\n"


@pytest.mark.parametrize(
    "setting", ["merge.autoStash", "merge.verifySignatures", "rebase.autoStash"]
)
def test_into_the_checked_out_branch_with_unrelated_changes(race: Race, setting: str) -> None:
    race.repo.git("config", setting, "true")
    race.repo.git("config", "merge.ff", "false")
    race.repo.write({"b": "staged\n", "c": "unstaged\n", "untracked": "x"})
    race.repo.git("add", "b")
    status = race.repo.git("status", "--porcelain")
    result = race.merge("main")
    assert race.repo.head == result.commit
    assert race.repo.git("status", "--porcelain") == status
    assert race.repo.git("stash", "list") == ""


@pytest.mark.parametrize(
    ("dirty", "staged"),
    [({"a": "mine\n"}, False), ({"a": "mine\n"}, True), ({"new": "mine\n"}, False)],
)
def test_into_the_checked_out_branch_with_overlapping_changes(
    race: Race, dirty: dict[str, str], staged: bool
) -> None:
    race.repo.git("config", "merge.autoStash", "true")
    race.repo.write(dirty)
    if staged:
        race.repo.git("add", "--all")
    conflict = race.conflict("main")
    assert conflict.files == tuple(dirty)
    assert f"uncommitted changes in {race.repo.path} in {next(iter(dirty))}" in str(conflict)


def test_a_conflict_names_every_file(race: Race) -> None:
    race.repo.commit("meanwhile", {"a": "all different\n", "new": "another\n", "b": "B\n"})
    conflict = race.conflict("main")
    assert conflict.files == ("a", "new")
    assert str(conflict).startswith("cannot merge into main: conflicting changes in a, new")


def test_a_conflict_in_a_name_that_is_not_utf_8(repository: Make) -> None:
    name = b"\xff\n".decode("utf-8", "surrogateescape")
    repo = repository({name: "1\n"})
    base = repo.head
    repo.git("checkout", "--quiet", "-b", "world")
    winner = repo.commit("world", {name: "2\n"})
    repo.git("checkout", "--quiet", "main")
    repo.commit("meanwhile", {name: "3\n"})
    git = repo.opened()
    with pytest.raises(MergeConflict) as caught:
        merge_winner(git, winner, base, "main", MESSAGE, identity(git))
    assert caught.value.files == ("?\n",)


def test_into_a_branch_that_another_worktree_has(race: Race, tmp_path: Path) -> None:
    race.repo.git("worktree", "add", "--quiet", "-b", "release", str(tmp_path / "other"))
    (tmp_path / "other" / "b").write_text("dirty\n")
    before = race.repo.snapshot()
    race.merge("release")
    assert race.repo.snapshot() == before
    assert (tmp_path / "other" / "new").read_text() == "new\n"
    assert (tmp_path / "other" / "b").read_text() == "dirty\n"


def test_into_a_branch_whose_worktree_is_gone(race: Race, tmp_path: Path) -> None:
    race.repo.git("worktree", "add", "--quiet", "-b", "release", str(tmp_path / "other"))
    (tmp_path / "other").rename(tmp_path / "moved")
    assert race.repo.git("rev-parse", "release") == race.base
    assert race.merge("release").commit == race.repo.git("rev-parse", "release")


def test_from_a_linked_worktree_into_the_main_one(race: Race, tmp_path: Path) -> None:
    race.repo.git("worktree", "add", "--quiet", "-b", "here", str(tmp_path / "linked"))
    git = open_repository(tmp_path / "linked")
    merge_winner(git, race.winner, race.base, "main", MESSAGE, identity(git))
    assert race.repo.git("status", "--porcelain") == ""
    assert race.repo.read("new") == "new\n"


def test_into_the_checkout_of_a_git_dir_elsewhere(repository: Make, tmp_path: Path) -> None:
    race = Race(repository(FILES, init=(f"--separate-git-dir={tmp_path / 'elsewhere'}",)))
    race.merge("main")
    assert race.repo.git("status", "--porcelain") == ""
    assert race.repo.read("new") == "new\n"


def test_hooks_of_the_user_do_not_run(race: Race, tmp_path: Path) -> None:
    for name in ("post-merge", "pre-merge-commit", "reference-transaction", "post-checkout"):
        hook = race.repo.path / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
        hook.chmod(0o755)
    race.merge("main")
    race.merge("other")
    assert not (tmp_path / "ran").exists()


def test_what_the_agent_merged_or_rewound_by_itself_is_squashed_too(race: Race) -> None:
    """Only the difference to the base counts, not how the agent's history came about."""
    repo = race.repo
    repo.git("checkout", "--quiet", "world")
    repo.git("checkout", "--quiet", "--orphan", "unrelated")
    race.winner = repo.commit("an unrelated history with the same files")
    repo.git("checkout", "--quiet", "main")
    race.merge("topic")
    assert repo.git("rev-list", "--count", "topic") == "2"
    assert repo.show("topic", "a") == repo.show("world", "a")


def test_a_sha256_repository(repository: Make) -> None:
    race = Race(repository(FILES, init=("--object-format=sha256",)))
    assert len(race.merge("topic").commit) == 64


@pytest.mark.parametrize("new_branch", [True, False])
def test_a_merge_that_was_done_is_found_and_one_that_was_only_made_is_not(
    race: Race, new_branch: bool
) -> None:
    git = race.repo.opened()
    race.repo.git("branch", "miyabi/issue-1")  # so that a new one gets another name
    merge = prepare_merge(
        *(git, race.winner, race.base, "miyabi/issue-1", MESSAGE, identity(git)),
        new_branch=new_branch,
    )
    assert find_merge(git, merge.branch, merge.commit) is None
    result = land_merge(git, merge)
    assert result.branch == ("miyabi/issue-1-2" if new_branch else "miyabi/issue-1")
    race.repo.git("branch", "other", result.branch)  # and somebody goes on from it
    assert find_merge(git, result.branch, merge.commit) == result
    assert find_merge(git, "miyabi/issue-1", "0" * 40) is None


def test_a_merge_waits_for_a_git_that_is_about_to_finish(race: Race) -> None:
    """An engine that was killed may leave its git at work in the user's checkout."""
    lock = race.repo.path / ".git" / "index.lock"
    lock.touch()
    threading.Timer(0.3, lock.unlink).start()
    result = race.merge("main")
    assert race.repo.git("rev-parse", "main") == result.commit
