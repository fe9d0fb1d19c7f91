"""The state of a run and of its worlds, as `engine/fold.py` makes it from events.

The text of the streams is not in here: it is bounded by whoever shows it, and the journal has all
of it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from miyabi_tui.engine import events as e
from miyabi_tui.engine.models.base import Sampling, Usage
from miyabi_tui.engine.progress import Progress
from miyabi_tui.engine.scoring.score import EvaluationScore, Evidence
from miyabi_tui.engine.terms import Terms
from miyabi_tui.engine.worlds import WorldConfig, WorldId


class WorldStatus(StrEnum):
    """queued → preparing → running ⇄ paused → evaluating → scored → won | lost; killed; failed."""

    QUEUED = "queued"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    EVALUATING = "evaluating"
    SCORED = "scored"
    WON = "won"
    LOST = "lost"
    KILLED = "killed"
    FAILED = "failed"


ENDED = frozenset(
    {WorldStatus.SCORED, WorldStatus.WON, WorldStatus.LOST, WorldStatus.KILLED, WorldStatus.FAILED}
)


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A step a world can go back to: `commit` holds its worktree as it was then.

    `doing` is what was done in the step, `tests` what the last test run until then printed,
    `cost_usd` what this past has cost.
    """

    step: int
    at: float
    commit: str
    doing: str = ""
    tests: str = ""
    cost_usd: float = 0.0


RESUMABLE = (e.RunStatus.RUNNING, e.RunStatus.INTERRUPTED, e.RunStatus.FAILED)


def step_name(step: int) -> str:
    """A step in words; what came before the first one is the base."""
    return f"step {step}" if step else "the base"


