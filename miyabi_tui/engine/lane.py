"""One world's way through the race: prepare, work, commit, review. It fails or ends alone."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import anyio
import msgspec
from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents.codegen import Attempt, CodeGenAgent
from miyabi_tui.engine.agents.gate import Gate
from miyabi_tui.engine.agents.past import Past
from miyabi_tui.engine.agents.prompting import first_message, system_prompt
from miyabi_tui.engine.agents.tools import Toolbox
from miyabi_tui.engine.errors import MiyabiError, RunHalted, StoreError, WorktreeError
from miyabi_tui.engine.models.base import UserMessage
from miyabi_tui.engine.repo.worktrees import Worktree, commit_all
from miyabi_tui.engine.sites import Purpose
from miyabi_tui.engine.summary import plain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from miyabi_tui.engine.agents.review import ReviewAgent
    from miyabi_tui.engine.models.base import Model
    from miyabi_tui.engine.oversight import Oversight, WorldOversight
    from miyabi_tui.engine.publisher import Publisher
    from miyabi_tui.engine.repo.snapshots import Keeper, Snapshot
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.sites import Site, Sites
    from miyabi_tui.engine.worlds import WorldConfig

    Place = Callable[[], Awaitable["Stand"]]

SETUP_KEEP = 2_000


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """Where a world stands when its lane begins.

    `fresh` says that its files are the base's and want the setup command; `checkpoint` is the
    commit they were put back to. `past` is None where no agent has begun. `commit` is what an
    attempt left that is still to be reviewed. A `paused` world waits; one that was `picked` ends
    its work at once.
    """

    worktree: Worktree
    fresh: bool = True
    checkpoint: str = ""
    past: Past | None = None
    commit: str = ""
    paused: bool = False
    picked: bool = False


class Lane:
    """One world in the race, and the person's hand on it."""

    def __init__(
        self,
        world: WorldConfig,
        request: RunRequest,
        publisher: Publisher,
        model: Callable[[Gate], Model],
        sites: Sites,
        oversight: Oversight,
        reviewer: ReviewAgent,
        keeper: Keeper,
        identity: dict[str, str],
    ) -> None:
        self.world = world
        self.site: Site | None = None
        self.worktree: Worktree | None = None
        self.ended = False
        self._request = request
        self._publisher = publisher
        self._sites = sites
        self._oversight = oversight
        self._watch: WorldOversight | None = None
        self._seconds: float | None = None
        self._reviewer = reviewer
        self._keeper = keeper
        self._identity = identity
        self._checkpoint = ""
        self._step = 0
        self._gate = Gate()
        self._model = model(self._gate)
        self._coder: CodeGenAgent | None = None
        self._told: list[str] = []
        self._all = anyio.CancelScope()
        self._work = anyio.CancelScope()
        self._over = anyio.Event()
        self._killed_for = ""
        self._early = False
        self._ending = e.Ending.PICKED
        self._reviewing = False

    async def run(self, place: Place) -> None:
        """Race from where `place` puts the world; what goes wrong in here ends this world only.

        Raises:
            StoreError: the journal cannot be written, which ends the run.
            RunHalted: the run is to end as it stands.
        """
        try:
            with self._all:
                await self._race(place)
        except (StoreError, RunHalted):
            raise
        except MiyabiError as error:
            await self._failed(error.title, error.cause, error.next_step)
        except Exception as error:  # a fault of ours in one world must not end the other four
            await self._failed("an internal error", f"{type(error).__name__}: {error}")
        finally:
            self.ended = True
            await self._leave_site()
            self._over.set()
        if self._all.cancelled_caught and self._killed_for:
            await self._publisher.emit(
                e.WorldKilled(world=self.world.id, reason=self._killed_for, early=self._early)
            )

    async def _race(self, place: Place) -> None:
        world = self.world.id
        stand = await place()
        self.worktree, self._checkpoint = stand.worktree, stand.checkpoint
        self._step = stand.past.step if stand.past else 0
        if stand.paused:
            await self.pause()
        if stand.fresh:
            await self._set_up(stand)
            await self._publisher.emit(e.WorldSetUp(world=world))
        if not stand.commit:
            await self._enter_site(stand.worktree, Purpose.WORK)
            self._watch = await self._oversight.of(
                world, stand.worktree, self._waits, self._sites.ports(world)
            )
        if not self._checkpoint:
            kept = await self._keep(0, "what the agent begins with")
            ref = self._keeper.ref(world, 0)
            await self._publisher.emit(
                e.CheckpointSaved(world=world, step=0, commit=kept.commit, ref=ref, why="created")
            )
        commit = stand.commit or await self._attempt(stand)
        self._reviewing = True
        await self._gate.passed()
        site = await self._enter_site(stand.worktree, Purpose.MEASURE)
        await self._reviewer.review(world, stand.worktree, site, commit)

    async def _enter_site(self, worktree: Worktree, purpose: Purpose) -> Site:
        """A site of its own for each purpose; nothing that ran in the one before goes on."""
        await self._leave_site()
        scratch = None
        if purpose is Purpose.MEASURE:
            scratch = await self._reviewer.scratch(self.world.id)
        site = await self._sites.of_worktree(self.world.id, worktree, purpose, self._waits, scratch)
        self.site = site
        if not self._gate.is_open:
            await site.sandbox.freeze()
        return site

    async def _leave_site(self) -> None:
        if self.site is not None:
            site, self.site = self.site, None
            await site.close()

    def _waits(self, reason: str) -> None:
        """Say what a command waits for; the world's clock stands meanwhile."""
        self._gate.wait(bool(reason))
        self._publisher.post(e.WorldWaiting(world=self.world.id, reason=reason))

    async def _set_up(self, stand: Stand) -> None:
        """Run the setup command; with the network, as long as only the base's files are there."""
        command = self._request.terms.commands.setup
        if not command:
            return

        def show(channel: e.Channel, text: str) -> None:
            self._publisher.post(e.Output(world=self.world.id, channel=channel, text=text))

        own = not stand.checkpoint
        purpose = Purpose.SETUP if own else Purpose.WORK
        site = await self._enter_site(stand.worktree, purpose)
        result = await site.sandbox.exec(
            ("bash", "-c", command),
            cwd=stand.worktree.path,
            time_limit=self._request.terms.test_seconds,
            on_output=show,
            keep=SETUP_KEEP,
        )
        if not result.ok:
            raise WorktreeError(
                f"the setup command failed with exit code {result.exit_code}",
                result.output.strip()[-300:],
                "mend [commands] setup in miyabi.toml",
            )

    async def _attempt(self, stand: Stand) -> str:
        """Let the agent work, and commit what it leaves; the commit."""
        worktree, attempt = stand.worktree, Attempt(e.Ending.PICKED)
        if not stand.picked:
            with self._work:
                past = stand.past or self._opening(worktree)
                self._coder = self._agent(worktree)
                attempt = await self._coder.run(replace(past, told=(*past.told, *self._told)))
            if self._work.cancelled_caught:
                attempt = Attempt(self._ending)
        with anyio.CancelScope(shield=True):
            await self._leave_site()
            commit = await commit_all(worktree, self._message(attempt), self._identity)
            if self._watch is not None:
                await self._watch.committed()
            change = await worktree.git.diffstat(worktree.base, commit)
        await self._publisher.emit(
            e.AttemptFinished(
                world=self.world.id,
                ending=attempt.ending,
                summary=attempt.summary,
                commit=commit,
                lines_added=change.added,
                lines_deleted=change.deleted,
                files_changed=len(change.files),
            )
        )
        return commit

    def _agent(self, worktree: Worktree) -> CodeGenAgent:
        assert self.site is not None and self._watch is not None
        watch = self._watch
        toolbox = Toolbox(
            worktree.path,
            self.site.sandbox,
            mask=self._oversight.mask,
            approve=watch.approve,
            remark=watch.remark,
        )
        made = CodeGenAgent(
            self.world,
            self._model,
            toolbox,
            self._publisher,
            self._gate,
            self._request.terms.limits,
            self._keep,
            watch.saw,
        )
        if self._seconds is not None:
            made.extend(self._seconds)
        return made

    def _opening(self, worktree: Worktree) -> Past:
        issue = self._oversight.mask(first_message(self._request.issue))  # as the journal has it
        system = system_prompt(self.world, worktree.path, self._request.terms.prompts)
        return Past(system=system, messages=(UserMessage(issue),))

    async def _keep(self, step: int, done: str) -> Snapshot:
        """Take the checkpoint of a step; it is not left half done when the world is ended."""
        assert self.worktree is not None
        with anyio.CancelScope(shield=True):
            await self._adopt()
            kept = await self._keeper.checkpoint(
                self.world.id, self.worktree, step, plain(done), after=self._checkpoint
            )
        self._checkpoint, self._step = kept.commit, step
        return kept

    async def save(self, why: str) -> None:
        """Save the worktree as it is now, in the middle of a step.

        Raises:
            MiyabiError: it cannot be saved.
        """
        if self.worktree is None or not self._checkpoint:
            return
        world, step = self.world.id, self._step
        await self._adopt()
        ref, commit = await self._keeper.save(
            world, self.worktree, step, why, after=self._checkpoint
        )
        await self._publisher.emit(
            e.CheckpointSaved(world=world, step=step, commit=commit, ref=ref, why=why)
        )

    async def _adopt(self) -> None:
        if self.site is not None:
            await self.site.adopt()

    def _message(self, attempt: Attempt) -> str:
        subject = f"{self.world.id}: {self._request.issue.title}"
        text = textwrap.fill(plain(attempt.summary or attempt.ending.value), 72)
        return f"{plain(subject)}\n\n{text}\n"

    async def _failed(self, title: str, cause: str, next_step: str = "") -> None:
        await self._publisher.emit(
            e.WorldFailed(world=self.world.id, title=title, cause=cause, next_step=next_step)
        )

    async def pause(self) -> None:
        """Freeze the commands at once and hold the next turn."""
        if self.ended or not self._gate.is_open:
            return
        self._gate.close()
        if self.site is not None:
            await self.site.sandbox.freeze()
        await self._publisher.emit(e.WorldPaused(world=self.world.id))

    async def proceed(self) -> None:
        """Go on after a pause."""
        if self._gate.is_open:
            return
        if self.site is not None:
            await self.site.sandbox.thaw()
        self._gate.open()
        if not self.ended:
            await self._publisher.emit(e.WorldContinued(world=self.world.id))

    def kill(self, reason: str, *, early: bool = False) -> None:
        """End this world, `early` by a rule; its worktree and branch stay as they are."""
        if not self.ended:
            self._killed_for, self._early = reason, early
            self._all.cancel()

    async def withdraw(self) -> None:
        """End this lane without a word, and wait for it: its world is taken back."""
        if not self.ended:
            self._all.cancel()
            await self._over.wait()

    @property
    def listens(self) -> bool:
        """Whether a turn may still come that reads what is said."""
        gone = self.ended or self._reviewing
        return not gone and (self._coder is None or self._coder.listens)

    def tell(self, text: str) -> None:
        """Say something to the agent, for its next turn."""
        text = self._oversight.mask(text)
        if self._coder is not None:
            self._coder.tell(text)
        else:
            self._told.append(text)

    @property
    def worked(self) -> float | None:
        """For how many seconds the agent has worked; None while none is at work."""
        at_work = self._coder is not None and self._coder.listens
        return self._gate.worked if at_work and not self.ended else None

    async def interrupt(self, reason: str) -> None:
        """End the command that runs now, tell the agent why, and let it go on."""
        if self.site is not None and not self.ended:
            if self._watch is not None:
                self._watch.interrupted(reason)
            await self.site.sandbox.interrupt()
        await self.proceed()

    def extend(self, seconds: float) -> None:
        """Let the agent work for so many seconds in all, also one that has not begun."""
        self._seconds = seconds
        if self._coder is not None:
            self._coder.extend(seconds)

    async def wrap_up(self, ending: e.Ending = e.Ending.PICKED) -> None:
        """End the agent's work now and go on to the review with what is there."""
        self._ending = ending
        self._work.cancel()  # first, so that no turn begins at the open gate
        await self.proceed()
