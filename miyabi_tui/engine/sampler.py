"""When a running world's tests are sampled: at its checkpoints, when the machine has room.

One sample at a time, never beside a review or the base's measurement, which a sample makes way
for at once. A sample that fails for its own reasons is no event.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import msgspec

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import GitError, StoreError
from miyabi_tui.engine.repo.worktrees import FOLDER
from miyabi_tui.engine.scoring.sampling import Bench, has_room, read_machine
from miyabi_tui.engine.state import WorldStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from miyabi_tui.engine.agents.review import ReviewAgent
    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.publisher import Publisher
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.scoring.sampling import Machine, Sample
    from miyabi_tui.engine.scoring.toolchain import Toolchain
    from miyabi_tui.engine.sites import SiteMaker
    from miyabi_tui.engine.state import RunState, WorldState
    from miyabi_tui.engine.terms import Terms
    from miyabi_tui.engine.worlds import WorldId

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
REST = 3.0  # times as long as a sample took, nothing is sampled
SHORTEST_LIMIT, OF_BASE = 60.0, 3.0  # a sample has so many times the base's seconds, or these
CLEARED_WITHIN = 1.0
LEFT_BEHIND_SECONDS = 86_400.0


class _Seen(msgspec.Struct, frozen=True):
    """A world's checkpoint that needs no other look; `tree` was sampled `at` a moment."""

    commit: str
    tree: str
    at: float


class Sampler:
    """Samples the worlds of one run, each not more often than `every` seconds."""

    def __init__(
        self,
        git: Git,
        state: Callable[[], RunState],
        publisher: Publisher,
        reviewer: ReviewAgent,
        bench: Bench,
        *,
        every: float,
        time_limit: float,
        machine: Callable[[Path], Machine] = read_machine,
    ) -> None:
        self._git = git
        self._state = state
        self._publisher = publisher
        self._reviewer = reviewer
        self._bench = bench
        self._every = every
        self._time_limit = time_limit
        self._machine = machine
        self._seen: dict[WorldId, _Seen] = {}
        self._base_tree = ""

    async def run(self) -> None:
        """Sample until cancelled.

        Raises:
            StoreError: the journal cannot be written.
        """
        try:
            while True:
                await anyio.sleep(LOOK_SECONDS)
                try:
                    await self._look()
                except StoreError:
                    raise
                except Exception:  # whatever is wrong with a sample, no world and no run ends by it
                    log.warning("a sample failed", exc_info=True)
        finally:
            await self._bench.clear(CLEARED_WITHIN)

    async def _look(self) -> None:
        """Sample the world that changed since its last sample, longest ago, if there is room."""
        now = anyio.current_time()
        waiting = [world for world in self._state().worlds if self._wants(world, now)]
        waiting.sort(key=lambda world: self._at(world.id))
        for world in waiting:
            tree = await self._tree(world.checkpoints[-1].commit)
            if await self._changed(world, tree):
                if await self._room():
                    await self._sample(world, tree)
                return

    def _at(self, world: WorldId) -> float:
        seen = self._seen.get(world)
        return seen.at if seen else -self._every

    def _wants(self, world: WorldState, now: float) -> bool:
        """Whether it is at work and has a checkpoint that was not looked at.

        A paused one, too: whoever has to decide about it wants to know.
        """
        if not _at_work(world) or not world.checkpoints:
            return False
        seen = self._seen.get(world.id)
        new = seen is None or seen.commit != world.checkpoints[-1].commit
        return new and now - self._at(world.id) >= self._every

    async def _changed(self, world: WorldState, tree: str) -> bool:
        """Whether the checkpoint's files are others than those of the last sample, or the base."""
        if not self._base_tree:
            self._base_tree = await self._tree(self._state().base_commit)
        seen = self._seen.get(world.id)
        if tree and tree != (seen.tree if seen else self._base_tree):
            return True
        self._seen[world.id] = _Seen(world.checkpoints[-1].commit, tree, self._at(world.id))
        return False

    async def _tree(self, commit: str) -> str:
        """The commit's tree; empty where it is gone, which is for others to find."""
        try:
            return await self._git("rev-parse", "--verify", f"{commit}^{{tree}}")
        except GitError:
            return ""

    async def _room(self) -> bool:
        folder = self._git.work_tree
        return has_room(
            await anyio.to_thread.run_sync(self._machine, folder, abandon_on_cancel=True)
        )

    async def _sample(self, world: WorldState, tree: str) -> None:
        """Take a sample, publish it, and rest."""
        last, before = world.checkpoints[-1], self._seen.pop(world.id, None)
        found, base, started = None, self._state().base, anyio.current_time()
        limit = max(SHORTEST_LIMIT, OF_BASE * base.seconds if base else 0.0)

        async def work() -> None:
            nonlocal found
            self._seen[world.id] = _Seen(last.commit, tree, started)
            found = await self._bench.sample(last.commit, min(limit, self._time_limit))

        try:
            done = await self._reviewer.meanwhile(work)
        finally:
            await self._bench.clear(CLEARED_WITHIN)
        if not done:  # something more important came: the next look tries again
            self._seen.pop(world.id, None)
            if before:
                self._seen[world.id] = before
            return
        took = anyio.current_time() - started
        if found is not None:
            await self._tell(world, last.step, found, took)
        await anyio.sleep(REST * took)

    async def _tell(self, before: WorldState, step: int, found: Sample, took: float) -> None:
        """Publish a sample, unless its world has ended meanwhile or was taken back."""
        now = self._state().world(before.id)
        if not _at_work(now) or now.started_at != before.started_at:
            return
        await self._publisher.emit(
            e.TestsSampled(
                world=before.id,
                step=step,
                builds=found.builds,
                passed=found.passed,
                known=found.known,
                seconds=took,
                failures=found.failures,
            )
        )


def _at_work(world: WorldState) -> bool:
    return world.status in (WorldStatus.RUNNING, WorldStatus.PAUSED) and not world.commit


async def keep_sampling(
    terms: Terms,
    git: Git,
    bus: Bus,
    reviewer: ReviewAgent,
    sites: SiteMaker,
    toolchain: Toolchain,
    scratch: Path,
    include: Callable[[Path], None],
) -> None:
    """Sample the worlds of a run from when its base is measured until cancelled.

    Not where the rules or samples are switched off, where nothing can be built or tested, nor in a
    recorded run, which is over before a sample would tell anything.

    Raises:
        StoreError: the journal cannot be written.
    """
    rules, commands, state = terms.termination, toolchain.commands, bus.state
    measurable = toolchain.python or commands.build or commands.test
    if not rules.enabled or not rules.sample_seconds or not measurable or state.recorded:
        return
    folder = git.work_tree / FOLDER / "samples" / state.task
    await anyio.to_thread.run_sync(sweep, folder)
    await reviewer.base_known()
    bench = Bench(git, toolchain, sites, folder, scratch / "sample", include)
    sampler = Sampler(
        git,
        lambda: bus.state,
        bus,
        reviewer,
        bench,
        every=rules.sample_seconds,
        time_limit=terms.test_seconds,
    )
    await sampler.run()


def sweep(folder: Path) -> None:
    """Remove what runs that were killed left beside `folder`, and `folder` itself. Blocks."""
    old = time.time() - LEFT_BEHIND_SECONDS
    for one in folder.parent.iterdir() if folder.parent.is_dir() else ():
        with contextlib.suppress(OSError):
            if one == folder or one.lstat().st_mtime < old:
                shutil.rmtree(one, ignore_errors=True)
