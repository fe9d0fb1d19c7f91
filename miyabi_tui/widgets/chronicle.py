"""Every event of a run as one row of words: what kind it is, its sign and its ink."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from miyabi_tui.engine import events as e
from miyabi_tui.engine import safety
from miyabi_tui.engine.state import step_name
from miyabi_tui.widgets.asking import STRATEGIES, title, waiting
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.words import clock, dollars, points, seconds, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from miyabi_tui.engine.worlds import WorldId

MOST_CHARACTERS = 400


class Kind(StrEnum):
    """What an event is about, to choose by."""

    RUN = "the run"
    LIFE = "beginnings and ends"
    STEP = "steps"
    CALL = "calls"
    TEST = "tests and scores"
    ASKED = "questions and you"
    MONEY = "money"
    SAFETY = "isolation and limits"


@dataclass(frozen=True, slots=True)
class Entry:
    """One event; `since` is seconds of the run, without those that nobody drove it.

    `step` is the checkpoint it stands at, or that it made, if it has to do with one.
    """

    seq: int
    since: float
    world: WorldId | None
    kind: Kind
    sign: str
    ink: str
    text: str
    step: int | None = None


Said = tuple[str, str, str]
"""Sign, ink and words."""


class Chronicle:
    """Turns records into entries, in order; several batches go on from each other."""

    def __init__(self) -> None:
        self.started: float | None = None
        self._away = 0.0
        self._names: dict[str, str] = {}

    def told(self, records: Iterable[e.Record]) -> list[Entry]:
        """The entries of these records; what is only output has none."""
        entries = []
        for record in records:
            event = record.event
            if self.started is None:
                self.started = record.at
            if isinstance(event, e.RunResumed):
                self._away += event.away_seconds
            found = _TOLD.get(type(event))
            if found is None:
                continue
            kind, say = found
            sign, ink, text = say(event)
            since = max(0.0, record.at - self.started - self._away)
            text = one_line(text[:MOST_CHARACTERS])
            world, step = e.world_of(event), getattr(event, "step", None)
            entries.append(Entry(record.seq, since, world, kind, sign, ink, text, step))
        return entries


def _turn(event: e.TurnFinished) -> Said:
    use = event.usage
    cost = dollars(event.cost_usd or 0.0, event.cost_usd is not None)
    how = "from the cache" if event.cached else f"{seconds(event.seconds)} · {cost}"
    used = f"{tokens(use.input_tokens)} in, {tokens(use.output_tokens)} out"
    return "◂", "text", f"step {event.step}: a turn · {how} · {used}"


def _discarded(event: e.TurnDiscarded) -> Said:
    again = ", asked again" if event.again else ""
    return "✗", "warn", f"step {event.step}: a turn discarded{again} · {event.cause}"


def _step_done(event: e.StepFinished) -> Said:
    tests = f" · {event.tests}" if event.tests else ""
    files = f"{event.files_changed} file{'s' * (event.files_changed != 1)}"
    size = f"+{event.lines_added} −{event.lines_deleted} in {files}"
    return "◉", "accent", f"step {event.step} done · {size}{tests}"


def _called(event: e.ToolFinished) -> Said:
    bad = event.is_error or bool(event.exit_code)
    code = f"exit {event.exit_code} · " if event.exit_code else ""
    return (
        ("✗" if bad else "✓"),
        ("bad" if bad else "good"),
        (f"{event.name}: {code}{seconds(event.seconds)}"),
    )


def _call(event: e.ToolStarted) -> Said:
    named = event.summary[:4].lower() == event.name[:4].lower()
    return "▸", "output", event.summary if named else f"{event.name}  {event.summary}"


def _sampled(event: e.TestsSampled) -> Said:
    if not event.builds:
        return "✗", "bad", f"step {event.step}: it does not build"
    good = event.passed == event.known
    failing = f" · failing: {', '.join(event.failures)}" if event.failures else ""
    said = f"step {event.step}: {event.passed} of {event.known} tests pass{failing}"
    return ("✓" if good else "✗"), ("good" if good else "warn"), said


def _scored(event: e.WorldScored) -> Said:
    total = points(event.score.total)
    if event.ineligible:
        return "⊘", "bad", f"scored {total}, but may not win: {'; '.join(event.ineligible)}"
    return "◆", "strong", f"scored {total} of 100"


def _asked(event: e.QuestionAsked) -> Said:
    return "?", "warn", f"asks: {title(event)}"


def _answered(event: e.QuestionAnswered) -> Said:
    who = "you" if event.by_person else "nobody answered"
    amount = f" to ${event.amount:,.2f}" if event.amount is not None else ""
    return "»", "text", f"{who}: {event.choice or 'of no matter any more'}{amount}"


def _waits(event: e.WorldWaiting) -> Said:
    if not event.reason:
        return "●", "good", "waits no longer"
    return "◷", "warn", f"waits: {waiting(event.reason, None, 0.0)}"


def _killed(event: e.WorldKilled) -> Said:
    told = event.reason.startswith("killed")
    return "■", "bad", event.reason if told else f"killed: {event.reason}".rstrip(": ")


def _failed(event: e.WorldFailed) -> Said:
    return "✗", "bad", f"failed: {event.title}{event.cause and f' · {event.cause}'}"


def _forked(event: e.WorldForked) -> Said:
    where = step_name(event.step)
    here = f"back to {where}" if event.source is event.world else f"from {event.source}'s {where}"
    return "↺", "accent", f"{here}, another future{event.added and f' · you say: {event.added}'}"


def _restored(event: e.WorldRestored) -> Said:
    found = f"put back to {step_name(event.step)}: {event.found}"
    return "↺", "accent", found if event.found else f"as {step_name(event.step)} left it"


def _attempt(event: e.AttemptFinished) -> Said:
    ended = "finished" if event.ending is e.Ending.FINISHED else f"ended: {event.ending}"
    return "◂", "strong", f"{ended}{event.summary and f' · {event.summary}'}"


def _won(event: e.WinnerSelected) -> Said:
    how = "picked by you" if event.by_person else f"winner: {event.reason}".rstrip(": ")
    return "★", "won", how + (", against the evidence" if event.override else "")


def _escape(event: e.EscapeAttempted) -> Said:
    ink = "warn" if event.stopped else "bad"
    return "⚠", ink, f"{safety.tried(event)} — {safety.stopped(event)}"


def _breaker(event: e.BreakerChanged) -> Said:
    ink = "good" if event.state is e.BreakerState.CLOSED else "warn"
    return "◷", ink, f"{event.provider}: breaker {event.state}{event.cause and f' · {event.cause}'}"


def _notice(event: e.Notice) -> Said:
    inks = {e.Level.INFO: "dim", e.Level.WARNING: "warn", e.Level.ERROR: "bad"}
    return "·", inks[event.level], event.text


def _base(event: e.BaseMeasured) -> Said:
    known = f"{event.tests_passed} of {event.tests_known} tests pass"
    return "◐", "text", f"the base: {known} · {event.lint_findings} lint findings"


def _finished(event: e.RunFinished) -> Said:
    good = event.status in (e.RunStatus.MERGED, e.RunStatus.SELECTED)
    said = f"the run is over: {event.status}{event.reason and f' · {event.reason}'}"
    return ("★" if good else "■"), ("won" if good else "warn"), said.replace("_", " ")


def _not_merged(event: e.MergeFailed) -> Said:
    files = f" · {', '.join(event.files)}" if event.files else ""
    return "✗", "bad", f"not merged into {event.branch}: {event.cause}{files}"


def _fixed(sign: str, ink: str, say: Callable[[Any], str]) -> Callable[[Any], Said]:
    return lambda event: (sign, ink, say(event))


def _usd(usd: float) -> str:
    return f"${usd:,.2f}"


_TOLD: dict[type, tuple[Kind, Callable[[Any], Said]]] = {
    e.RunStarted: (Kind.RUN, _fixed("●", "strong", lambda x: f"the race begins: {x.issue.title}")),
    e.ComplexityEstimated: (Kind.RUN, _fixed("·", "dim", lambda x: f"the task looks {x.level}")),
    e.RunResumed: (
        Kind.RUN,
        _fixed("↺", "accent", lambda x: f"the run goes on, {clock(x.away_seconds)} later"),
    ),
    e.PhaseChanged: (Kind.RUN, _fixed("●", "strong", lambda x: f"now {x.phase}")),
    e.Notice: (Kind.RUN, _notice),
    e.BaseMeasured: (Kind.TEST, _base),
    e.WorldPreparing: (Kind.LIFE, _fixed("◌", "dim", lambda _: "its worktree is made")),
    e.WorktreeCreated: (Kind.LIFE, _fixed("◌", "dim", lambda x: f"on {x.branch}")),
    e.WorldSetUp: (Kind.LIFE, _fixed("◌", "dim", lambda _: "its worktree is set up")),
    e.WorldStarted: (Kind.LIFE, _fixed("●", "good", lambda _: "begins to work")),
    e.StepStarted: (
        Kind.STEP,
        _fixed("▹", "dim", lambda x: f"step {x.step}: {x.sampling.model} is asked"),
    ),
    e.TurnFinished: (Kind.STEP, _turn),
    e.TurnDiscarded: (Kind.STEP, _discarded),
    e.ToolStarted: (Kind.CALL, _call),
    e.ToolFinished: (Kind.CALL, _called),
    e.Corrected: (
        Kind.STEP,
        _fixed("✗", "warn", lambda x: f"step {x.step}: malformed answer, corrected: {x.text}"),
    ),
    e.StepFinished: (Kind.STEP, _step_done),
    e.CheckpointSaved: (
        Kind.STEP,
        _fixed("◉", "faint", lambda x: f"kept as {step_name(x.step)}: {x.why}"),
    ),
    e.WorldRestored: (Kind.LIFE, _restored),
    e.WorldForked: (Kind.LIFE, _forked),
    e.WorldPaused: (Kind.ASKED, _fixed("‖", "warn", lambda _: "paused")),
    e.WorldContinued: (Kind.ASKED, _fixed("●", "good", lambda _: "goes on")),
    e.WorldWaiting: (Kind.LIFE, _waits),
    e.WorldTold: (Kind.ASKED, _fixed("»", "strong", lambda x: f"you: {x.text}")),
    e.TestsSampled: (Kind.TEST, _sampled),
    e.BreakerChanged: (Kind.RUN, _breaker),
    e.SpentBefore: (
        Kind.MONEY,
        _fixed("$", "dim", lambda x: f"{_usd(x.cost_usd)} was spent on it in {x.runs} runs before"),
    ),
    e.BudgetWarned: (
        Kind.MONEY,
        _fixed(
            "$",
            "warn",
            lambda x: f"{_usd(x.spent_usd)} of {_usd(x.limit_usd)} for the {x.scope} is spent",
        ),
    ),
    e.BudgetRaised: (
        Kind.MONEY,
        _fixed("$", "text", lambda x: f"you raise the {x.scope}'s budget to {_usd(x.limit_usd)}"),
    ),
    e.QuestionAsked: (Kind.ASKED, _asked),
    e.QuestionAnswered: (Kind.ASKED, _answered),
    e.FallbackTried: (
        Kind.RUN,
        _fixed("↺", "warn", lambda x: f"{STRATEGIES[x.strategy]} · {x.reason}"),
    ),
    e.AttemptFinished: (Kind.LIFE, _attempt),
    e.EvaluationStarted: (Kind.TEST, _fixed("◐", "accent", lambda _: "evaluating")),
    e.EvaluationProgress: (Kind.TEST, _fixed("◐", "dim", lambda x: x.doing)),
    e.WorldScored: (Kind.TEST, _scored),
    e.WorldKilled: (Kind.LIFE, _killed),
    e.WorldFailed: (Kind.LIFE, _failed),
    e.WorldPicked: (Kind.ASKED, _fixed("★", "strong", lambda _: "picked by you")),
    e.PickWithdrawn: (Kind.ASKED, _fixed("↶", "text", lambda _: "you take your choice back")),
    e.WinnerSelected: (Kind.LIFE, _won),
    e.NoWinner: (Kind.RUN, _fixed("⊘", "warn", lambda x: f"no winner: {x.reason}")),
    e.MergeReady: (Kind.RUN, _fixed("?", "warn", lambda x: f"waits to be merged: {x.branch}")),
    e.MergeStarted: (Kind.RUN, _fixed("▸", "text", lambda x: f"merging into {x.branch}")),
    e.Merged: (
        Kind.RUN,
        _fixed("★", "won", lambda x: f"merged into {x.branch} as {x.commit[:7]}"),
    ),
    e.MergeFailed: (Kind.RUN, _not_merged),
    e.SandboxChosen: (Kind.SAFETY, _fixed("·", "dim", lambda x: safety.isolation(x)[0])),
    e.EscapeAttempted: (Kind.SAFETY, _escape),
    e.LimitExceeded: (Kind.SAFETY, _fixed("⊗", "bad", safety.over)),
    e.SlotsChanged: (Kind.SAFETY, _fixed("·", "dim", safety.slots)),
    e.WorldsSpawned: (
        Kind.RUN,
        _fixed("◌", "dim", lambda x: f"all {len(x.worlds)} worktrees are there"),
    ),
    e.RunFinished: (Kind.RUN, _finished),
}
