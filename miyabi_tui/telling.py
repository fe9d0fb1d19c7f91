"""What an event says in words, for lines without a screen: a function for each of them."""

from __future__ import annotations

import functools

from miyabi_tui.engine import events as e
from miyabi_tui.engine import safety
from miyabi_tui.engine.state import RunState, WorldState, step_name
from miyabi_tui.engine.summary import board, reasons

WORTH_A_LINE = 5.0  # seconds of waiting
ALWAYS_THE_SAME: dict[type[e.Event], str] = {
    e.WorldPaused: "paused",
    e.WorldContinued: "goes on",
    e.WorldPicked: "picked by you",
    e.PickWithdrawn: "you take your choice back",
}


def words(record: e.Record, state: RunState) -> str:
    """What a record says to people, `state` being the run after it; empty for nothing new."""
    if isinstance(record.event, e.WorldWaiting):
        return _waiting(record.event, record.at)
    return _words(record.event, state)


@functools.singledispatch
def _words(event: e.Event, state: RunState) -> str:
    return ALWAYS_THE_SAME.get(type(event), "")


# --- the run -------------------------------------------------------------------------------------


@_words.register
def _(event: e.RunStarted, state: RunState) -> str:
    issue = event.issue
    number = f"#{issue.number} " if issue.number is not None else ""
    recorded = "\nthe models' turns are recorded: nothing is billed" if event.recorded else ""
    return (
        f"{number}{issue.title}\nrun {event.run_id} in {event.repo}, "
        f"from {event.base_ref} ({event.base_commit[:9]}){recorded}"
    )


@_words.register
def _(event: e.RunResumed, state: RunState) -> str:
    return f"run {state.run_id} goes on\n{board(state)}"


@_words.register
def _(event: e.Notice | e.Corrected, state: RunState) -> str:
    return event.text


@_words.register
def _(event: e.ComplexityEstimated, state: RunState) -> str:
    if event.by_person:
        return f"the issue is {event.level}, as you said"
    return f"the issue looks {event.level}: {', '.join(event.reasons)}"


@_words.register
def _(event: e.BaseMeasured, state: RunState) -> str:
    findings = f"{event.lint_findings} lint and {event.security_findings} security findings"
    tests = f"{event.tests_passed} of {event.tests_known} tests pass"
    return f"the base: {tests}, {findings}{f' · {event.remark}' if event.remark else ''}"


@_words.register
def _(event: e.QuestionAsked, state: RunState) -> str:
    return f"{event.title}: {event.text}"


@_words.register
def _(event: e.QuestionAnswered, state: RunState) -> str:
    if not event.choice:
        return ""
    return f"{event.choice}, {'as you said' if event.by_person else 'as nobody said anything'}"


@_words.register
def _(event: e.SandboxChosen, state: RunState) -> str:
    return "\n  ".join(safety.isolation(event))


@_words.register
def _(event: e.SlotsChanged, state: RunState) -> str:
    return safety.slots(event) if safety.is_scarce(event) else ""


# --- what it costs, and who provides it ----------------------------------------------------------


@_words.register
def _(event: e.SpentBefore, state: RunState) -> str:
    many = f"{event.runs} earlier run{'s' * (event.runs > 1)}"
    limit = state.budget_usd(e.Scope.ISSUE)
    cost = f"{'≈' * event.estimated}${event.cost_usd:.2f}"
    return f"{many} of this issue cost {cost}{f' of its budget of ${limit:.2f}' if limit else ''}"


@_words.register
def _(event: e.BudgetWarned, state: RunState) -> str:
    spent, limit = f"${event.spent_usd:.2f}", f"${event.limit_usd:.2f}"
    return f"{spent} of the budget of {_whose(event)}, {limit}, is spent"


@_words.register
def _(event: e.BudgetRaised, state: RunState) -> str:
    limit = f"${event.limit_usd:.2f}" if event.limit_usd else "no limit"
    return f"the budget of {_whose(event)} is {limit} now"


def _whose(event: e.BudgetWarned | e.BudgetRaised) -> str:
    return event.world or f"this {event.scope}"


