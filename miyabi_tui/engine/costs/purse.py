"""The budgets of a run (REQ-COST-1): no call is begun that could pass one, unless it is raised."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from miyabi_tui.engine import events as e
from miyabi_tui.engine.costs.entries import Call, Caps, Go, Spent, Status, Sums
from miyabi_tui.engine.errors import BudgetSpent, RunHalted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable

    from miyabi_tui.engine.costs.ledger import Ledger
    from miyabi_tui.engine.models.base import OnWait, Turn, TurnEnd, Usage
    from miyabi_tui.engine.models.metering import Meter
    from miyabi_tui.engine.models.tariff import Tariff
    from miyabi_tui.engine.publisher import RunPublisher
    from miyabi_tui.engine.questions import Questions
    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.worlds import WorldId

ENOUGH_TOKENS = 4_000  # of output: with less, an answer is likely to be cut off
UNDERRATED = 1.3  # how much more the input may be than four bytes a token make it
LOOK_AGAIN_SECONDS = 2.0  # other engines' calls are not heard of
RAISE, FINISH, STOP = "raise", "finish", "stop"


class Bill:
    """One call in the ledger, from before it is made. `max_tokens` is what it may put out."""

    def __init__(
        self, ledger: Ledger, id: int, meter: Meter, tariff: Tariff, max_tokens: int
    ) -> None:
        self.max_tokens = max_tokens
        self._ledger = ledger
        self._id = id
        self._meter = meter
        self._tariff = tariff
        self._settling: Awaitable[None] | None = None

    async def note(self) -> None:
        """Write down what it has cost until now."""
        await self._ledger.note(self._id, self._meter.usage, self._meter.cost_usd)

    def settle(self, end: TurnEnd) -> float | None:
        """Take the provider's own count; its US dollars, None where the price is unknown.

        It is on its way to the ledger at once, and there when the bill is closed.
        """
        cost = self._tariff.cost_usd(end.usage) if end.cost_usd is None else end.cost_usd
        self._settling = self._ledger.settle(self._id, end.usage, cost)
        return cost

    async def close(self) -> None:
        """Whatever happened, the call is over: what it has used by our count stands."""
        if self._settling is None:
            usage, cost = self._meter.usage, self._meter.cost_usd
            self._settling = self._ledger.settle(self._id, usage, cost, Status.DISCARDED)
        await self._settling


class Purse:
    """What the worlds of one run may spend."""

    def __init__(self, ledger: Ledger, bus: RunPublisher, questions: Questions) -> None:
        self._ledger = ledger
        self._bus = bus
        self._questions = questions
        self._finishing: set[tuple[WorldId, str]] = set()
        self._halted = ""
        self._warned: set[tuple[e.Scope, WorldId | None, float]] = set()

    @asynccontextmanager
    async def bill(
        self,
        turn: Turn,
        model: str,
        asked: Usage,
        tariff: Tariff,
        meter: Meter,
        wait: OnWait,
    ) -> AsyncGenerator[Bill, None]:
        """Enter a call into the ledger, once no budget can be passed by it; settled when it ends.

        Where little is left, the call may put out less, as long as that is enough for an answer.

        Raises:
            BudgetSpent: a budget could be passed, and nobody raised it.
            RunHalted: the same, and the run is to stop for that.
            StoreError: the ledger cannot be written.
        """
        call, price = self._call(turn, model), _Range(tariff, asked, turn.max_tokens)
        id = await self._admitted(call, price, turn.world, wait)
        bill = Bill(self._ledger, id, meter, tariff, price.max_tokens)
        try:
            yield bill
        finally:
            await bill.close()

    async def cached(self, turn: Turn, model: str, usage: Usage) -> None:
        """Write down a turn that cost nothing."""
        await self._ledger.cached(self._call(turn, model), usage)

    def _call(self, turn: Turn, model: str) -> Call:
        run = self._bus.state
        return Call(
            run_id=run.run_id,
            repo=run.repo,
            issue_key=run.issue.key,
            title=run.issue.title,
            world=turn.world,
            step=turn.step,
            model=model,
        )

    async def _admitted(self, call: Call, price: _Range, world: WorldId, wait: OnWait) -> int:
        while True:
            run = self._bus.state
            if self._halted:
                raise RunHalted(self._halted)
            if (world, run.world(world).salt) in self._finishing:
                raise BudgetSpent("the worlds finish with what is there")
            caps = _caps(run, world)
            verdict = await self._ledger.begin(
                call, worst_usd=price.worst, floor_usd=price.floor, caps=caps
            )
            if isinstance(verdict, Go):
                self._warn(run, verdict.spent, caps, world)
                return verdict.id
            if isinstance(verdict, Spent):
                if price.fits(verdict):
                    continue
                price.widen()
                if self._questions.interactive:
                    wait("budget: waits for your word", None)
                await self._ask(verdict, world, price)
            else:
                wait("budget: waits for the bills of other turns", None)
                await self._ledger.settled_since(verdict.generation, LOOK_AGAIN_SECONDS)

    def _warn(self, run: RunState, spent: Sums, caps: Caps, world: WorldId) -> None:
        """Say once of each budget that most of it is gone."""
        for scope, amount, limit in (
            (e.Scope.WORLD, spent.world_usd, caps.world_usd),
            (e.Scope.ISSUE, spent.issue_usd, caps.issue_usd),
            (e.Scope.MONTH, spent.month_usd, caps.month_usd),
        ):
            whose = world if scope is e.Scope.WORLD else None
            if limit is None or amount < run.terms.budgets.warn_at * limit:
                continue
            told = any(
                (one.scope, one.world, one.limit_usd) == (scope, whose, limit) for one in run.warned
            )
            if told or (scope, whose, limit) in self._warned:
                continue
            self._warned.add((scope, whose, limit))
            self._bus.post(
                e.BudgetWarned(scope=scope, spent_usd=amount, limit_usd=limit, world=whose)
            )

    async def _ask(self, spent: Spent, world: WorldId, price: _Range) -> None:
        """Ask the person to raise it, to finish with what is there, or to stop.

        Raises:
            BudgetSpent: it is not raised.
            RunHalted: the run is to stop.
        """
        scope = spent.scope
        whose = world if scope is e.Scope.WORLD else None
        what = _name(self._bus.state, scope, world)
        title = f"the next turn may pass {what}, ${spent.limit_usd:.2f}"
        text = (
            f"${spent.spent_usd:.2f} is spent, and the turn may cost up to ${spent.worst_usd:.2f}."
            " It is not begun."
        )
        answer = await self._questions.ask(
            kind=e.QuestionKind.BUDGET,
            key=f"budget:{scope}:{whose or ''}",
            title=title,
            text=text,
            choices=_choices(scope, world),
            default=FINISH if whose else STOP,
            world=whose,
            amount=_proposal(spent),
            least=math.ceil((spent.spent_usd + price.least) * 100) / 100,
        )
        if answer.choice == RAISE and (answer.amount or 0) > spent.limit_usd:
            if self._bus.state.budget_usd(scope, whose) != answer.amount:  # all askers hear it
                await self._bus.emit(
                    e.BudgetRaised(scope=scope, limit_usd=answer.amount or 0.0, world=whose)
                )
            return
        if answer.choice == RAISE:
            return  # not by enough: it is asked again
        if answer.choice == STOP and whose is None:
            self._halted = f"{title}: {_how_on(self._bus.state, spent)}"
            raise RunHalted(self._halted)
        if whose is None:  # those that race now; one that is taken back may ask again
            self._finishing |= {(one.id, one.salt) for one in self._bus.state.worlds}
        raise BudgetSpent(title, text, "[limits] cost_usd sets it" if whose else "")


class _Range:
    """What a call costs at least and at most, in US dollars, None where its price is unknown."""

    def __init__(self, tariff: Tariff, asked: Usage, max_tokens: int) -> None:
        at_most = math.ceil(asked.input_tokens * UNDERRATED)
        self.floor = tariff.cost_usd(asked)
        self.max_tokens = max_tokens
        self._whole = max_tokens
        self._dearest = tariff.worst_usd(at_most, max_tokens)
        self._input = tariff.worst_usd(at_most, 0) or 0.0

    @property
    def worst(self) -> float | None:
        """What it costs if it puts out `max_tokens`."""
        if self._dearest is None:
            return None
        return self._input + (self._dearest - self._input) * self.max_tokens / self._whole

    @property
    def least(self) -> float:
        """What it costs if it puts out just enough."""
        tokens = min(ENOUGH_TOKENS, self._whole)
        return self._input + ((self._dearest or 0.0) - self._input) * tokens / self._whole

    def fits(self, verdict: Spent) -> bool:
        """Put out less, so that it fits into what is left; False where that is too little."""
        left = verdict.limit_usd - verdict.spent_usd - self._input
        dear = (self._dearest or 0.0) - self._input
        tokens = math.floor(left / dear * self._whole * 0.999) if dear > 0 else 0
        if not min(ENOUGH_TOKENS, self._whole) <= tokens < self.max_tokens:
            return False
        self.max_tokens = tokens
        return True

    def widen(self) -> None:
        """Ask for the whole again: what is left may be more by then."""
        self.max_tokens = self._whole


def _caps(run: RunState, world: WorldId) -> Caps:
    return Caps(
        world_usd=run.budget_usd(e.Scope.WORLD, world),
        issue_usd=run.budget_usd(e.Scope.ISSUE),
        month_usd=run.budget_usd(e.Scope.MONTH),
    )


def _name(run: RunState, scope: e.Scope, world: WorldId) -> str:
    if scope is e.Scope.WORLD:
        return f"the budget of {world}"
    if scope is e.Scope.MONTH:
        return "the budget of this month"
    number = run.issue.number
    return f"the budget of issue #{number}" if number is not None else "the budget of this issue"


def _choices(scope: e.Scope, world: WorldId) -> tuple[e.Choice, ...]:
    if scope is e.Scope.WORLD:
        return (
            e.Choice("r", RAISE, f"allow {world} more, for this run"),
            e.Choice("f", FINISH, "its work ends here and is scored as it is"),
        )
    return (
        e.Choice("r", RAISE, "allow more, for this run"),
        e.Choice("f", FINISH, "the worlds' work ends here and is scored as it is"),
        e.Choice("s", STOP, "end the run; miyabi resume goes on with it"),
    )


def _proposal(spent: Spent) -> float:
    """As much again, in whole steps of the limit, so that the next turn fits in."""
    limit = spent.limit_usd
    times = math.floor((spent.spent_usd + spent.worst_usd) / limit) + 1 if limit else 0
    return round(limit * max(2, times), 2)


def _how_on(run: RunState, spent: Spent) -> str:
    flag = "--month-budget" if spent.scope is e.Scope.MONTH else "--budget"
    return (
        f"${spent.spent_usd:.2f} is spent, and it may cost up to ${spent.worst_usd:.2f}"
        f" (go on with more: miyabi resume {run.run_id} {flag} {_proposal(spent):g})"
    )
