"""What a world's events look like in its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine import safety
from miyabi_tui.widgets.asking import STRATEGIES, title, waiting
from miyabi_tui.widgets.said import Said
from miyabi_tui.widgets.stream_lines import Line, Lines, Look
from miyabi_tui.widgets.words import clock, dollars, points, seconds, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_CHANNELS = {
    e.Channel.TEXT: Look.TEXT,
    e.Channel.REASONING: Look.THOUGHT,
    e.Channel.STDOUT: Look.OUTPUT,
    e.Channel.STDERR: Look.ERRORS,
    e.Channel.NOTE: Look.NOTE,
}


_ANSWER = (e.Channel.TEXT, e.Channel.REASONING)

NAMED = 4
INSTANT = 0.05
CACHED = "↺"
SLOT = "waiting for a slot"


def _joined(records: Iterable[e.Record]) -> Iterator[tuple[float, e.AnyEvent]]:
    """The events and their times; pieces of output that go on from each other as one."""
    outputs: list[e.Output] = []
    for record in records:
        event = record.event
        if isinstance(event, e.Output):
            if outputs and not _goes_on(outputs[-1], event):
                yield record.at, _as_one(outputs)
                outputs = []
            outputs.append(event)
            continue
        if outputs:
            yield record.at, _as_one(outputs)
            outputs = []
        yield record.at, event
    if outputs:
        yield record.at, _as_one(outputs)


def _goes_on(one: e.Output, other: e.Output) -> bool:
    return (one.channel, one.call_id) == (other.channel, other.call_id)


def _as_one(outputs: list[e.Output]) -> e.Output:
    if len(outputs) == 1:
        return outputs[0]
    return replace(outputs[-1], text="".join(one.text for one in outputs))


class Narrator:
    """Writes one world's records to its stream."""

    def __init__(self, text: Lines) -> None:
        self._text = text
        self._calls: dict[str, str] = {}
        self._silent_call = ""
        self._being_written = 0
        self._picked = False
        self._at = 0.0
        self._waits = ""
        self._turn: Line | None = None
        self._streamed = False
        self._said = Said(text)
        self._asked: set[str] = set()

    def tell(self, records: Iterable[e.Record]) -> None:
        """Write all that can be shown of `records`."""
        for at, event in _joined(records):
            tell = _TELL.get(type(event))
            if tell is not None:
                self._at = at
                tell(self, event)

    def _output(self, event: e.Output) -> None:
        if event.channel is e.Channel.CALL:
            self._being_written += len(event.text)
            self._text.hint(f"writing a call … {self._being_written} characters")
            return
        if not event.text:
            return
        self._silent_call = ""
        if event.channel in _ANSWER and not self._streamed:
            self._turn, self._streamed = self._text.mark(), True
        self._text.write(_CHANNELS[event.channel], event.text, event.call_id)

    def _worktree(self, event: e.WorktreeCreated) -> None:
        self._line(Look.STEP, f"on {event.branch}")

    def _step(self, event: e.StepStarted) -> None:
        self._being_written = 0
        self._streamed = False
        self._said.read(len(event.told))

    def _turn_finished(self, event: e.TurnFinished) -> None:
        use = event.usage
        cost = dollars(event.cost_usd or 0.0, event.cost_usd is not None)
        how = [f"{CACHED} from the cache"] if event.cached else [seconds(event.seconds), cost]
        used = f"{tokens(use.input_tokens)} in, {tokens(use.output_tokens)} out"
        self._being_written = 0
        self._streamed = False
        self._line(Look.STEP, " · ".join([f"step {event.step}", *how, used]))

    def _discarded(self, event: e.TurnDiscarded) -> None:
        """Strike what the turn had streamed, and say why it counts for nothing."""
        if self._streamed:
            self._text.amend(self._turn, _strike)
        what = "discarded" if self._streamed or self._being_written else "no answer"
        self._streamed, self._being_written = False, 0
        self._line(Look.BREAK, f"{what}, asked again" if event.again else what)
        spent = dollars(event.cost_usd or 0.0, event.cost_usd is not None, event.usage.estimated)
        parts = [event.cause, spent if event.usage.total else ""]
        self._line(Look.FACT, " · ".join(filter(None, parts)))

    def _told(self, event: e.WorldTold) -> None:
        self._silent_call = ""
        self._said.told(event.text)

    def _asks(self, event: e.QuestionAsked) -> None:
        self._asked.add(event.id)
        self._line(Look.QUESTION, title(event))
        for line in event.text.splitlines():
            self._line(Look.FACT, line)
        keys = ", ".join(f"{choice.key} {choice.name}" for choice in event.choices)
        self._line(Look.FACT, f"a, then: {keys}")

    def _answered(self, event: e.QuestionAnswered) -> None:
        if event.id not in self._asked:
            return
        self._asked.remove(event.id)
        who = "you" if event.by_person else "nobody answered"
        amount = f" to ${event.amount:,.2f}" if event.amount is not None else ""
        said = f"{who}: {event.choice}{amount}" if event.choice else "of no matter any more"
        self._line(Look.NOTE, said)

    def _sampled(self, event: e.TestsSampled) -> None:
        said = f"{event.passed} of {event.known} tests pass" if event.builds else "does not build"
        self._line(Look.STEP, f"{said} · sampled at step {event.step} · {seconds(event.seconds)}")

    def _warned(self, event: e.BudgetWarned) -> None:
        spent = f"${event.spent_usd:.2f} of ${event.limit_usd:.2f}"
        self._line(Look.WARNING, f"{spent} of its budget is spent")

    def _raised(self, event: e.BudgetRaised) -> None:
        self._line(Look.NOTE, f"you raise its budget to ${event.limit_usd:,.2f}")

    def _fallback(self, event: e.FallbackTried) -> None:
        self._line(Look.DIVIDER, f"{STRATEGIES[event.strategy]} · {event.reason}")

    def _tool_started(self, event: e.ToolStarted) -> None:
        self._calls[event.call_id] = event.name
        # "editing a.py" says already that it is an edit
        named = event.summary[:NAMED].lower() == event.name[:NAMED].lower()
        summary = event.summary if named else f"{event.name}  {event.summary}"
        self._line(Look.CALL, summary)
        self._silent_call = event.call_id

    def _tool_finished(self, event: e.ToolFinished) -> None:
        name = self._calls.pop(event.call_id, event.name)
        bad = event.is_error or bool(event.exit_code)
        code = f"exit {event.exit_code} · " if event.exit_code else ""
        took = seconds(event.seconds) if event.seconds >= INSTANT else ""
        said = f"{'✗' if bad else '✓'} {code}{took}".rstrip(" ·")
        if self._silent_call == event.call_id:
            self._text.finish_line((f"  {said}", "bad" if bad else "good"))
            if bad and event.text and event.exit_code is None:
                self._text.line(Look.ERRORS, event.text.strip().split("\n", 1)[0])
        else:
            # several calls may be open at once: only then the mark has to say whose it is
            whose = f" {name}" if self._calls else ""
            self._line(Look.FAILED if bad else Look.PASSED, said + whose)
        self._silent_call = ""

    def _corrected(self, event: e.Corrected) -> None:
        self._line(Look.WARNING, f"malformed answer, corrected: {event.text}")

    def _paused(self, event: e.WorldPaused) -> None:
        self._line(Look.WARNING, "paused")

    def _continued(self, event: e.WorldContinued) -> None:
        self._line(Look.NOTE, "goes on")

    def _waiting(self, event: e.WorldWaiting) -> None:
        """Once, though its place in the queue for heavy work changes: the head has that."""
        reason = SLOT if event.reason.startswith(SLOT) else event.reason
        if reason and reason != self._waits:
            self._line(Look.WAITING, waiting(reason, event.until, self._at))
        self._waits = reason

    def _attempt(self, event: e.AttemptFinished) -> None:
        self._said.never_read()
        ended = "finished" if event.ending is e.Ending.FINISHED else f"ended: {event.ending}"
        what = f"{ended} · {event.summary}" if event.summary else str(ended)
        self._line(Look.NOTE, what)

    def _evaluation(self, event: e.EvaluationStarted) -> None:
        self._line(Look.NOTE, "evaluating")

    def _progress(self, event: e.EvaluationProgress) -> None:
        self._line(Look.STEP, f"  {event.doing}")

    def _escape(self, event: e.EscapeAttempted) -> None:
        """In the middle of a call's output, which goes on behind it."""
        look = Look.ESCAPE if event.stopped else Look.ESCAPED
        self._line(look, f"{safety.tried(event)} — {safety.stopped(event)}")

    def _exceeded(self, event: e.LimitExceeded) -> None:
        self._line(Look.BAD, safety.over(event))

    def _scored(self, event: e.WorldScored) -> None:
        self._said.never_read()
        self._line(Look.NOTE, f"scored {points(event.score.total)} of 100")
        for lost in safety.other_losses(event):
            cost = f"−{points(lost.points)} " if lost.points else ""
            self._line(Look.FACT, f"{cost}{lost.part}: {lost.reason}")
        for reason in safety.other_reasons(event):
            self._line(Look.BAD, f"may not win: {reason}")
        for finding in safety.blocking(event):
            self._line(Look.BAD, f"may not win: {safety.kind(finding)}")
            self._line(Look.FACT, f"{safety.place(finding)} · {finding.message}")

    def _killed(self, event: e.WorldKilled) -> None:
        self._said.never_read()
        told = event.reason.startswith("killed")
        self._line(Look.BAD, event.reason if told else f"killed: {event.reason}".rstrip(": "))

    def _failed(self, event: e.WorldFailed) -> None:
        self._said.never_read()
        for line in (f"failed: {event.title}", event.cause, event.next_step):
            if line:
                self._line(Look.BAD if line.startswith("failed: ") else Look.FACT, line)

    def _resumed(self, event: e.RunResumed) -> None:
        self._calls.clear()
        self._waits = ""
        self._line(Look.DIVIDER, f"the run goes on · {clock(event.away_seconds)} later")

    def _restored(self, event: e.WorldRestored) -> None:
        where = f"step {event.step}" if event.step else "its beginning"
        if not event.found:
            self._line(Look.NOTE, f"its worktree is as {where} left it")
            return
        self._line(Look.WARNING, f"its worktree is put back to {where}: {event.found}")
        if event.archived:
            self._line(Look.FACT, f"what was there is kept as {event.archived}")

    def _forked(self, event: e.WorldForked) -> None:
        self._calls.clear()
        self._waits = ""
        self._said.never_read()
        config, here = event.config, event.source is event.world
        where = f"step {event.step}" if event.step else "the base"
        origin = f"back to {where}" if here else f"from {event.source}'s {where}"
        self._line(Look.DIVIDER, f"{origin} · another future")
        self._line(Look.FACT, f"{config.model} · effort {config.effort} · {config.prompt} prompt")
        if event.added:
            self._line(Look.NOTE, f"you say: {event.added}")
        if event.archived:
            self._line(Look.FACT, f"what it had done is kept as {event.archived}")

    def _chosen(self, event: e.WorldPicked) -> None:
        self._picked = True
        self._line(Look.NOTE, "picked by you")

    def _withdrawn(self, event: e.PickWithdrawn) -> None:
        self._picked = False
        self._line(Look.NOTE, "you take your choice back")

    def _won(self, event: e.WinnerSelected) -> None:
        if event.by_person:
            against = ", against the evidence" if event.override else ""
            how = "winner by your choice" if self._picked else "picked by you"
            self._picked = False
            self._line(Look.GOOD, f"{how}{against}")
            for finding in event.overridden:
                self._line(Look.BAD, f"overridden by you: {finding}")
            return
        self._line(Look.GOOD, f"winner: {event.reason}".rstrip(": "))

    def _merging(self, event: e.MergeStarted) -> None:
        self._line(Look.STEP, f"merging into {event.branch}")

    def _merged(self, event: e.Merged) -> None:
        self._line(Look.GOOD, f"merged into {event.branch} as {event.commit[:7]}")

    def _merge_failed(self, event: e.MergeFailed) -> None:
        self._line(Look.BAD, f"not merged into {event.branch}: {event.cause}")
        for path in event.files:
            self._line(Look.FACT, path)

    def _notice(self, event: e.Notice) -> None:
        looks = {e.Level.INFO: Look.NOTE, e.Level.WARNING: Look.WARNING, e.Level.ERROR: Look.BAD}
        self._line(looks[event.level], event.text)

    def _line(self, look: Look, text: str) -> None:
        self._silent_call = ""
        self._text.line(look, text)