@_words.register
def _(event: e.BreakerChanged, state: RunState) -> str:
    if event.state is e.BreakerState.OPEN:
        return f"{event.provider} is left alone for a while: {event.cause}"
    if event.state is e.BreakerState.HALF_OPEN:
        return f"{event.provider} is tried again"
    return f"{event.provider} answers again"


# --- a world at work -----------------------------------------------------------------------------


@_words.register
def _(event: e.WorktreeCreated, state: RunState) -> str:
    return f"works in {event.path}"


@_words.register
def _(event: e.ToolStarted, state: RunState) -> str:
    name = f"{event.name} · " if event.name == "bash" else ""
    return f"step {event.step} · {name}{event.summary}"


@_words.register
def _(event: e.ToolFinished, state: RunState) -> str:
    if not event.is_error:
        return ""
    return f"  {event.name} failed" if event.exit_code is None else f"  exit code {event.exit_code}"


@_words.register
def _(event: e.TurnDiscarded, state: RunState) -> str:
    return f"discarded: {event.cause}{'; asked again' if event.again else ''}"


@_words.register
def _(event: e.TestsSampled, state: RunState) -> str:
    if not event.builds:
        return f"does not build at {step_name(event.step)}"
    return f"{event.passed} of {event.known} tests pass at {step_name(event.step)}"


@_words.register
def _(event: e.FallbackTried, state: RunState) -> str:
    return f"{event.reason}: {event.strategy.replace('_', ' ')}"


@_words.register
def _(event: e.EscapeAttempted, state: RunState) -> str:
    return f"{safety.tried(event)} — {safety.stopped(event)}"


@_words.register
def _(event: e.LimitExceeded, state: RunState) -> str:
    return safety.over(event)


@_words.register
def _(event: e.AttemptFinished, state: RunState) -> str:
    change = f"+{event.lines_added} −{event.lines_deleted} in {event.files_changed} files"
    return f"{event.ending}: {change}\n{event.summary}".rstrip()


@_words.register
def _(event: e.WorldScored, state: RunState) -> str:
    return _scored(state.world(event.world))


def _waiting(event: e.WorldWaiting, now: float) -> str:
    wait = (event.until or now) - now
    return f"waits for {wait:.0f} s: {event.reason}" if wait >= WORTH_A_LINE else ""


def _scored(world: WorldState) -> str:
    assert world.score is not None
    parts = ", ".join(f"{name} {points:g}" for name, points in world.score.as_dict().items())
    lines = [parts, *(f"not eligible: {reason}" for reason in safety.reasons(world))]
    lines += [f"  {reason}" for reason in reasons(world)[len(world.ineligible) :]]
    return "\n".join(lines)


# --- a world stopped, put back, told something ---------------------------------------------------


@_words.register
def _(event: e.WorldTold, state: RunState) -> str:
    return f"you: {event.text}"


@_words.register
def _(event: e.WorldKilled, state: RunState) -> str:
    return f"killed: {event.reason}"


@_words.register
def _(event: e.WorldFailed, state: RunState) -> str:
    parts = [event.title, event.cause, f"({event.next_step})" if event.next_step else ""]
    return "failed: " + " ".join(part for part in parts if part)


@_words.register
def _(event: e.WorldRestored, state: RunState) -> str:
    where = f"goes on after {step_name(event.step)}" if event.step else "begins again at the base"
    return f"{where}{f': {event.found}' if event.found else ''}{_kept(event)}"


@_words.register
def _(event: e.WorldForked, state: RunState) -> str:
    return f"another future, {state.world(event.world).restored}{_kept(event)}"


def _kept(event: e.WorldRestored | e.WorldForked) -> str:
    """Where what was there before is."""
    return f"; what was there is kept as {event.archived}" if event.archived else ""


# --- who wins ------------------------------------------------------------------------------------


@_words.register
def _(event: e.WinnerSelected, state: RunState) -> str:
    overridden = (f"overridden by you: {finding}" for finding in event.overridden)
    return "\n".join([f"wins: {event.reason}", *overridden])


@_words.register
def _(event: e.NoWinner, state: RunState) -> str:
    return f"no safe winner: {event.reason}"


@_words.register
def _(event: e.Merged, state: RunState) -> str:
    return f"merged into {event.branch} ({event.commit[:9]})"


@_words.register
def _(event: e.MergeFailed, state: RunState) -> str:
    return event.cause
