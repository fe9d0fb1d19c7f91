"""What is kept is listed and given back, from the repository alone."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.cli import main
from miyabi_tui.engine.repo.archive import kept
from miyabi_tui.engine.repo.snapshots import REFS
from miyabi_tui.engine.worlds import WorldId
from tests.one_world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.repositories import Repository

    Make = Callable[..., Repository]

pytestmark = pytest.mark.anyio
ALPHA = WorldId.ALPHA


@pytest.fixture
async def alpha(repository: Make) -> World:
    """Two steps, a save, an archive entry; then the worktree, the branch and the journal go."""
    alpha = await World.of(repository({"a.txt": "one\n"}))
    alpha.bash("echo 1 > $'日本語\\n'")
    first = await alpha.checkpoint(1)
    alpha.bash("echo 2 > a.txt; git commit -qam 'of the agent'; rm 日*; echo x > run; chmod +x run")
    second = await alpha.checkpoint(2, after=first)
    await alpha.keeper.archive(ALPHA, alpha.worktree, 2, "found at a resume", after=second)
    alpha.bash("echo 3 > a.txt")
    await alpha.keeper.save(ALPHA, alpha.worktree, 2, "by the clock", after=second)
    alpha.repo.git("worktree", "remove", "--force", str(alpha.path))
    alpha.repo.git("branch", "-D", "world-Alpha-issue-1-task")
    for ref in alpha.repo.git("for-each-ref", "--format=%(refname)", REFS).split():
        dated(alpha, ref, 1_800_000_000)
    return alpha


def dated(alpha: World, ref: str, at: int) -> None:
    """Make it a snapshot of this moment."""
    content = alpha.repo.git("cat-file", "commit", ref)
    changed = re.sub(r"(?m)^(committer .*> )\d+", rf"\g<1>{at}", content, count=1)
    file = alpha.repo.path.parent / "commit"
    file.write_text(changed + "\n", errors="surrogateescape")
    commit = alpha.repo.git("hash-object", "-t", "commit", "-w", str(file))
    alpha.repo.git("update-ref", ref, commit)


def miyabi(alpha: World, *args: str) -> int:
    return main([*args, "--repo", str(alpha.repo.path)])


async def test_all_is_listed(alpha: World) -> None:
    found = kept(alpha.repo.opened())
    assert sorted((one.kind, one.step, one.number, one.reason) for one in found) == [
        ("archive", 2, 1, "found at a resume"),
        ("saved", 2, 0, "by the clock"),
        ("step", 1, 0, "did it"),
        ("step", 2, 0, "did it"),
    ]
    assert {(one.run, one.world, one.base) for one in found} == {("run1", "Alpha", alpha.repo.head)}


async def test_the_list_for_people_and_for_programs(
    alpha: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert miyabi(alpha, "archive") == 0
    page = capsys.readouterr().out
    assert "run run1\n  archived  1  Alpha    step 2" in page
    assert "+2 −1 in 2 files     found at a resume" in page
    assert "Alpha        3 checkpoints, the last at step 2" in page
    assert miyabi(alpha, "archive", "run", "--json") == 0
    assert [one["kind"] for one in json.loads(capsys.readouterr().out)].count("step") == 2


@pytest.mark.parametrize(
    ("flags", "ref"),
    [
        ((), "archive/Alpha/1"),
        (("--archived", "1"), "archive/Alpha/1"),
        (("--step", "1"), "Alpha/1"),
    ],
)
async def test_a_branch_with_exactly_that(
    alpha: World, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], ref: str
) -> None:
    before = alpha.repo.snapshot()
    assert miyabi(alpha, "restore", "alpha@ru", *flags) == 0
    assert "restored/Alpha-run1" in capsys.readouterr().out
    trees = alpha.repo.git(
        "rev-parse", f"refs/miyabi/run1/{ref}^{{tree}}", "restored/Alpha-run1^{tree}"
    )
    assert len(set(trees.split())) == 1
    assert miyabi(alpha, "restore", "Alpha@run1", *flags) == 0
    assert alpha.repo.branches == ["main", "restored/Alpha-run1", "restored/Alpha-run1-2"]
    assert alpha.repo.snapshot() == before
    subjects = alpha.repo.git("log", "--format=%s", "restored/Alpha-run1").splitlines()
    assert subjects[-1] == "first"
    assert ("of the agent" in subjects) == (ref == "archive/Alpha/1")


async def test_without_an_entry_the_last_checkpoint(alpha: World) -> None:
    alpha.repo.git("update-ref", "-d", "refs/miyabi/run1/archive/Alpha/1")
    assert miyabi(alpha, "restore", "ALPHA@run1", "--branch", "mine") == 0
    assert alpha.repo.show("mine", "a.txt") == "3"  # the save is younger than step 2


async def test_the_newest_of_all_and_that_there_are_others(
    alpha: World, capsys: pytest.CaptureFixture[str]
) -> None:
    dated(alpha, "refs/miyabi/run1/Alpha/1", 1_800_000_001)
    assert miyabi(alpha, "restore", "alpha@run1") == 0
    said = capsys.readouterr().out
    assert "Alpha@run1, step 1 of 2027-01-15" in said
    assert "3 older can be had with --step N or --archived N: miyabi archive run1" in said
    assert miyabi(alpha, "restore", "alpha@run1", "--step", "2") == 0
    assert "older" not in capsys.readouterr().out


async def test_a_worktree_of_it(alpha: World, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    assert miyabi(alpha, "restore", "alpha@run1", "--worktree", str(folder)) == 0
    assert sorted(path.name for path in folder.iterdir()) == [".git", "a.txt", "run"]
    assert (folder / "run").stat().st_mode & 0o100
    assert not (alpha.repo.path / ".miyabi" / "worktrees" / "restored").exists()


WRONG = {
    ("restore", "alpha"): "does not name a world of a run",
    ("restore", "@run1"): "does not name a world of a run",
    ("restore", "alpha@nope"): "nothing is kept of a run 'nope'",
    ("restore", "beta@run1"): "it has Alpha",
    ("restore", "alpha@run1", "--step", "9"): "no step 9 of Alpha",
    ("restore", "alpha@run1", "--archived", "2"): "no archive entry 2",
    ("restore", "alpha@run1", "--branch", "main"): "there is a branch main already",
    ("restore", "alpha@run1", "--branch", "a..b"): "miyabi: 'a..b' cannot be a branch (",
    ("restore", "alpha@run1", "--worktree", "."): "is not an empty folder",
    ("archive", "nope"): "nothing is kept of a run 'nope'",
}


async def test_wrong_use_says_what_to_do(alpha: World, capsys: pytest.CaptureFixture[str]) -> None:
    for args, said in WRONG.items():
        assert miyabi(alpha, *args) == 2, args
        assert said in capsys.readouterr().err
    assert alpha.repo.branches == ["main"]


async def test_a_failed_worktree_leaves_no_branch(alpha: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    inside = str(tmp_path / "file" / "in")
    assert miyabi(alpha, "restore", "alpha@run1", "--worktree", inside) == 1
    assert alpha.repo.branches == ["main"]


async def test_nothing_kept_yet(repository: Make, capsys: pytest.CaptureFixture[str]) -> None:
    repo = repository()
    repo.git("update-ref", "refs/miyabi/of-another-program", "HEAD")
    assert main(["archive", "--repo", str(repo.path)]) == 0
    assert "nothing is kept in" in capsys.readouterr().out


async def test_two_runs_and_a_branch_in_the_way(
    alpha: World, capsys: pytest.CaptureFixture[str]
) -> None:
    alpha.repo.git("branch", "restored")  # then there can be no restored/…
    alpha.repo.git("update-ref", "refs/miyabi/run2/Alpha/1", "refs/miyabi/run1/Alpha/1")
    shutil.rmtree(alpha.repo.path / ".miyabi")
    assert miyabi(alpha, "restore", "alpha@run") == 2
    assert "begins 2 runs" in capsys.readouterr().err
    assert miyabi(alpha, "restore", "alpha@run2") == 0
    assert "restored-Alpha-run2" in alpha.repo.branches
