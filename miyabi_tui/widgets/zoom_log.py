"""Every event of a world in a line, with its time: what the tab Log is written from."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from miyabi_tui.engine import events as e
from miyabi_tui.engine import safety
from miyabi_tui.widgets.asking import STRATEGIES, title, waiting
from miyabi_tui.widgets.stream_lines import Look
from miyabi_tui.widgets.words import age, dollars, points, seconds, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from miyabi_tui.widgets.stream_lines import Lines

Told = tuple[Look, str]

_LOOKS = {
    "dim": Look.EVENT,
    "faint": Look.EVENT,
    "text": Look.EVENT_TEXT,
    "strong": Look.EVENT_TEXT,
    "world": Look.EVENT_CALL,
    "accent": Look.EVENT_NOTE,
    "warn": Look.EVENT_WARN,
    "good": Look.EVENT_GOOD,
    "won": Look.EVENT_GOOD,
    "bad": Look.EVENT_BAD,
}


class LogTeller:
    """Writes a line for each record, and a divider where another day begins."""

    def __init__(self, text: Lines) -> None:
        self._text = text
        self._day = ""

    def tell(self, records: Sequence[e.Record]) -> None:
        """See `Teller.tell`."""
        for record in records:
            at = time.localtime(record.at)
            day = time.strftime("%Y-%m-%d", at)
            if day != self._day:
                self._day = day
                self._text.line(Look.BREAK, day)
            look, what = told(record)
            line = self._text.line(_LOOKS[look.ink], what)
            line.lead = f"{time.strftime('%H:%M:%S', at)}  {look.first.strip():<2}"


def told(record: e.Record) -> Told:
    """An event in words, and how it looks."""
    tell = _TELL.get(type(record.event))
    if tell is None:
        return Look.FACT, _name(record.event)
    return tell(record.event, record.at)


def _name(event: e.Event) -> str:
    """An event by its name alone: `world_set_up` as `world set up`."""
    tag = str(event.__struct_config__.tag)
    return tag.replace("_", " ")


def _turn(event: e.TurnFinished, at: float) -> Told:
    use = event.usage
    cost = dollars(event.cost_usd or 0.0, event.cost_usd is not None)
    how = "from the cache" if event.cached else f"{seconds(event.seconds)}, {cost}"
    used = f"{tokens(use.input_tokens)} in, {tokens(use.output_tokens)} out"
    return Look.FACT, f"turn of step {event.step}: {how}, {used}"


def _finished(event: e.ToolFinished, at: float) -> Told:
    bad = event.is_error or bool(event.exit_code)
    code = f" with exit {event.exit_code}" if event.exit_code else ""
    how = "failed" if bad else "done"
    return (Look.FAILED if bad else Look.PASSED), (
        f"{event.name} {how}{code} in {seconds(event.seconds)}"
    )


def _step(event: e.StepFinished, at: float) -> Told:
    many = f"{event.files_changed} file{'s' * (event.files_changed != 1)}"
    size = f"+{event.lines_added} −{event.lines_deleted} in {many}"
    kept = f", kept as {event.checkpoint[:7]}" if event.checkpoint else ""
    tests = f", {event.tests}" if event.tests else ""
    return Look.STEP, f"step {event.step} done: {size}{kept}{tests}"


def _restored(event: e.WorldRestored, at: float) -> Told:
    found = f": {event.found}" if event.found else ""
    return Look.NOTE, f"its worktree is as step {event.step} left it{found}"


def _sampled(event: e.TestsSampled, at: float) -> Told:
    said = f"{event.passed} of {event.known} tests pass" if event.builds else "does not build"
    look = Look.FACT if event.builds and event.passed == event.known else Look.WARNING
    return look, f"sampled after step {event.step}: {said}, {seconds(event.seconds)}"


def _scored(event: e.WorldScored, at: float) -> Told:
    why = f", may not win: {'; '.join(event.ineligible)}" if event.ineligible else ""
    look = Look.BAD if event.ineligible else Look.GOOD
    return look, f"scored {points(event.score.total)} of 100 in {seconds(event.seconds)}{why}"


def _answered(event: e.QuestionAnswered, at: float) -> Told:
    who = "you" if event.by_person else "nobody answered"
    return Look.NOTE, f"{who}: {event.choice}" if event.choice else "a question is moot"


def _notice(event: e.Notice, at: float) -> Told:
    looks = {e.Level.INFO: Look.NOTE, e.Level.WARNING: Look.WARNING, e.Level.ERROR: Look.BAD}
    return looks[event.level], event.text


def _waiting(event: e.WorldWaiting, at: float) -> Told:
    if not event.reason:
        return Look.FACT, "waits no more"
    return Look.WAITING, f"waits: {waiting(event.reason, event.until, at)}"


def _escape(event: e.EscapeAttempted, at: float) -> Told:
    look = Look.ESCAPE if event.stopped else Look.ESCAPED
    return look, f"{safety.tried(event)} — {safety.stopped(event)}"


def _won(event: e.WinnerSelected, at: float) -> Told:
    how = "picked by you" if event.by_person else event.reason
    return Look.GOOD, f"winner: {how}"


def _plain(look: Look, words: Callable[[Any], str]) -> Callable[[Any, float], Told]:
    return lambda event, at: (look, words(event))


_TELL: dict[type, Callable[[Any, float], Told]] = {
    e.WorldPreparing: _plain(Look.FACT, lambda one: "its worktree is being made"),
    e.WorktreeCreated: _plain(Look.FACT, lambda one: f"worktree on {one.branch}"),
    e.WorldSetUp: _plain(Look.FACT, lambda one: "the worktree is ready"),
    e.WorldStarted: _plain(Look.NOTE, lambda one: "begins to work"),
    e.StepStarted: _plain(
        Look.STEP, lambda one: f"step {one.step} asks {one.sampling.model} for a turn"
    ),
    e.TurnFinished: _turn,
    e.TurnDiscarded: _plain(
        Look.WARNING,
        lambda one: f"turn discarded{', asked again' if one.again else ''}: {one.cause}",
    ),
    e.ToolStarted: _plain(Look.CALL, lambda one: f"{one.name}  {one.summary}"),
    e.ToolFinished: _finished,
    e.Corrected: _plain(Look.WARNING, lambda one: f"malformed answer corrected: {one.text}"),
    e.StepFinished: _step,
    e.CheckpointSaved: _plain(
        Look.FACT, lambda one: f"kept as {one.commit[:7]} after step {one.step}: {one.why}"
    ),
    e.WorldRestored: _restored,
    e.WorldForked: _plain(
        Look.NOTE, lambda one: f"another future, from step {one.step} of {one.source}"
    ),
    e.WorldPaused: _plain(Look.WARNING, lambda one: "paused"),
    e.WorldContinued: _plain(Look.NOTE, lambda one: "goes on"),
    e.WorldWaiting: _waiting,
    e.WorldTold: _plain(Look.YOU, lambda one: f"you: {one.text}"),
    e.TestsSampled: _sampled,
    e.BudgetWarned: _plain(
        Look.WARNING, lambda one: f"${one.spent_usd:.2f} of its ${one.limit_usd:.2f} are spent"
    ),
    e.BudgetRaised: _plain(Look.NOTE, lambda one: f"its budget is ${one.limit_usd:,.2f} now"),
    e.QuestionAsked: _plain(Look.QUESTION, lambda one: f"asks you: {title(one)}"),
    e.QuestionAnswered: _answered,
    e.FallbackTried: _plain(Look.NOTE, lambda one: f"{STRATEGIES[one.strategy]} · {one.reason}"),
    e.RunResumed: _plain(Look.NOTE, lambda one: f"the run goes on, {age(one.away_seconds)} later"),
    e.AttemptFinished: _plain(
        Look.NOTE, lambda one: f"{one.ending}{f': {one.summary}' if one.summary else ''}"
    ),
    e.EvaluationStarted: _plain(Look.NOTE, lambda one: "is being measured"),
    e.EvaluationProgress: _plain(Look.FACT, lambda one: one.doing),
    e.WorldScored: _scored,
    e.WorldKilled: _plain(Look.BAD, lambda one: f"killed: {one.reason}"),
    e.WorldFailed: _plain(
        Look.BAD, lambda one: f"failed: {one.title}{f', {one.cause}' if one.cause else ''}"
    ),
    e.WorldPicked: _plain(Look.NOTE, lambda one: "picked by you"),
    e.WinnerSelected: _won,
    e.MergeReady: _plain(Look.NOTE, lambda one: f"waits to be merged into {one.branch}"),
    e.MergeStarted: _plain(Look.FACT, lambda one: f"merging into {one.branch}"),
    e.Merged: _plain(Look.GOOD, lambda one: f"merged into {one.branch} as {one.commit[:7]}"),
    e.MergeFailed: _plain(Look.BAD, lambda one: f"not merged: {one.cause}"),
    e.EscapeAttempted: _escape,
    e.LimitExceeded: _plain(Look.BAD, safety.over),
    e.Notice: _notice,
}
