"""Samples: a checkpoint of a running world is built and tested beside it, when there is room."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import psutil
import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine import sampler as sampling
from miyabi_tui.engine.agents.review import ReviewAgent
from miyabi_tui.engine.fold import apply
from miyabi_tui.engine.repo.worktrees import FiveWorldsManager
from miyabi_tui.engine.sampler import Sampler, sweep
from miyabi_tui.engine.sandbox.environment import world_environment
from miyabi_tui.engine.scoring.measurement import Measurement
from miyabi_tui.engine.scoring.sampling import Bench, Machine, Sample, has_room
from miyabi_tui.engine.scoring.toolchain import Commands, find_toolchain
from miyabi_tui.engine.state import RunState
from miyabi_tui.engine.worlds import WorldId, default_worlds
from tests import racing
from tests.places import OneSite, bare
from tests.processes import until
from tests.repositories import Repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Repository]

pytestmark = pytest.mark.anyio

A, B = WorldId.ALPHA, WorldId.BETA
IDLE, BUSY = Machine(cpu=5.0, memory=40.0, disk=50.0), Machine(cpu=99.0, memory=40.0, disk=50.0)
SECONDS = 30.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(sampling, "REST", 0.0)


@pytest.mark.parametrize(
    ("machine", "room"),
    [
        (IDLE, True),
        (BUSY, False),
        (Machine(cpu=5.0, memory=71.0, disk=50.0), False),
        (Machine(cpu=5.0, memory=40.0, disk=86.0), False),
        (Machine(cpu=74.0, memory=69.0, disk=84.0), True),
    ],
)
def test_when_there_is_room(machine: Machine, room: bool) -> None:
    assert has_room(machine) is room


class Site:
    """A project, a bench for its samples, and a run whose worlds have checkpoints."""

    def __init__(self, repo: Repository, tmp: Path, commands: Commands, every: float) -> None:
        self.repo = repo
        self.state = RunState()
        self.machine = IDLE
        git = repo.opened()
        files = repo.git("ls-files").splitlines()
        toolchain = find_toolchain(repo.path, files, commands)
        self.folder = repo.path / ".miyabi" / "samples" / "task"
        self.manager = FiveWorldsManager(git, repo.head, "issue-1", "task")
        self.sites = OneSite(bare(world_environment(None, path_first=toolchain.path_first)))
        self.bench = Bench(
            git, toolchain, self.sites, self.folder, tmp / "reports", self.manager.include
        )
        self.reviewer = ReviewAgent(toolchain, self, tmp / "reviews", SECONDS)
        self.sampler = Sampler(
            git,
            lambda: self.state,
            self,
            self.reviewer,
            self.bench,
            every=every,
            time_limit=SECONDS,
            machine=lambda _: self.machine,
        )
        started = e.RunStarted(
            run_id="r",
            issue=racing.ISSUE,
            repo=str(repo.path),
            base_ref="main",
            base_commit=repo.head,
            target="main",
            task="task",
            worlds=default_worlds("m/m", "m/m")[:2],
            merge=e.MergePolicy.ASK,
        )
        self.post(started)
        for one in (A, B):
            self.post(e.WorldStarted(world=one, system="", messages=()))
        self.reviewer.take_base(Measurement())

    def post(self, event: e.AnyEvent) -> None:
        self.state = apply(self.state, e.Record(self.state.seq + 1, time.time(), event))

    async def emit(self, event: e.AnyEvent) -> None:
        self.post(event)

    def checkpoint(self, step: int, files: dict[str, str], world: WorldId = A) -> str:
        """A commit with these files that no branch has, as the checkpoint of a step."""
        self.repo.git("checkout", "--quiet", "--detach", "main")
        commit = self.repo.commit(f"step {step}", dict(files))
        self.repo.git("checkout", "--quiet", "main")
        self.post(e.StepFinished(world=world, step=step, checkpoint=commit, files_changed=1))
        return commit

    def sample_of(self, world: WorldId = A) -> e.TestsSampled | None:
        return self.state.world(world).sampled

    async def until_sampled(self, step: int, world: WorldId = A) -> e.TestsSampled:
        def there() -> bool:
            found = self.sample_of(world)
            return found is not None and found.step == step

        await until(there)
        found = self.sample_of(world)
        assert found is not None
        return found


@pytest.fixture
def python_site(tmp_path: Path) -> Site:
    repo = Repository(racing.make_project(tmp_path / "project"))
    return Site(repo, tmp_path, Commands(), 0.0)


CHECK = """\
cat .env || exit 3
cat result
test ! -e hang || exec sleep 600
! grep -q failed result
"""


@pytest.fixture
def shell_site(repository: Make, tmp_path: Path) -> Callable[..., Site]:
    """A project whose tests say what is in a file, and need an ignored one."""

    def make(every: float = 0.0, **commands: str) -> Site:
        files = {"check.sh": CHECK, "result": "1 failed\n", ".gitignore": ".env\n"}
        repo = repository({**files, ".worktreeinclude": ".env\n"})
        repo.write({".env": "secret\n"})
        return Site(repo, tmp_path, Commands(test="bash check.sh", **commands), every)

    return make


async def test_a_real_project_is_sampled_step_by_step(python_site: Site) -> None:
    site = python_site
    before = site.repo.snapshot()
    async with anyio.create_task_group() as group:
        group.start_soon(site.sampler.run)
        site.checkpoint(1, {"calc/ops.py": "def add(a, b:\n"})
        broken = await site.until_sampled(1)
        tests = racing.TEST + racing.MORE + "\n\ndef test_red():\n    assert add(1, 1) == 3\n"
        site.checkpoint(2, {"calc/ops.py": racing.RIGHT, "tests/test_ops.py": tests})
        built = await site.until_sampled(2)
        group.cancel_scope.cancel()
    assert not broken.builds and broken.failures[0].startswith("calc/ops.py:1 ")
    assert (broken.passed, broken.known) == (0, 0)
    assert (built.builds, built.passed, built.known) == (True, 2, 3)
    assert built.failures == ("tests/test_ops.py::test_red",)
    assert built.seconds > 0
    assert not site.folder.exists()
    after = site.repo.snapshot()
    for what in ("files", "main", "HEAD", "stash", "config"):
        assert after[what] == before[what]


async def test_what_a_sample_finds_around_it(
    shell_site: Callable[..., Site], tmp_path: Path
) -> None:
    """The untracked files that it needs, and a git of its own that cannot touch the user's."""
    asked = "git log -1 --format=%s; git status --porcelain; git tag mine; pwd; nice"
    site = shell_site(setup="echo set up >> .env", build=f"(cat .env; {asked}) > '{tmp_path}/saw'")
    commit = site.checkpoint(1, {"result": "3 passed\n"})
    assert await site.bench.sample(commit, SECONDS) == Sample(True, passed=3, known=3)
    saw = (tmp_path / "saw").read_text().splitlines()
    assert saw == ["secret", "set up", "step 1", str(site.folder), str(os.nice(0) + 10)]
    assert site.repo.git("tag") == ""
    await site.bench.clear(5.0)
    assert not site.folder.exists()


