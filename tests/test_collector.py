"""Worktrees that nobody needs go, with all they hold in the archive; any other stays."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import anyio
import pytest

from miyabi_tui.cli import main
from miyabi_tui.engine import events as e
from miyabi_tui.engine.collector import HOUR, GarbageCollector, Report
from miyabi_tui.engine.errors import GitError, UsageError
from miyabi_tui.engine.repo.owner import Owner
from miyabi_tui.engine.store.journal import open_journal
from miyabi_tui.engine.store.lock import driving
from miyabi_tui.engine.worlds import WorldId, default_worlds
from tests.one_world import World
from tests.virtual_time import VIRTUAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.repositories import Repository

    Make = Callable[..., Repository]

pytestmark = pytest.mark.anyio
BEGUN = 1_000_000.0
DAY = 24 * HOUR


class Place:
    """A repository with Alpha's worktree, the journal of its run, and a clock to be set."""

    def __init__(self, alpha: World, journal: Path) -> None:
        self.alpha = alpha
        self.journal = journal
        self.now = BEGUN

    @property
    def collector(self) -> GarbageCollector:
        return GarbageCollector(self.alpha.repo.opened(), self.journal, now=lambda: self.now)

    async def after(self, hours: float) -> Report:
        self.now += hours * HOUR
        return await self.collector.collect()

    async def write(self, *events: e.AnyEvent) -> None:
        async with open_journal(self.journal) as journal:
            seq = (await journal.resume("run1")).seq
            at = max(self.now, 0.0)
            await journal.append(
                "run1", [e.Record(seq + n, at, one) for n, one in enumerate(events, 1)]
            )

    async def begin(self) -> None:
        worktree = self.alpha.worktree
        await self.write(
            e.RunStarted(
                run_id="run1",
                issue=e.Issue("issue-1", "An issue", "An issue.", 1),
                repo=str(self.alpha.repo.path),
                base_ref="main",
                base_commit=worktree.base,
                target="main",
                task="task",
                worlds=default_worlds("replay/x", "replay/x")[:1],
                merge=e.MergePolicy.ASK,
            ),
            e.WorktreeCreated(
                world=WorldId.ALPHA,
                path=str(worktree.path),
                branch=worktree.branch,
                git_dir=str(worktree.git_dir),
            ),
        )

    async def end(self, status: e.RunStatus = e.RunStatus.NO_WINNER) -> None:
        await self.write(e.RunFinished(status=status))

    @property
    def there(self) -> bool:
        return self.alpha.path.exists()

    def registered(self) -> int:
        return self.alpha.repo.git("worktree", "list", "--porcelain").count("worktree ") - 1


@pytest.fixture
async def place(repository: Make, tmp_path: Path) -> Place:
    journal = tmp_path / "state" / "miyabi.db"
    alpha = await World.of(repository({"a.txt": "one\n"}), owner=Owner("run1", str(journal)))
    made = Place(alpha, journal)
    await made.begin()
    return made


async def test_an_orphan_goes_after_a_day_and_can_be_had_back(place: Place) -> None:
    alpha = place.alpha
    alpha.bash("echo mine > mine; git checkout -q --detach; git commit -q --allow-empty -m aside")
    last = await alpha.checkpoint(3)
    await place.end()
    before = alpha.repo.snapshot()
    report = await place.after(0)
    assert [(one.goes, one.reason) for one in report.items] == [
        (False, "its run is over (no_winner); goes in 24 h")
    ]
    assert not (await place.after(23.9)).items[0].goes
    report = await place.after(0.2)
    (item,) = report.items
    assert (item.goes, item.run, item.archived) == (
        True,
        "run1",
        "refs/miyabi/run1/archive/Alpha/1",
    )
    assert (place.there, place.registered()) == (False, 0)
    assert sorted(path.name for path in (alpha.repo.path / ".miyabi").rglob("*")) == [
        ".gitignore",
        "worktrees",
    ]
    assert report.before.on_disk > report.after.on_disk == 0
    assert alpha.repo.show(item.archived, "mine") == "mine"
    assert alpha.repo.git("rev-parse", f"{item.archived}^") == last
    assert "aside" in alpha.repo.git("log", "--format=%s", item.archived)
    assert alpha.repo.snapshot() == before
    assert alpha.worktree.branch in alpha.repo.branches
    assert (await place.after(100)).items == ()
    assert alpha.repo.git("fsck", "--no-dangling", "--no-progress") == ""


@pytest.mark.parametrize(
    "status", [None, e.RunStatus.INTERRUPTED, e.RunStatus.FAILED], ids=lambda one: one or "killed"
)
async def test_one_of_a_run_that_can_be_resumed_stays(
    place: Place, status: e.RunStatus | None
) -> None:
    if status:
        await place.end(status)
    await place.after(0)
    assert (await place.after(100 * 24)).items[0].reason == "its run can be resumed"
    assert place.there


