"""Watches the running worlds: where a rule is violated, it pauses the world first and asks.

Without an answer the world is stopped when the grace time ends; where nobody is there to ask, at
once. What it stopped can be taken back to a checkpoint like any other world.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import anyio
import msgspec

from miyabi_tui.engine import events as e
from miyabi_tui.engine.costs.termination import Rule, rules, worth_keeping
from miyabi_tui.engine.publisher import RunPublisher
from miyabi_tui.engine.state import WorldStatus
from miyabi_tui.engine.worlds import WorldId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anyio.abc import TaskGroup

    from miyabi_tui.engine.questions import Questions
    from miyabi_tui.engine.state import WorldState
    from miyabi_tui.engine.terms import Termination

LOOK_SECONDS = 1.0  # between two looks, at what is in memory anyway
STOP, KEEP, LET_RUN = "stop", "keep", "let run"
# No key of the board: whoever presses one there as a question comes up must not answer it.
CHOICES = (
    e.Choice("x", STOP, "end it now, without a score"),
    e.Choice("e", KEEP, "end its work, and score what is there"),
    e.Choice("l", LET_RUN, "go on; this rule leaves it alone from now on"),
)
UNDO = "r takes it back to a checkpoint"


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


class Case(msgspec.Struct, frozen=True):
    """A rule that these worlds violate: all of them where it is about the whole run, else one."""

    rule: Rule
    worlds: tuple[WorldId, ...]
    reason: str

    @property
    def key(self) -> str:
        """The id of its question, the same whenever it is asked."""
        return question_id(self.rule, None if self.rule.whole_run else self.worlds[0])

    @property
    def who(self) -> str:
        """Its worlds in words."""
        return "all running worlds" if self.rule.whole_run else str(self.worlds[0])


def question_id(rule: Rule, world: WorldId | None) -> str:
    """The id of the question about a rule and a world; about the whole run for None."""
    return f"rule:{world or 'all'}:{rule.name}"


class Recalled(msgspec.Struct, frozen=True):
    """What the journal of a resumed run says: questions answered by `let run`, open pauses."""

    let_run: frozenset[str] = frozenset()
    held: frozenset[WorldId] = frozenset()


def recall(records: Iterable[e.Record]) -> Recalled:
    """Which rules a person has switched off, and which worlds stand still for an open question."""
    let_run: set[str] = set()
    paused: set[WorldId] = set()
    held: dict[WorldId, str] = {}
    for record in records:
        match record.event:
            case e.WorldPaused(world=world):
                paused.add(world)
            case e.WorldContinued(world=world):
                paused.discard(world)
                held.pop(world, None)
            case e.QuestionAsked(id=key, kind=e.QuestionKind.RULE, world=world):
                held |= dict.fromkeys([world] if world else paused, key)
            case e.QuestionAnswered(id=key, choice=choice, by_person=by_person) if choice:
                held = {world: one for world, one in held.items() if one != key}
                if choice == LET_RUN and by_person:
                    let_run.add(key)
    return Recalled(frozenset(let_run), frozenset(held))


class Warden:
    """Looks at every running world against the rules. Every case is a task of its own."""

    def __init__(
        self,
        run: Run,
        hand: Hand,
        questions: Questions,
        termination: Termination,
        *,
        interactive: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._run = run
        self._hand = hand
        self._questions = questions
        self._rules = rules(termination)
        self._grace = termination.grace_seconds
        self._interactive = interactive
        self._clock = clock
        self._let_run: set[str] = set()
        self._held: set[WorldId] = set()  # paused by us before the run was interrupted
        self._busy: set[WorldId] = set()

    async def watch(self) -> None:
        """Watch until cancelled.

        Raises:
            StoreError: the journal cannot be read or written.
        """
        if self._run.state.resumed:
            known = recall(await self._run.records())
            self._let_run, self._held = set(known.let_run), set(known.held)
        async with anyio.create_task_group() as group:
            while self._rules or self._held:
                await self._look(group)
                await anyio.sleep(LOOK_SECONDS)

    async def _look(self, group: TaskGroup) -> None:
        for case in self._cases():
            self._busy |= set(case.worlds)
            self._held -= set(case.worlds)
            group.start_soon(self._settle, case)
        # What was held for a question that nobody would ask again goes on.
        for world in self._run.state.worlds:
            if world.id in self._held and world.status is WorldStatus.PAUSED:
                self._held.discard(world.id)
                await self._hand.proceed(world.id)

    def _cases(self) -> list[Case]:
        """The first violated rule of each world that is at work, and the worlds it is about."""
        run, now = self._run.state, self._clock()
        found: dict[str, Case] = {}
        for world in filter(self._watched, run.worlds):
            for rule in self._rules:
                if self._silenced(rule, world.id):
                    continue
                if reason := rule.violated(run, world, now):
                    case = Case(rule, (world.id,), reason)
                    before = found[case.key].worlds if case.key in found else ()
                    found[case.key] = Case(rule, (*before, world.id), reason)
                    break
        return list(found.values())

    def _watched(self, world: WorldState) -> bool:
        if world.id in self._busy or world.commit:
            return False
        held = world.id in self._held and world.status is WorldStatus.PAUSED
        return held or world.status is WorldStatus.RUNNING

    def _silenced(self, rule: Rule, world: WorldId) -> bool:
        return not self._let_run.isdisjoint({question_id(rule, world), question_id(rule, None)})

    # --- one case ---------------------------------------------------------------------------------

    async def _settle(self, case: Case) -> None:
        """Pause and ask, or decide at once where nobody is there; then do it."""
        try:
            if not self._interactive or not self._grace:
                return await self._do(self._default(case), case, case.worlds)
            for world in case.worlds:
                await self._hand.pause(world)
            if not self._standing(case):
                return None
            if choice := await self._ask(case):
                self._let_run |= {question_id(case.rule, one) for one in self._gone_on(case)}
                await self._do(choice, case, self._standing(case))
        finally:
            self._busy -= set(case.worlds)

    def _default(self, case: Case) -> str:
        """A world whose last sample passes is kept and scored, any other one is stopped.

        Where the whole run is too dear, what there is was paid for: it is kept.
        """
        if case.rule.whole_run:
            return KEEP
        run = self._run.state
        return KEEP if worth_keeping(run, run.world(case.worlds[0])) else STOP

    def _standing(self, case: Case) -> tuple[WorldId, ...]:
        """The worlds of the case that are paused still."""
        state = self._run.state
        return tuple(one for one in case.worlds if state.world(one).status is WorldStatus.PAUSED)

    async def _ask(self, case: Case) -> str:
        """What the person chooses, or the default; empty where the question became moot."""
        default, choice = self._default(case), ""
        async with anyio.create_task_group() as group:
            group.start_soon(self._look_after, case, group.cancel_scope)
            answer = await self._questions.ask(
                kind=e.QuestionKind.RULE,
                key=case.key,
                title=f"Stop {case.who} early?",
                text=f"{case.reason}. It stands still until you decide; after a stop, {UNDO}.",
                choices=CHOICES,
                default=default,
                grace=self._grace,
                world=None if case.rule.whole_run else case.worlds[0],
            )
            choice = answer.choice
            group.cancel_scope.cancel()
        return choice

    async def _look_after(self, case: Case, asking: anyio.CancelScope) -> None:
        """Whoever lets a paused world go on by hand has answered; if none is left, it is moot."""
        while True:
            await anyio.sleep(LOOK_SECONDS)
            if self._standing(case):
                continue
            if self._gone_on(case):
                self._questions.answer(case.key, LET_RUN)
            else:
                asking.cancel()

    def _gone_on(self, case: Case) -> list[WorldId]:
        """The worlds of the case that a person lets run on by hand."""
        state = self._run.state
        return [
            one
            for one in case.worlds
            if state.world(one).status is WorldStatus.RUNNING and state.picked is not one
        ]

    async def _do(self, choice: str, case: Case, worlds: Iterable[WorldId]) -> None:
        if choice == LET_RUN:
            self._let_run.add(case.key)
            for world in worlds:
                await self._hand.proceed(world)
            return
        lives = {one: self._run.state.world(one).started_at for one in worlds}
        for world in lives:
            if choice == STOP:
                await self._hand.end(world, f"stopped early: {case.reason} ({UNDO})")
            else:
                text = f"{world} ends its work early, to be scored: {case.reason}"
                self._run.post(e.Notice(level=e.Level.WARNING, text=text, world=world))
                await self._hand.keep(world)
        for world, life in lives.items():
            await self._ended(world, life)

    async def _ended(self, world: WorldId, life: float | None) -> None:
        """Wait until the world's agent is at work no more, or begins anew from a checkpoint."""
        while True:
            now = self._run.state.world(world)
            at_work = now.status in (WorldStatus.RUNNING, WorldStatus.PAUSED) and not now.commit
            if not at_work or now.started_at != life:
                return
            await anyio.sleep(LOOK_SECONDS)