async def test_what_cannot_be_set_up_says_nothing(shell_site: Callable[..., Site]) -> None:
    site = shell_site(setup="exit 1")
    assert await site.bench.sample(site.checkpoint(1, {"result": "3 passed\n"}), SECONDS) is None


async def test_what_takes_too_long_says_nothing(shell_site: Callable[..., Site]) -> None:
    site = shell_site()
    began = time.monotonic()
    assert await site.bench.sample(site.checkpoint(1, {"hang": ""}), 0.5) is None
    assert time.monotonic() - began < 10.0
    assert not _running(site)


async def test_nothing_is_sampled_twice_nor_without_a_change(
    shell_site: Callable[..., Site],
) -> None:
    site = shell_site()
    async with anyio.create_task_group() as group:
        group.start_soon(site.sampler.run)
        site.checkpoint(1, {})  # as the base is
        site.checkpoint(1, {"result": "3 passed\n"}, B)
        first = await site.until_sampled(1, B)
        site.checkpoint(2, {"result": "3 passed\n"}, B)  # as it was
        site.checkpoint(2, {"result": "4 passed\n"})
        await site.until_sampled(2)
        group.cancel_scope.cancel()
    assert site.sample_of(B) is first


async def test_not_more_often_than_is_set(shell_site: Callable[..., Site]) -> None:
    site = shell_site(every=3_600.0)
    async with anyio.create_task_group() as group:
        group.start_soon(site.sampler.run)
        site.checkpoint(1, {"result": "3 passed\n"})
        first = await site.until_sampled(1)
        site.checkpoint(2, {"result": "4 passed\n"})
        site.checkpoint(1, {"result": "5 passed\n"}, B)  # another world's turn
        await site.until_sampled(1, B)
        group.cancel_scope.cancel()
    assert site.sample_of() is first


