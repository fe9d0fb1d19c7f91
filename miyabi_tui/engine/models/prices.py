"""What turns cost: the settings' own prices, else the list of genai-prices; None where unknown.

The list is asked once for each model and tier; from then on a price is five multiplications, so
that a meter can run while a turn streams.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from miyabi_tui.engine.models.base import Usage
    from miyabi_tui.engine.terms import Price

_MILLION = 1_000_000
_SLOT_SECONDS = 900  # some are cheaper at night: their hours begin at whole quarters


def cost_usd(
    model: str,
    usage: Usage,
    base_url: str | None = None,
    overrides: Mapping[str, Price] | None = None,
) -> float | None:
    """The US dollars of `usage` with `PROVIDER/MODEL`, or None where no price is known.

    `overrides` are named `PROVIDER/MODEL` or `PROVIDER/*` and come before the list, the exact one
    first. `base_url` tells compatible servers apart: a model served at home has no list price.
    """
    read, written = usage.cache_read_tokens, usage.cache_write_tokens
    # Some servers do not count cached tokens as input.
    given = max(usage.input_tokens, read + written)
    rates = _rates(model, given, base_url, overrides or {})
    if rates is None:
        return None
    return (
        rates.fixed
        + (given - read - written) * rates.input
        + read * rates.cache_read
        + written * rates.cache_write
        + usage.output_tokens * rates.output
    )


def worst_case_usd(
    model: str,
    input_tokens: int,
    max_tokens: int,
    base_url: str | None = None,
    overrides: Mapping[str, Price] | None = None,
) -> float | None:
    """The most US dollars that a turn can cost, or None where no price is known.

    As if it used all of `max_tokens`, and as if nothing of its input was cached, or all of it was
    written to the provider's cache, where that is what costs more. See `cost_usd`.
    """
    rates = _rates(model, input_tokens, base_url, overrides or {})
    if rates is None:
        return None
    dearest = max(rates.input, rates.cache_read, rates.cache_write)
    return rates.fixed + input_tokens * dearest + max_tokens * rates.output


class _Rates(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars of a token, and of a request at all."""

    input: float
    output: float
    cache_read: float
    cache_write: float
    fixed: float = 0.0


class _Tariff(msgspec.Struct, frozen=True):
    """The rates of a model: the first up to `starts[0]` tokens of input, then the next, …."""

    starts: tuple[int, ...]
    rates: tuple[_Rates, ...]


def _rates(
    model: str, input_tokens: int, base_url: str | None, overrides: Mapping[str, Price]
) -> _Rates | None:
    provider, _, name = model.partition("/")
    own = overrides.get(model) or overrides.get(f"{provider}/*")
    if own is not None:
        return _own_rates(own)
    tariff = _tariff(provider, name, base_url, int(time.time()) // _SLOT_SECONDS)
    return tariff.rates[bisect_left(tariff.starts, input_tokens)] if tariff else None


@lru_cache(maxsize=64)
def _own_rates(price: Price) -> _Rates:
    read = price.input if price.cache_read is None else price.cache_read
    written = price.input if price.cache_write is None else price.cache_write
    return _Rates(
        input=price.input / _MILLION,
        output=price.output / _MILLION,
        cache_read=read / _MILLION,
        cache_write=written / _MILLION,
    )


@lru_cache(maxsize=256)
def _tariff(provider: str, name: str, base_url: str | None, slot: int) -> _Tariff | None:
    """What the list says now: its own arithmetic, asked for one price at a time."""
    import genai_prices  # 0.15 s: only when first used
    from genai_prices.types import TieredPrices

    def ask(**tokens: int) -> genai_prices.types.PriceCalculation:
        usage = genai_prices.Usage(**tokens)
        if base_url:
            return genai_prices.calc_price(usage, name, provider_api_url=base_url)
        return genai_prices.calc_price(usage, name, provider_id=provider)

    def rates(given: int) -> _Rates:
        nothing = ask(input_tokens=0, output_tokens=0).total_price
        plain = ask(input_tokens=given, output_tokens=0).total_price
        read = ask(input_tokens=given, output_tokens=0, cache_read_tokens=given).total_price
        written = ask(input_tokens=given, output_tokens=0, cache_write_tokens=given).total_price
        output = ask(input_tokens=given, output_tokens=_MILLION).total_price
        return _Rates(
            input=float((plain - nothing) / given),
            output=float((output - plain) / _MILLION),
            cache_read=float((read - nothing) / given),
            cache_write=float((written - nothing) / given),
            fixed=float(nothing),
        )

    try:
        listed = vars(ask(input_tokens=1, output_tokens=0).model_price).values()
        tiers = (
            tier for price in listed if isinstance(price, TieredPrices) for tier in price.tiers
        )
        starts = tuple(sorted({tier.start for tier in tiers}))
        return _Tariff(starts, tuple(rates(start + 1) for start in (0, *starts)))
    except (LookupError, ValueError):  # ValueError: a price that contradicts itself
        return None
