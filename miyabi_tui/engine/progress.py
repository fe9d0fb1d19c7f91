"""How a running world gets on: what the rules of early termination look at, as a fold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.models.base import ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

EDITS = ("edit", "write")  # the tools that change files
LINES, LINE = 20, 200  # of a failure, and characters of each, that are compared

_COUNT = re.compile(r"(\d+) (passed|failed)\b")
# How runners name a failing test, and how anything else says what is wrong.
_FAILING_TEST = re.compile(
    r"^\s*(?:FAILED |ERROR |FAIL: |--- FAIL: |FAIL\t|not ok\b|[✗✕×●] |test .+ \.\.\. FAILED)"
)
_WRONG = re.compile(
    r"\b(?:\w*error|\w*exception|fatal|panic|failed|cannot|not found|no such)\b", re.I
)
_VARIES = re.compile(r"0x[0-9a-f]+|\b\d+(?:\.\d+)? ?(?:ms|s|sec|seconds)\b|:\d+", re.I)


class Look(msgspec.Struct, frozen=True):
    """A look at a world after `step`: `passed` of `known`. `at` is on the world's own clock."""

    at: float
    step: int
    passed: int
    known: int

    @property
    def share(self) -> float:
        """How much of it passed, 0 to 1."""
        return self.passed / self.known


class Streak(msgspec.Struct, frozen=True):
    """The same thing so many times in a row."""

    what: tuple[str, ...] = ()
    times: int = 0

    def after(self, what: tuple[str, ...]) -> Streak:
        """The streak once this has happened."""
        return Streak(what, self.times + 1 if what == self.what else 1)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What has been seen of a world's work since it began or was last taken back.

    Its clock stands still while the world is `paused`, is `waiting` or nobody drives the run:
    `idle` are those seconds, without the ones since `idle_since`. `tests` are the looks at its
    tests: those that the agent's own runs gave, until a sample (`sampled`) has seen all of them;
    `builds` are the samples' looks at its build. Of both, what came before a look without a fault
    is forgotten. `edited` is the last step with an edit, `still` counts the steps since.
    """

    cost_usd: float = 0.0
    idle: float = 0.0
    idle_since: float | None = None
    paused: bool = False
    waiting: bool = False
    tests: tuple[Look, ...] = ()
    builds: tuple[Look, ...] = ()
    sampled: bool = False
    edited: int = 0
    still: int = 0
    touched: bool = False
    size: tuple[int, int, int] = (0, 0, 0)
    asked: tuple[ToolCall, ...] = ()
    redoing: bool = False
    action: Streak = Streak()
    action_summary: str = ""
    failure: Streak = Streak()
    sampled_failure: Streak = Streak()

    def clock(self, at: float) -> float:
        """Unix time `at` on the world's own clock, in seconds."""
        return (at if self.idle_since is None else self.idle_since) - self.idle

    def lasting(self, looks: tuple[Look, ...], share: float, now: float) -> float:
        """For how many seconds of work the looks have been below `share`, up to Unix time `now`.

        What was edited after the last look may have mended it: then that look is the end.
        """
        since = None
        for look in reversed(looks):
            if look.share >= share:
                break
            since = look.at
        if since is None:
            return 0.0
        last = looks[-1]
        return (self.clock(now) if last.step >= self.edited else last.at) - since


def advance(progress: Progress, event: e.AnyEvent, at: float) -> Progress:
    """The progress after one more event of this world, at Unix time `at`."""
    handler = _HANDLERS.get(type(event))
    return progress if handler is None else handler(progress, event, at)


def resumed(progress: Progress, away_seconds: float, at: float) -> Progress:
    """The progress of a world that goes on at Unix time `at`, after nobody drove its run.

    Whatever it waited for is over; if it is still to be paused, that is said again. What it did
    last may be done once more, which is no repetition of its own.
    """
    away = away_seconds if progress.idle_since is None else at - progress.idle_since
    return replace(
        progress,
        idle=progress.idle + away,
        idle_since=None,
        paused=False,
        waiting=False,
        touched=False,
        redoing=True,
    )


def failure(text: str) -> tuple[str, ...]:
    """What is wrong by a command's output, to compare with the next one's; empty if it is silent.

    The failing tests where it names some, else the lines that tell of errors; without times,
    addresses and line numbers.
    """
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if _FAILING_TEST.match(line)]
    found = found or [line for line in lines if _WRONG.search(line)]
    return _comparable(found)


