"""Opening a user's repository, whatever it is like, and reading it without leaving a trace."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine.errors import GitError, UsageError
from miyabi_tui.engine.repo.git import (
    Git,
    identity,
    open_repository,
    printable,
    resolve_commit,
    uncommitted,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.repositories import Repository

    Make = Callable[..., Repository]

pytestmark = pytest.mark.anyio


def test_opens_the_repository_from_a_subfolder(repository: Make) -> None:
    repo = repository({"a/b/c.txt": "x"})
    git = open_repository(repo.path / "a" / "b")
    assert (git.work_tree, git.git_dir) == (repo.path, repo.path / ".git")
    assert git.common_dir == repo.path / ".git"


def test_opens_a_linked_worktree_as_itself(repository: Make, tmp_path: Path) -> None:
    repo = repository()
    repo.git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "linked"))
    git = open_repository(tmp_path / "linked")
    assert git.work_tree == tmp_path / "linked"
    assert git.common_dir == repo.path / ".git"


def test_opens_a_repository_whose_git_dir_is_elsewhere(repository: Make, tmp_path: Path) -> None:
    repo = repository(init=(f"--separate-git-dir={tmp_path / 'elsewhere'}",))
    assert open_repository(repo.path).git_dir == tmp_path / "elsewhere"


def test_opens_a_sha256_repository(repository: Make) -> None:
    git = repository(init=("--object-format=sha256",)).opened()
    assert len(resolve_commit(git, "HEAD")) == 64


def test_a_git_hook_of_the_user_does_not_redirect(
    repository: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, other = repository(), repository(name="other")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.path / "nowhere"))
    assert open_repository(repo.path).git_dir == repo.path / ".git"
    assert "GIT_DIR" not in os.environ


def test_refuses_what_cannot_be_raced_on(repository: Make, tmp_path: Path) -> None:
    plain, bare, empty = tmp_path / "plain", tmp_path / "bare", tmp_path / "empty"
    plain.mkdir()
    repository().git("clone", "--quiet", "--bare", ".", str(bare))
    repository(name="other").git("init", "--quiet", str(empty))
    for path, words in (
        (tmp_path / "nowhere", "is not a folder"),
        (plain, "is not in a git repository"),
        (bare, "is a bare repository"),
        (empty, "has no commit yet"),
        (tmp_path / "repo" / ".git", "is inside a git dir"),
    ):
        with pytest.raises(UsageError, match=words):
            open_repository(path)


@pytest.mark.parametrize("ref", ["nothing", "--help", "-x", "main:README", "a b", ""])
def test_a_base_that_is_no_commit(repository: Make, ref: str) -> None:
    with pytest.raises(UsageError, match="does not exist here"):
        resolve_commit(repository().opened(), ref)


@pytest.mark.parametrize("ref", ["main", "HEAD", "v1", "main~0"])
def test_a_base_that_is_one(repository: Make, ref: str) -> None:
    repo = repository()
    repo.git("tag", "-a", "v1", "-m", "annotated")
    assert resolve_commit(repo.opened(), ref) == repo.head


def test_uncommitted_counts_files_and_writes_no_index(repository: Make) -> None:
    repo = repository({"a": "1", "b": "2", "c": "3"})
    repo.git("config", "status.showUntrackedFiles", "no")
    repo.write({"a": "changed", "new\nname": "x"})
    repo.git("mv", "b", "moved")
    os.utime(repo.path / "c")  # git would like to remember that it is the same
    before = repo.snapshot()
    assert uncommitted(repo.opened()) == 4  # a, b, moved, new
    assert repo.snapshot() == before


def test_identity_is_the_users_or_miyabis(
    repository: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = repository().opened()
    assert identity(git)["GIT_AUTHOR_NAME"] == "Hana"
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Ren")
    assert identity(git)["GIT_COMMITTER_NAME"] == "Ren"
    monkeypatch.delenv("GIT_AUTHOR_NAME")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    assert identity(git)["GIT_AUTHOR_EMAIL"] == "miyabi@localhost"


@pytest.mark.parametrize(
    "setting",
    [
        ("diff.noprefix", "true"),
        ("diff.renames", "copies"),
        ("diff.orderFile", "/no/such/file"),
        ("diff.external", "false"),
        ("diff.relative", "true"),
        ("diff.ignoreSubmodules", "none"),
        ("color.ui", "always"),
        ("core.quotePath", "true"),
    ],
)
async def test_the_size_of_a_change_is_the_same_with_any_setting(
    repository: Make, setting: tuple[str, str]
) -> None:
    repo = repository({"a.txt": "1\n2\n3\n", "old name": "same\n" * 30, "bin": b"\0\1"})
    base = repo.head
    repo.git("mv", "old name", "日本語\n名前")
    commit = repo.commit("second", {"a.txt": "1\nzwei\n3\n", "bin": b"\0\2"})
    repo.git("config", *setting)
    change = await repo.opened().diffstat(base, commit)
    assert (change.added, change.deleted) == (31, 31)
    assert set(change.files) == {"a.txt", "bin", "old name", "日本語\n名前"}


def test_errors_can_be_written_to_a_journal(repository: Make) -> None:
    git = repository().opened()
    with pytest.raises(GitError) as error:
        git.run("rev-parse", "--verify", b"\xff".decode("utf-8", "surrogateescape"))
    str(error.value).encode()
    assert printable("a\udcffb") == "a?b"


def test_a_work_tree_that_is_gone_is_an_error_of_git(repository: Make, tmp_path: Path) -> None:
    git = Git(tmp_path / "gone", repository().path / ".git")
    with pytest.raises(GitError, match="git status failed"):
        git.run("status")
