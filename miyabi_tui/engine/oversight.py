"""What is looked at while agents work: rules before a command, attempts to leave after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents import tools
from miyabi_tui.engine.approvals import Clerk
from miyabi_tui.engine.lookout import Lookout
from miyabi_tui.engine.sandbox.base import EVERYWHERE
from miyabi_tui.engine.sandbox.ports import port_hint
from miyabi_tui.engine.sentinel import Sentinel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.questions import Questions
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.repo.worktrees import Worktree
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.sandbox.choice import IsolationManager
    from miyabi_tui.engine.worlds import WorldId

    OnWait = Callable[[str], None]

OUTSIDE, OF_GIT = "is outside of the working directory", "belongs to git"  # how tools refuse a path


class Oversight:
    """One for all worlds of a run: what is approved for one is approved for all."""

    def __init__(
        self,
        request: RunRequest,
        git: Git,
        bus: Bus,
        questions: Questions,
        isolation: IsolationManager,
        journal: Path,
    ) -> None:
        self.mask = bus.masker.mask
        self._terms = request.terms
        self._git = git
        self._bus = bus
        self._isolation = isolation
        self._waits: dict[WorldId, OnWait] = {}
        self._clerk = Clerk(
            bus,
            questions,
            request.terms.approvals,
            repo=str(git.work_tree),
            path=journal.with_name("approvals.json"),
            mask=self.mask,
            on_wait=lambda world, reason: self._waits[world](reason),
        )
        self._sentinel: Sentinel | None = None

    async def of(
        self, world: WorldId, worktree: Worktree, on_wait: OnWait, ports: range
    ) -> WorldOversight:
        """The oversight of one world; `on_wait` is told while it waits for an approval."""
        self._waits[world] = on_wait
        if e.Escape.GIT not in self._isolation.stops:
            if self._sentinel is None:
                self._sentinel = await anyio.to_thread.run_sync(Sentinel, self._git)
            else:  # the branch of a new worktree is our doing
                await anyio.to_thread.run_sync(self._sentinel.renew)
        lookout = Lookout(
            self._bus,
            world,
            worktree.path,
            stops=self._isolation.stops,
            allowed=self._isolation.own_folders,
            network=EVERYWHERE in self._terms.sandbox.network,
        )
        return WorldOversight(world, worktree, self._clerk, lookout, self._sentinel, ports)


class WorldOversight:
    """See `Oversight.of`."""

    def __init__(
        self,
        world: WorldId,
        worktree: Worktree,
        clerk: Clerk,
        lookout: Lookout,
        sentinel: Sentinel | None,
        ports: range,
    ) -> None:
        self._world = world
        self._worktree = worktree
        self._clerk = clerk
        self._lookout = lookout
        self._sentinel = sentinel
        self._ports = ports
        self._ended_for = ""

    async def approve(self, command: str) -> str:
        """Why a command may not run; empty where it may. Waits for the person where need be."""
        refusal = await self._clerk.allowed(self._world, command)
        if not refusal and self._sentinel is not None:
            begin = self._sentinel.begin
            await anyio.to_thread.run_sync(begin, str(self._world), self._worktree.branch)
        return refusal

    async def committed(self) -> None:
        """Its branch was moved by us."""
        if self._sentinel is not None:
            await anyio.to_thread.run_sync(self._sentinel.accept, self._worktree.branch)

    def interrupted(self, reason: str) -> None:
        """The running command is ended for this reason."""
        self._ended_for = reason

    def remark(self, output: str) -> str:
        """What the model should know of a command's end besides its output."""
        reason, self._ended_for = self._ended_for, ""
        ended = f"[this command was ended: {reason}]" if reason else ""
        return "\n".join(filter(None, (ended, port_hint(output, self._ports))))

    async def saw(self, call: tools.Call, result: tools.ToolResult, call_id: str) -> None:
        """Look at a call that was answered."""
        if isinstance(call, tools.Bash):
            self._lookout.saw(call.command, result.text, call_id)
            if self._sentinel is not None:
                changed = await anyio.to_thread.run_sync(self._sentinel.end, str(self._world))
                for text in changed:
                    self._lookout.tell(e.Escape.GIT, text, stopped=False, call_id=call_id)
        elif result.is_error and not isinstance(call, tools.Finish):
            kind = e.Escape.READ if isinstance(call, tools.Read) else e.Escape.WRITE
            if OUTSIDE in result.text:
                self._lookout.tell(kind, call.path, stopped=True, call_id=call_id)
            elif OF_GIT in result.text:
                self._lookout.tell(e.Escape.GIT, call.path, stopped=True, call_id=call_id)
