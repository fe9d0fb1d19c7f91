"""One task in five worlds: spawn → work → review → choose → merge."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import GitError, MergeConflict, MiyabiError
from miyabi_tui.engine.fallback import NEXT, QUESTION, Fallbacks
from miyabi_tui.engine.lanes import Lanes
from miyabi_tui.engine.limits_watch import LimitsWatch
from miyabi_tui.engine.merging import merge_winner
from miyabi_tui.engine.repo.worktrees import Worktree
from miyabi_tui.engine.safety import blocking
from miyabi_tui.engine.scoring.selection import best, why
from miyabi_tui.engine.state import step_name
from miyabi_tui.engine.warden import Warden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from miyabi_tui.engine.agents.past import History
    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.control import Fork
    from miyabi_tui.engine.ground import Ground
    from miyabi_tui.engine.questions import Questions
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.repo.worktrees import FiveWorldsManager
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.sandbox.base import Sandbox
    from miyabi_tui.engine.workshop import Workshop
    from miyabi_tui.engine.worlds import WorldId

SAVED_WITHIN = 10.0  # seconds; whoever ends a run does not wait for longer


class Race:
    """Runs the lanes, chooses, and merges on the person's word or by policy.

    It begins wherever the journal stands: a new run at its worktrees, a resumed one in its midst.
    """

    def __init__(
        self,
        request: RunRequest,
        git: Git,
        bus: Bus,
        manager: FiveWorldsManager,
        workshop: Workshop,
        ground: Ground,
        pasts: Mapping[WorldId, History],
        questions: Questions,
    ) -> None:
        self._request = request
        self._git = git
        self._bus = bus
        self._workshop = workshop
        self._group = anyio.create_task_group()
        self._lanes = Lanes(self._group, request, bus, manager, workshop, ground, pasts)
        self._questions = questions
        self._warden = Warden(
            bus, self, questions, request.terms.termination, interactive=request.interactive
        )
        self._limits = LimitsWatch(
            bus, self, questions, request.terms, interactive=request.interactive, worked=self.worked
        )
        self._hand = anyio.Lock()  # one decision at a time, a person's or ours
        self._fallbacks = Fallbacks(bus, self._lanes, self._hand, questions, request.terms)
        self._picked: WorldId | None = bus.state.picked
        self._picked_unseen = False  # before anyone knew what its review would find
        self._merge_asked = False
        self._merge_tried = False
        self._chosen = bus.state.winner is not None
        self._started = False
        self._stopped = False
        self._over = False
        self._asked = anyio.Event()

    @property
    def racing(self) -> bool:
        """Whether a world is at work, or is about to be."""
        return not self._started or self._lanes.at_work

    async def run(self) -> None:
        """The whole race, up to and with `RunFinished`.

        Raises:
            StoreError: the journal cannot be written.
            RunHalted: the person, or a budget, wants it to end as it stands.
            MiyabiError: the base cannot be measured.
        """
        try:
            async with self._group as group:
                await self._lanes.start_all()
                self._started = True
                group.start_soon(self._lanes.save_by_the_clock)
                group.start_soon(self._warden.watch)
                group.start_soon(self._limits.watch)
                while not await self._settled():
                    await self._asked.wait()
                    self._asked = anyio.Event()
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(SAVED_WITHIN):
                await self._wind_up()

    async def _settled(self) -> bool:
        """Race as long as a world is at work, then decide; True when the run is over."""
        while True:
            if self._lanes.at_work:
                await self._bus.emit(e.PhaseChanged(phase=e.Phase.RACING))
                await self._lanes.run()
            if await self._fallbacks.tried():
                continue
            async with self._hand:
                if self._lanes.at_work:  # a person was quicker
                    continue
                if not await self._decide():
                    return False
                self._over = True
                await self._finish()
                return True

    async def _wind_up(self) -> None:
        """Let what a person has begun come to its end, and save what is cut short."""
        self._lanes.close()
        async with self._hand:
            if not self._over:
                self._over = True
                await self._lanes.save("interrupted")

    # --- the choice -------------------------------------------------------------------------------

    async def _decide(self) -> bool:
        """Choose, and merge by policy or on the person's word; True when nothing is left."""
        policy, interactive = self._request.merge, self._request.interactive
        if self._bus.state.commit:  # merged, and killed before its last event
            return True
        if self._picked is not None and self._chosen:
            await self._select_picked(self._picked)
        elif not self._chosen:
            await self._bus.emit(e.PhaseChanged(phase=e.Phase.CHOOSING))
            await self._choose()
        self._chosen = True
        if self._stopped:
            return True
        if self._bus.state.winner is not None and self._wants_merge():
            self._merge_tried = True
            if await self._merge():
                return True
        self._merge_asked = False  # also what was pressed meanwhile
        winner = self._bus.state.winner
        if not interactive or (winner and policy is e.MergePolicy.NEVER):
            return True
        if winner and not self._bus.state.merge_ready:
            await self._bus.emit(e.MergeReady(world=winner, branch=self._target()))
        return False

    def _wants_merge(self) -> bool:
        """Whether the person or the policy wants it now, or an interrupted merge goes on."""
        by_policy = self._request.merge is e.MergePolicy.AUTO and not self._merge_tried
        begun = self._bus.state.merge_started is not None and not self._merge_tried
        return self._merge_asked or by_policy or begun

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
        found = blocking(state)
        if found and self._picked_unseen:
            text = f"{world} was picked before its review found: {found[0]}"
            await self._notice(f"{text}; to take it with that, pick it again")
            return await self._choose()
        by_evidence = best(self._bus.state.worlds)
        override = by_evidence is None or by_evidence.id is not world
        against = f" against {by_evidence.id}" if override and by_evidence else ""
        reason = f"picked by hand{against}"
        if state.ineligible:
            reason += f", although {state.ineligible[0]}"
        await self._bus.emit(
            e.WinnerSelected(
                world=world,
                by_person=True,
                override=override,
                reason=reason,
                commit=state.commit,
                overridden=tuple(map(str, found)),
            )
        )

    # --- the merge --------------------------------------------------------------------------------

    def _target(self) -> str:
        return self._request.terms.target or self._bus.state.target

    async def _merge(self) -> bool:
        state, branch = self._bus.state, self._target()
        assert state.winner is not None
        await self._bus.emit(e.PhaseChanged(phase=e.Phase.MERGING))
        with anyio.CancelScope(shield=True):
            try:
                await merge_winner(
                    self._git,
                    self._bus,
                    self._workshop.identity,
                    branch,
                    new_branch=not self._request.terms.target,
                )
            except (MergeConflict, GitError) as error:
                files = error.files if isinstance(error, MergeConflict) else ()
                failed = e.MergeFailed(
                    world=state.winner, branch=branch, cause=str(error), files=files
                )
                await self._bus.emit(failed)
                await self._bus.emit(e.PhaseChanged(phase=e.Phase.CHOOSING))
                return False
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
        return [*self._workshop.sites.sandboxes.values()]

    async def pause(self, world: WorldId) -> None:
        """Freeze a world's commands and hold its next turn."""
        async with self._hand:
            if (lane := self._lanes.get(world)) and not self._over:
                await lane.pause()

    async def proceed(self, world: WorldId) -> None:
        """Let a paused world go on."""
        async with self._hand:
            if (lane := self._lanes.get(world)) and not self._over:
                await lane.proceed()

    async def kill(self, world: WorldId) -> None:
        """End a world."""
        async with self._hand:
            if (lane := self._lanes.get(world)) and not self._over:
                lane.kill("killed by hand")

    async def end(self, world: WorldId, reason: str) -> None:
        """End a world that a rule says is not worth going on with."""
        async with self._hand:
            if (lane := self._lanes.get(world)) and not self._over:
                lane.kill(reason, early=True)

    async def keep(self, world: WorldId) -> None:
        """End a world's work and go on to its review with what is there."""
        async with self._hand:
            if (lane := self._lanes.get(world)) and not self._over and not lane.ended:
                await lane.wrap_up(e.Ending.KEPT)

    async def interrupt(self, world: WorldId, reason: str) -> None:
        """End the command that a world runs now; its agent is told why and goes on."""
        async with self._hand:
            if (lane := self._lanes.get(world)) and not self._over:
                await lane.interrupt(reason)

    async def extend(self, world: WorldId, seconds: float) -> None:
        """Let a world's agent work for so many seconds in all."""
        if lane := self._lanes.get(world):
            lane.extend(seconds)

    def worked(self, world: WorldId) -> float | None:
        """For how many seconds a world's agent has worked; None while none is at work."""
        lane = self._lanes.get(world)
        return lane.worked if lane else None

    async def fork(self, fork: Fork) -> None:
        """Let a world go on from a checkpoint: itself, or an extra one."""
        async with self._hand:
            if self._over:
                return
            if self._bus.state.commit or self._stopped:
                return await self._notice("no world can go back any more: the race is over")
            try:
                await self._lanes.fork(fork)
            except (KeyError, MiyabiError) as error:
                cause = "there is no such checkpoint" if isinstance(error, KeyError) else error
                where = step_name(fork.step)
                return await self._notice(f"{fork.source} cannot go back to {where}: {cause}")
            self._picked = None
            self._chosen = self._merge_tried = False
            self._stir()

    async def pick(self, world: WorldId) -> None:
        """Take the person's choice; worlds still at work end."""
        async with self._hand:
            if not self._over:
                await self._pick(world)

    async def _pick(self, world: WorldId) -> None:
        run, lane = self._bus.state, self._lanes.get(world)
        if world not in {one.id for one in run.worlds} or run.commit or run.finished:
            return await self._notice(f"{world} cannot be picked: it is too late, or not racing")
        at_work = lane is not None and not lane.ended
        if not at_work and not run.world(world).commit:
            reason = run.world(world).reason
            return await self._notice(f"{world} cannot be picked: it has no result ({reason})")
        if at_work and lane is not None and lane.worktree is None:
            return await self._notice(f"{world} cannot be picked yet: it has no worktree")
        self._picked, self._picked_unseen = world, not run.world(world).commit
        await self._bus.emit(e.WorldPicked(world=world))
        if self.racing:
            for other in self._lanes:
                if other is not lane:
                    other.kill(f"{world} was picked")
            if at_work and lane is not None:
                await lane.wrap_up()
        self._stir()

    async def unpick(self) -> None:
        """Take the person's choice back: the evidence chooses."""
        async with self._hand:
            run = self._bus.state
            picked = run.picked or (run.winner if run.winner_by_person else None)
            if self._over:
                return
            if picked is None or run.commit or self._stopped:
                why = "it is too late" if run.commit or self._stopped else "nobody was picked"
                return await self._notice(f"there is no choice to take back: {why}")
            self._picked = None
            await self._bus.emit(e.PickWithdrawn(world=picked))
            self._chosen = self._chosen and self._bus.state.winner is not None
            self._stir()

    def _stir(self) -> None:
        """The person has done something that the decision has to take in."""
        self._questions.answer(QUESTION, NEXT)
        self._asked.set()

    async def tell(self, world: WorldId, text: str) -> None:
        """Say something to a world, for its next turn."""
        async with self._hand:
            lane = self._lanes.get(world)
            if not text.strip() or self._over:
                return
            if lane is None or not lane.listens:
                return await self._notice(f"{world} will read nothing more: its work is done")
            await self._bus.emit(e.WorldTold(world=world, text=text))
            lane.tell(text)  # after that, as it is in the journal before a turn has read it

    async def answer(self, question: str, choice: str, amount: float | None) -> None:
        """Take the person's answer to a question; one that is settled already has none."""
        if amount is None or math.isfinite(amount):
            self._questions.answer(question, choice, amount)

    def worktree(self, world: WorldId) -> Worktree | None:
        """The world's worktree, also of one that ended before the run was resumed."""
        if (lane := self._lanes.get(world)) is not None:
            return lane.worktree
        config = self._bus.state.world(world).config
        if not config.worktree or not Path(config.worktree).is_dir():
            return None
        git_dir = Path(self._bus.state.world(world).git_dir)
        return Worktree(Path(config.worktree), git_dir, config.branch, self._bus.state.base_commit)

    def ask_merge(self) -> None:
        """Merge the winner as soon as there is one to merge."""
        self._merge_asked = True
        self._asked.set()

    async def conclude(self) -> bool:
        """Wait no longer for a word on the merge; False while worlds are at work."""
        if self.racing:
            return False
        async with self._hand:
            if self.racing:  # one was just taken back
                return False
            self._stopped = True
            self._fallbacks.give_up()
            self._stir()
            return True

    async def _notice(self, text: str) -> None:
        await self._bus.emit(e.Notice(level=e.Level.WARNING, text=text))


def _why_nobody(bus: Bus) -> str:
    """In one line, why no world may win."""
    reasons = [
        f"{world.id}: {world.ineligible[0] if world.ineligible else world.reason}"
        for world in bus.state.worlds
    ]
    return "; ".join(reasons)