async def test_one_in_use_stays_and_its_day_begins_anew(place: Place) -> None:
    await place.end()
    await place.after(0)
    script = "import sys; print('in', flush=True); sys.stdin.read()"
    folder = place.alpha.path / "sub"
    folder.mkdir()
    with subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", script], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout and worker.stdout.readline() == b"in\n"
        assert (await place.after(25)).items[0].reason == f"process {worker.pid} works in it"
    assert not (await place.after(1)).items[0].goes
    with driving(place.journal, "run1"):
        assert (await place.after(25)).items[0].reason == "its run is going on"
    assert not (await place.after(1)).items[0].goes
    place.alpha.repo.git("worktree", "lock", "--reason", "mine", str(place.alpha.path))
    assert (await place.after(25)).items[0].reason == "locked by hand: mine"
    place.alpha.repo.git("worktree", "unlock", str(place.alpha.path))
    assert not (await place.after(1)).items[0].goes
    assert (await place.after(25)).items[0].goes


async def test_a_lost_journal_makes_orphans_after_a_day(place: Place) -> None:
    for part in place.journal.parent.glob("miyabi.db*"):
        part.unlink()
    (place.alpha.path / "mine").write_text("mine")
    assert (await place.after(0)).items[0].reason == "no run has it; goes in 24 h"
    (item,) = (await place.after(25)).items
    assert place.alpha.repo.show(item.archived, "mine") == "mine"
    assert (item.archived, place.there) == ("refs/miyabi/run1/archive/Alpha/1", False)


async def test_one_of_another_journal_stays_as_long_as_that_is_there(
    place: Place, tmp_path: Path
) -> None:
    await place.end()
    other = GarbageCollector(
        place.alpha.repo.opened(), tmp_path / "other" / "miyabi.db", now=lambda: place.now
    )
    assert "of another journal" in (await other.collect(at_once=True)).items[0].reason
    for part in place.journal.parent.glob("miyabi.db*"):
        part.unlink()
    assert (await other.collect(at_once=True)).items[0].goes
    assert not place.there


async def test_one_of_another_program_stays(place: Place) -> None:
    repo = place.alpha.repo
    paths = [repo.path / ".miyabi/worktrees/world-Mine/a/b", repo.path.parent / "elsewhere"]
    for path in paths:
        repo.git("worktree", "add", "--quiet", "-b", f"my-{path.name}", str(path))
    report = await place.collector.collect(at_once=True)
    assert {one.world: one.reason for one in report.items} == {
        "Alpha": "its run can be resumed",
        "Mine": "not made by miyabi",
    }
    assert all(path.exists() for path in paths)


async def test_a_clock_that_was_set_back_makes_nothing_older(place: Place) -> None:
    await place.end()
    place.now = BEGUN - 30 * DAY  # set back when the orphan is first seen
    await place.after(0)
    place.now = BEGUN + HOUR  # and set right
    assert not (await place.after(0)).items[0].goes
    place.now = BEGUN - DAY
    assert not (await place.after(0)).items[0].goes
    assert place.there


async def test_a_resumed_run_is_no_orphan_any_more(place: Place) -> None:
    await place.end()
    await place.after(0)
    await place.write(e.RunResumed(away_seconds=1.0, worlds=(WorldId.ALPHA,)))
    await place.after(1)
    await place.end()
    assert not (await place.after(24)).items[0].goes


