"""What a race may cost, by what the worlds of past races did: never more certain than they are."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from miyabi_tui.engine.costs.past import WorldCost

NONE_YET = "No run was billed yet, so no estimate: the budgets are what limits it."


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars for a race of several worlds: middle, least and most, by so many past worlds.

    `alike` says in words how much those worlds have in common with the ones to come.
    """

    middle_usd: float
    least_usd: float
    most_usd: float
    worlds: int
    runs: int
    alike: str


def estimate(past: Sequence[WorldCost], repo: str, models: Sequence[str]) -> Estimate | None:
    """What a race of worlds with these models may cost; None where nothing is known.

    Each world is estimated by the past ones that are most alike: of its model here, of its model
    anywhere, of any model here, of any.
    """
    if not past or not models:
        return None
    found = [_most_alike(past, repo, model) for model in models]
    used = {(one.run_id, one.world) for _, alike in found for one in alike}
    return Estimate(
        middle_usd=sum(median(one.cost_usd for one in alike) for _, alike in found),
        least_usd=sum(min(one.cost_usd for one in alike) for _, alike in found),
        most_usd=sum(max(one.cost_usd for one in alike) for _, alike in found),
        worlds=len(used),
        runs=len({run for run, _ in used}),
        alike=max(found, key=lambda one: ORDER.index(one[0]))[0],
    )


HERE, ELSEWHERE, OTHERS, ANYTHING = (
    "with these models, here",
    "with these models, elsewhere",
    "here, with other models",
    "elsewhere, with other models",
)
ORDER = (HERE, ELSEWHERE, OTHERS, ANYTHING)


def _most_alike(past: Sequence[WorldCost], repo: str, model: str) -> tuple[str, list[WorldCost]]:
    kinds: dict[str, Callable[[WorldCost], bool]] = {
        HERE: lambda one: (one.repo, one.model) == (repo, model),
        ELSEWHERE: lambda one: one.model == model,
        OTHERS: lambda one: one.repo == repo,
        ANYTHING: lambda one: True,
    }
    for alike, fits in kinds.items():
        if found := [one for one in past if fits(one)]:
            return alike, found
    return ANYTHING, []


def in_words(found: Estimate | None, worlds: int) -> str:
    """The estimate as a sentence; honest where there is none."""
    if not worlds:
        return "No world is chosen."
    if found is None:
        return NONE_YET
    many = f"{worlds} world{'s' * (worlds != 1)}"
    past = f"{found.worlds} past world{'s' * (found.worlds != 1)}"
    runs = f"{found.runs} run{'s' * (found.runs != 1)}"
    span = f"${found.least_usd:.2f} and ${found.most_usd:.2f}"
    return (
        f"≈ ${found.middle_usd:.2f} for {many}, between {span}, by {past} of {runs} {found.alike}."
    )
