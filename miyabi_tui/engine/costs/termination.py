"""When a world is not worth going on with (REQ-COST-3): each rule looks at it and says why.

The rules are pure. What they look at is folded in `engine/progress.py`; who acts on them is
`engine/warden.py`. Time that a world was paused or waited does not count, and no world is blamed
for what the base commit has, too.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, ClassVar

import msgspec

from miyabi_tui.engine.scoring.junit import Outcome

if TYPE_CHECKING:
    from miyabi_tui.engine.progress import Streak
    from miyabi_tui.engine.state import RunState, WorldState
    from miyabi_tui.engine.terms import Termination

SCORED_AT_LEAST = 2  # worlds that make a median; one alone may just have been hasty
TRIFLE_USD = 0.05  # a world this cheap is not stopped for being dearer than the others
SHOWN = 100  # characters of a failure or an action in a reason


class Rule(msgspec.Struct, frozen=True):
    """One reason to stop a world early. `whole_run`: it is about all worlds at once."""

    whole_run: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What the rule is called in the journal."""
        return type(self).__name__

    def violated(self, run: RunState, world: WorldState, now: float) -> str:
        """Why the world should be stopped at Unix time `now`, in words; empty if it should not."""
        raise NotImplementedError


class TestFailureTimeout(Rule, frozen=True):
    """Fewer than `min_pass_rate` of its tests pass, for `duration` seconds of work.

    Where fewer pass on the base, the base's own rate is the bound.
    """

    __test__ = False

    duration: float
    min_pass_rate: float

    def violated(self, run: RunState, world: WorldState, now: float) -> str:
        """See `Rule.violated`."""
        bound = min(self.min_pass_rate, _base_rate(run))
        looks = world.progress.tests
        seconds = world.progress.lasting(looks, bound, now)
        if not seconds or seconds < self.duration:
            return ""
        last = looks[-1]
        passing = f"{last.passed} of {last.known} tests pass"
        return f"{passing}: below {bound:.0%} for {_time(seconds)}"


class CompilationFailureTimeout(Rule, frozen=True):
    """It has not built for `duration` seconds of work, though the base does."""

    duration: float

    def violated(self, run: RunState, world: WorldState, now: float) -> str:
        """See `Rule.violated`."""
        seconds = world.progress.lasting(world.progress.builds, 1.0, now)
        if not seconds or seconds < self.duration or _base_is_broken(run):
            return ""
        failures = world.sampled.failures if world.sampled else ()
        cause = f": {failures[0][:SHOWN]}" if failures else ""
        return f"it has not built for {_time(seconds)}{cause}"


class PerIssueCostExceeded(Rule, frozen=True):
    """All worlds of the run together have cost more than `threshold_usd`."""

    whole_run: ClassVar[bool] = True

    threshold_usd: float

    def violated(self, run: RunState, world: WorldState, now: float) -> str:
        """See `Rule.violated`."""
        if run.meter_usd <= self.threshold_usd:
            return ""
        return f"the issue has cost ${run.meter_usd:.2f}, more than ${self.threshold_usd:.2f}"


class RepeatedFailurePattern(Rule, frozen=True):
    """The same failure `max_repeats` times in a row, of its own commands or of its samples."""

    max_repeats: int

    def violated(self, run: RunState, world: WorldState, now: float) -> str:
        """See `Rule.violated`."""
        progress = world.progress
        sampled = () if _base_is_broken(run) else (progress.sampled_failure,)
        for streak in (progress.failure, *sampled):
            if streak.times >= self.max_repeats and (new := _new_failures(run, streak)):
                return f"the same failure {streak.times} times in a row: {new[0][:SHOWN]}"
        return ""


class NoEdit(Rule, frozen=True):
    """It has changed no file for `steps` steps."""

    steps: int

    def violated(self, run: RunState, world: WorldState, now: float) -> str:
        """See `Rule.violated`."""
        still = world.progress.still
        return f"no edit in its last {still} steps" if still >= self.steps else ""


class SameAction(Rule, frozen=True):
    """The same tool with the same arguments `times` times running."""

    times: int

    def violated(self, run: RunState, world: WorldState, now: float) -> str:
        """See `Rule.violated`."""
        progress = world.progress
        if progress.action.times < self.times:
            return ""
        doing = progress.action_summary[:SHOWN]
        return f"the same action {progress.action.times} times running: {doing}"


class CostAboveMedian(Rule, frozen=True):
    """It has cost more than `factor` times what the scored worlds of this run cost in the median.

    Scored worlds count whose price is known and none of whose turns came from the cache.
    """

    factor: float

    def violated(self, run: RunState, world: WorldState, now: float) -> str:
        """See `Rule.violated`."""
        costs = [
            one.cost_usd
            for one in run.worlds
            if one.score is not None and one.price_known and not one.cached
        ]
        cost = world.progress.cost_usd + world.running_cost_usd
        if len(costs) < SCORED_AT_LEAST or cost <= TRIFLE_USD:
            return ""
        median = statistics.median(costs)
        if cost <= self.factor * median:
            return ""
        times = f"{cost / median:.1f} times the median" if median else "more than the median"
        return f"it has cost ${cost:.2f}, {times} of the scored worlds (${median:.2f})"


def rules(termination: Termination) -> tuple[Rule, ...]:
    """The rules that are switched on, in the order in which they are looked at."""
    if not termination.enabled:
        return ()
    set_to: tuple[tuple[float, Rule], ...] = (
        (
            termination.test_failure_seconds,
            TestFailureTimeout(termination.test_failure_seconds, termination.min_pass_rate),
        ),
        (
            termination.compilation_failure_seconds,
            CompilationFailureTimeout(termination.compilation_failure_seconds),
        ),
        (termination.issue_cost_usd, PerIssueCostExceeded(termination.issue_cost_usd)),
        (termination.repeated_failures, RepeatedFailurePattern(termination.repeated_failures)),
        (termination.steps_without_edit, NoEdit(termination.steps_without_edit)),
        (termination.repeated_actions, SameAction(termination.repeated_actions)),
        (termination.cost_factor, CostAboveMedian(termination.cost_factor)),
    )
    return tuple(rule for value, rule in set_to if value)


def worth_keeping(run: RunState, world: WorldState) -> bool:
    """Whether its last sample builds, changes something and fails no more tests than the base."""
    last, base = world.sampled, run.base
    if last is None or not last.builds or not last.known or not world.files_changed:
        return False
    red_before = base.tests_known - base.tests_passed if base else 0
    return last.known - last.passed <= red_before


def _base_rate(run: RunState) -> float:
    base = run.base
    return base.tests_passed / base.tests_known if base and base.tests_known else 1.0


def _base_is_broken(run: RunState) -> bool:
    measured = run.base.measurement if run.base else None
    return bool(measured and measured.build_failures)


def _new_failures(run: RunState, streak: Streak) -> list[str]:
    """What of a failure is not about tests that fail on the base, too."""
    measured = run.base.measurement if run.base else None
    red = measured.tests.having(Outcome.FAILED) if measured else set()
    names = {name.rpartition("::")[2] for name in red}
    return [line for line in streak.what if not any(name in line for name in names)]


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
