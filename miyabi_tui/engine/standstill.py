"""Worlds that stand still while a person is asked about them; what every such question needs.

`warden.py` asks for the rules, `limits_watch.py` for the limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import anyio
import msgspec

from miyabi_tui.engine import events as e
from miyabi_tui.engine.publisher import RunPublisher
from miyabi_tui.engine.state import WorldStatus
from miyabi_tui.engine.worlds import WorldId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable

    from miyabi_tui.engine.questions import Answer, Questions

LOOK_SECONDS = 1.0  # between two looks, at what is in memory anyway
AT_WORK = (WorldStatus.PREPARING, WorldStatus.RUNNING)
STOP, KEEP, LET_RUN = "stop", "keep", "let run"


class Run(RunPublisher, Protocol):
    """The part of the bus that is needed here."""

    async def records(self) -> list[e.Record]:
        """All that happened so far but for the streams' text."""
        ...


class Hand(Protocol):
    """What can be done to a running world; each does nothing to one that has ended."""

    async def pause(self, world: WorldId) -> None:
        """Freeze its commands and hold its next turn."""
        ...

    async def proceed(self, world: WorldId) -> None:
        """Let it go on after a pause."""
        ...

    async def end(self, world: WorldId, reason: str) -> None:
        """End it now, without a score."""
        ...

    async def keep(self, world: WorldId) -> None:
        """End its agent's work, paused or not, and go on to the review with what is there."""
        ...


class Recalled(msgspec.Struct, frozen=True):
    """What the journal of a resumed run says of questions of one kind.

    `let_run`: how often a person answered each by `let run`; `held`: who stands still for one.
    """

    let_run: dict[str, int] = {}
    held: frozenset[WorldId] = frozenset()


def recall(records: Iterable[e.Record], kind: e.QuestionKind = e.QuestionKind.RULE) -> Recalled:
    """Which questions a person has answered, and which worlds stand still for an open one."""
    asked: set[str] = set()
    let_run: dict[str, int] = {}
    paused: set[WorldId] = set()
    held: dict[WorldId, str] = {}
    for record in records:
        match record.event:
            case e.WorldPaused(world=world):
                paused.add(world)
            case e.WorldContinued(world=world):
                paused.discard(world)
                held.pop(world, None)
            case e.QuestionAsked(id=key, kind=of_kind, world=world) if of_kind is kind:
                asked.add(key)
                held |= dict.fromkeys([world] if world else paused, key)
            case e.QuestionAnswered(id=key, choice=choice, by_person=by_person) if choice:
                held = {world: one for world, one in held.items() if one != key}
                if choice == LET_RUN and by_person and key in asked:
                    let_run[key] = let_run.get(key, 0) + 1
    return Recalled(let_run, frozenset(held))


class Standstill:
    """Pauses worlds, asks, and notices when a person has decided by hand instead."""

    def __init__(self, run: Run, hand: Hand, questions: Questions) -> None:
        self._run = run
        self._hand = hand
        self._questions = questions

    async def pause(self, worlds: Iterable[WorldId]) -> bool:
        """Let these worlds stand still; False where none of them was there to be paused."""
        worlds = tuple(worlds)
        for world in worlds:
            await self._hand.pause(world)
        return bool(self.standing(worlds))

    async def ask(
        self, worlds: Iterable[WorldId], key: str, ask: Callable[[], Awaitable[Answer]]
    ) -> str:
        """What `ask` is answered about these worlds; empty where the question became moot.

        `key` is the question's; whoever lets one go on by hand has answered `let run`.
        """
        choice = ""
        async with anyio.create_task_group() as group:
            group.start_soon(self._look_after, tuple(worlds), key, group.cancel_scope)
            choice = (await ask()).choice
            group.cancel_scope.cancel()
        return choice

    async def _look_after(
        self, worlds: Collection[WorldId], key: str, asking: anyio.CancelScope
    ) -> None:
        while True:
            await anyio.sleep(LOOK_SECONDS)
            if self.standing(worlds):
                continue
            if self.gone_on(worlds):
                self._questions.answer(key, LET_RUN)
            else:
                asking.cancel()

    def standing(self, worlds: Iterable[WorldId]) -> tuple[WorldId, ...]:
        """Those that are paused still."""
        state = self._run.state
        return tuple(one for one in worlds if state.world(one).status is WorldStatus.PAUSED)

    def gone_on(self, worlds: Iterable[WorldId]) -> list[WorldId]:
        """Those that a person lets run on by hand."""
        return [one for one in worlds if self._goes_on(one)]

    def _goes_on(self, world: WorldId) -> bool:
        run = self._run.state
        now = run.world(world)
        same_life = now.status is now.before_pause  # else it was taken back to a checkpoint
        return same_life and now.status in AT_WORK and run.picked is not world

    async def ended(self, world: WorldId, life: float | None) -> None:
        """Wait until the world's agent is at work no more, or begins anew from a checkpoint.

        `life` is when it had begun.
        """
        while True:
            now = self._run.state.world(world)
            at_work = now.status in (WorldStatus.RUNNING, WorldStatus.PAUSED) and not now.commit
            if not at_work or now.started_at != life:
                return
            await anyio.sleep(LOOK_SECONDS)
