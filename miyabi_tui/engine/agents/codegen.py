"""CodeGenAgent: model turns and tool calls, until it says it is done or a limit is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import msgspec

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents import tools
from miyabi_tui.engine.agents.prompting import CORRECTION
from miyabi_tui.engine.errors import MiyabiError, StreamBroken
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

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from miyabi_tui.engine.agents.gate import Gate
    from miyabi_tui.engine.agents.tools import Toolbox, ToolResult
    from miyabi_tui.engine.models.base import Message, Model, Usage
    from miyabi_tui.engine.publisher import Publisher
    from miyabi_tui.engine.terms import Limits
    from miyabi_tui.engine.worlds import WorldConfig

    Price = Callable[[str, Usage], float | None]
    Measure = Callable[[], Awaitable[Diffstat]]

MALFORMED_AT_MOST = 3


class Attempt(msgspec.Struct, frozen=True):
    """How an agent's work ended, and its own words on it."""

    ending: e.Ending
    summary: str = ""


class CodeGenAgent:
    """Works on one issue in one world.

    `price` gives the dollars of a turn, None where unknown; `measure` the change made so far.
    """

    def __init__(
        self,
        world: WorldConfig,
        model: Model,
        toolbox: Toolbox,
        publisher: Publisher,
        gate: Gate,
        limits: Limits,
        price: Price,
        measure: Measure,
    ) -> None:
        self._world = world
        self._model = model
        self._toolbox = toolbox
        self._publisher = publisher
        self._gate = gate
        self._limits = limits
        self._price = price
        self._measure = measure
        self._tools = tools.specifications()
        self._cost = 0.0
        self._malformed = 0

    async def run(self, system: str, messages: tuple[Message, ...]) -> Attempt:
        """Work until the model finishes or a limit is reached.

        Raises:
            ModelError: the model failed.
            StoreError: the journal cannot be written.
        """
        world = self._world.id
        await self._publisher.emit(e.WorldStarted(world=world, system=system, messages=messages))
        deadline = Deadline(self._limits.seconds)
        self._gate.limit(deadline)
        with deadline.scope:
            return await self._work(system, messages)
        return Attempt(e.Ending.TIME_LIMIT)

    async def _work(self, system: str, history: tuple[Message, ...]) -> Attempt:
        world = self._world.id
        step, change = 0, Diffstat()
        while True:
            await self._gate.passed()
            if ending := self._limit_reached(step):
                return Attempt(ending)
            step += 1
            answer = await self._turn(step, system, history)
            replies, finished = await self._answer(step, answer)
            history = (*history, answer, *replies)
            change = await self._change(change)
            await self._publisher.emit(
                e.StepFinished(
                    world=world,
                    step=step,
                    lines_added=change.added,
                    lines_deleted=change.deleted,
                    files_changed=len(change.files),
                )
            )
            if finished is not None:
                return Attempt(e.Ending.FINISHED, finished)
            if self._malformed >= MALFORMED_AT_MOST:
                return Attempt(e.Ending.MALFORMED)

    async def _change(self, before: Diffstat) -> Diffstat:
        """The change so far; a file that cannot be read just now is no reason to end a world."""
        try:
            return await self._measure()
        except (MiyabiError, OSError):
            return before

    def _limit_reached(self, step: int) -> e.Ending | None:
        if step >= self._limits.steps:
            return e.Ending.STEP_LIMIT
        if self._gate.worked >= self._limits.seconds:
            return e.Ending.TIME_LIMIT
        if self._cost >= self._limits.cost_usd:
            return e.Ending.COST_LIMIT
        return None

    async def _turn(self, step: int, system: str, history: tuple[Message, ...]) -> AssistantMessage:
        """One model turn, streamed to the journal as it comes."""
        world = self._world
        turn = Turn(
            world=world.id,
            system=system,
            messages=history,
            tools=self._tools,
            temperature=world.temperature,
            effort=world.effort,
            max_tokens=self._limits.max_tokens,
        )
        await self._publisher.emit(
            e.StepStarted(world=world.id, step=step, sampling=self._model.sampling(turn))
        )
        started, end = anyio.current_time(), None
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
        cost = end.cost_usd
        if cost is None:
            cost = self._price(self._model.name, end.usage)
        self._cost += cost or 0.0
        await self._publisher.emit(
            e.TurnFinished(
                world=world.id,
                step=step,
                message=end.message,
                usage=end.usage,
                cost_usd=cost,
                stop_reason=end.stop_reason,
                seconds=anyio.current_time() - started,
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
        world, started = self._world.id, anyio.current_time()
        await self._publisher.emit(
            e.ToolStarted(
                world=world,
                step=step,
                call_id=call.id,
                name=call.name,
                summary=tools.summary(parsed),
            )
        )
        result = await self._toolbox.run(
            parsed, lambda channel, text: self._output(channel, text, call.id)
        )
        await self._publisher.emit(
            e.ToolFinished(
                world=world,
                step=step,
                call_id=call.id,
                name=call.name,
                text=result.text,
                is_error=result.is_error,
                seconds=anyio.current_time() - started,
                exit_code=result.exit_code,
            )
        )
        return result
