"""What stands between the worlds of a run and their providers, opened once for all of them."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from miyabi_tui.engine import events as e
from miyabi_tui.engine.costs.ledger import open_ledger
from miyabi_tui.engine.costs.purse import Purse
from miyabi_tui.engine.errors import StoreError, UsageError
from miyabi_tui.engine.models.account import Account
from miyabi_tui.engine.models.breaker import CircuitBreaker
from miyabi_tui.engine.models.cache import open_cache
from miyabi_tui.engine.models.canonical import Ground
from miyabi_tui.engine.models.guard import GuardedModel
from miyabi_tui.engine.models.limiter import (
    Allowance,
    RateLimiter,
    account_id,
    limits_alone,
    open_limits,
)
from miyabi_tui.engine.models.recall import Recall
from miyabi_tui.engine.models.registry import Kind
from miyabi_tui.engine.models.tariff import Tariff
from miyabi_tui.engine.worlds import WorldId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from anyio.abc import TaskGroup

    from miyabi_tui.engine.agents.gate import Gate
    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.costs.ledger import Ledger
    from miyabi_tui.engine.models.base import Model, OnWait
    from miyabi_tui.engine.models.cache import ResponseCache
    from miyabi_tui.engine.models.limiter import LimitStore
    from miyabi_tui.engine.models.registry import ModelSpec
    from miyabi_tui.engine.questions import Questions
    from miyabi_tui.engine.request import RunRequest


class Guards:
    """The ledger, the cache and the accounts of one run. Use `open_guards`."""

    def __init__(
        self,
        request: RunRequest,
        bus: Bus,
        purse: Purse | None,
        cache: ResponseCache | None,
        limits: LimitStore | None,
    ) -> None:
        self._request = request
        self._bus = bus
        self._purse = purse
        self._cache = cache
        self._limits = limits
        self._accounts: dict[str, Account] = {}
        self._breakers: dict[str, CircuitBreaker] = {}

    def guarded(
        self, model: Model, spec: ModelSpec, world: WorldId, worktree: Path, ports: range
    ) -> Callable[[Gate], Model]:
        """`model` for one world, whose clock stands while a call waits; not for recorded turns."""
        if spec.provider.kind is Kind.REPLAY:
            return lambda _gate: model
        if self._purse is None or self._limits is None:
            raise UsageError(
                f"{spec.name} cannot join a race of recorded turns",
                "nothing is billed in it",
                "begin a race of its own: miyabi run",
            )
        purse, account = self._purse, self._account(spec, self._limits)

        def recall() -> Recall | None:
            if self._cache is None:
                return None
            run = self._bus.state
            salt = run.world(world).salt
            ground = Ground(worktree, base=run.base_commit, ports=ports, salt=salt)
            address = f"{spec.name} {spec.base_url or ''}".strip()
            return Recall(self._cache, ground, address, model.sampling)

        def made(gate: Gate) -> Model:
            return GuardedModel(
                model,
                account,
                purse,
                recall,
                self._bus,
                Tariff(spec, self._request.terms.prices),
                self._request.terms.retry,
                self._waits(world, gate),
                gate,
                patient=self._request.interactive,
            )

        return made

    def _waits(self, world: WorldId, gate: Gate) -> OnWait:
        """Says what a world waits for, once, and lets its clock stand meanwhile."""
        told: tuple[str, float | None] = ("", None)

        def wait(reason: str, until: float | None) -> None:
            nonlocal told
            if (reason, until) != told:
                told = (reason, until)
                gate.wait(bool(reason))
                self._bus.post(e.WorldWaiting(world=world, reason=reason, until=until))

        return wait

    def _account(self, spec: ModelSpec, limits: LimitStore) -> Account:
        if spec.provider_name not in self._accounts:
            provider = spec.provider
            key = os.environ.get(provider.key_variable, "")
            account = account_id(provider.kind, spec.base_url, key)
            allowance = Allowance(provider.requests_per_minute, provider.tokens_per_minute)
            self._accounts[spec.provider_name] = Account(
                spec.provider_name,
                RateLimiter(account, allowance, limits),
                self._breaker(spec.provider_name),
                counts_cached=provider.counts_cached,
            )
        return self._accounts[spec.provider_name]

    def _breaker(self, provider: str) -> CircuitBreaker:
        def changed(state: e.BreakerState, until: float | None, cause: str) -> None:
            self._bus.post(
                e.BreakerChanged(provider=provider, state=state, cause=cause, until=until)
            )

        return CircuitBreaker(self._request.terms.breaker, on_change=changed)


@asynccontextmanager
async def open_guards(
    request: RunRequest,
    bus: Bus,
    questions: Questions,
    group: TaskGroup,
    *,
    journal: Path,
    owner: str,
) -> AsyncGenerator[Guards, None]:
    """Open what the calls of a run share with those of all other engines of this user.

    Listeners run in `group`. A race of recorded turns costs nothing, and shares nothing.

    Raises:
        StoreError: the ledger cannot be written: nobody would know what is spent.
    """
    terms = request.terms
    if request.recorded:
        yield Guards(request, bus, None, None, None)
        return
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(open_ledger(journal, owner=owner))
        if ledger.remark:
            bus.post(e.Notice(level=e.Level.WARNING, text=ledger.remark))
        await _take_dead_calls(ledger, bus)
        await _tell_spent(ledger, bus)
        cache, trouble = None, ""
        if terms.cache.enabled:
            path = journal.with_name("cache.db")
            cache = await stack.enter_async_context(
                open_cache(path, terms.cache.entries, terms.cache.days)
            )
            if trouble := cache.trouble:
                bus.post(e.Notice(level=e.Level.WARNING, text=cache.trouble))
        limits = await _limits(stack, journal, bus)
        group.start_soon(limits.listen)
        yield Guards(request, bus, Purse(ledger, bus, questions), cache, limits)
        if cache is not None and cache.trouble != trouble:
            bus.post(e.Notice(level=e.Level.WARNING, text=cache.trouble))


async def _limits(stack: AsyncExitStack, journal: Path, bus: Bus) -> LimitStore:
    """The windows of all engines; where they cannot be shared, those of this one."""

    def tell(error: StoreError) -> None:
        bus.post(e.Notice(level=e.Level.WARNING, text=str(error)))

    path = journal.with_name("limits.db")
    try:
        return await stack.enter_async_context(open_limits(path, on_trouble=tell))
    except StoreError as error:
        tell(error)
        return stack.enter_context(limits_alone())


async def _take_dead_calls(ledger: Ledger, bus: Bus) -> None:
    """What a killed engine of this run had under way has cost, too."""
    for entry in await ledger.close_dead(bus.state.run_id):
        await bus.emit(
            e.TurnDiscarded(
                world=WorldId(entry.call.world),
                step=entry.call.step,
                cause="the engine was killed",
                usage=entry.usage,
                cost_usd=entry.cost_usd,
            )
        )


async def _tell_spent(ledger: Ledger, bus: Bus) -> None:
    """Say what earlier runs of the issue have cost; their budget is the same."""
    run = bus.state
    spent = await ledger.spent(run.repo, run.issue.key, run.run_id)
    if spent.earlier_runs:
        bus.post(
            e.SpentBefore(
                cost_usd=spent.earlier_usd, runs=spent.earlier_runs, estimated=spent.estimated
            )
        )
