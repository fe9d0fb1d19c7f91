"""The way of every model call: cache → budget → rate limit → circuit breaker → retry → provider.

The way is `GuardedModel.stream` and `_attempt`; each layer is a small class of its own that knows
nothing of the others. A retry is a request like any other: it takes another place in the window of
the rate limit and passes the breaker again, else the limit would be broken just when it matters.
"""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync
from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import ModelError, RateLimited, StreamBroken
from miyabi_tui.engine.models.base import LimitsReport, TurnEnd, Usage, UsageReport
from miyabi_tui.engine.models.metering import InputEstimate, Meter
from miyabi_tui.engine.models.retry import Patience

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from miyabi_tui.engine.costs.purse import Bill, Purse
    from miyabi_tui.engine.models.account import Account
    from miyabi_tui.engine.models.base import Gate, Item, Model, OnWait, Sampling, Turn
    from miyabi_tui.engine.models.recall import Recall
    from miyabi_tui.engine.models.tariff import Tariff
    from miyabi_tui.engine.publisher import Publisher
    from miyabi_tui.engine.terms import Retry


class _Held(Exception):
    """The world was paused while its call waited: it is not sent."""


class GuardedModel:
    """A provider's model for one world. `wait` is told why and until when a call waits.

    No call is sent while the world's `gate` is closed. `patient` says that a person looks on, who
    can end what waits for too long.
    """

    def __init__(
        self,
        model: Model,
        account: Account,
        purse: Purse,
        recall: Callable[[], Recall | None],
        publisher: Publisher,
        tariff: Tariff,
        retry: Retry,
        wait: OnWait,
        gate: Gate,
        *,
        patient: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._model = model
        self._account = account
        self._purse = purse
        self._find_recall = recall
        self._recall: Recall | None = None
        self._begun = False
        self._publisher = publisher
        self._tariff = tariff
        self._retry = retry
        self._wait = wait
        self._gate = gate
        self._patient = patient
        self._clock = clock
        self._input = InputEstimate()

    @property
    def name(self) -> str:
        """`PROVIDER/MODEL`."""
        return self._model.name

    def sampling(self, turn: Turn) -> Sampling:
        """See `Model.sampling`."""
        return self._model.sampling(turn)

    async def stream(self, turn: Turn) -> AsyncGenerator[Item, None]:
        """Answer `turn`, from the cache or from the provider; see `Model.stream`.

        Raises:
            ModelError: the provider refused, or failed as often as may be.
            BudgetSpent: the call could pass a budget, and nobody raised it.
            StoreError: the ledger cannot be written.
        """
        if not self._begun:  # not before: where a world stands is known only now
            self._recall, self._begun = await run_sync(self._find_recall), True
        if self._recall is not None and (kept := await self._recall.find(turn)) is not None:
            await self._purse.cached(turn, self.name, kept.usage)
            async for item in self._recall.replayed(kept):
                yield item
            return
        patience = Patience(self._retry, time.monotonic, for_ever=self._patient)
        whole, fresh = self._input.of(turn)
        asked = Usage(input_tokens=whole, cache_read_tokens=whole - fresh)
        while True:
            await self._gate.passed()
            meter = Meter(self._tariff, asked, time.monotonic)
            complete = False
            try:
                async with aclosing(self._attempt(turn, asked, meter)) as items:
                    async for item in items:
                        complete = type(item) is TurnEnd
                        yield item
                return
            except _Held:
                self._wait("", None)
            except ModelError as error:
                wait = patience.after(error, probe=meter.probe)
                cause = f"{error.title}: {error.cause}" if error.cause else error.title
                self._discarded(turn, meter, cause, again=wait is not None)
                if wait is None:
                    raise
                await self._back_off(error, wait, patience)
            except BaseException:  # killed, picked, out of time: what has streamed has cost
                if not complete and meter.usage.total:
                    self._discarded(turn, meter, "cut off", again=False)
                raise

    async def _attempt(self, turn: Turn, asked: Usage, meter: Meter) -> AsyncGenerator[Item, None]:
        account = self._account
        tokens = account.estimate(turn, asked)

        def broken(until: float | None) -> None:
            meter.probe = True
            self._wait(f"{account.name}: breaker open", until)

        async with (
            self._purse.bill(turn, self.name, asked, self._tariff, meter, self._wait) as bill,
            account.limiter.place(tokens, self._limited) as place,
            account.breaker.call(broken) as outcome,
        ):
            if meter.probe:  # its place is past by now
                await place.renew(self._limited)
            if not self._gate.is_open:
                await place.settle(0)
                raise _Held
            self._wait("", None)
            within = turn
            if bill.max_tokens != turn.max_tokens:
                within = replace(turn, max_tokens=bill.max_tokens)
            end: TurnEnd | None = None
            meter.sent()
            try:
                async with aclosing(self._model.stream(within)) as items:
                    async for item in items:
                        meter.take(item)
                        if isinstance(item, TurnEnd):
                            end = item
                            meter.end(item.usage)
                            break
                        if isinstance(item, LimitsReport):
                            await account.heed(item)
                        elif not isinstance(item, UsageReport):
                            yield item
                        if meter.due:
                            await self._metered(turn, meter, bill)
                if end is None:
                    raise StreamBroken(f"{self.name} ended its answer without its last event")
            except ModelError as error:
                if not error.billable:
                    meter.refused()
                await place.settle(account.taken(meter.usage))
                if error.transient and not isinstance(error, RateLimited):
                    outcome.failed(error.title)
                raise
            outcome.succeeded()
            self._input.learn(turn, end.usage)
            account.learn(end.usage)
            end = replace(end, cost_usd=bill.settle(end))
            kept = None if self._recall is None else self._recall.keep(turn, end)
            await place.settle(account.taken(end.usage))
            if kept is not None:  # by then all of it is on the disk
                await kept
        yield end

    async def _metered(self, turn: Turn, meter: Meter, bill: Bill) -> None:
        await bill.note()
        self._publisher.post(
            e.TurnMetered(
                world=turn.world, step=turn.step, usage=meter.usage, cost_usd=meter.cost_usd
            )
        )

    def _discarded(self, turn: Turn, meter: Meter, cause: str, *, again: bool) -> None:
        """Say what the attempt has cost; the ledger has it already."""
        self._wait("", None)
        self._publisher.post(
            e.TurnDiscarded(
                world=turn.world,
                step=turn.step,
                cause=cause,
                usage=meter.usage,
                cost_usd=meter.cost_usd,
                again=again,
            )
        )

    async def _back_off(self, error: ModelError, wait: float, patience: Patience) -> None:
        """Wait before the next attempt; a rate limit makes the whole account wait."""
        if isinstance(error, RateLimited):
            if error.limits is not None:
                await self._account.heed(error.limits)
            await self._account.limiter.hold(wait)
            return  # the next attempt waits for its place
        attempt, attempts = patience.faults + 1, self._retry.attempts
        self._wait(f"attempt {attempt} of {attempts}: {error.title}", self._clock() + wait)
        await anyio.sleep(wait)

    def _limited(self, until: float) -> None:
        wait = until - self._clock()
        if wait > self._retry.patience_seconds and not self._patient:
            raise RateLimited(
                f"{self._account.name} is not to be asked for {wait / 60:.0f} minutes",
                "its rate limit is used up",
                "go on later with miyabi resume, or race another model",
                retry_after=wait,
            )
        self._wait(f"{self._account.name}: rate limit", until)

    async def aclose(self) -> None:
        """The connections are shared with other worlds; whoever made them closes them."""