async def test_no_sample_without_room(shell_site: Callable[..., Site]) -> None:
    site = shell_site()
    looked = anyio.Event()

    def busy(_: Path) -> Machine:
        anyio.from_thread.run_sync(looked.set)
        return site.machine

    site.machine, site.sampler._machine = BUSY, busy
    async with anyio.create_task_group() as group:
        group.start_soon(site.sampler.run)
        site.checkpoint(1, {"result": "3 passed\n"})
        await looked.wait()
        assert site.sample_of() is None and not site.folder.exists()
        site.machine = IDLE
        await site.until_sampled(1)
        group.cancel_scope.cancel()


def _running(site: Site) -> list[str]:
    """What runs in the folder of the samples."""
    return [
        " ".join(process.info["cmdline"] or ())
        for process in psutil.process_iter(["cwd", "cmdline"])
        if (process.info["cwd"] or "").startswith(str(site.folder))
    ]


async def _until_hanging(site: Site) -> None:
    await until(lambda: any("sleep" in one for one in _running(site)))


async def test_a_sample_makes_way_for_a_review_and_is_taken_again(
    shell_site: Callable[..., Site],
) -> None:
    site = shell_site()
    async with anyio.create_task_group() as group:
        group.start_soon(site.sampler.run)
        site.checkpoint(1, {"hang": "", "result": "3 passed\n"})
        await _until_hanging(site)
        base = await site.manager.spawn_base()
        with anyio.fail_after(20):
            await site.reviewer.measure_base(base, OneSite(bare(world_environment(None))))
        assert site.state.base is not None and site.sample_of() is None
        await _until_hanging(site)
        group.cancel_scope.cancel()
    assert not _running(site)
    assert not site.folder.exists()


async def test_the_end_of_the_run_waits_for_no_sample(shell_site: Callable[..., Site]) -> None:
    site = shell_site()
    async with anyio.create_task_group() as group:
        group.start_soon(site.sampler.run)
        site.checkpoint(1, {"hang": ""})
        await _until_hanging(site)
        began = time.monotonic()
        group.cancel_scope.cancel()
    assert time.monotonic() - began < 10.0
    assert not _running(site)


async def test_a_world_that_was_taken_back_meanwhile_gets_no_sample_of_its_old_future(
    shell_site: Callable[..., Site],
) -> None:
    site = shell_site()
    async with anyio.create_task_group() as group:
        group.start_soon(site.sampler.run)
        site.checkpoint(1, {"hang": "", "result": "3 passed\n"})
        await _until_hanging(site)
        config = site.state.world(A).config
        site.post(
            e.WorldForked(world=A, source=A, step=0, checkpoint="c", config=config, system="")
        )
        for process in psutil.process_iter(["cwd", "name"]):
            in_it = (process.info["cwd"] or "").startswith(str(site.folder))
            if in_it and process.info["name"] == "sleep":
                process.kill()  # the tests come to their end
        site.checkpoint(1, {"result": "5 passed\n"}, B)
        await site.until_sampled(1, B)
        group.cancel_scope.cancel()
    assert site.sample_of() is None


async def test_a_checkpoint_that_is_gone_ends_nothing(shell_site: Callable[..., Site]) -> None:
    site = shell_site()
    async with anyio.create_task_group() as group:
        group.start_soon(site.sampler.run)
        site.post(e.StepFinished(world=A, step=1, checkpoint="0" * 40))
        site.checkpoint(1, {"result": "5 passed\n"}, B)
        await site.until_sampled(1, B)
        group.cancel_scope.cancel()


def test_what_killed_runs_left_is_swept(tmp_path: Path) -> None:
    own, other, old = (tmp_path / "samples" / name for name in ("own", "other", "old"))
    for folder in (own, other, old):
        folder.mkdir(parents=True)
    a_week_ago = time.time() - 7 * 86_400
    os.utime(old, (a_week_ago, a_week_ago))
    sweep(own)
    assert sorted(one.name for one in other.parent.iterdir()) == ["other"]
    sweep(tmp_path / "nothing" / "own")
