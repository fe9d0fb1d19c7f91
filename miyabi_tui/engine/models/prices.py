"""What a turn costs, by the price list of genai-prices; None where the price is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miyabi_tui.engine.models.base import Usage


def cost_usd(model: str, usage: Usage, base_url: str | None = None) -> float | None:
    """The US dollars of `usage` with `PROVIDER/MODEL`, or None where no price is known.

    `base_url` tells compatible servers apart: a model served at home has no list price.
    """
    import genai_prices  # 0.15 s: only when first used

    provider, _, name = model.partition("/")
    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    try:
        if base_url:
            price = genai_prices.calc_price(counted, name, provider_api_url=base_url)
        else:
            price = genai_prices.calc_price(counted, name, provider_id=provider)
    except (LookupError, ValueError):  # ValueError: usage that contradicts itself
        return None
    return float(price.total_price)
