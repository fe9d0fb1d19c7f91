"""Watches what every world uses: over a limit it stands still and the person is asked.

Without an answer it ends when the grace time does; where nobody is there to ask, at once. The other
worlds go on. A world whose result is being measured is ended too: a measurement cannot wait.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import anyio
import msgspec

from miyabi_tui.engine import events as e
from miyabi_tui.engine.excess import Excess
from miyabi_tui.engine.standstill import AT_WORK, KEEP, LET_RUN, STOP, Hand, Standstill, recall
from miyabi_tui.engine.state import WorldStatus
from miyabi_tui.engine.worlds import WorldId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anyio.abc import TaskGroup

    from miyabi_tui.engine.questions import Answer, Questions
    from miyabi_tui.engine.standstill import Run
    from miyabi_tui.engine.state import WorldState
    from miyabi_tui.engine.terms import Terms

EVERY_SECONDS = 0.25
INTERRUPT = "stop the command"
# What a stopped command has used is given back only slowly: so long, little more is no new case.
RESPITE_SECONDS, RESPITE_FACTOR = 60.0, 1.1
AHEAD_SECONDS = 1.0  # of the end that an agent's own clock brings, so that there is time to ask
UNDO = "r takes it back to a checkpoint"

Bounds = dict[tuple[WorldId, e.Resource], float]


class LimitHand(Hand, Protocol):
    """What can be done to a world over a limit; each does nothing to one that has ended."""

    async def interrupt(self, world: WorldId, reason: str) -> None:
        """Kill its running commands, say why to its agent, and let it go on."""
        ...

    async def extend(self, world: WorldId, seconds: float) -> None:
        """Let its agent work for so many seconds in all; from its beginning if it has not begun."""
        ...


def bounds_of(records: Iterable[e.Record]) -> Bounds:
    """The limits that a person has raised in this run."""
    last: dict[str, Excess] = {}
    raised: Bounds = {}
    for record in records:
        match record.event:
            case e.LimitExceeded(world=world, resource=resource, used=used, limit=limit):
                excess = Excess(world, resource, used, limit)
                last[excess.key] = excess
            case e.QuestionAnswered(id=key, choice=choice, by_person=True) if choice == LET_RUN:
                if (found := last.get(key)) is not None:
                    raised[found.world, found.resource] = found.raised
    return raised


class LimitsWatch:
    """Compares every world's use with its limits. Every case is a task of its own.

    `worked` tells for how many seconds a world's agent has worked, None while none is at work;
    without it the time limit is left to the agent.
    """

    def __init__(
        self,
        run: Run,
        hand: LimitHand,
        questions: Questions,
        terms: Terms,
        *,
        interactive: bool,
        worked: Callable[[WorldId], float | None] = lambda _world: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._run = run
        self._hand = hand
        self._questions = questions
        self._standstill = Standstill(run, hand, questions)
        self._grace = terms.termination.grace_seconds
        self._asks = interactive and self._grace > 0
        self._limits: dict[e.Resource, float] = {
            e.Resource.MEMORY: terms.sandbox.memory_bytes,
            e.Resource.PROCESSES: terms.sandbox.processes,
            e.Resource.DISK: terms.sandbox.disk_bytes,
            e.Resource.TIME: terms.limits.seconds,
        }
        self._worked = worked
        self._clock = clock
        self._raised: Bounds = {}
        self._respites: dict[str, tuple[float, float]] = {}  # how much is forgiven, until when
        self._held: set[WorldId] = set()  # paused by us before the run was interrupted
        self._busy: set[WorldId] = set()

    async def watch(self) -> None:
        """Watch until cancelled.

        Raises:
            StoreError: the journal cannot be read or written.
        """
        if self._run.state.resumed:
            records = await self._run.records()
            self._raised = bounds_of(records)
            self._held = set(recall(records, e.QuestionKind.LIMIT).held)
            for (world, resource), limit in self._raised.items():
                if resource is e.Resource.TIME:
                    await self._hand.extend(world, limit)
        async with anyio.create_task_group() as group:
            while True:
                await self._look(group)
                await anyio.sleep(EVERY_SECONDS)

    async def _look(self, group: TaskGroup) -> None:
        for world in self._run.state.worlds:
            if world.id in self._busy:
                continue
            if excess := self._excess(world):
                self._busy.add(world.id)
                self._held.discard(world.id)
                group.start_soon(self._settle, excess)
            elif world.id in self._held and world.status is WorldStatus.PAUSED:
                self._held.discard(world.id)  # its processes are gone, and with them the case
                await self._hand.proceed(world.id)

    def _excess(self, world: WorldState) -> Excess | None:
        """The first limit that a world at work is over."""
        if world.status not in (*AT_WORK, WorldStatus.EVALUATING):
            return None
        for resource, used in self._use(world).items():
            limit = self._raised.get((world.id, resource), self._limits[resource])
            excess = Excess(world.id, resource, used, limit)
            forgiven, until = self._respites.get(excess.key, (0.0, 0.0))
            if used > limit and (used > forgiven or self._clock() > until):
                return excess
        return None

    def _use(self, world: WorldState) -> dict[e.Resource, float]:
        use: dict[e.Resource, float] = {}
        if (gauge := world.gauge) is not None:
            use[e.Resource.MEMORY] = gauge.memory_bytes
            use[e.Resource.PROCESSES] = gauge.processes
            use[e.Resource.DISK] = gauge.disk_bytes
        # Where nobody can be asked the agent's own end is better: what it has done is scored.
        worked = self._worked(world.id) if self._asks else None
        if worked is not None and world.status is WorldStatus.RUNNING and not world.commit:
            use[e.Resource.TIME] = worked + AHEAD_SECONDS
        return use

    # --- one case ---------------------------------------------------------------------------------

    async def _settle(self, excess: Excess) -> None:
        """Freeze it and ask, or end it at once where nobody is there; then do what was said."""
        try:
            at_work = self._run.state.world(excess.world).status in AT_WORK
            if not self._asks or not at_work:
                self._tell(excess)
                return await self._end(excess)
            if not await self._standstill.pause((excess.world,)):
                return None
            self._tell(excess)
            if choice := await self._ask(excess):
                await self._do(choice, excess)
        finally:
            self._busy.discard(excess.world)

    def _tell(self, excess: Excess) -> None:
        world, resource = excess.world, excess.resource
        event = e.LimitExceeded(
            world=world, resource=resource, used=excess.used, limit=excess.limit
        )
        self._run.post(event)

    async def _ask(self, excess: Excess) -> str:
        """What the person chooses, or the default; empty where the question became moot."""
        resource = excess.resource

        async def ask() -> Answer:
            return await self._questions.ask(
                kind=e.QuestionKind.LIMIT,
                key=excess.key,
                title=f"{excess.world} is over its {excess.limit_name}",
                text=f"{excess.amount}. It stands still until you decide; after an end, {UNDO}.",
                choices=choices(excess),
                default=KEEP if resource is e.Resource.TIME else STOP,
                grace=self._grace,
                world=excess.world,
            )

        return await self._standstill.ask((excess.world,), excess.key, ask)

    async def _do(self, choice: str, excess: Excess) -> None:
        world = excess.world
        stands = bool(self._standstill.standing((world,)))
        if choice == LET_RUN:  # also by hand, so that it goes on already
            self._raised[world, excess.resource] = excess.raised
            if excess.resource is e.Resource.TIME:
                await self._hand.extend(world, excess.raised)
            if stands:
                await self._hand.proceed(world)
        elif not stands:
            return
        elif choice == INTERRUPT:
            until = self._clock() + RESPITE_SECONDS
            self._respites[excess.key] = (RESPITE_FACTOR * excess.used, until)
            await self._hand.interrupt(world, excess.reason)
        elif choice == KEEP:
            life = self._run.state.world(world).started_at
            text = f"{world} ends its work, to be scored: {excess.reason}"
            self._run.post(e.Notice(level=e.Level.WARNING, text=text, world=world))
            await self._hand.keep(world)
            await self._standstill.ended(world, life)
        else:
            await self._end(excess)

    async def _end(self, excess: Excess) -> None:
        """End the world, and wait until it has ended or begins anew from a checkpoint."""
        life = self._run.state.world(excess.world).started_at
        await self._hand.end(excess.world, excess.reason)
        while True:
            now = self._run.state.world(excess.world)
            if now.ended or now.started_at != life:
                return
            await anyio.sleep(EVERY_SECONDS)


def choices(excess: Excess) -> tuple[e.Choice, ...]:
    """What a person can do. No key of the board: whoever presses one must not answer by it."""
    limit = msgspec.structs.replace(excess, limit=excess.raised).amount.partition(" of ")[2]
    ends = e.Choice("x", STOP, "end it now, without a score")
    lets = e.Choice("l", LET_RUN, f"go on; its limit becomes {limit}")
    if excess.resource is e.Resource.TIME:
        return ends, e.Choice("e", KEEP, "end its work, and score what is there"), lets
    return ends, e.Choice("c", INTERRUPT, "end what it runs now, and let its agent go on"), lets