def _comparable(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({_VARIES.sub("#", line[:LINE]) for line in lines}))[:LINES]


# --- the events ----------------------------------------------------------------------------------


def _idling(progress: Progress, at: float, *, paused: bool, waiting: bool) -> Progress:
    idle, since = progress.idle, progress.idle_since
    if paused or waiting:
        since = at if since is None else since
    elif since is not None:
        idle, since = idle + at - since, None
    return replace(progress, idle=idle, idle_since=since, paused=paused, waiting=waiting)


def _paused(progress: Progress, event: e.WorldPaused, at: float) -> Progress:
    return _idling(progress, at, paused=True, waiting=progress.waiting)


def _continued(progress: Progress, event: e.WorldContinued, at: float) -> Progress:
    return _idling(progress, at, paused=False, waiting=progress.waiting)


def _waiting(progress: Progress, event: e.WorldWaiting, at: float) -> Progress:
    return _idling(progress, at, paused=progress.paused, waiting=bool(event.reason))


def _turn_finished(progress: Progress, event: e.TurnFinished, at: float) -> Progress:
    progress = _idling(progress, at, paused=progress.paused, waiting=False)
    cost = progress.cost_usd + (event.cost_usd or 0.0)
    return replace(progress, cost_usd=cost, asked=event.message.tool_calls)


def _turn_discarded(progress: Progress, event: e.TurnDiscarded, at: float) -> Progress:
    progress = _idling(progress, at, paused=progress.paused, waiting=False)
    return replace(progress, cost_usd=progress.cost_usd + (event.cost_usd or 0.0))


def _tool_started(progress: Progress, event: e.ToolStarted, at: float) -> Progress:
    """An action is a tool with all its arguments: three edits of one file are no repetition."""
    given = (call.arguments for call in progress.asked if call.id == event.call_id)
    what = (event.name, next(given, event.summary))
    redone = progress.redoing and what == progress.action.what
    action = progress.action if redone else progress.action.after(what)
    return replace(progress, action=action, action_summary=event.summary, redoing=False)


def _tool_finished(progress: Progress, event: e.ToolFinished, at: float) -> Progress:
    if not event.is_error:
        return replace(progress, touched=progress.touched or event.name in EDITS)
    said = failure(event.text) if event.name == "bash" else _comparable([event.text])
    return replace(progress, failure=progress.failure.after(said)) if said else progress


def _step_finished(progress: Progress, event: e.StepFinished, at: float) -> Progress:
    size = (event.lines_added, event.lines_deleted, event.files_changed)
    edited = progress.touched or size != progress.size
    progress = replace(
        progress,
        size=size,
        touched=False,
        edited=event.step if edited else progress.edited,
        still=0 if edited else progress.still + 1,
    )
    counts = {word: int(number) for number, word in _COUNT.findall(event.tests)}
    passed, failed = counts.get("passed", 0), counts.get("failed", 0)
    if passed and not failed:
        progress = replace(progress, failure=Streak())
    if (passed or failed) and not progress.sampled:
        look = Look(progress.clock(at), event.step, passed, passed + failed)
        progress = replace(progress, tests=_seen(progress.tests, look))
    return progress


def _sampled(progress: Progress, event: e.TestsSampled, at: float) -> Progress:
    moment = progress.clock(at)
    built = Look(moment, event.step, int(event.builds), 1)
    progress = replace(progress, builds=_seen(progress.builds, built))
    failures = _comparable(event.failures)
    streak = progress.sampled_failure.after(failures) if failures else Streak()
    progress = replace(progress, sampled_failure=streak)
    if not event.known:
        return progress
    before = progress.tests if progress.sampled else ()
    look = Look(moment, event.step, event.passed, event.known)
    return replace(progress, sampled=True, tests=_seen(before, look))


def _seen(looks: tuple[Look, ...], look: Look) -> tuple[Look, ...]:
    return (look,) if look.share >= 1.0 else (*looks, look)


_HANDLERS: dict[type, Callable[[Progress, Any, float], Progress]] = {
    e.WorldPaused: _paused,
    e.WorldContinued: _continued,
    e.WorldWaiting: _waiting,
    e.TurnFinished: _turn_finished,
    e.TurnDiscarded: _turn_discarded,
    e.ToolStarted: _tool_started,
    e.ToolFinished: _tool_finished,
    e.StepFinished: _step_finished,
    e.TestsSampled: _sampled,
}
