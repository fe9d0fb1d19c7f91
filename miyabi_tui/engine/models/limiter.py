"""The rate limiter: one for each account of a provider, shared by all worlds and all engines.

A call says how many tokens it will probably use, and waits until there is room for it in the
windows of the last minute. When it may go is computed as soon as it comes, and again when something
changes: first come, first served. Afterwards it is settled by what the provider has counted.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING

import anyio

from miyabi_tui.engine.models.limiter_book import NOTICED
from miyabi_tui.engine.models.limiter_store import LimitStore, Ticket, limits_alone, open_limits
from miyabi_tui.engine.models.limiter_windows import SECOND, Allowance
from miyabi_tui.engine.models.registry import Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

__all__ = [
    "Allowance",
    "LimitStore",
    "Place",
    "RateLimiter",
    "account_id",
    "limits_alone",
    "open_limits",
]

ROUNDS = 20_000
LONGEST_HOLD = 3_600.0  # seconds
_HOSTS = {
    Kind.ANTHROPIC: "https://api.anthropic.com",
    Kind.OPENAI: "https://api.openai.com",
    Kind.OPENAI_CHAT: "https://api.openai.com",
}


def account_id(kind: Kind, base_url: str | None, key: str) -> str:
    """A name for an account that is the same in all engines and does not give the key away.

    The same address and key are the same account, whatever wire format is spoken. The name is 96
    bits of 20,000 rounds of SHA-256 over the key, salted with the address: a real key cannot be
    guessed, a weak one only slowly, and tables do not help. Takes some milliseconds of CPU.
    """
    url = (base_url or _HOSTS.get(kind, kind.value)).rstrip("/").removesuffix("/v1")
    digest = hashlib.pbkdf2_hmac("sha256", key.strip().encode(), url.encode(), ROUNDS, dklen=12)
    return digest.hex()


class Place:
    """A call's place in the windows. Use `RateLimiter.place`."""

    def __init__(
        self,
        account: str,
        allowance: Allowance,
        tokens: int,
        store: LimitStore,
        on_wait: Callable[[float], None],
    ) -> None:
        self._store = store
        self._on_wait = on_wait
        self._new = partial(Ticket, account, allowance, tokens)
        self._ticket = self._new()

    async def __aenter__(self) -> Self:
        """Return when the call may be made."""
        await self._take(self._on_wait)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is given back: the call counts, however it went."""

    @property
    def since(self) -> float:
        """When the call was admitted, in seconds since 1970."""
        return self._ticket.at / SECOND

    async def settle(self, tokens: int) -> None:
        """Count the tokens that were really used; where it is never said, the estimate stands.

        Those that wait move forward at once. What is more than the estimate counts from now on.
        """
        if tokens != self._ticket.tokens:
            with anyio.CancelScope(shield=True):
                await self._store.settle(self._ticket, tokens)

    async def renew(self, on_wait: Callable[[float], None]) -> None:
        """Give the place back, as the call could not be made in time, and wait for another."""
        await self._give_back()
        self._ticket = self._new()
        await self._take(on_wait)

    async def _take(self, on_wait: Callable[[float], None]) -> None:
        try:
            await self._wait(self._ticket, on_wait)
        except BaseException:
            await self._give_back()
            raise

    async def _wait(self, ticket: Ticket, on_wait: Callable[[float], None]) -> None:
        told = 0
        await self._store.enter(ticket)
        while not ticket.admitted:
            if abs(ticket.at - told) >= NOTICED:
                told = ticket.at
                on_wait(told / SECOND)
            ticket.moved = anyio.Event()
            with anyio.move_on_after(ticket.at / SECOND - self._store.clock()) as moment:
                await ticket.moved.wait()
            if moment.cancelled_caught:
                await self._store.enter(ticket)

    async def _give_back(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._store.withdraw(self._ticket)


class RateLimiter:
    """Admits the calls of one account, as many as `allowance` and the provider's own limits allow.

    All engines with the same store share the account's windows. `account` is an `account_id`.
    """

    def __init__(self, account: str, allowance: Allowance, store: LimitStore) -> None:
        self._account = account
        self._allowance = allowance
        self._store = store

    def place(self, tokens: int, on_wait: Callable[[float], None]) -> Place:
        """A context: wait until a call of about `tokens` tokens may be made, and count it.

        `on_wait` is called with the time, in seconds since 1970, until which it must wait: when
        that becomes known, and when it changes by a tenth of a second or more. A call of more
        tokens than the whole allowance is admitted when nothing else is in the window. One that is
        cancelled while it waits leaves no trace.
        """
        return Place(self._account, self._allowance, tokens, self._store, on_wait)

    async def tighten(self, requests: int | None, tokens: int | None) -> None:
        """Keep to the provider's own limits a minute too, for all engines; None is not known.

        What was told last counts, where it is stricter than the allowance.
        """
        await self._store.tighten(self._account, Allowance(requests or 0, tokens or 0))

    async def hold(self, seconds: float) -> None:
        """Admit no call of the account, in any engine, for `seconds`; those that wait are moved.

        For a minute after that, calls are admitted one at a time, half a second apart: those that
        waited do not make the next storm. After an hour at most the provider is asked again.
        """
        await self._store.hold(self._account, min(seconds, LONGEST_HOLD))
