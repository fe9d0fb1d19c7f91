"""CodeGenAgent: model turns and tool calls, until it says it is done or a limit is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import msgspec
from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents import tools
from miyabi_tui.engine.agents.prompting import CORRECTION
from miyabi_tui.engine.errors import BudgetSpent, MiyabiError, StreamBroken
from miyabi_tui.engine.models.base import (
    AssistantMessage,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolMessage,
    Turn,
    TurnEnd,
    UserMessage,
)
from miyabi_tui.engine.repo.git import Diffstat
from miyabi_tui.engine.sandbox.deadline import Deadline
from miyabi_tui.engine.scoring.runners import printed_counts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from miyabi_tui.engine.agents.gate import Gate
    from miyabi_tui.engine.agents.past import Past
    from miyabi_tui.engine.agents.tools import Toolbox, ToolResult
    from miyabi_tui.engine.models.base import Message, Model
    from miyabi_tui.engine.publisher import Publisher
    from miyabi_tui.engine.repo.snapshots import Snapshot
    from miyabi_tui.engine.terms import Limits
    from miyabi_tui.engine.worlds import WorldConfig

    Keep = Callable[[int, str], Awaitable[Snapshot]]
    Saw = Callable[[tools.Call, ToolResult, str], Awaitable[None]]

MALFORMED_AT_MOST = 3


class Attempt(msgspec.Struct, frozen=True):
    """How an agent's work ended, and its own words on it."""

    ending: e.Ending
    summary: str = ""


