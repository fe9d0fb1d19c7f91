"""Every event of a run: frozen, one tagged union, JSON in and out.

What is shown, saved, counted or resumed is a fold over these. An event is written to the journal
before anyone sees it. Seconds are seconds, money is US dollars, and times are Unix times.
"""

from __future__ import annotations

import functools
import re
from enum import StrEnum
from typing import Any

import msgspec

from miyabi_tui.engine.models.base import AssistantMessage, Message, Sampling, Usage
from miyabi_tui.engine.scoring.measurement import Measurement
from miyabi_tui.engine.scoring.score import EvaluationScore, Evidence
from miyabi_tui.engine.terms import Isolation, Strategy, Terms
from miyabi_tui.engine.worlds import WorldConfig, WorldId


class Phase(StrEnum):
    """Where a run stands."""

    PREPARING = "preparing"
    RACING = "racing"
    CHOOSING = "choosing"
    MERGING = "merging"
    FINISHED = "finished"


class RunStatus(StrEnum):
    """How a run ended, or that it has not."""

    RUNNING = "running"
    MERGED = "merged"
    SELECTED = "selected"
    NO_WINNER = "no_winner"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class MergePolicy(StrEnum):
    """What happens to a winner: wait for the person, merge at once, or leave it on its branch."""

    ASK = "ask"
    AUTO = "auto"
    NEVER = "never"


class Channel(StrEnum):
    """What kind of output a piece of a world's stream is."""

    TEXT = "text"
    REASONING = "reasoning"
    CALL = "call"
    STDOUT = "stdout"
    STDERR = "stderr"
    NOTE = "note"


class Level(StrEnum):
    """How much a notice matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Scope(StrEnum):
    """What a budget is for."""

    WORLD = "world"
    ISSUE = "issue"
    MONTH = "month"


class QuestionKind(StrEnum):
    """What a person is asked about."""

    BUDGET = "budget"
    RULE = "rule"
    FALLBACK = "fallback"
    APPROVAL = "approval"
    LIMIT = "limit"


class BreakerState(StrEnum):
    """Whether a provider is asked: always, not at all, one call at a time (REQ-ERR-3)."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Escape(StrEnum):
    """How a world tried to leave its place."""

    READ = "read outside"
    WRITE = "write outside"
    NETWORK = "network"
    PROCESS = "process outside"
    GIT = "git data"


class Resource(StrEnum):
    """What a world may use only so much of."""

    MEMORY = "memory"
    DISK = "disk"
    PROCESSES = "processes"
    TIME = "time"


class Complexity(StrEnum):
    """How hard a task looks (REQ-COST-5)."""

    SIMPLE = "simple"
    MEDIUM = "medium"
    COMPLEX = "complex"


class Ending(StrEnum):
    """Why an agent stopped working on its attempt."""

    FINISHED = "finished"
    STEP_LIMIT = "step limit"
    TIME_LIMIT = "time limit"
    COST_LIMIT = "cost limit"
    MALFORMED = "three malformed calls in a row"
    PICKED = "picked by hand"
    KEPT = "stopped early, its result kept"


class Issue(msgspec.Struct, frozen=True):
    """The issue to solve. `key` names it in branches: `issue-270`, or `issue-<words of it>`."""

    key: str
    title: str
    text: str
    number: int | None = None


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_snake_case):
    """The base of all events; in JSON, `type` is the class's name in snake_case."""


class RunStarted(Event, frozen=True, kw_only=True):
    """A race begins: everything that was decided before the first world."""

    run_id: str
    issue: Issue
    repo: str
    base_ref: str
    base_commit: str
    target: str
    task: str
    worlds: tuple[WorldConfig, ...]
    merge: MergePolicy
    recorded: bool = False
    terms: Terms = Terms()


class ComplexityEstimated(Event, frozen=True, kw_only=True):
    """How hard the issue looks, and why: the worlds got models, efforts and tokens by that."""

    level: Complexity
    reasons: tuple[str, ...]
    by_person: bool = False


class RunResumed(Event, frozen=True, kw_only=True):
    """An interrupted run goes on: `worlds` are those that had not ended by themselves.

    `away_seconds` is how long nobody drove the run.
    """

    away_seconds: float
    worlds: tuple[WorldId, ...]


class PhaseChanged(Event, frozen=True, kw_only=True):
    """The run entered another phase."""

    phase: Phase


class Notice(Event, frozen=True, kw_only=True):
    """One line the person should read."""

    level: Level
    text: str
    world: WorldId | None = None


class BaseMeasured(Event, frozen=True, kw_only=True):
    """The base commit was measured once, as the yardstick of all worlds.

    `measurement` is the yardstick itself, so that a resumed run has the same one.
    """

    seconds: float
    tests_passed: int
    tests_known: int
    lint_findings: int
    security_findings: int
    remark: str = ""
    measurement: Measurement | None = None