def _strike(line: Line) -> None:
    if line.look in (Look.TEXT, Look.THOUGHT):
        line.look = Look.DISCARDED


_TELL: dict[type, Callable[[Narrator, Any], None]] = {
    e.Output: Narrator._output,
    e.WorktreeCreated: Narrator._worktree,
    e.StepStarted: Narrator._step,
    e.TurnFinished: Narrator._turn_finished,
    e.TurnDiscarded: Narrator._discarded,
    e.WorldTold: Narrator._told,
    e.QuestionAsked: Narrator._asks,
    e.QuestionAnswered: Narrator._answered,
    e.TestsSampled: Narrator._sampled,
    e.BudgetWarned: Narrator._warned,
    e.BudgetRaised: Narrator._raised,
    e.FallbackTried: Narrator._fallback,
    e.ToolStarted: Narrator._tool_started,
    e.ToolFinished: Narrator._tool_finished,
    e.Corrected: Narrator._corrected,
    e.WorldPaused: Narrator._paused,
    e.WorldContinued: Narrator._continued,
    e.WorldWaiting: Narrator._waiting,
    e.EscapeAttempted: Narrator._escape,
    e.LimitExceeded: Narrator._exceeded,
    e.AttemptFinished: Narrator._attempt,
    e.EvaluationStarted: Narrator._evaluation,
    e.EvaluationProgress: Narrator._progress,
    e.WorldScored: Narrator._scored,
    e.WorldKilled: Narrator._killed,
    e.WorldFailed: Narrator._failed,
    e.RunResumed: Narrator._resumed,
    e.WorldRestored: Narrator._restored,
    e.WorldForked: Narrator._forked,
    e.WorldPicked: Narrator._chosen,
    e.PickWithdrawn: Narrator._withdrawn,
    e.WinnerSelected: Narrator._won,
    e.MergeStarted: Narrator._merging,
    e.Merged: Narrator._merged,
    e.MergeFailed: Narrator._merge_failed,
    e.Notice: Narrator._notice,
}
