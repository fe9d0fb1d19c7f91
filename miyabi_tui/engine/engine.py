"""The engine: a loop and thread of its own, entered as a context manager around any front end.

Its imports wait for `start`, so that a screen has painted before they are paid for, and are made in
a thread of their own, so that keys are answered meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import MiyabiError, RunHalted, StoreError
from miyabi_tui.engine.masking import Masker
from miyabi_tui.engine.state import RunState
from miyabi_tui.engine.subscription import BufferedSubscription

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Future
    from pathlib import Path
    from types import TracebackType
    from typing import Unpack

    import anyio
    from anyio.from_thread import BlockingPortal

    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.control import Fork, Which
    from miyabi_tui.engine.race import Race
    from miyabi_tui.engine.recovery import Recovery
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.store.journal import Journal
    from miyabi_tui.engine.worlds import WorldId

log = logging.getLogger(__name__)

ABANDONED_WITHIN = 2.0  # seconds
Raised = dict[e.Scope, float]


class Engine:
    """One run. Every public method may be called from any thread; see `Control`.

    `assignment` is called in a thread when the run starts: it may take its time, say to make a
    repository first, while the front end already paints. See `resuming` for a run of the journal.
    """

    attached = False

    def __init__(
        self,
        assignment: Callable[[], tuple[RunRequest, Git]] | None,
        journal: Path,
        *,
        run_id: str = "",
        interactive: bool = False,
    ) -> None:
        self.run_id = run_id or os.urandom(4).hex()
        self._assignment = assignment
        self._interactive = interactive
        self._journal_path = journal.absolute()
        self._bus: Bus | None = None
        self._subscriptions: list[BufferedSubscription] = []
        self._contexts = contextlib.ExitStack()
        self._starting: threading.Thread | None = None
        self._portal: BlockingPortal | None = None
        self._main: Future[None] | None = None
        self._race: Race | None = None
        self._scope: anyio.CancelScope | None = None
        self._stop_asked = False
        self._remark = ""
        self._raised: Raised = {}
        self._masker = Masker()

    @classmethod
    def resuming(
        cls, run_id: str, journal: Path, *, interactive: bool, raised: Raised | None = None
    ) -> Engine:
        """An engine that goes on with an interrupted run, from where its journal ends.

        `raised` are budgets in US dollars that hold from now on, 0 for none at all.
        """
        engine = cls(None, journal, run_id=run_id, interactive=interactive)
        engine._raised = raised or {}
        return engine

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the run if it still goes on: every process of it, the journal, the thread."""
        try:
            self.finish()
        finally:
            self._end_subscriptions()
            self._contexts.close()

    def finish(self) -> None:
        """End the run if it still goes on, and wait for its end."""
        if self._starting is not None and not (self._main and self._main.done()):
            self.stop()
            self._starting.join()
            if self._main is not None:
                self._main.result()

    @property
    def state(self) -> RunState:
        """The run as the journal has it now."""
        return self._bus.state if self._bus else RunState()

    # --- Control ----------------------------------------------------------------------------------

    def start(self) -> None:
        """See `Control.start`."""
        if self._starting is None:
            self._starting = threading.Thread(target=self._start, name="engine-start")
            self._starting.start()

    def _start(self) -> None:
        try:
            from anyio.from_thread import start_blocking_portal

            from miyabi_tui.engine.masked_logs import masked_logs

            self._contexts.enter_context(masked_logs(self._masker))
            self._portal = self._contexts.enter_context(start_blocking_portal("asyncio"))
            self._main = self._portal.start_task_soon(self._run)
        except Exception as error:  # no thread, no memory: whoever listens must not wait for ever
            self._tell_failure(error)
            self._end_subscriptions()

    def subscribe(self) -> BufferedSubscription:
        """See `Control.subscribe`; to be called before `start`."""
        subscription = BufferedSubscription()
        self._subscriptions.append(subscription)
        return subscription

    def pause(self, world: WorldId) -> None:
        """See `Control.pause`."""
        self._command(lambda race: race.pause(world))

    def proceed(self, world: WorldId) -> None:
        """See `Control.proceed`."""
        self._command(lambda race: race.proceed(world))

    def kill(self, world: WorldId) -> None:
        """See `Control.kill`."""
        self._command(lambda race: race.kill(world))

    def pick(self, world: WorldId) -> None:
        """See `Control.pick`."""
        self._command(lambda race: race.pick(world))

    def unpick(self) -> None:
        """See `Control.unpick`."""
        self._command(lambda race: race.unpick())

    def fork(self, fork: Fork) -> None:
        """See `Control.fork`."""
        self._command(lambda race: race.fork(fork))

    def tell(self, world: WorldId, text: str) -> None:
        """See `Control.tell`."""
        self._command(lambda race: race.tell(world, text))

    def answer(self, question: str, choice: str, amount: float | None = None) -> None:
        """See `Control.answer`."""
        self._command(lambda race: race.answer(question, choice, amount))

    def merge(self) -> None:
        """See `Control.merge`."""

        async def command(race: Race) -> None:
            race.ask_merge()

        self._command(command)

    def stop(self) -> None:
        """See `Control.stop`; also before the start, which then ends at once."""
        self._stop_asked = True

        async def command() -> None:
            concluded = self._race is not None and await self._race.conclude()
            if not concluded and self._scope is not None:
                self._scope.cancel()

        self._call(command)

    def abandon(self) -> None:
        """Kill every process of the run at once, from any thread: the program is about to end.

        What happened is still written down, if that can be done in a moment.
        """
        if self._race is not None:
            for sandbox in self._race.sandboxes:
                sandbox.kill()
        if self._main is not None:
            with contextlib.suppress(Exception):
                self._main.result(timeout=ABANDONED_WITHIN)

    def diff(self, world: WorldId) -> str:
        """See `Control.diff`."""
        from miyabi_tui.engine.repo.worktrees import present_diff

        worktree = self._race.worktree(world) if self._race else None
        return present_diff(worktree) if worktree else ""

    def diff_between(self, one: WorldId, other: WorldId) -> str:
        """See `Control.diff_between`."""
        from miyabi_tui.engine.repo.worktrees import difference

        found = [self._race.worktree(world) for world in (one, other)] if self._race else []
        there = [worktree for worktree in found if worktree]
        return difference(there[0], there[1]) if len(there) == 2 else ""

    def records(self, **which: Unpack[Which]) -> list[e.Record]:
        """See `Control.records`."""
        from miyabi_tui.engine.store.reader import read_records

        return read_records(self._journal_path, self.run_id, **which)

    def worktree(self, world: WorldId) -> Path | None:
        """See `Control.worktree`."""
        worktree = self._race.worktree(world) if self._race else None
        return worktree.path if worktree else None

    def _command(self, command: Callable[[Race], Awaitable[None]]) -> None:
        async def run() -> None:
            if self._race is not None:
                with contextlib.suppress(MiyabiError):  # the run itself ends with the same error
                    await command(self._race)

        self._call(run)

    def _call(self, command: Callable[[], Awaitable[None]]) -> None:
        if self._portal is not None and self._main is not None and not self._main.done():
            self._portal.start_task_soon(command)

    # --- the run ----------------------------------------------------------------------------------

    async def _run(self) -> None:
        """The whole run. It ends with `RunFinished` for every subscriber, whatever happens."""
        try:
            from miyabi_tui.engine.bus import Bus
            from miyabi_tui.engine.link.place import socket_path
            from miyabi_tui.engine.link.server import serving
            from miyabi_tui.engine.sandbox.marks import watched
            from miyabi_tui.engine.store.journal import open_journal
            from miyabi_tui.engine.store.lock import driving

            owner = f"{self.run_id}-{os.urandom(4).hex()}-"
            self._masker.learn(os.environ)
            async with open_journal(self._journal_path) as journal:
                self._remark = journal.remark
                with driving(self._journal_path, self.run_id), watched(owner):
                    recovery = await self._recovered(journal)
                    seq = recovery.run.seq if recovery else 0
                    bus = Bus(self.run_id, journal, seq=seq, masker=self._masker)
                    self._bus = bus
                    for subscription in self._subscriptions:
                        bus.subscribe(subscription)
                    socket = socket_path(self._journal_path, self.run_id)
                    async with serving(self, journal, bus, self.run_id, socket):
                        await self._with_bus(bus, recovery, owner)
        except Exception as error:
            self._tell_failure(error)
        finally:
            self._end_subscriptions()

    async def _recovered(self, journal: Journal) -> Recovery | None:
        """The run as the journal has it, shown at once; None where it is a new one."""
        if self._assignment is not None:
            return None
        import anyio

        from miyabi_tui.engine.recovery import RecoveryManager
        from miyabi_tui.engine.sandbox.remains import end_remains

        past = await journal.recent(self.run_id)
        for subscription in self._subscriptions:
            subscription.put(past)
        # What an engine that was killed left behind; we hold the run's lock, so it is nobody's.
        await anyio.to_thread.run_sync(end_remains, f"{self.run_id}-")
        await journal.resume(self.run_id)
        recovering = RecoveryManager(journal)
        return await recovering.recover(self.run_id, interactive=self._interactive)

    async def _with_bus(self, bus: Bus, recovery: Recovery | None, owner: str) -> None:
        import anyio

        async with anyio.create_task_group() as group:
            group.start_soon(bus.run)
            try:
                with anyio.CancelScope() as self._scope:
                    if self._stop_asked:
                        self._scope.cancel()
                    await self._race_on(bus, recovery, owner)
                if self._scope.cancelled_caught:
                    await bus.emit(e.RunFinished(status=e.RunStatus.INTERRUPTED, reason="stopped"))
            except* StoreError:
                raise
            except* RunHalted as errors:
                reason = _reason(errors)
                await bus.emit(e.RunFinished(status=e.RunStatus.INTERRUPTED, reason=reason))
            except* Exception as errors:
                if not bus.state.run_id:
                    raise
                reason = _reason(errors)
                await bus.emit(e.RunFinished(status=e.RunStatus.FAILED, reason=reason))
            bus.close()

    async def _race_on(self, bus: Bus, recovery: Recovery | None, owner: str) -> None:
        import anyio

        from miyabi_tui.engine.setting import prepare

        with anyio.CancelScope(shield=True):  # so that even a run stopped at once is in the journal
            if recovery is None:
                request, git = await self._begun(bus)
            else:
                request, git = recovery.request, recovery.git
                self._masker.learn(os.environ, request.terms.key_variables)
                await bus.emit(recovery.resumed)
                for scope, limit in self._raised.items():
                    await bus.emit(e.BudgetRaised(scope=scope, limit_usd=limit))
        if self._remark:
            bus.post(e.Notice(level=e.Level.WARNING, text=self._remark))
        pasts = recovery.pasts if recovery else {}
        journal = self._journal_path
        async with prepare(request, git, bus, pasts, journal=journal, owner=owner) as race:
            self._race = race
            await race.run()

    async def _begun(self, bus: Bus) -> tuple[RunRequest, Git]:
        import anyio

        assert self._assignment is not None
        request, git = await anyio.to_thread.run_sync(self._assignment)
        self._masker.learn(os.environ, request.terms.key_variables)
        await bus.emit(self._started(request, git))
        if request.complexity is not None:
            await bus.emit(request.complexity)
        for text in request.notices:
            bus.post(e.Notice(level=e.Level.INFO, text=text))
        return request, git

    def _started(self, request: RunRequest, git: Git) -> e.RunStarted:
        from miyabi_tui.engine.naming import own_branch, slug

        return e.RunStarted(
            run_id=self.run_id,
            issue=request.issue,
            repo=str(git.work_tree),
            base_ref=request.base_ref,
            base_commit=request.base_commit,
            target=request.terms.target or own_branch(request.issue),
            task=f"{slug(request.issue.title)}-{self.run_id[:4]}",
            worlds=request.worlds,
            merge=request.merge,
            recorded=request.recorded,
            terms=request.terms,
        )

    def _end_subscriptions(self) -> None:
        for subscription in self._subscriptions:
            subscription.end()

    def _tell_failure(self, error: BaseException) -> None:
        """The journal cannot take it any more: tell whoever listens all the same."""
        reason = self._masker.mask(_reason(error))
        finished = e.RunFinished(status=e.RunStatus.FAILED, reason=reason)
        record = e.Record(self.state.seq + 1, time.time(), finished)
        for subscription in self._subscriptions:
            subscription.put([record])


def _reason(error: BaseException) -> str:
    """What a person is told; a fault of ours also leaves its trace in the log."""
    first = _first(error)
    if isinstance(first, MiyabiError):
        return str(first)
    log.error("internal error", exc_info=first)
    return f"an internal error: {first!r}"


def _first(error: BaseException) -> BaseException:
    """The first real error inside of nested groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