class WorldPreparing(Event, frozen=True, kw_only=True):
    """A world's worktree is being made and set up."""

    world: WorldId


class WorktreeCreated(Event, frozen=True, kw_only=True):
    """A world has a worktree on a branch of its own, registered with git in `git_dir`."""

    world: WorldId
    path: str
    branch: str
    git_dir: str = ""


class WorldSetUp(Event, frozen=True, kw_only=True):
    """A worktree is ready for an agent: the setup command has run in it, where there is one."""

    world: WorldId


class WorldsSpawned(Event, frozen=True, kw_only=True):
    """All worktrees of a task are there."""

    task: str
    worlds: tuple[WorldId, ...]


class WorldStarted(Event, frozen=True, kw_only=True):
    """An agent begins to work; the conversation opens with these messages."""

    world: WorldId
    system: str
    messages: tuple[Message, ...]


class StepStarted(Event, frozen=True, kw_only=True):
    """A world asks its model for the next turn; `sampling` is what is really sent.

    `told` is what the person has said since the last one: it joins the conversation here.
    """

    world: WorldId
    step: int
    sampling: Sampling
    told: tuple[str, ...] = ()


class Output(Event, frozen=True, kw_only=True):
    """A piece of a world's stream. Neighbours of one channel and call may be joined."""

    world: WorldId
    channel: Channel
    text: str
    call_id: str = ""


class TurnFinished(Event, frozen=True, kw_only=True):
    """A model's turn is complete and paid for. `cost_usd` is None where the price is unknown.

    A `cached` turn came from the response cache: it was paid for before.
    """

    world: WorldId
    step: int
    message: AssistantMessage
    usage: Usage
    cost_usd: float | None
    stop_reason: str
    seconds: float
    cached: bool = False


class TurnMetered(Event, frozen=True, kw_only=True):
    """What the turn in progress has used until now, estimated; its end brings the bill."""

    world: WorldId
    step: int
    usage: Usage
    cost_usd: float | None


class TurnDiscarded(Event, frozen=True, kw_only=True):
    """A turn broke off: what it had streamed counts for nothing, but it has cost this much.

    `again` says that the same turn is asked for once more.
    """

    world: WorldId
    step: int
    cause: str
    usage: Usage
    cost_usd: float | None
    again: bool = False


class ToolStarted(Event, frozen=True, kw_only=True):
    """A tool call begins. `summary` is one line for people: what is being done."""

    world: WorldId
    step: int
    call_id: str
    name: str
    summary: str


class ToolFinished(Event, frozen=True, kw_only=True):
    """A tool call was answered; `text` is exactly what the model will read."""

    world: WorldId
    step: int
    call_id: str
    name: str
    text: str
    is_error: bool
    seconds: float
    exit_code: int | None = None


class Corrected(Event, frozen=True, kw_only=True):
    """The harness told the model that its answer, or one call of it, was malformed."""

    world: WorldId
    step: int
    text: str
    call_id: str = ""


class StepFinished(Event, frozen=True, kw_only=True):
    """A turn and all its tool calls are done, and what the worktree holds is kept.

    `checkpoint` is the commit of it, empty where it could not be made; `tests` is what the last
    test run of the step printed about its tests.
    """

    world: WorldId
    step: int
    lines_added: int = 0
    lines_deleted: int = 0
    files_changed: int = 0
    checkpoint: str = ""
    tests: str = ""


class CheckpointSaved(Event, frozen=True, kw_only=True):
    """A worktree was saved outside of a step: at its beginning, by the clock, at an interruption.

    `ref` names the `commit`; `step` is the last one that was finished before.
    """

    world: WorldId
    step: int
    commit: str
    ref: str
    why: str


class WorldRestored(Event, frozen=True, kw_only=True):
    """A resumed world's worktree holds again what its last checkpoint holds.

    `found` says what was there instead, in words, empty where nothing had changed; whatever it was
    is kept under the ref `archived`.
    """

    world: WorldId
    step: int
    found: str = ""
    archived: str = ""


class WorldForked(Event, frozen=True, kw_only=True):
    """A world goes on from a checkpoint of `source`, which may be itself: another future.

    `config` is what it races with from now on, `system` its instructions, `added` what the person
    says to it there. What its worktree held before is kept under the ref `archived`.
    """

    world: WorldId
    source: WorldId
    step: int
    checkpoint: str
    config: WorldConfig
    system: str
    added: str = ""
    archived: str = ""


class WorldPaused(Event, frozen=True, kw_only=True):
    """A world stands still: its commands are frozen and the next turn is held."""

    world: WorldId


class WorldContinued(Event, frozen=True, kw_only=True):
    """A paused world goes on."""

    world: WorldId


