"""What a world's events look like in its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miyabi_tui.engine import events as e
from miyabi_tui.widgets.stream_text import Look, StreamText
from miyabi_tui.widgets.words import clock, dollars, points, seconds, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_CHANNELS = {
    e.Channel.TEXT: Look.TEXT,
    e.Channel.REASONING: Look.THOUGHT,
    e.Channel.STDOUT: Look.OUTPUT,
    e.Channel.STDERR: Look.ERRORS,
    e.Channel.NOTE: Look.NOTE,
}


NAMED = 4
INSTANT = 0.05


class Narrator:
    """Writes one world's records to its stream."""

    def __init__(self, text: StreamText) -> None:
        self._text = text
        self._calls: dict[str, str] = {}
        self._silent_call = ""
        self._being_written = 0
        self._picked = False

    def tell(self, records: Iterable[e.Record]) -> None:
        """Write all that can be shown of `records`."""
        for record in records:
            tell = _TELL.get(type(record.event))
            if tell is not None:
                tell(self, record.event)

    def _output(self, event: e.Output) -> None:
        if event.channel is e.Channel.CALL:
            self._being_written += len(event.text)
            self._text.hint(f"writing a call … {self._being_written} characters")
            return
        if not event.text:
            return
        self._silent_call = ""
        self._text.write(_CHANNELS[event.channel], event.text, event.call_id)

    def _worktree(self, event: e.WorktreeCreated) -> None:
        self._line(Look.STEP, f"on {event.branch}")

    def _step(self, event: e.StepStarted) -> None:
        self._being_written = 0

    def _turn(self, event: e.TurnFinished) -> None:
        use = event.usage
        parts = [
            f"step {event.step}",
            seconds(event.seconds),
            dollars(event.cost_usd or 0.0, event.cost_usd is not None),
            f"{tokens(use.input_tokens)} in, {tokens(use.output_tokens)} out",
        ]
        self._being_written = 0
        self._line(Look.STEP, " · ".join(parts))

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
        if event.reason:
            told = event.reason.startswith("waiting")
            self._line(Look.WARNING, event.reason if told else f"waiting: {event.reason}")

    def _attempt(self, event: e.AttemptFinished) -> None:
        ended = "finished" if event.ending is e.Ending.FINISHED else f"ended: {event.ending}"
        what = f"{ended} · {event.summary}" if event.summary else str(ended)
        self._line(Look.NOTE, what)

    def _evaluation(self, event: e.EvaluationStarted) -> None:
        self._line(Look.NOTE, "evaluating")

    def _progress(self, event: e.EvaluationProgress) -> None:
        self._line(Look.STEP, f"  {event.doing}")

    def _scored(self, event: e.WorldScored) -> None:
        self._line(Look.NOTE, f"scored {points(event.score.total)} of 100")
        for lost in event.score.lost:
            cost = f"−{points(lost.points)} " if lost.points else ""
            self._line(Look.FACT, f"{cost}{lost.part}: {lost.reason}")
        for reason in event.ineligible:
            self._line(Look.BAD, f"may not win: {reason}")

    def _killed(self, event: e.WorldKilled) -> None:
        told = event.reason.startswith("killed")
        self._line(Look.BAD, event.reason if told else f"killed: {event.reason}".rstrip(": "))

    def _failed(self, event: e.WorldFailed) -> None:
        for line in (f"failed: {event.title}", event.cause, event.next_step):
            if line:
                self._line(Look.BAD if line.startswith("failed: ") else Look.FACT, line)

    def _resumed(self, event: e.RunResumed) -> None:
        self._calls.clear()
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

    def _won(self, event: e.WinnerSelected) -> None:
        if event.by_person:
            against = ", against the evidence" if event.override else ""
            how = "winner by your choice" if self._picked else "picked by you"
            self._picked = False
            self._line(Look.GOOD, f"{how}{against}")
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


_TELL: dict[type, Callable[[Narrator, Any], None]] = {
    e.Output: Narrator._output,
    e.WorktreeCreated: Narrator._worktree,
    e.StepStarted: Narrator._step,
    e.TurnFinished: Narrator._turn,
    e.ToolStarted: Narrator._tool_started,
    e.ToolFinished: Narrator._tool_finished,
    e.Corrected: Narrator._corrected,
    e.WorldPaused: Narrator._paused,
    e.WorldContinued: Narrator._continued,
    e.WorldWaiting: Narrator._waiting,
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
    e.WinnerSelected: Narrator._won,
    e.MergeStarted: Narrator._merging,
    e.Merged: Narrator._merged,
    e.MergeFailed: Narrator._merge_failed,
    e.Notice: Narrator._notice,
}
