"""ReviewAgent: the base measured once, each world against it, one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents.review import ReviewAgent
from miyabi_tui.engine.repo.worktrees import FiveWorldsManager, Worktree, commit_all
from miyabi_tui.engine.sandbox.environment import world_environment
from miyabi_tui.engine.scoring.toolchain import Commands, find_toolchain
from miyabi_tui.engine.worlds import WorldId
from tests.places import OneSite, bare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.repositories import Repository

    Make = Callable[..., Repository]

pytestmark = pytest.mark.anyio

COMMANDS = Commands(setup="echo prepared > set-up", build="true", test="bash check.sh", lint="true")
CHECK = "test -e set-up && echo '2 passed' || { echo '2 failed'; exit 1; }\n"
ALPHA, BETA = WorldId.ALPHA, WorldId.BETA


class Office:
    """A reviewer on a real repository, and what it publishes."""

    def __init__(self, repo: Repository, commands: Commands, scratch: Path) -> None:
        self.events: list[e.AnyEvent] = []
        self.five = FiveWorldsManager(repo.opened(), repo.head, "issue-1", "task")
        self.sites = OneSite(bare(world_environment(None)))
        toolchain = find_toolchain(repo.path, repo.git("ls-files").splitlines(), commands, {})
        self.reviewer = ReviewAgent(toolchain, self, scratch, 30.0)

    def post(self, event: e.AnyEvent) -> None:
        self.events.append(event)

    async def emit(self, event: e.AnyEvent) -> None:
        self.events.append(event)

    async def base(self) -> e.BaseMeasured:
        await self.reviewer.measure_base(await self.five.spawn_base(), self.sites)
        [measured] = [event for event in self.events if isinstance(event, e.BaseMeasured)]
        return measured

    async def review(self, worktree: Worktree, world: WorldId = ALPHA) -> e.WorldScored:
        commit = await commit_all(worktree, "work")
        await self.reviewer.review(world, worktree, self.sites.site, commit)
        return next(
            one for one in self.events if isinstance(one, e.WorldScored) and one.world is world
        )


@pytest.fixture
def office(repository: Make, tmp_path: Path) -> Office:
    repo = repository({"check.sh": CHECK, ".gitignore": "set-up\n"})
    return Office(repo, COMMANDS, tmp_path / "scratch")


async def test_the_base_is_set_up_as_the_worlds_are(office: Office) -> None:
    measured = await office.base()
    assert (measured.tests_passed, measured.tests_known, measured.remark) == (2, 2, "")


async def test_a_setup_that_fails_is_said(repository: Make, tmp_path: Path) -> None:
    repo = repository({"check.sh": CHECK})
    office = Office(repo, Commands(setup="exit 4", test="bash check.sh"), tmp_path / "scratch")
    measured = await office.base()
    assert measured.remark == "the setup command failed with exit code 4"
    assert (measured.tests_passed, measured.tests_known) == (0, 2)


async def test_a_world_is_scored_against_the_base(office: Office) -> None:
    await office.base()
    worktree = await office.five.spawn_world(ALPHA)
    (worktree.path / "set-up").write_text("")
    (worktree.path / "tests").mkdir()
    (worktree.path / "tests" / "caf\udce9.t").write_text("1\n")
    scored = await office.review(worktree)
    assert scored.score.total == 100.0
    assert scored.ineligible == ()
    assert (scored.evidence.files_changed, scored.evidence.tests_added) == (1, True)
    e.encode(scored)  # the journal can hold it


async def test_a_world_that_breaks_the_tests_is_not_eligible(office: Office) -> None:
    await office.base()
    worktree = await office.five.spawn_world(ALPHA)
    (worktree.path / "check.sh").write_text("echo '1 passed, 1 failed'; exit 1\n")
    scored = await office.review(worktree)
    assert scored.score.tests == 15.0
    assert scored.ineligible == ("it breaks tests that passed on the base: test 2",)


async def test_reviews_wait_for_the_base_and_for_each_other(office: Office) -> None:
    alpha, beta = await office.five.spawn_world(ALPHA), await office.five.spawn_world(BETA)
    async with anyio.create_task_group() as group:
        group.start_soon(office.review, alpha, ALPHA)
        group.start_soon(office.review, beta, BETA)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(office.base)
    waits = {one.reason for one in office.events if isinstance(one, e.WorldWaiting)}
    assert waits == {"", "waiting for the base to be measured", "waiting for its turn"}
    order = [
        (type(one).__name__, getattr(one, "world", None))
        for one in office.events
        if isinstance(one, e.BaseMeasured | e.EvaluationProgress | e.WorldScored)
    ]
    names = [f"{name} {world}" for name, world in order]
    first, second = [f"WorldScored {world}" for world in (ALPHA, BETA)]
    assert {first, second} < set(names)
    split = min(names.index(first), names.index(second))
    assert len({world for _, world in order[:split] if world}) == 1  # never side by side
