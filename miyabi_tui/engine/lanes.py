"""The lanes of a race: begun, taken up again, taken back to a checkpoint, saved, waited for."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import anyio
import msgspec

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents.past import histories
from miyabi_tui.engine.errors import MiyabiError, StoreError, WorktreeError
from miyabi_tui.engine.forking import forked
from miyabi_tui.engine.state import step_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anyio.abc import TaskGroup

    from miyabi_tui.engine.agents.past import History
    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.control import Fork
    from miyabi_tui.engine.ground import Ground
    from miyabi_tui.engine.lane import Lane, Place, Stand
    from miyabi_tui.engine.repo.worktrees import FiveWorldsManager, Worktree
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.workshop import Workshop
    from miyabi_tui.engine.worlds import WorldId


class Lanes:
    """All lanes of one race, in the race's task group. `pasts` are the conversations that go on."""

    def __init__(
        self,
        group: TaskGroup,
        request: RunRequest,
        bus: Bus,
        manager: FiveWorldsManager,
        workshop: Workshop,
        ground: Ground,
        pasts: Mapping[WorldId, History],
    ) -> None:
        self._group = group
        self._request = request
        self._bus = bus
        self._manager = manager
        self._workshop = workshop
        self._ground = ground
        self._pasts = pasts
        self._lanes: dict[WorldId, Lane] = {}
        self._at_work: set[object] = set()  # lanes, and forks until their lane is there
        self._all_ended = anyio.Event()
        self._closed = False
        self._unspawned: set[WorldId] = set()
        self._spawned = anyio.Event()
        self._base_scope: anyio.CancelScope | None = None
        self._base_over = anyio.Event()

    def __iter__(self) -> Iterator[Lane]:
        return iter(list(self._lanes.values()))

    def get(self, world: WorldId) -> Lane | None:
        """The lane of a world; None where it does not race, or had ended before a resume."""
        return self._lanes.get(world)

    @property
    def at_work(self) -> bool:
        """Whether any world has not ended, or is being taken back."""
        return bool(self._at_work)

    def at_work_on(self, world: WorldId) -> bool:
        """Whether this world has not ended, or is being taken back."""
        lane = self._lanes.get(world)
        return lane is not None and lane in self._at_work

    async def start_all(self) -> None:
        """A lane for every world that has not ended."""
        picked = self._bus.state.picked
        open_worlds = [world for world in self._bus.state.worlds if not world.ended]
        if picked is not None:
            for world in [one for one in open_worlds if one.id is not picked]:
                reason = f"{picked} was picked"
                await self._bus.emit(e.WorldKilled(world=world.id, reason=reason))
                open_worlds.remove(world)
        self._unspawned = {world.id for world in open_worlds}
        for world in open_worlds:
            lane = await self._workshop.lane(world.config)
            place: Place = functools.partial(self._ground.new, world.id)
            if self._bus.state.resumed:
                history = self._pasts.get(world.id)
                again, chosen = self._ground.again, world.id is picked
                place = functools.partial(again, world.id, history, picked=chosen)
            self._start(lane, place)

    def close(self) -> None:
        """Begin no lane any more: the race is about to end."""
        self._closed = True

    def _start(self, lane: Lane, place: Place) -> None:
        if not self._closed:
            self._lanes[lane.world.id] = lane
            self._occupy(lane)
            self._group.start_soon(self._run_lane, lane, place)

    def _occupy(self, worker: object) -> None:
        if not self._at_work:
            self._all_ended = anyio.Event()
        self._at_work.add(worker)

    def _release(self, worker: object) -> None:
        self._at_work.discard(worker)
        if not self._at_work:
            self._all_ended.set()

    async def run(self) -> None:
        """Until no world is at work any more."""
        if not self._workshop.reviewer.knows_base and self._base_scope is None:
            self._base_scope, self._base_over = anyio.CancelScope(), anyio.Event()
            self._group.start_soon(self._measure_base, self._base_scope, self._base_over)
        while self._at_work:
            await self._all_ended.wait()
        if self._base_scope is not None:
            self._base_scope.cancel()  # nobody waits for it any more
            await self._base_over.wait()  # its worktree may be made again
            self._base_scope = None

    async def _run_lane(self, lane: Lane, place: Place) -> None:
        world = lane.world.id

        async def placed() -> Stand:
            stand = await place()
            await self._count_spawned(world)
            return stand

        await lane.run(placed)
        await self._count_spawned(world)  # also when it failed before it had a worktree
        self._release(lane)

    async def _count_spawned(self, world: WorldId) -> None:
        if self._spawned.is_set():
            return
        self._unspawned.discard(world)
        if not self._unspawned:
            self._spawned.set()
            if there := tuple(self._manager.worktrees):
                await self._bus.emit(e.WorldsSpawned(task=self._bus.state.task, worlds=there))

    async def _measure_base(self, scope: anyio.CancelScope, over: anyio.Event) -> None:
        """Measure the base while the worlds think; its worktree goes when that is done."""
        try:
            with scope:
                await self._spawned.wait()
                worktree = await self._manager.spawn_base()
                try:
                    await self._workshop.reviewer.measure_base(worktree, self._workshop.sites)
                finally:
                    with anyio.CancelScope(shield=True):
                        await self._remove(worktree)
        finally:
            over.set()

    async def _remove(self, worktree: Worktree) -> None:
        """Remove the base's worktree; what its tests left behind is no reason to fail."""
        try:
            await self._manager.remove(worktree)
        except WorktreeError as error:
            await self._notice(f"left behind: {error}")

    async def save_by_the_clock(self) -> None:
        """Save every worktree at work every few minutes: a step can last for long."""
        while True:
            await anyio.sleep(self._request.terms.checkpoints.every_seconds)
            await self.save("automatic")

    async def save(self, why: str) -> None:
        """Save every worktree at work as it is now; what cannot be saved is told."""
        for lane in [one for one in self if one in self._at_work]:
            try:
                await lane.save(why)
            except StoreError:
                raise
            except (MiyabiError, OSError) as error:
                await self._notice(f"{lane.world.id} could not be saved: {error}")

    async def fork(self, fork: Fork) -> None:
        """Archive the future that ends, write the other one down, and begin it.

        Raises:
            KeyError: the source has no such checkpoint.
            MiyabiError: the model is unknown, or git failed.
        """
        source = self._bus.state.world(fork.source)
        checkpoint = next((one for one in source.checkpoints if one.step == fork.step), None)
        records = await self._bus.records()
        if checkpoint is None or fork.source not in histories(records):
            raise KeyError(fork.step)
        event = forked(self._bus.state, fork, checkpoint.commit, self._request, self._manager)
        lane = await self._workshop.lane(event.config)
        self._occupy(fork)  # so that nobody chooses in between
        try:
            event = await self._taken_back(event)
            now = histories([*records, e.Record(0, 0.0, event)])[event.world]
            self._start(lane, functools.partial(self._ground.back, event.world, now.present))
        finally:
            self._release(fork)

    async def _taken_back(self, event: e.WorldForked) -> e.WorldForked:
        """End what the world is at, archive what it holds, and write its other future down."""
        before = self._lanes.get(event.world)
        at_work = before is not None and not before.ended
        if before is not None:
            await before.withdraw()
        try:
            if event.world is event.source:
                reason = f"taken back to {step_name(event.step)}"
                archived = await self._ground.archive(event.world, reason)
                event = msgspec.structs.replace(event, archived=archived)
        except (MiyabiError, OSError) as error:
            if at_work:
                title, advice = "it was stopped to be taken back", "try again with r"
                await self._bus.emit(
                    e.WorldFailed(
                        world=event.world, title=title, cause=str(error), next_step=advice
                    )
                )
            raise
        await self._bus.emit(event)
        return event

    async def _notice(self, text: str) -> None:
        await self._bus.emit(e.Notice(level=e.Level.WARNING, text=text))
