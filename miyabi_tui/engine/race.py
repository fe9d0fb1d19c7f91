"""One task in five worlds: spawn → work → review → choose → merge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import GitError, MergeConflict, WorktreeError
from miyabi_tui.engine.repo.merge import merge
from miyabi_tui.engine.scoring.selection import best, why
from miyabi_tui.engine.summary import commit_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miyabi_tui.engine.agents.review import ReviewAgent
    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.control import Fork
    from miyabi_tui.engine.lane import Lane
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.repo.worktrees import FiveWorldsManager, Worktree
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.sandbox.base import Sandbox
    from miyabi_tui.engine.worlds import WorldId


class Race:
    """Runs the lanes, chooses, and merges on the person's word or by policy."""

    def __init__(
        self,
        request: RunRequest,
        git: Git,
        bus: Bus,
        manager: FiveWorldsManager,
        lanes: Sequence[Lane],
        reviewer: ReviewAgent,
        base_sandbox: Sandbox,
        identity: dict[str, str],
    ) -> None:
        self._request = request
        self._git = git
        self._bus = bus
        self._manager = manager
        self._lanes = {lane.world.id: lane for lane in lanes}
        self._reviewer = reviewer
        self._base_sandbox = base_sandbox
        self._identity = identity
        self._unspawned = set(self._lanes)
        self._spawned = anyio.Event()
        self._picked: WorldId | None = None
        self._merge_asked = False
        self._stopped = False
        self._asked = anyio.Event()
        self.racing = True

    async def run(self) -> None:
        """The whole race, up to and with `RunFinished`.

        Raises:
            StoreError: the journal cannot be written.
            MiyabiError: the base cannot be measured.
        """
        await self._bus.emit(e.PhaseChanged(phase=e.Phase.RACING))
        async with anyio.create_task_group() as base:
            base.start_soon(self._measure_base)
            async with anyio.create_task_group() as lanes:
                for lane in self._lanes.values():
                    lanes.start_soon(self._run_lane, lane)
            base.cancel_scope.cancel()  # nobody waits for it any more
        self.racing = False
        await self._bus.emit(e.PhaseChanged(phase=e.Phase.CHOOSING))
        await self._choose()
        await self._conclude()

    # --- the race ---------------------------------------------------------------------------------

    async def _run_lane(self, lane: Lane) -> None:
        async def spawn() -> Worktree:
            worktree = await self._manager.spawn_world(lane.world.id)
            await self._bus.emit(
                e.WorktreeCreated(
                    world=lane.world.id, path=str(worktree.path), branch=worktree.branch
                )
            )
            await self._count_spawned(lane.world.id)
            return worktree

        await lane.run(spawn)
        await self._count_spawned(lane.world.id)  # also when it failed before it had a worktree

    async def _count_spawned(self, world: WorldId) -> None:
        if self._spawned.is_set():
            return
        self._unspawned.discard(world)
        if not self._unspawned:
            self._spawned.set()
            there = tuple(self._manager.worktrees)
            await self._bus.emit(e.WorldsSpawned(task=self._bus.state.task, worlds=there))

    async def _measure_base(self) -> None:
        """Measure the base while the worlds think; its worktree goes when that is done."""
        await self._spawned.wait()
        worktree = await self._manager.spawn_base()
        try:
            await self._reviewer.measure_base(worktree, self._base_sandbox)
        finally:
            with anyio.CancelScope(shield=True):
                await self._base_sandbox.stop()
                await self._remove(worktree)

    async def _remove(self, worktree: Worktree) -> None:
        """Remove the base's worktree; what its tests left behind is no reason to fail."""
        try:
            await self._manager.remove(worktree)
        except WorktreeError as error:
            await self._notice(f"left behind: {error}")

    # --- the choice -------------------------------------------------------------------------------

    async def _choose(self) -> None:
        worlds = self._bus.state.worlds
        by_evidence = best(worlds)
        if self._picked is not None:
            await self._select_picked(self._picked)
        elif by_evidence is not None:
            await self._bus.emit(
                e.WinnerSelected(
                    world=by_evidence.id,
                    by_person=False,
                    override=False,
                    reason=why(by_evidence, worlds),
                    commit=by_evidence.commit,
                )
            )
        else:
            await self._bus.emit(e.NoWinner(reason=_why_nobody(self._bus)))

    async def _select_picked(self, world: WorldId) -> None:
        """Make the person's choice the winner, if it has a result."""
        self._picked = None
        state = self._bus.state.world(world)
        if not state.commit:
            await self._notice(f"{world} cannot win: it has no result ({state.reason})")
            if self._bus.state.winner is None:
                await self._choose()
            return
        by_evidence = best(self._bus.state.worlds)
        override = by_evidence is None or by_evidence.id is not world
        against = f" against {by_evidence.id}" if override and by_evidence else ""
        reason = f"picked by hand{against}"
        if state.ineligible:
            reason += f", although {state.ineligible[0]}"
        await self._bus.emit(
            e.WinnerSelected(
                world=world, by_person=True, override=override, reason=reason, commit=state.commit
            )
        )

    # --- the merge --------------------------------------------------------------------------------

    async def _conclude(self) -> None:
        """Merge by policy, or wait for the person's word."""
        policy, interactive = self._request.merge, self._request.interactive
        if self._bus.state.winner and policy is e.MergePolicy.AUTO:
            if await self._merge() or not interactive:
                return await self._finish()
        elif not interactive or (self._bus.state.winner and policy is e.MergePolicy.NEVER):
            return await self._finish()
        while not self._stopped:
            if (winner := self._bus.state.winner) and not self._bus.state.merge_ready:
                await self._bus.emit(e.MergeReady(world=winner, branch=self._target()))
            await self._asked.wait()
            self._asked = anyio.Event()
            if self._picked is not None:
                await self._select_picked(self._picked)
            elif self._merge_asked:
                if self._bus.state.winner is not None and await self._merge():
                    break
                self._merge_asked = False  # also what was pressed meanwhile
        await self._finish()

    def _target(self) -> str:
        return self._request.terms.target or self._bus.state.target

    async def _merge(self) -> bool:
        state = self._bus.state
        assert state.winner is not None
        world, branch = state.world(state.winner), self._target()
        await self._bus.emit(e.PhaseChanged(phase=e.Phase.MERGING))
        with anyio.CancelScope(shield=True):
            try:
                result = await merge(
                    self._git,
                    world.commit,
                    state.base_commit,
                    branch,
                    commit_message(state),
                    self._identity,
                    new_branch=not self._request.terms.target,
                )
            except (MergeConflict, GitError) as error:
                files = error.files if isinstance(error, MergeConflict) else ()
                await self._bus.emit(
                    e.MergeFailed(world=world.id, branch=branch, cause=str(error), files=files)
                )
                await self._bus.emit(e.PhaseChanged(phase=e.Phase.CHOOSING))
                return False
            await self._bus.emit(
                e.Merged(world=world.id, branch=result.branch, commit=result.commit)
            )
        return True

    async def _finish(self) -> None:
        state = self._bus.state
        if state.commit:
            status, reason = e.RunStatus.MERGED, ""
        elif state.winner is None:
            status, reason = e.RunStatus.NO_WINNER, state.reason
        elif state.merge_failed and self._request.merge is e.MergePolicy.AUTO:
            status, reason = e.RunStatus.FAILED, state.merge_failed.cause
        else:
            status, reason = e.RunStatus.SELECTED, ""
        await self._bus.emit(e.RunFinished(status=status, reason=reason))

    # --- the person -------------------------------------------------------------------------------

    @property
    def sandboxes(self) -> list[Sandbox]:
        """Everywhere something of this race may run."""
        return [*(lane.sandbox for lane in self._lanes.values()), self._base_sandbox]

    def lane(self, world: WorldId) -> Lane | None:
        """The lane of a world, None where it does not race."""
        return self._lanes.get(world)

    async def pick(self, world: WorldId) -> None:
        """Take the person's choice; worlds still at work end."""
        chosen = self._lanes.get(world)
        if chosen is None or self._bus.state.commit or self._bus.state.finished:
            return await self._notice(f"{world} cannot be picked: it is too late, or not racing")
        if chosen.ended and not self._bus.state.world(world).commit:
            reason = self._bus.state.world(world).reason
            return await self._notice(f"{world} cannot be picked: it has no result ({reason})")
        if not chosen.ended and chosen.worktree is None:
            return await self._notice(f"{world} cannot be picked yet: it has no worktree")
        self._picked = world
        if self.racing:
            for lane in self._lanes.values():
                if lane is not chosen:
                    lane.kill(f"{world} was picked")
            await chosen.wrap_up()
        self._asked.set()

    async def fork(self, fork: Fork) -> None:
        """Let a world go on from a checkpoint."""
        raise NotImplementedError(fork)

    def ask_merge(self) -> None:
        """Merge the winner as soon as there is one to merge."""
        self._merge_asked = True
        self._asked.set()

    def conclude(self) -> None:
        """Wait no longer for a word on the merge."""
        self._stopped = True
        self._asked.set()

    async def _notice(self, text: str) -> None:
        await self._bus.emit(e.Notice(level=e.Level.WARNING, text=text))


def _why_nobody(bus: Bus) -> str:
    """In one line, why no world may win."""
    reasons = [
        f"{world.id}: {world.ineligible[0] if world.ineligible else world.reason}"
        for world in bus.state.worlds
    ]
    return "; ".join(reasons)