class CodeGenAgent:
    """Works on one issue in one world.

    `keep` takes the checkpoint of a step, by its number and what was done in it. `saw` is told of
    every call with its answer and id.
    """

    def __init__(
        self,
        world: WorldConfig,
        model: Model,
        toolbox: Toolbox,
        publisher: Publisher,
        gate: Gate,
        limits: Limits,
        keep: Keep,
        saw: Saw | None = None,
    ) -> None:
        self._world = world
        self._model = model
        self._toolbox = toolbox
        self._publisher = publisher
        self._gate = gate
        self._limits = limits
        self._keep = keep
        self._saw = saw
        self._deadline: Deadline | None = None
        self._tools = tools.specifications()
        self._malformed = 0
        self._told: list[str] = []
        self._leaving = False
        self._change = Diffstat()
        self._done: list[str] = []
        self._tests = ""

    def extend(self, seconds: float) -> None:
        """Let it work for so many seconds in all."""
        if self._deadline is not None:
            self._deadline.add(seconds - self._limits.seconds)
        self._limits = replace(self._limits, seconds=seconds)

    @property
    def listens(self) -> bool:
        """Whether there may be another turn."""
        return not self._leaving

    def tell(self, text: str) -> None:
        """Let the model read this with its next turn."""
        self._told.append(text)

    async def run(self, past: Past) -> Attempt:
        """Work from where `past` stands until the model finishes or a limit is reached.

        Raises:
            ModelError: the model failed.
            StoreError: the journal cannot be written.
        """
        self._malformed, self._told = past.malformed, [*past.told, *self._told]
        if not past.begun:
            await self._publisher.emit(
                e.WorldStarted(world=self._world.id, system=past.system, messages=past.messages)
            )
        deadline = self._deadline = Deadline(max(0.0, self._limits.seconds - past.seconds))
        self._gate.start(past.seconds, deadline)
        try:
            with deadline.scope:
                return await self._work(past)
        except BudgetSpent as error:
            return Attempt(e.Ending.COST_LIMIT, str(error))
        finally:
            self._leaving = True
        return Attempt(e.Ending.TIME_LIMIT)

    async def _work(self, past: Past) -> Attempt:
        history, step, pending, finished = past.messages, past.step, past.pending, past.finished
        while True:
            if finished is not None and not self._told:
                return Attempt(e.Ending.FINISHED, finished)
            if self._malformed >= MALFORMED_AT_MOST:
                return Attempt(e.Ending.MALFORMED)
            await self._gate.passed()
            # A turn that is paid for is worked off, whatever the limits say by now.
            if pending is None and (ending := self._limit_reached(step)):
                return Attempt(ending)
            step += 1
            if pending is None:
                told, self._told = tuple(self._told), []
                history = (*history, *map(UserMessage, told))
                pending = await self._turn(step, past.system, history, told)
            replies, finished = await self._answer(step, pending)
            history, pending = (*history, pending, *replies), None
            await self._step_over(step)

    async def _step_over(self, step: int) -> None:
        """Keep what the step did; a file that cannot be read now is no reason to end a world."""
        world, commit = self._world.id, ""
        try:
            kept = await self._keep(step, "; ".join(self._done))
        except (MiyabiError, OSError) as error:
            text = f"step {step} has no checkpoint: {error}"
            self._publisher.post(e.Notice(level=e.Level.WARNING, text=text, world=world))
        else:
            self._change, commit = kept.change, kept.commit
        await self._publisher.emit(
            e.StepFinished(
                world=world,
                step=step,
                lines_added=self._change.added,
                lines_deleted=self._change.deleted,
                files_changed=len(self._change.files),
                checkpoint=commit,
                tests=self._tests,
            )
        )
        self._done, self._tests = [], ""

    def _limit_reached(self, step: int) -> e.Ending | None:
        if step >= self._limits.steps:
            return e.Ending.STEP_LIMIT
        if self._gate.worked >= self._limits.seconds:
            return e.Ending.TIME_LIMIT
        return None

    async def _turn(
        self, step: int, system: str, history: tuple[Message, ...], told: tuple[str, ...]
    ) -> AssistantMessage:
        """One model turn, streamed to the journal as it comes; `told` is new in the history."""
        world = self._world
        turn = Turn(
            world=world.id,
            step=step,
            system=system,
            messages=history,
            tools=self._tools,
            temperature=world.temperature,
            effort=world.effort,
            max_tokens=self._limits.max_tokens,
        )
        await self._publisher.emit(
            e.StepStarted(world=world.id, step=step, sampling=self._model.sampling(turn), told=told)
        )
        started, end = self._gate.worked, None
        stream = self._model.stream(turn)
        try:
            async for item in stream:
                match item:
                    case TextDelta(text):
                        self._output(e.Channel.TEXT, text)
                    case ReasoningDelta(text):
                        self._output(e.Channel.REASONING, text)
                    case ToolCallDelta(call_id, _, text):
                        self._output(e.Channel.CALL, text, call_id)
                    case TurnEnd():
                        end = item
        finally:
            with anyio.CancelScope(shield=True):
                await stream.aclose()
        if end is None:
            raise StreamBroken(f"{self._model.name} ended its answer without its last event")
        await self._publisher.emit(
            e.TurnFinished(
                world=world.id,
                step=step,
                message=end.message,
                usage=end.usage,
                cost_usd=end.cost_usd,
                cached=end.cached,
                stop_reason=end.stop_reason,
                seconds=self._gate.worked - started,
            )
        )
        return end.message

    def _output(self, channel: e.Channel, text: str, call_id: str = "") -> None:
        if text:
            self._publisher.post(
                e.Output(world=self._world.id, channel=channel, text=text, call_id=call_id)
            )

    async def _answer(
        self, step: int, answer: AssistantMessage
    ) -> tuple[tuple[Message, ...], str | None]:
        """Answer every call of a turn, in order; and the summary, if it was the last one."""
        if not answer.tool_calls:
            self._malformed += 1
            await self._publisher.emit(
                e.Corrected(world=self._world.id, step=step, text=CORRECTION)
            )
            return (UserMessage(CORRECTION),), None
        replies: list[Message] = []
        finished: str | None = None
        malformed = False
        for call in answer.tool_calls:
            await self._gate.passed()
            if finished is not None:
                replies.append(ToolMessage(call.id, "Not run: it came after finish.", True))
                continue
            if call.name != "finish" and self._gate.worked >= self._limits.seconds:
                replies.append(ToolMessage(call.id, "Not run: the time limit was reached.", True))
                continue
            try:
                parsed = tools.parse(call)
            except tools.Malformed as error:
                malformed = True
                replies.append(ToolMessage(call.id, str(error), True))
                await self._publisher.emit(
                    e.Corrected(world=self._world.id, step=step, text=str(error), call_id=call.id)
                )
                continue
            result = await self._call(step, call, parsed)
            replies.append(ToolMessage(call.id, result.text, result.is_error))
            if isinstance(parsed, tools.Finish):
                finished = parsed.summary
        self._malformed = self._malformed + 1 if malformed else 0
        return tuple(replies), finished

    async def _call(self, step: int, call: ToolCall, parsed: tools.Call) -> ToolResult:
        world, started = self._world.id, self._gate.worked
        self._done.append(tools.summary(parsed))
        await self._publisher.emit(
            e.ToolStarted(
                world=world,
                step=step,
                call_id=call.id,
                name=call.name,
                summary=self._done[-1],
            )
        )
        result = await self._toolbox.run(
            parsed, lambda channel, text: self._output(channel, text, call.id)
        )
        if self._saw is not None:
            await self._saw(parsed, result, call.id)
        if isinstance(parsed, tools.Bash):
            self._tests = printed_counts(parsed.command, result.text) or self._tests
        await self._publisher.emit(
            e.ToolFinished(
                world=world,
                step=step,
                call_id=call.id,
                name=call.name,
                text=result.text,
                is_error=result.is_error,
                seconds=self._gate.worked - started,
                exit_code=result.exit_code,
            )
        )
        return result
