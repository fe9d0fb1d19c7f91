"""Watches the running worlds: where a rule is violated, it pauses the world first and asks.

Without an answer the world is stopped when the grace time ends; where nobody is there to ask, at
once. What it stopped can be taken back to a checkpoint like any other world.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import msgspec

from miyabi_tui.engine import events as e
from miyabi_tui.engine.costs.termination import Rule, rules, worth_keeping
from miyabi_tui.engine.standstill import KEEP, LET_RUN, LOOK_SECONDS, STOP, Standstill, recall
from miyabi_tui.engine.state import WorldStatus
from miyabi_tui.engine.worlds import WorldId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anyio.abc import TaskGroup

    from miyabi_tui.engine.questions import Answer, Questions
    from miyabi_tui.engine.standstill import Hand, Run
    from miyabi_tui.engine.state import WorldState
    from miyabi_tui.engine.terms import Termination

# No key of the board: whoever presses one there as a question comes up must not answer it.
CHOICES = (
    e.Choice("x", STOP, "end it now, without a score"),
    e.Choice("e", KEEP, "end its work, and score what is there"),
    e.Choice("l", LET_RUN, "go on; this rule leaves it alone from now on"),
)
UNDO = "r takes it back to a checkpoint"


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
        self._standstill = Standstill(run, hand, questions)
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
            if not await self._standstill.pause(case.worlds):
                return None
            if choice := await self._ask(case):
                gone_on = self._standstill.gone_on(case.worlds)
                self._let_run |= {question_id(case.rule, one) for one in gone_on}
                await self._do(choice, case, self._standstill.standing(case.worlds))
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

    async def _ask(self, case: Case) -> str:
        """What the person chooses, or the default; empty where the question became moot."""

        async def ask() -> Answer:
            return await self._questions.ask(
                kind=e.QuestionKind.RULE,
                key=case.key,
                title=f"Stop {case.who} early?",
                text=f"{case.reason}. It stands still until you decide; after a stop, {UNDO}.",
                choices=CHOICES,
                default=self._default(case),
                grace=self._grace,
                world=None if case.rule.whole_run else case.worlds[0],
            )

        return await self._standstill.ask(case.worlds, case.key, ask)

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
            await self._standstill.ended(world, life)