class WorldState(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to know about one world at one moment.

    `doing` is in words, and so since `doing_since`. `cut_short`: its run ended while it was at
    work; `stopped_early`: a rule ended it. `checkpoints` are those of its present past. `calls` and
    `step_cost_usd` belong to the step in progress,
    `running` and `running_cost_usd` to the turn that streams now (an estimate). `restored` says
    what a resume or a fork did to it last; `salt` sets the turns of a fork apart from those of the
    future that it leaves. `told` is what the person has said and no turn has read yet. Of `turns`,
    `cached` came from the cache; `waits_until` ends its `waiting`, if that is known. `exceeded` is
    the limit that it stands still for; `escapes` are its last attempts to leave its place.
    `before_choice` is what it was before it had won or lost.
    """

    config: WorldConfig
    status: WorldStatus = WorldStatus.QUEUED
    before_pause: WorldStatus = WorldStatus.RUNNING
    before_choice: WorldStatus = WorldStatus.SCORED
    reason: str = ""
    doing: str = ""
    doing_since: float | None = None
    waiting: str = ""
    waits_until: float | None = None
    told: tuple[str, ...] = ()
    step: int = 0
    sampling: Sampling | None = None
    usage: Usage = Usage()
    cost_usd: float = 0.0
    price_known: bool = True
    running: Usage = Usage()
    running_cost_usd: float = 0.0
    estimated: bool = False
    turns: int = 0
    cached: int = 0
    sampled: e.TestsSampled | None = None
    progress: Progress = Progress()
    lines_added: int = 0
    lines_deleted: int = 0
    files_changed: int = 0
    commit: str = ""
    summary: str = ""
    score: EvaluationScore | None = None
    evidence: Evidence | None = None
    ineligible: tuple[str, ...] = ()
    gauge: e.Gauge | None = None
    exceeded: e.LimitExceeded | None = None
    escapes: tuple[e.EscapeAttempted, ...] = ()
    started_at: float | None = None
    ended_at: float | None = None
    last_output_at: float | None = None
    worktree_ready: bool = False
    set_up: bool = False
    git_dir: str = ""
    cut_short: bool = False
    stopped_early: bool = False
    paused_when_cut: bool = False
    checkpoints: tuple[Checkpoint, ...] = ()
    calls: tuple[str, ...] = ()
    step_cost_usd: float = 0.0
    forked_from: WorldId | None = None
    salt: str = ""
    restored: str = ""

    @property
    def id(self) -> WorldId:
        """Which world this is."""
        return self.config.id

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen in this world by itself."""
        return self.status in ENDED

    @property
    def eligible(self) -> bool:
        """Whether this world may be chosen by evidence."""
        return self.score is not None and not self.ineligible

    @property
    def meter_usd(self) -> float:
        """What it has cost up to now, the turn in progress included."""
        return self.cost_usd + self.running_cost_usd

    @property
    def is_estimate(self) -> bool:
        """Whether `meter_usd` holds an estimate: a turn streams, or broke off without a bill."""
        return self.estimated or self.running_cost_usd > 0

    @property
    def changed_lines(self) -> int:
        """Lines added and deleted against the base."""
        return self.lines_added + self.lines_deleted


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to know about a run at one moment. Before its first event it is empty.

    `questions` wait for the person. `breakers` are the providers that are not trusted now.
    `warned` and `raised` are about budgets. `tried` are the fallback strategies so far, the last of
    them is `trying` until something has come of it.
    `away_seconds`: how long nobody drove it, over `resumed` interruptions. `at`: its last event.
    """

    run_id: str = ""
    issue: e.Issue = e.Issue("", "", "")
    repo: str = ""
    base_ref: str = ""
    base_commit: str = ""
    target: str = ""
    task: str = ""
    merge: e.MergePolicy = e.MergePolicy.ASK
    recorded: bool = False
    phase: e.Phase = e.Phase.PREPARING
    status: e.RunStatus = e.RunStatus.RUNNING
    reason: str = ""
    worlds: tuple[WorldState, ...] = ()
    base: e.BaseMeasured | None = None
    sandbox: e.SandboxChosen | None = None
    slots: e.SlotsChanged | None = None
    terms: Terms = Terms()
    complexity: e.ComplexityEstimated | None = None
    before: e.SpentBefore | None = None
    questions: tuple[e.QuestionAsked, ...] = ()
    breakers: tuple[e.BreakerChanged, ...] = ()
    warned: tuple[e.BudgetWarned, ...] = ()
    raised: tuple[e.BudgetRaised, ...] = ()
    tried: tuple[e.FallbackTried, ...] = ()
    trying: bool = False
    picked: WorldId | None = None
    merge_started: e.MergeStarted | None = None
    winner: WorldId | None = None
    winner_by_person: bool = False
    override: bool = False
    overridden: tuple[str, ...] = ()
    winner_reason: str = ""
    merge_ready: bool = False
    merge_failed: e.MergeFailed | None = None
    branch: str = ""
    commit: str = ""
    notices: tuple[e.Notice, ...] = ()
    started_at: float | None = None
    ended_at: float | None = None
    away_seconds: float = 0.0
    resumed: int = 0
    at: float = 0.0
    seq: int = 0

    def world(self, world: WorldId) -> WorldState:
        """The state of one world.

        Raises:
            KeyError: this world does not race in this run.
        """
        for state in self.worlds:
            if state.id is world:
                return state
        raise KeyError(world)

    @property
    def total_cost_usd(self) -> float:
        """What all worlds have cost so far; a lower bound where a price is unknown."""
        return sum(world.cost_usd for world in self.worlds)

    @property
    def meter_usd(self) -> float:
        """What all worlds have cost up to now, turns in progress included."""
        return sum(world.meter_usd for world in self.worlds)

    @property
    def is_estimate(self) -> bool:
        """Whether `meter_usd` holds an estimate."""
        return any(world.is_estimate for world in self.worlds)

    @property
    def issue_usd(self) -> float:
        """What the issue has cost up to now, with all runs of it that came before."""
        return self.meter_usd + (self.before.cost_usd if self.before else 0.0)

    def question_of(self, world: WorldId) -> e.QuestionAsked | None:
        """What the person is asked about a world, or about the whole run, first."""
        mine = (one for one in self.questions if one.world in (world, None))
        return next(mine, None)

    def budget_usd(self, scope: e.Scope, world: WorldId | None = None) -> float | None:
        """The limit that holds now; None where there is none."""
        for one in reversed(self.raised):
            if one.scope is scope and one.world is world:
                return one.limit_usd or None
        set_to = {
            e.Scope.WORLD: self.terms.limits.cost_usd,
            e.Scope.ISSUE: self.terms.budgets.issue_usd,
            e.Scope.MONTH: self.terms.budgets.month_usd,
        }[scope]
        return set_to or None

    @property
    def price_known(self) -> bool:
        """Whether every turn so far had a known price."""
        return all(world.price_known for world in self.worlds)

    @property
    def finished(self) -> bool:
        """Whether the run is over."""
        return self.phase is e.Phase.FINISHED

    def elapsed(self, now: float) -> float:
        """Seconds from the start to the end, or to `now`, without those that nobody drove it."""
        if self.started_at is None:
            return 0.0
        return max(0.0, (self.ended_at or now) - self.started_at - self.away_seconds)

    @property
    def ranking(self) -> tuple[WorldState, ...]:
        """The worlds by standing: winner, eligible by score, other scored, the rest."""
        return tuple(sorted(self.worlds, key=lambda world: _rank(self, world)))


def _rank(run: RunState, world: WorldState) -> tuple[Any, ...]:
    return (world.id is not run.winner, *rank_key(world))


def rank_key(world: WorldState) -> tuple[Any, ...]:
    """How worlds are ordered: eligible first, then score, fewer changed lines, lower cost."""
    total = world.score.total if world.score else 0.0
    cost = world.cost_usd if world.price_known else float("inf")
    return (not world.eligible, world.score is None, -total, world.changed_lines, cost)
