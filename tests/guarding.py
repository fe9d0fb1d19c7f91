"""A guarded model over a real socket, with a real ledger, cache and rate limit, and its events."""

from __future__ import annotations

from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import anyio

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents.gate import Gate
from miyabi_tui.engine.costs.ledger import Ledger, open_ledger
from miyabi_tui.engine.costs.purse import Purse
from miyabi_tui.engine.fold import apply
from miyabi_tui.engine.models import registry
from miyabi_tui.engine.models.account import Account
from miyabi_tui.engine.models.base import TextDelta, Turn, TurnEnd, UserMessage
from miyabi_tui.engine.models.breaker import CircuitBreaker
from miyabi_tui.engine.models.cache import open_cache
from miyabi_tui.engine.models.canonical import Ground
from miyabi_tui.engine.models.guard import GuardedModel
from miyabi_tui.engine.models.limiter import Allowance, RateLimiter, open_limits
from miyabi_tui.engine.models.recall import Recall
from miyabi_tui.engine.models.tariff import Tariff
from miyabi_tui.engine.questions import Questions
from miyabi_tui.engine.state import RunState
from miyabi_tui.engine.terms import Breaker, Price, Retry, Terms
from miyabi_tui.engine.worlds import Effort, WorldId, default_worlds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from miyabi_tui.engine.models.cache import ResponseCache
    from miyabi_tui.engine.models.limiter import LimitStore
    from tests.wire_server import WireServer

Kind = TypeVar("Kind", bound=e.Event)
PRICE = Price(input=10.0, output=100.0)  # dollars per million tokens: 100 + 20 are $0.003
QUICK = Retry(first_seconds=0.01, longest_seconds=0.05, patience_seconds=60.0)
ENV = {"ANTHROPIC_API_KEY": "sk-test", "OPENAI_API_KEY": "sk-test"}


class Record:
    """A publisher that folds what it takes, as the journal does."""

    def __init__(self, terms: Terms) -> None:
        self.events: list[e.AnyEvent] = []
        self.state = RunState()
        self._more: anyio.Event | None = None
        self.post(
            e.RunStarted(
                run_id="r1",
                issue=e.Issue("issue-7", "add() subtracts", "It does.", 7),
                repo="/repo",
                base_ref="main",
                base_commit="0" * 40,
                target="t",
                task="t",
                worlds=default_worlds("wire/m", "wire/m"),
                merge=e.MergePolicy.ASK,
                terms=terms,
            )
        )

    def post(self, event: e.AnyEvent) -> None:
        self.events.append(event)
        self.state = apply(self.state, e.Record(len(self.events), float(len(self.events)), event))
        if self._more is not None:
            self._more.set()

    async def emit(self, event: e.AnyEvent) -> None:
        await anyio.lowlevel.checkpoint()
        self.post(event)

    async def until(self, holds: Callable[[RunState], bool]) -> None:
        """Wait until the state is so."""
        while not holds(self.state):
            self._more = anyio.Event()
            await self._more.wait()

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class Desk:
    """Everything that the worlds of one run share."""

    server: WireServer
    kind: registry.Kind
    record: Record
    ledger: Ledger
    questions: Questions
    purse: Purse
    cache: ResponseCache
    limits: LimitStore
    account: Account
    stack: AsyncExitStack
    terms: Terms
    folder: Path
    waits: dict[WorldId, list[str]] = field(default_factory=dict)
    gates: dict[WorldId, Gate] = field(default_factory=dict)

    async def model(
        self, world: WorldId = WorldId.ALPHA, *, priced: bool = True, patient: bool = True
    ) -> GuardedModel:
        """The model of a world."""
        spec = registry.check("wire/m", {"wire": provider(self.server, self.kind)}, ENV)
        made = await anyio.to_thread.run_sync(lambda: registry.create(spec, env=ENV))
        self.stack.push_async_callback(made.aclose)
        told = self.waits.setdefault(world, [])
        return GuardedModel(
            made,
            self.account,
            self.purse,
            lambda: Recall(self.cache, Ground(self.folder / world), spec.name, made.sampling),
            self.record,
            Tariff(spec, {"wire/m": PRICE} if priced else {}),
            self.terms.retry,
            lambda reason, until: told.append(reason),
            self.gates.setdefault(world, Gate()),
            patient=patient,
        )


def provider(server: WireServer, kind: registry.Kind) -> registry.Provider:
    """The server as a provider."""
    path = "" if kind is registry.Kind.ANTHROPIC else "/v1"
    return registry.Provider(kind, base_url=server.url + path)


@asynccontextmanager
async def desk(
    server: WireServer,
    folder: Path,
    *,
    kind: registry.Kind = registry.Kind.ANTHROPIC,
    terms: Terms | None = None,
    interactive: bool = True,
    allowance: Allowance | None = None,
    window: float = 60.0,
) -> AsyncGenerator[Desk, None]:
    """A desk in `folder`; `window` seconds are the rate limit's minute."""
    terms = terms or Terms(retry=QUICK)
    record = Record(terms)
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(open_ledger(folder / "miyabi.db"))
        cache = await stack.enter_async_context(open_cache(folder / "cache.db"))
        limits = await stack.enter_async_context(open_limits(folder / "limits.db", window=window))
        questions = Questions(record, interactive=interactive)
        breaker = CircuitBreaker(
            terms.breaker,
            on_change=lambda state, until, cause: record.post(
                e.BreakerChanged(provider="wire", state=state, until=until, cause=cause)
            ),
        )
        limiter = RateLimiter("account", allowance or Allowance(1_000, 1_000_000), limits)
        yield Desk(
            server,
            kind,
            record,
            ledger,
            questions,
            Purse(ledger, record, questions),
            cache,
            limits,
            Account("wire", limiter, breaker, counts_cached=True),
            stack,
            terms,
            folder,
        )


def turn(
    text: str = "hello", world: WorldId = WorldId.ALPHA, step: int = 1, max_tokens: int = 1_000
) -> Turn:
    """A first turn of a world."""
    return Turn(
        world=world,
        step=step,
        system=f"World: {world}.",
        messages=(UserMessage(text),),
        tools=(),
        temperature=0.7,
        effort=Effort.MEDIUM,
        max_tokens=max_tokens,
    )


async def answered(model: GuardedModel, asked: Turn) -> tuple[str, TurnEnd]:
    """The text as it was streamed, and the end of the turn."""
    text, end = "", None
    async with aclosing(model.stream(asked)) as items:
        async for item in items:
            if isinstance(item, TextDelta):
                text += item.text
            elif isinstance(item, TurnEnd):
                end = item
    assert end is not None
    return text, end


__all__ = ["ENV", "PRICE", "QUICK", "Breaker", "Desk", "Record", "answered", "desk", "turn"]