class WorldWaiting(Event, frozen=True, kw_only=True):
    """A running world waits for something, `until` a moment if it is known; no reason ends it."""

    world: WorldId
    reason: str
    until: float | None = None


class WorldTold(Event, frozen=True, kw_only=True):
    """The person says something to a world; its model reads it with the next turn."""

    world: WorldId
    text: str


class TestsSampled(Event, frozen=True, kw_only=True):
    """The checkpoint of a running world was built and tested while the machine had room.

    `failures` are the names of failing tests, or the first words of why it does not build.
    """

    world: WorldId
    step: int
    builds: bool
    passed: int
    known: int
    seconds: float
    failures: tuple[str, ...] = ()


class BreakerChanged(Event, frozen=True, kw_only=True):
    """A provider is left alone `until` a moment, tried again, or trusted again."""

    provider: str
    state: BreakerState
    cause: str = ""
    until: float | None = None


class SpentBefore(Event, frozen=True, kw_only=True):
    """What earlier `runs` of the issue have cost: it counts for its budget."""

    cost_usd: float
    runs: int
    estimated: bool = False


class BudgetWarned(Event, frozen=True, kw_only=True):
    """Most of a budget is spent."""

    scope: Scope
    spent_usd: float
    limit_usd: float
    world: WorldId | None = None


class BudgetRaised(Event, frozen=True, kw_only=True):
    """The person allows more; for this run."""

    scope: Scope
    limit_usd: float
    world: WorldId | None = None


class Choice(msgspec.Struct, frozen=True):
    """One answer to a question: the key for it, its name, and what it does."""

    key: str
    name: str
    help: str


class QuestionAsked(Event, frozen=True, kw_only=True):
    """A person is asked; without an answer `until` then, `default` is done.

    `amount` is what is proposed, in US dollars, where a choice takes an amount, which has to be
    `least` or more.
    """

    id: str
    kind: QuestionKind
    title: str
    text: str
    choices: tuple[Choice, ...]
    default: str = ""
    until: float | None = None
    world: WorldId | None = None
    amount: float | None = None
    least: float | None = None


class QuestionAnswered(Event, frozen=True, kw_only=True):
    """A question is settled by the name of a choice; an empty one says that it is moot."""

    id: str
    choice: str
    by_person: bool
    amount: float | None = None
    world: WorldId | None = None


class FallbackTried(Event, frozen=True, kw_only=True):
    """Too few worlds have succeeded, so a strategy is tried (REQ-ERR-2)."""

    strategy: Strategy
    reason: str
    worlds: tuple[WorldId, ...] = ()


class AttemptFinished(Event, frozen=True, kw_only=True):
    """An agent stopped working; what it left is committed on the world's branch."""

    world: WorldId
    ending: Ending
    summary: str
    commit: str
    lines_added: int
    lines_deleted: int
    files_changed: int


class EvaluationStarted(Event, frozen=True, kw_only=True):
    """A world's result is being measured."""

    world: WorldId


class EvaluationProgress(Event, frozen=True, kw_only=True):
    """Which measurement of a world runs now, in words."""

    world: WorldId
    doing: str


class WorldScored(Event, frozen=True, kw_only=True):
    """A world has its score. `ineligible` holds the reasons why it may not win, if any."""

    world: WorldId
    score: EvaluationScore
    evidence: Evidence
    ineligible: tuple[str, ...]
    commit: str
    seconds: float


class WorldKilled(Event, frozen=True, kw_only=True):
    """A world was ended early; its worktree and branch stay. `early` says that a rule did it."""

    world: WorldId
    reason: str
    early: bool = False


class WorldFailed(Event, frozen=True, kw_only=True):
    """A world cannot go on; the others do."""

    world: WorldId
    title: str
    cause: str = ""
    next_step: str = ""


class WorldPicked(Event, frozen=True, kw_only=True):
    """The person wants this world to win; it is scored first if it is still at work."""

    world: WorldId


class PickWithdrawn(Event, frozen=True, kw_only=True):
    """The person takes the choice of this world back: the run chooses again by the evidence.

    Worlds that the choice had ended stay so.
    """

    world: WorldId


class WinnerSelected(Event, frozen=True, kw_only=True):
    """A winner was chosen. `override` says that the person chose against the evidence.

    `overridden` are the security findings that the person takes with it.
    """

    world: WorldId
    by_person: bool
    override: bool
    reason: str
    commit: str
    overridden: tuple[str, ...] = ()


class NoWinner(Event, frozen=True, kw_only=True):
    """No world is safe to merge: nothing is merged and everything is kept."""

    reason: str


class MergeReady(Event, frozen=True, kw_only=True):
    """The winner waits for the person's word to be merged."""

    world: WorldId
    branch: str


class MergeStarted(Event, frozen=True, kw_only=True):
    """The merge's `commit` is made and about to be put on `branch`: if it is there, it was done."""

    world: WorldId
    branch: str
    commit: str


