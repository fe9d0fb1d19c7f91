"""A run without a screen: readable lines for people, or one JSON object a line for programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from miyabi_tui.engine import events as e
from miyabi_tui.engine import safety
from miyabi_tui.engine.fold import apply
from miyabi_tui.engine.state import RESUMABLE, RunState, WorldState, step_name
from miyabi_tui.engine.summary import plain, reasons, result

if TYPE_CHECKING:
    from collections.abc import Iterable

    from miyabi_tui.engine.control import Control

NAME_WIDTH = 8
WORTH_A_LINE = 5.0  # seconds of waiting


def run(
    control: Control,
    *,
    as_json: bool,
    out: TextIO | None = None,
    told: int = 0,
    resumable: bool = True,
) -> RunState:
    """Start the race, print it to its end, and give back its last state.

    Events up to number `told` are known already; `resumable` says that the run could go on if it
    is interrupted.
    """
    stream = out or sys.stdout
    subscription = control.subscribe()
    state = RunState()
    control.start()
    try:
        while not subscription.closed:
            subscription.wait(0.5)  # short, so that signals are seen
            for record in subscription.drain():
                state = apply(state, record)
                if record.seq <= told:
                    continue
                if as_json:
                    line = json_line(record, state)
                else:
                    line = text_line(record, state, resumable=resumable)
                if line:
                    print(line, file=stream, flush=True)
    except BrokenPipeError:  # whoever read us has gone
        if not control.attached:
            control.stop()
    return state


def json_line(record: e.Record, state: RunState) -> str:
    """The record as a JSON object; streams and gauges are left out, the last one is the result."""
    import msgspec

    event = record.event
    if isinstance(event, e.Output | e.Gauges | e.TurnMetered):
        return ""
    if isinstance(event, e.RunFinished):
        return msgspec.json.encode(result(state)).decode()
    if isinstance(event, e.BaseMeasured):
        event = msgspec.structs.replace(event, measurement=None)  # it names every test
    body = msgspec.to_builtins(event)
    return msgspec.json.encode({"seq": record.seq, "at": record.at, **body}).decode()


def text_line(record: e.Record, state: RunState, *, resumable: bool = True) -> str:
    """The record as a line for people, empty where it says nothing new to them."""
    if isinstance(record.event, e.RunFinished):
        text = closing(state, resumable=resumable)
    else:
        text = plain(_say(record, state))
    if not text:
        return ""
    seconds = int(state.elapsed(record.at))
    clock = f"{seconds // 60:3}:{seconds % 60:02}"
    world = e.world_of(record.event)
    name = f"{world or '':<{NAME_WIDTH}}"
    indent = "\n" + " " * (len(clock) + NAME_WIDTH + 4)
    return f"{clock}  {name}  {text.replace(chr(10), indent)}".rstrip()


def _say(record: e.Record, state: RunState) -> str:
    event = record.event
    match event:
        case e.RunStarted(issue=issue):
            number = f"#{issue.number} " if issue.number is not None else ""
            recorded = (
                "\nthe models' turns are recorded: nothing is billed" if event.recorded else ""
            )
            return (
                f"{number}{issue.title}\nrun {event.run_id} in {event.repo}, "
                f"from {event.base_ref} ({event.base_commit[:9]}){recorded}"
            )
        case e.Notice(text=text) | e.Corrected(text=text):
            return text
        case e.BaseMeasured():
            findings = f"{event.lint_findings} lint and {event.security_findings} security findings"
            tests = f"{event.tests_passed} of {event.tests_known} tests pass"
            return f"the base: {tests}, {findings}{f' · {event.remark}' if event.remark else ''}"
        case e.WorktreeCreated(path=path):
            return f"works in {path}"
        case e.ToolStarted(step=step, name=name, summary=summary):
            return (
                f"step {step} · {name} · {summary}"
                if name == "bash"
                else f"step {step} · {summary}"
            )
        case e.ToolFinished(is_error=True, name=name, exit_code=code):
            return f"  {name} failed" if code is None else f"  exit code {code}"
        case e.AttemptFinished():
            change = f"+{event.lines_added} −{event.lines_deleted} in {event.files_changed} files"
            return f"{event.ending}: {change}\n{event.summary}".rstrip()
        case e.WorldScored(world=world):
            return _scored(state.world(world))
        case e.ComplexityEstimated():
            if event.by_person:
                return f"the issue is {event.level}, as you said"
            return f"the issue looks {event.level}: {', '.join(event.reasons)}"
        case e.TurnDiscarded(cause=cause, again=again):
            return f"discarded: {cause}{'; asked again' if again else ''}"
        case e.WorldWaiting(reason=reason, until=until):
            wait = (until or record.at) - record.at
            return f"waits for {wait:.0f} s: {reason}" if wait >= WORTH_A_LINE else ""
        case e.WorldTold(text=text):
            return f"you: {text}"
        case e.TestsSampled():
            if not event.builds:
                return f"does not build at {step_name(event.step)}"
            return f"{event.passed} of {event.known} tests pass at {step_name(event.step)}"
        case e.BreakerChanged():
            return _breaker(event)
        case e.SpentBefore(runs=runs):
            many = f"{runs} earlier run{'s' * (runs > 1)}"
            limit = state.budget_usd(e.Scope.ISSUE)
            cost = f"{'≈' * event.estimated}${event.cost_usd:.2f}"
            of = f" of its budget of ${limit:.2f}" if limit else ""
            return f"{many} of this issue cost {cost}{of}"
        case e.BudgetWarned() | e.BudgetRaised():
            return _budget(event)
        case e.QuestionAsked(title=title, text=text):
            return f"{title}: {text}"
        case e.QuestionAnswered(choice=choice, by_person=by_person) if choice:
            return f"{choice}, {'as you said' if by_person else 'as nobody said anything'}"
        case e.FallbackTried(strategy=strategy, reason=reason):
            return f"{reason}: {strategy.replace('_', ' ')}"
        case e.WorldPaused():
            return "paused"
        case e.WorldContinued():
            return "goes on"
        case e.WorldKilled(reason=reason):
            return f"killed: {reason}"
        case e.WorldFailed(title=title, cause=cause, next_step=next_step):
            parts = [title, cause, f"({next_step})" if next_step else ""]
            return "failed: " + " ".join(part for part in parts if part)
        case e.WorldPicked():
            return "picked by you"
        case e.PickWithdrawn():
            return "you take your choice back"
        case e.WinnerSelected(reason=reason, overridden=overridden):
            return "\n".join([f"wins: {reason}", *_overridden(overridden)])
        case e.NoWinner(reason=reason):
            return f"no safe winner: {reason}"
        case e.Merged(branch=branch, commit=commit):
            return f"merged into {branch} ({commit[:9]})"
        case e.MergeFailed(cause=cause):
            return cause
        case e.SandboxChosen():
            return "\n  ".join(safety.isolation(event))
        case e.EscapeAttempted():
            return f"{safety.tried(event)} — {safety.stopped(event)}"
        case e.LimitExceeded():
            return safety.over(event)
        case e.SlotsChanged() if safety.is_scarce(event):
            return safety.slots(event)
        case e.RunResumed():
            return f"run {state.run_id} goes on\n{board(state)}"
        case e.WorldRestored(step=step):
            where = f"goes on after {step_name(step)}" if step else "begins again at the base"
            return f"{where}{_kept(event)}"
        case e.WorldForked(world=world):
            return f"another future, {state.world(world).restored}{_kept(event)}"
    return ""


def _kept(event: e.WorldRestored | e.WorldForked) -> str:
    """What was found instead, and where it is."""
    found = f": {event.found}" if isinstance(event, e.WorldRestored) and event.found else ""
    return f"{found}; what was there is kept as {event.archived}" if event.archived else found


def _overridden(findings: Iterable[str]) -> list[str]:
    """The security findings that the person takes with the winner."""
    return [f"overridden by you: {finding}" for finding in findings]


def _breaker(event: e.BreakerChanged) -> str:
    if event.state is e.BreakerState.OPEN:
        return f"{event.provider} is left alone for a while: {event.cause}"
    if event.state is e.BreakerState.HALF_OPEN:
        return f"{event.provider} is tried again"
    return f"{event.provider} answers again"


def _budget(event: e.BudgetWarned | e.BudgetRaised) -> str:
    whose = event.world or f"this {event.scope}"
    if isinstance(event, e.BudgetRaised):
        limit = f"${event.limit_usd:.2f}" if event.limit_usd else "no limit"
        return f"the budget of {whose} is {limit} now"
    return f"${event.spent_usd:.2f} of the budget of {whose}, ${event.limit_usd:.2f}, is spent"


def _scored(world: WorldState) -> str:
    assert world.score is not None
    parts = ", ".join(f"{name} {points:g}" for name, points in world.score.as_dict().items())
    lines = [parts, *(f"not eligible: {reason}" for reason in safety.reasons(world))]
    lines += [f"  {reason}" for reason in reasons(world)[len(world.ineligible) :]]
    return "\n".join(lines)


def closing(state: RunState, *, resumable: bool = True) -> str:
    """How a run ended, what it cost, and what can be done next where it is `resumable`."""
    cost = f"{'≈' * state.is_estimate}${state.total_cost_usd:.4f}"
    cost = cost if state.price_known else f"at least {cost} (a price is unknown)"
    lines = [f"{state.status.value.replace('_', ' ')}{': ' if state.reason else ''}{state.reason}"]
    if state.commit:
        lines = [f"{state.winner} is merged into {state.branch} ({state.commit[:9]})"]
    if state.recorded:
        cost += " at the recording's prices; nothing was billed"
    if resumable and state.status is e.RunStatus.SELECTED and not state.commit:
        lines.append(f"merge it with: miyabi merge {state.run_id}")
    turns, cached = (
        sum(world.turns for world in state.worlds),
        sum(w.cached for w in state.worlds),
    )
    lines.append(f"cost {cost}{f', {cached} of {turns} turns from the cache' if cached else ''}")
    said = f"miyabi resume {state.run_id}" in state.reason
    if resumable and state.run_id and state.status in RESUMABLE and not state.commit and not said:
        lines.append(f"nothing is lost; go on with: miyabi resume {state.run_id}")
    return plain("\n".join(lines))


def board(state: RunState) -> str:
    """A run as a small table, for `miyabi show` and after the screen has closed."""
    lines = [f"{'':<9}{'status':<11}{'score':>6}  {'cost':>9}  {'change':>12}  model"]
    for world in state.ranking:
        total = f"{world.score.total:g}" if world.score else "–"
        cost = f"${world.cost_usd:.4f}" if world.price_known else "?"
        change = f"+{world.lines_added} −{world.lines_deleted}"
        status = "cut short" if world.cut_short else world.status
        facts = f"{status:<11}{total:>6}  {cost:>9}  {change:>12}  {world.config.model}"
        lines.append(f"{world.id:<9}{facts}")
        lines += [f"{'':<9}{reason}" for reason in reasons(world)]
    return plain("\n".join(lines))
