"""The price of one model, as the settings or the price list have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine.models import prices
from miyabi_tui.engine.models.base import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from miyabi_tui.engine.models.registry import ModelSpec
    from miyabi_tui.engine.terms import Price


class Tariff:
    """US dollars of what `PROVIDER/MODEL` does; everything is None where its price is unknown."""

    def __init__(self, spec: ModelSpec, own: Mapping[str, Price]) -> None:
        self._name = spec.name
        self._base_url = spec.base_url
        self._own = own

    def is_known(self) -> bool:
        """Whether there is a price. The first question loads the price list (0.2 s)."""
        return self.cost_usd(Usage(1_000, 1_000)) is not None

    def cost_usd(self, usage: Usage) -> float | None:
        """What a usage costs."""
        return prices.cost_usd(self._name, usage, self._base_url, self._own)

    def worst_usd(self, input_tokens: int, max_tokens: int) -> float | None:
        """The most that a turn can cost."""
        return prices.worst_case_usd(
            self._name, input_tokens, max_tokens, self._base_url, self._own
        )
