"""ReviewAgent: builds, tests, lints and scans a result, and scores it against the base."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.repo.git import Diffstat, printable
from miyabi_tui.engine.scoring.compare import evidence, ineligible
from miyabi_tui.engine.scoring.junit import Outcome
from miyabi_tui.engine.scoring.measure import Measurer
from miyabi_tui.engine.scoring.score import score
from miyabi_tui.engine.security.versions import Versions, lay_out
from miyabi_tui.engine.sites import Purpose

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from miyabi_tui.engine.publisher import Publisher
    from miyabi_tui.engine.repo.worktrees import Worktree
    from miyabi_tui.engine.scoring.measurement import Measurement
    from miyabi_tui.engine.scoring.toolchain import Toolchain
    from miyabi_tui.engine.sites import Site, SiteMaker
    from miyabi_tui.engine.worlds import WorldId

AT_ONCE = 1  # suites that run side by side falsify each other's times and ports


class ReviewAgent:
    """Measures the base once and every world against it; one measurement runs at a time."""

    def __init__(
        self, toolchain: Toolchain, publisher: Publisher, scratch: Path, time_limit: float
    ) -> None:
        self._toolchain = toolchain
        self._publisher = publisher
        self._scratch = scratch
        self._time_limit = time_limit
        self._lane = anyio.CapacityLimiter(AT_ONCE)
        self._aside: anyio.CancelScope | None = None
        self._measured = anyio.Event()
        self._base: Measurement | None = None

    @property
    def knows_base(self) -> bool:
        """Whether the base is measured."""
        return self._base is not None

    def take_base(self, measured: Measurement) -> None:
        """Review against this measurement of the base, taken before the run was interrupted."""
        self._base = measured
        self._measured.set()

    async def scratch(self, world: WorldId | None) -> Path:
        """The folder for the reports about a world, or about the base."""
        folder = self._scratch / (world.value if world else "base")
        await anyio.to_thread.run_sync(functools.partial(folder.mkdir, parents=True, exist_ok=True))
        return folder

    async def measure_base(self, worktree: Worktree, sites: SiteMaker) -> None:
        """Measure the base commit; the reviews wait for this.

        Raises:
            SandboxError: there is no sandbox to be had.
            GitError: the repository cannot be read.
        """

        async def quiet(doing: str) -> None:
            del doing

        started = anyio.current_time()
        self._make_way()
        async with self._lane:
            not_set_up = await self._set_up(worktree, sites)
            files = await _tracked(worktree)
            scratch = await self.scratch(None)
            site = await sites.of_worktree(None, worktree, Purpose.MEASURE, scratch=scratch)
            try:
                measurer = self._measurer(None, worktree, site)
                base = await measurer.measure(files, files, quiet)
            finally:
                await site.close()
        self.take_base(base)
        ran = base.tests.outcomes.values()
        remark = "; ".join(filter(None, (not_set_up, *base.build_failures[:1], base.tests.remark)))
        await self._publisher.emit(
            e.BaseMeasured(
                seconds=anyio.current_time() - started,
                tests_passed=sum(how is Outcome.PASSED for how in ran),
                tests_known=sum(how is not Outcome.SKIPPED for how in ran),
                lint_findings=len(base.lint),
                security_findings=len(base.security),
                remark=remark,
                measurement=base,
            )
        )

    async def base_known(self) -> None:
        """Wait until the base is measured."""
        await self._measured.wait()

    async def meanwhile(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do `work` while nothing is measured, and give it up at once for what is to be.

        Whether it was done to its end.
        """
        try:
            self._lane.acquire_nowait()
        except anyio.WouldBlock:
            return False
        try:
            with anyio.CancelScope() as self._aside:
                await work()
                return True
        finally:
            self._aside = None
            self._lane.release()
        return False

    def _make_way(self) -> None:
        if self._aside is not None:
            self._aside.cancel()

    async def _set_up(self, worktree: Worktree, sites: SiteMaker) -> str:
        """Prepare the base's worktree as the worlds' are; what went wrong, if it did."""
        command = self._toolchain.commands.setup
        if not command:
            return ""
        site = await sites.of_worktree(None, worktree, Purpose.SETUP)
        try:
            result = await site.sandbox.exec(
                ("bash", "-c", command), cwd=worktree.path, time_limit=self._time_limit
            )
        finally:
            await site.close()
        return "" if result.ok else f"the setup command failed with exit code {result.exit_code}"

    async def review(self, world: WorldId, worktree: Worktree, site: Site, commit: str) -> None:
        """Measure `commit`, which the worktree holds, and publish the world's score.

        The site can write to the world's `scratch`.
        """

        async def progress(doing: str) -> None:
            self._publisher.post(e.EvaluationProgress(world=world, doing=doing))

        await self._publisher.emit(e.EvaluationStarted(world=world))
        await self._wait_for(world, self._measured, "waiting for the base to be measured")
        assert self._base is not None
        self._make_way()
        if self._lane.available_tokens == 0:
            self._publisher.post(e.WorldWaiting(world=world, reason="waiting for its turn"))
        async with self._lane:
            self._publisher.post(e.WorldWaiting(world=world, reason=""))
            started = anyio.current_time()
            change = await worktree.git.diffstat(worktree.base, commit)
            files = await _tracked(worktree)
            measurer = self._measurer(world, worktree, site)
            measurer.versions = await self._versions(world, worktree, commit)
            measured = await measurer.measure(files, change.files, progress)
        found = evidence(self._base, measured, _printable(change))
        await self._publisher.emit(
            e.WorldScored(
                world=world,
                score=score(found),
                evidence=found,
                ineligible=ineligible(self._base, measured, found),
                commit=commit,
                seconds=anyio.current_time() - started,
            )
        )

    async def _versions(self, world: WorldId, worktree: Worktree, commit: str) -> Versions:
        """Both sides of what the world changed, for the scan; laid out in its scratch."""
        folder = await self.scratch(world) / "versions"
        try:
            return await anyio.to_thread.run_sync(
                lay_out, worktree.git, worktree.base, commit, folder
            )
        except GitError as error:
            return Versions(folder, folder, remark=f"not measured: {error}")

    async def _wait_for(self, world: WorldId, event: anyio.Event, reason: str) -> None:
        if not event.is_set():
            self._publisher.post(e.WorldWaiting(world=world, reason=reason))
            await event.wait()

    def _measurer(self, world: WorldId | None, worktree: Worktree, site: Site) -> Measurer:
        return Measurer(
            self._toolchain,
            site.sandbox,
            worktree.path,
            self._scratch / (world.value if world else "base"),
            self._time_limit,
            tools=site.tools,
        )


async def _tracked(worktree: Worktree) -> list[str]:
    listing = await worktree.git("ls-files", "-z")
    return [name for name in listing.split("\0") if name]


def _printable(change: Diffstat) -> Diffstat:
    """File names that are not UTF-8 cannot go into the journal as they are."""
    return Diffstat(change.added, change.deleted, tuple(map(printable, change.files)))
