"""An agent with a scripted model and slow tools, in virtual time, and what it published."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio
import msgspec

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents.codegen import Attempt, CodeGenAgent
from miyabi_tui.engine.agents.gate import Gate
from miyabi_tui.engine.agents.past import Past
from miyabi_tui.engine.agents.tools import Bash, Finish, Toolbox, ToolResult
from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.models.base import (
    AssistantMessage,
    Delta,
    ReasoningDelta,
    Sampling,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Turn,
    TurnEnd,
    Usage,
    UserMessage,
)
from miyabi_tui.engine.repo.git import Diffstat
from miyabi_tui.engine.repo.snapshots import Snapshot
from miyabi_tui.engine.terms import Limits
from miyabi_tui.engine.worlds import default_worlds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from miyabi_tui.engine.agents.tools import Call
    from miyabi_tui.engine.sandbox.base import OnOutput

ISSUE = UserMessage("the issue")
MINUTE = 60.0
Kind = TypeVar("Kind", bound=e.Event)


def calls(*pairs: tuple[str, str]) -> AssistantMessage:
    """A turn that asks for these tools, with raw arguments."""
    return AssistantMessage(
        tool_calls=tuple(ToolCall(f"c{n}", *pair) for n, pair in enumerate(pairs, start=1))
    )


def bash(command: str) -> tuple[str, str]:
    return "bash", msgspec.json.encode({"command": command}).decode()


FINISH = ("finish", '{"summary": "done"}')
BROKEN = ("bash", '{"command": ')


class ScriptedModel:
    """Plays the turn after those a conversation has, the last one again and again.

    A turn takes a minute.
    """

    name = "test/scripted"

    def __init__(self, *turns: AssistantMessage | Exception | None) -> None:
        self.turns = turns
        self.asked: list[Turn] = []
        self.asked_at: list[float] = []
        self.closed = 0
        self.cost: float | None = 0.25

    def sampling(self, turn: Turn) -> Sampling:
        return Sampling("scripted", temperature=turn.temperature)

    async def stream(self, turn: Turn) -> AsyncGenerator[Delta | TurnEnd, None]:
        self.asked.append(turn)
        self.asked_at.append(anyio.current_time())
        before = sum(isinstance(message, AssistantMessage) for message in turn.messages)
        answer = self.turns[min(before + 1, len(self.turns)) - 1]
        try:
            yield ReasoningDelta("hm")
            yield TextDelta("let ")
            yield TextDelta("")
            yield TextDelta("me")
            yield ToolCallDelta("c1", "bash", "{")
            await anyio.sleep(MINUTE)
            if isinstance(answer, Exception):
                raise answer
            if answer is not None:
                yield TurnEnd(answer, Usage(10, 5), "stop", self.cost)
        finally:
            self.closed += 1

    async def aclose(self) -> None:
        raise AssertionError("the agent does not own the model")


class SlowToolbox(Toolbox):
    """Notes what is run; a command takes ten minutes, and a test run says how it went."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def run(self, call: Call, on_output: OnOutput) -> ToolResult:
        if isinstance(call, Finish):
            return ToolResult(call.summary)
        assert isinstance(call, Bash)
        self.ran.append(call.command)
        on_output(e.Channel.STDOUT, f"running {call.command}")
        await anyio.sleep(10 * MINUTE)
        told = "\n2 passed, 1 failed in 3 s" if "pytest" in call.command else ""
        return ToolResult(f"ran {call.command}{told}", exit_code=0)


class Office:
    """An agent with everything it needs, and the record of what it published."""

    def __init__(self, model: ScriptedModel, limits: Limits | None = None) -> None:
        self.model = model
        self.toolbox = SlowToolbox()
        self.gate = Gate()
        self.events: list[e.AnyEvent] = []
        self.agent = CodeGenAgent(
            default_worlds("test/scripted", "x/y")[0],
            model,
            self.toolbox,
            self,
            self.gate,
            limits or Limits(steps=10, seconds=1e6, cost_usd=100),
            self.keep,
        )
        self.kept: list[tuple[int, str]] = []
        self.cannot_keep = False

    def post(self, event: e.AnyEvent) -> None:
        self.events.append(event)

    async def emit(self, event: e.AnyEvent) -> None:
        self.events.append(event)

    async def keep(self, step: int, done: str) -> Snapshot:
        if self.cannot_keep:
            raise GitError("git write-tree failed", "the disk is full")
        self.kept.append((step, done))
        return Snapshot(f"commit-{step}", Diffstat(3, 1, ("a.py",)))

    async def work(self, past: Past | None = None) -> Attempt:
        return await self.agent.run(past or Past(system="be good", messages=(ISSUE,)))

    def journal(self) -> list[e.Record]:
        """What the agent published, as a journal has it."""
        return [e.Record(seq, 0.0, event) for seq, event in enumerate(self.events, 1)]

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]

    def told(self, turn: int) -> list[str]:
        """What the model was answered before its turn, from 1."""
        new = self.model.asked[turn - 1].messages[len(self.model.asked[turn - 2].messages) + 1 :]
        return [message.text for message in new]