class Merged(Event, frozen=True, kw_only=True):
    """The winner is one commit on `branch`."""

    world: WorldId
    branch: str
    commit: str


class MergeFailed(Event, frozen=True, kw_only=True):
    """The winner could not be merged; nothing was changed."""

    world: WorldId
    branch: str
    cause: str
    files: tuple[str, ...] = ()


class SandboxChosen(Event, frozen=True, kw_only=True):
    """Where the commands of all worlds run: `detail` is the image or the means, in words.

    `passed_over` says of each better isolation why it is not had here.
    """

    isolation: Isolation
    detail: str = ""
    passed_over: tuple[str, ...] = ()


class EscapeAttempted(Event, frozen=True, kw_only=True):
    """A world tried to write, read or reach what is not its own.

    `stopped` says whether it was kept from it; where it was not, `detail` says what is touched.
    """

    world: WorldId
    kind: Escape
    detail: str
    stopped: bool = True
    call_id: str = ""


class LimitExceeded(Event, frozen=True, kw_only=True):
    """A world uses more than it may, so it stands still: bytes, processes or seconds."""

    world: WorldId
    resource: Resource
    used: float
    limit: float


class SlotsChanged(Event, frozen=True, kw_only=True):
    """How much heavy work may run at once changed, and why; `held` says that none may begin."""

    at_once: int
    most: int
    reason: str
    held: bool = False


class Gauge(msgspec.Struct, frozen=True):
    """What a world's own processes use at one moment, and its folders on the disk.

    `connections` are open network connections; `disk_bytes` is of the last count.
    """

    world: WorldId
    cpu_percent: float
    memory_bytes: int
    processes: int
    disk_bytes: int = 0
    connections: int = 0


class Gauges(Event, frozen=True, kw_only=True):
    """Measured use of every world that has processes, or had some at the last reading."""

    worlds: tuple[Gauge, ...]


class RunFinished(Event, frozen=True, kw_only=True):
    """The run is over."""

    status: RunStatus
    reason: str = ""


AnyEvent = (
    RunStarted
    | ComplexityEstimated
    | RunResumed
    | PhaseChanged
    | Notice
    | BaseMeasured
    | WorldPreparing
    | WorktreeCreated
    | WorldSetUp
    | WorldsSpawned
    | WorldStarted
    | StepStarted
    | Output
    | TurnFinished
    | TurnMetered
    | TurnDiscarded
    | ToolStarted
    | ToolFinished
    | Corrected
    | StepFinished
    | CheckpointSaved
    | WorldRestored
    | WorldForked
    | WorldPaused
    | WorldContinued
    | WorldWaiting
    | WorldTold
    | TestsSampled
    | BreakerChanged
    | SpentBefore
    | BudgetWarned
    | BudgetRaised
    | QuestionAsked
    | QuestionAnswered
    | FallbackTried
    | AttemptFinished
    | EvaluationStarted
    | EvaluationProgress
    | WorldScored
    | WorldKilled
    | WorldFailed
    | WorldPicked
    | PickWithdrawn
    | WinnerSelected
    | NoWinner
    | MergeReady
    | MergeStarted
    | Merged
    | MergeFailed
    | SandboxChosen
    | EscapeAttempted
    | LimitExceeded
    | SlotsChanged
    | Gauges
    | RunFinished
)


class Record(msgspec.Struct, frozen=True):
    """An event with its place in the run's journal: `seq` from 1, `at` in Unix seconds."""

    seq: int
    at: float
    event: AnyEvent


_encoder = msgspec.json.Encoder()


@functools.cache
def _decoder() -> msgspec.json.Decoder[AnyEvent]:
    """Made at its first use: all events in it take longer than all imports around."""
    return msgspec.json.Decoder(AnyEvent)


def encode(event: Event) -> bytes:
    """The event as one line of JSON."""
    return _encoder.encode(event)


def decode(data: bytes | str) -> AnyEvent:
    """The event of a line of JSON.

    Raises:
        msgspec.ValidationError: the line is not an event this version knows.
    """
    event: AnyEvent = _decoder().decode(data)
    return event


def sound(event: AnyEvent) -> AnyEvent:
    """The event as it can be written: half a surrogate pair, which is no text, becomes `?`."""
    try:
        encode(event)
    except UnicodeEncodeError:
        mended: AnyEvent = msgspec.convert(_mended(msgspec.to_builtins(event)), AnyEvent)
        return mended
    return event


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: _mended(one) for key, one in value.items()}
    return [_mended(one) for one in value] if isinstance(value, list | tuple) else value


def world_of(event: Event) -> WorldId | None:
    """The world an event belongs to, if it belongs to one."""
    world: WorldId | None = getattr(event, "world", None)
    return world
