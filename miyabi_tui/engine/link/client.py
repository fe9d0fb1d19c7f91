"""A run that another process drives, watched and steered through its socket."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import CancelledError, Future, InvalidStateError
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import GitError, StoreError, UsageError
from miyabi_tui.engine.link import wire
from miyabi_tui.engine.link.line import Line, connect
from miyabi_tui.engine.store.lock import is_driven
from miyabi_tui.engine.subscription import BufferedSubscription

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Unpack

    from miyabi_tui.engine.control import Fork, Which
    from miyabi_tui.engine.repo.worktrees import Worktree
    from miyabi_tui.engine.worlds import WorldId

LEAVE_SECONDS = 10.0
TRIES = 3  # to take up a line that breaks at once
DIFF_SECONDS = 60.0


class RemoteControl:
    """A `Control` over a run of another process. Entering it connects, leaving it only leaves.

    `stop` ends the run itself. When the engine dies, the run ends here with what the journal has.
    """

    attached = True

    def __init__(
        self, journal: Path, run_id: str, *, characters: int = wire.STREAM_CHARACTERS
    ) -> None:
        self.run_id = run_id
        self._journal = journal
        self._characters = characters
        self._subscriptions: list[BufferedSubscription] = []
        self._line: Line | None = None
        self._reader = threading.Thread(target=self._follow, name="miyabi-link", daemon=True)
        self._left = False
        self._seq = 0
        self._finished = False
        self._base = ""
        self._worktrees: dict[WorldId, e.WorktreeCreated] = {}
        self._numbers = count(1)
        self._asked: dict[int, Future[str]] = {}

    def __enter__(self) -> RemoteControl:
        """Connect.

        Raises:
            UsageError: nobody drives the run, or whoever does cannot be spoken to.
        """
        self._line = self._connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()
        if self._reader.is_alive():
            self._reader.join(LEAVE_SECONDS)
        elif self._line is not None:
            self._line.close()

    def leave(self) -> None:
        """Watch no longer, from any thread; the run goes on."""
        self._left = True
        if self._line is not None:
            self._line.hang_up()
        self._end()

    # --- Control ----------------------------------------------------------------------------------

    def start(self) -> None:
        """See `Control.start`: here, begin to listen."""
        if self._reader.ident is None:
            self._reader.start()

    def subscribe(self) -> BufferedSubscription:
        """See `Control.subscribe`; to be called before `start`."""
        subscription = BufferedSubscription()
        self._subscriptions.append(subscription)
        return subscription

    def pause(self, world: WorldId) -> None:
        """See `Control.pause`."""
        self._say(wire.Steer(verb="pause", world=world))

    def proceed(self, world: WorldId) -> None:
        """See `Control.proceed`."""
        self._say(wire.Steer(verb="proceed", world=world))

    def kill(self, world: WorldId) -> None:
        """See `Control.kill`."""
        self._say(wire.Steer(verb="kill", world=world))

    def pick(self, world: WorldId) -> None:
        """See `Control.pick`."""
        self._say(wire.Steer(verb="pick", world=world))

    def unpick(self) -> None:
        """See `Control.unpick`."""
        self._say(wire.Ask(verb="unpick"))

    def fork(self, fork: Fork) -> None:
        """See `Control.fork`."""
        self._say(wire.ForkOff(fork=fork))

    def tell(self, world: WorldId, text: str) -> None:
        """See `Control.tell`."""
        self._say(wire.Say(world=world, text=text))

    def answer(self, question: str, choice: str, amount: float | None = None) -> None:
        """See `Control.answer`."""
        self._say(wire.Reply(question=question, choice=choice, amount=amount))

    def merge(self) -> None:
        """See `Control.merge`."""
        self._say(wire.Ask(verb="merge"))

    def stop(self) -> None:
        """See `Control.stop`."""
        self._say(wire.Ask(verb="stop"))

    def diff(self, world: WorldId) -> str:
        """See `Control.diff`; after the end of the run it is read here.

        Raises:
            GitError: there is none to be had.
        """
        return self._diff(world)

    def diff_between(self, one: WorldId, other: WorldId) -> str:
        """See `Control.diff_between`; after the end of the run it is read here.

        Raises:
            GitError: there is none to be had.
        """
        return self._diff(one, other)

    def _diff(self, world: WorldId, other: WorldId | None = None) -> str:
        if self._finished:
            return self._diff_here(world, other)
        number, answer = next(self._numbers), Future[str]()
        self._asked[number] = answer
        try:
            self._say(wire.DiffAsked(number=number, world=world, other=other))
            return answer.result(DIFF_SECONDS)
        except (CancelledError, TimeoutError) as error:
            if self._finished:
                return self._diff_here(world, other)
            raise GitError(f"no diff of {world}", "the engine does not answer") from error
        finally:
            self._asked.pop(number, None)

    def records(self, **which: Unpack[Which]) -> list[e.Record]:
        """See `Control.records`."""
        from miyabi_tui.engine.store.reader import read_records

        return read_records(self._journal, self.run_id, **which)

    def worktree(self, world: WorldId) -> Path | None:
        """See `Control.worktree`."""
        made = self._worktrees.get(world)
        return Path(made.path) if made else None

    def _diff_here(self, world: WorldId, other: WorldId | None) -> str:
        from miyabi_tui.engine.repo.worktrees import difference, present_diff

        mine = self._worktree_of(world)
        theirs = self._worktree_of(other) if other else None
        if mine is None or (other and theirs is None):
            return ""
        return difference(mine, theirs) if theirs else present_diff(mine)

    def _worktree_of(self, world: WorldId) -> Worktree | None:
        from miyabi_tui.engine.repo.git import git_dir_of
        from miyabi_tui.engine.repo.worktrees import Worktree

        made = self._worktrees.get(world)
        if made is None:
            return None
        path = Path(made.path)
        git_dir = Path(made.git_dir) if made.git_dir else git_dir_of(path)
        return Worktree(path, git_dir, made.branch, self._base)

    def _say(self, message: wire.Message) -> None:
        if self._line is not None:
            self._line.say(message)

    # --- the line ---------------------------------------------------------------------------------

    def _connect(self) -> Line:
        hello = wire.Hello(after=self._seq, characters=self._characters)
        return connect(self._journal, self.run_id, hello, lambda: self._left)

    # --- the reader's thread ----------------------------------------------------------------------

    def _follow(self) -> None:
        """Read until the run is over, the engine has gone, or we leave."""
        try:
            in_vain = 0
            while in_vain < TRIES:
                before = self._seq
                self._read()
                if self._over or not self._again():
                    break
                in_vain = in_vain + 1 if self._seq == before else 0
            if not self._over:
                self._last_words()
        finally:
            self._end()

    @property
    def _over(self) -> bool:
        return self._left or self._finished

    def _read(self) -> None:
        """Take in all that comes on the line."""
        assert self._line is not None
        broken = contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeError)
        with contextlib.closing(self._line) as line, broken:
            while data := line.read():
                said = wire.news(data)
                if isinstance(said, wire.Told):
                    self._take(said.records)
                elif answer := self._asked.get(said.number):
                    _resolve(answer, said)

    def _take(self, records: Iterable[e.Record]) -> None:
        new = [one for one in records if one.seq > self._seq]
        for one in new:
            match one.event:
                case e.RunStarted(base_commit=base):
                    self._base = base
                case e.WorktreeCreated(world=world) as made:
                    self._worktrees[world] = made
                case e.RunFinished():
                    self._finished = True
                case e.RunResumed():
                    self._finished = False
        if new:
            self._seq = new[-1].seq
            for subscription in self._subscriptions:
                subscription.put(new)

    def _again(self) -> bool:
        """Take the line up again: an engine drops whoever was too slow. False when it is no use."""
        try:
            self._line = self._connect()
        except UsageError:
            return False
        if self._left:  # while we were at it
            self._line.hang_up()
        return True

    def _last_words(self) -> None:
        """What the journal has and the line had not, and then the truth about the engine."""
        import anyio

        with contextlib.suppress(StoreError):
            self._take(anyio.run(self._journalled))
        if self._finished:
            return
        event: e.AnyEvent = e.RunFinished(
            status=e.RunStatus.INTERRUPTED,
            reason=f"its engine has gone: miyabi resume {self.run_id}",
        )
        if is_driven(self._journal, self.run_id):
            text = f"its engine cannot be reached; try again: miyabi attach {self.run_id}"
            event = e.Notice(level=e.Level.ERROR, text=text)
        self._take([e.Record(self._seq + 1, time.time(), event)])

    async def _journalled(self) -> list[e.Record]:
        from miyabi_tui.engine.store.journal import open_journal

        async with open_journal(self._journal) as journal:
            return await journal.records(self.run_id)

    def _end(self) -> None:
        for subscription in self._subscriptions:
            subscription.end()
        for answer in list(self._asked.values()):
            answer.cancel()


def _resolve(answer: Future[str], said: wire.DiffTold) -> None:
    with contextlib.suppress(InvalidStateError):  # whoever asked has left
        if said.error:
            answer.set_exception(GitError(said.error))
        else:
            answer.set_result(said.text)
