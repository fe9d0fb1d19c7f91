"""What a turn costs: as the list says, as the provider bills cached tokens, or as the user says."""

from __future__ import annotations

import genai_prices
import pytest

from miyabi_tui.engine.models.base import Usage
from miyabi_tui.engine.models.prices import cost_usd, worst_case_usd
from miyabi_tui.engine.terms import Price

CLAUDE, GPT, OLD_GPT = "anthropic/claude-sonnet-5-5", "openai/gpt-6.1-sol", "openai/gpt-4.1-mini"
OWN = Price(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75)


def listed(model: str, usage: Usage) -> float:
    """What the price list itself works out."""
    provider, _, name = model.partition("/")
    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    return float(genai_prices.calc_price(counted, name, provider_id=provider).total_price)


@pytest.mark.parametrize("model", [CLAUDE, GPT, OLD_GPT, "anthropic/claude-sonnet-4-5"])
@pytest.mark.parametrize("tokens", [0, 1, 199_999, 200_000, 200_001, 272_000, 272_001, 900_000])
def test_a_price_is_the_one_of_the_list_in_every_tier(model: str, tokens: int) -> None:
    for usage in (
        Usage(tokens, 1_234),
        Usage(tokens, 0, tokens // 2, tokens // 3),
        Usage(tokens, 7, 0, tokens),
    ):
        assert cost_usd(model, usage) == pytest.approx(listed(model, usage), rel=1e-12)


def test_cached_tokens_cost_what_the_provider_bills_for_them() -> None:
    new, read, written = (
        cost_usd(CLAUDE, Usage(10_000, 0, *cached)) for cached in ((0, 0), (10_000, 0), (0, 10_000))
    )
    assert new and read and written
    assert (read / new, written / new) == pytest.approx((0.05, 1.25))
    assert cost_usd(OLD_GPT, Usage(10_000, 0, 10_000)) == pytest.approx(0.001)


def test_a_price_of_the_settings_comes_first_and_the_exact_one_before_the_providers() -> None:
    dear, usage = Price(input=100.0, output=200.0), Usage(1_000_000, 1_000_000)
    overrides = {"local/*": OWN, "local/big": dear, CLAUDE: OWN}

    assert cost_usd("local/small", usage, overrides=overrides) == pytest.approx(18.0)
    assert cost_usd("local/big", usage, "http://127.0.0.1:1", overrides) == pytest.approx(300.0)
    assert cost_usd(CLAUDE, usage, overrides=overrides) == pytest.approx(18.0)
    assert cost_usd("other/small", usage, overrides=overrides) is None
    assert cost_usd("local/x", usage, overrides={"local/*": Price(input=0, output=0)}) == 0.0


def test_a_price_of_the_settings_bills_cached_input_like_any_unless_it_says_otherwise() -> None:
    plain = Price(input=2.0, output=8.0)
    usage = Usage(1_000_000, 0, 400_000, 100_000)

    assert cost_usd("p/m", usage, overrides={"p/m": plain}) == pytest.approx(2.0)
    assert cost_usd("p/m", usage, overrides={"p/m": OWN}) == pytest.approx(1.5 + 0.12 + 0.375)


@pytest.mark.parametrize(
    ("model", "base_url"),
    [
        ("local/qwen3-coder", "http://127.0.0.1:8000/v1"),
        (GPT, "http://127.0.0.1:8000/v1"),
        ("openai/no-such-model", None),
        ("nobody/gpt-4.1", None),
    ],
)
def test_an_unknown_price_is_none_and_never_zero(model: str, base_url: str | None) -> None:
    assert cost_usd(model, Usage(1_000, 1_000), base_url) is None
    assert worst_case_usd(model, 1_000, 1_000, base_url) is None


def test_a_well_known_server_is_known_by_its_address() -> None:
    at_openai = cost_usd("mine/gpt-4.1-mini", Usage(1_000, 10), "https://api.openai.com/v1")

    assert at_openai == cost_usd(OLD_GPT, Usage(1_000, 10))


def test_usage_that_leaves_cached_tokens_out_of_the_input_is_billed_all_the_same() -> None:
    assert cost_usd(CLAUDE, Usage(10, 5, 4_000)) == cost_usd(CLAUDE, Usage(4_000, 5, 4_000))


@pytest.mark.parametrize("model", [CLAUDE, GPT, OLD_GPT])
@pytest.mark.parametrize("tokens", [1, 50_000, 272_000, 272_001])
def test_nothing_costs_more_than_the_worst_case(model: str, tokens: int) -> None:
    worst = worst_case_usd(model, tokens, 16_000)
    assert worst is not None

    costs = [
        cost_usd(model, Usage(tokens, output, read, written)) or 0.0
        for output in (0, 16_000)
        for read, written in ((0, 0), (tokens, 0), (0, tokens), (tokens // 2, tokens // 2))
    ]
    assert worst == pytest.approx(max(costs))


def test_the_worst_case_has_the_surcharge_for_writing_to_the_cache() -> None:
    assert worst_case_usd(CLAUDE, 1_000_000, 0) == pytest.approx(2.5)
    assert worst_case_usd(CLAUDE, 0, 1_000_000) == pytest.approx(10.0)
    assert worst_case_usd("p/m", 1_000_000, 0, overrides={"p/*": OWN}) == pytest.approx(3.75)