DAMAGES = {
    "folder": "rm -rf $W",
    "registration": "rm -rf $G",
    ".git": "rm $W/.git; git init -q $W",
    "HEAD": "echo garbage > $G/HEAD",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
async def test_damaged_ones_are_archived_all_the_same(place: Place, damage: str) -> None:
    alpha = place.alpha
    alpha.bash("git checkout -q --detach; git commit -q --allow-empty -m aside; echo mine > mine")
    alpha.bash(f"W='{alpha.path}'; G='{alpha.worktree.git_dir}'; {damage}")
    await place.end()
    (item,) = (await place.collector.collect(at_once=True)).items
    assert (item.goes, place.there, place.registered()) == (True, False, 0)
    if "rm -rf $W" in damage:
        assert "aside" in alpha.repo.git("log", "--format=%s", item.archived)
    else:
        assert alpha.repo.show(item.archived, "mine") == "mine"


async def test_what_cannot_be_archived_stays(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    await place.end()
    monkeypatch.setenv("GIT_AUTHOR_DATE", "garbage")  # git makes no commit
    (item,) = (await place.collector.collect(at_once=True)).items
    assert not item.goes and "could not be removed" in item.reason
    assert place.there


async def test_a_runs_own_worktrees_go_on_request(place: Place) -> None:
    await place.end(e.RunStatus.INTERRUPTED)
    (place.alpha.path / "mine").write_text("mine")
    with driving(place.journal, "run1"), pytest.raises(UsageError, match="is going on"):
        await place.collector.clear("run1")
    with pytest.raises(UsageError, match="there was no run 'x' here"):
        await place.collector.clear("x")
    assert (await place.collector.clear("ru", dry_run=True)).items[0].goes
    assert place.there
    (item,) = (await place.collector.clear("ru")).items
    assert (item.goes, place.there, place.registered()) == (True, False, 0)
    made = await place.alpha.five.rebuild(  # as a resume does
        WorldId.ALPHA, place.alpha.path, place.alpha.worktree.branch
    )
    await place.alpha.keeper.put_back(made, item.archived)
    assert (made.path / "mine").read_text() == "mine"


async def test_what_was_found_in_its_place_belongs_to_its_run(place: Place) -> None:
    aside = place.alpha.path.with_name("task.found-1")
    aside.mkdir()
    (aside / "mine").write_text("mine")
    assert {one.reason for one in (await place.collector.collect(at_once=True)).items} == {
        "its run can be resumed"
    }
    await place.end()
    report = await place.collector.collect(at_once=True)
    assert not aside.exists()
    assert "mine" in [place.alpha.files(one.archived)[-1] for one in report.items]


async def test_the_bases_worktree_goes_without_a_word(place: Place) -> None:
    await place.alpha.five.spawn_base()
    await place.end()
    report = await place.collector.collect(at_once=True)
    archived = {one.world: bool(one.archived) for one in report.items}
    assert archived == {"Alpha": True, "base": False}
    assert place.registered() == 0


async def test_what_a_killed_collector_and_killed_engines_left(place: Place) -> None:
    trash = place.alpha.repo.path / ".miyabi" / "trash" / "half"
    trash.mkdir(parents=True)
    (trash / "file").write_text("archived already")
    locks, links = place.journal.parent / "locks", place.journal.parent / "links"
    links.mkdir()
    locks.mkdir(exist_ok=True)
    for folder in (locks, links):
        (folder / "dead").touch()
        (folder / "alive").touch()
    with driving(place.journal, "alive"):
        await place.collector.collect()
        assert [path.name for path in (*locks.iterdir(), *links.iterdir())] == ["alive"] * 2
    assert not trash.parent.exists()


async def test_an_owner_that_an_agent_wrote_names_no_file(place: Place, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (place.alpha.worktree.git_dir / "miyabi-owner").write_text(
        json.dumps({"run": "../../precious", "journal": ""})
    )
    await place.end()
    await place.collector.collect(at_once=True)
    assert precious.read_text() == "precious"


async def test_the_command(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIYABI_STATE_DIR", str(place.journal.parent))
    repo = ("--repo", str(place.alpha.repo.path))

    async def miyabi(*args: str) -> tuple[int, str]:
        code = await anyio.to_thread.run_sync(main, [*args])
        said = capsys.readouterr()
        return code, said.out + said.err

    await place.end()
    code, said = await miyabi("gc", "--dry-run", "--now", *repo)
    assert code == 0 and place.there
    assert "would go  Alpha@run1" in said and "its run is over (no_winner)" in said
    code, said = await miyabi("gc", *repo)
    assert "stays     Alpha@run1" in said and "goes in 24 h" in said
    code, said = await miyabi("gc", "--now", "--all-repos")
    assert "removed   Alpha@run1" in said and "kept as refs/miyabi/run1/archive/Alpha/1" in said
    assert "before, 0 B on disk (0 B apparent) after" in said
    assert await miyabi("gc", *repo) == (0, f"no worktree of miyabi in {repo[1]}\n")
    code, said = await miyabi("gc", "--json", *repo)
    assert json.loads(said)["items"] == []
    code, said = await miyabi("gc", "run1", *repo)  # known, but nothing of it is left
    assert (code, said) == (0, f"nothing to remove: run run1 has no worktree in {repo[1]}\n")
    assert (await miyabi("gc", "nope", *repo))[0] == 2
    assert (await miyabi("gc", "nope", "--all-repos"))[0] == 2


class TestTheLoop:
    """It needs no thread here: what it collects is counted."""

    @pytest.fixture
    def anyio_backend(self) -> tuple[str, dict[str, object]]:
        return VIRTUAL

    async def test_it_collects_hourly_whatever_happens(
        self, repository: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        times: list[float] = []

        async def collect(self: GarbageCollector, **options: object) -> Report:
            times.append(anyio.current_time())
            if len(times) == 2:
                raise GitError("git failed")
            return Report(repo="", items=())

        monkeypatch.setattr(GarbageCollector, "collect", collect)
        collector = GarbageCollector(repository().opened(), tmp_path / "miyabi.db")
        with anyio.move_on_after(3.5 * HOUR):
            await collector.loop()
        assert times == [0, HOUR, 2 * HOUR, 3 * HOUR]
