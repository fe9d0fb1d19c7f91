"""Where a world stands: its worktree made, taken up after an interruption, or put back to a step.

Nothing that is found is thrown away: before a worktree is put back, what it holds is archived.
"""

from __future__ import annotations

import functools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.lane import Stand

if TYPE_CHECKING:
    from miyabi_tui.engine.agents.past import History, Past
    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.repo.snapshots import Keeper
    from miyabi_tui.engine.repo.worktrees import FiveWorldsManager, Worktree
    from miyabi_tui.engine.state import Checkpoint, WorldState
    from miyabi_tui.engine.worlds import WorldId

GONE = "its worktree was gone"


class Ground:
    """The worktrees of one run's worlds."""

    def __init__(
        self, bus: Bus, manager: FiveWorldsManager, keeper: Keeper, *, interactive: bool
    ) -> None:
        self._bus = bus
        self._manager = manager
        self._keeper = keeper
        self._interactive = interactive

    async def new(self, world: WorldId) -> Stand:
        """A worktree of the base for a world that has none.

        Raises:
            WorktreeError: it cannot be made.
        """
        await self._bus.emit(e.WorldPreparing(world=world))
        worktree = await self._manager.spawn_world(world)
        await self._created(world, worktree)
        return Stand(worktree=worktree)

    async def again(self, world: WorldId, history: History | None, *, picked: bool) -> Stand:
        """The worktree of a resumed world, holding exactly what its journal says.

        A world that was `picked` ends its work at once. One that was paused stays so where a
        person can let it go on.

        Raises:
            WorktreeError: it cannot be made again.
            GitError: it cannot be put back.
        """
        state = self._bus.state.world(world)
        worktree, found, archived = await self._take_up(state)
        anew = found is not None
        checkpoint = await self._last_readable(state)
        past = history.present if history else None
        if past and history and self._must_cut(state, checkpoint, past, anew=anew):
            past = await self._cut(state, checkpoint, history)
            state = self._bus.state.world(world)
        # A step that could not be saved is only in the worktree: then that is left as it is.
        if checkpoint and not (past and past.step > checkpoint.step):
            wanted = state.commit or checkpoint.commit
            if difference := await self._keeper.difference(worktree, wanted):
                if not anew:
                    found = difference
                    archived = await self._archive(worktree, state, f"found at a resume: {found}")
                await self._keeper.put_back(worktree, wanted)
        step = past.step if past else 0
        await self._bus.emit(
            e.WorldRestored(world=world, step=step, found=found or "", archived=archived)
        )
        paused = state.paused_when_cut and self._interactive
        if state.paused_when_cut and not paused:
            await self._bus.emit(e.WorldContinued(world=world))
        return Stand(
            worktree=worktree,
            fresh=not self._bus.state.world(world).set_up,
            checkpoint=checkpoint.commit if checkpoint else "",
            past=past,
            commit=state.commit,
            paused=paused,
            picked=picked,
        )

    async def back(self, world: WorldId, past: Past) -> Stand:
        """The worktree of a world that was forked, at the checkpoint it goes on from.

        Raises:
            WorktreeError: it cannot be made.
            GitError: it cannot be put back.
        """
        state = self._bus.state.world(world)
        if state.worktree_ready:
            worktree, _, _ = await self._take_up(state)
        else:
            worktree = await self._manager.spawn_world(world)
            await self._created(world, worktree)
        checkpoint = state.checkpoints[-1].commit
        await self._keeper.put_back(worktree, checkpoint)
        fresh = not self._bus.state.world(world).set_up
        return Stand(worktree=worktree, fresh=fresh, checkpoint=checkpoint, past=past)

    async def archive(self, world: WorldId, reason: str) -> str:
        """Keep what the world's worktree holds now under a ref; empty where it has none.

        Raises:
            GitError: it cannot be kept.
        """
        state = self._bus.state.world(world)
        config = state.config
        if not state.worktree_ready:
            return ""
        found = await self._manager.find(
            world, Path(config.worktree), Path(state.git_dir), config.branch
        )
        last = state.commit or (state.checkpoints[-1].commit if state.checkpoints else "")
        if found is None and not last:
            return ""
        if found is None:
            return await self._keeper.archive_commit(world, last, state.step, reason)
        return await self._archive(found, state, reason)

    async def _archive(self, worktree: Worktree, state: WorldState, reason: str) -> str:
        last = state.checkpoints[-1] if state.checkpoints else None
        return await self._keeper.archive(
            state.id,
            worktree,
            last.step if last else 0,
            reason,
            after=last.commit if last else "",
        )

    async def _take_up(self, state: WorldState) -> tuple[Worktree, str | None, str]:
        """The world's worktree; why it had to be made anew, if so, and what is archived of it."""
        config = state.config
        path = Path(config.worktree) if config.worktree else self._manager.path(state.id)
        branch = config.branch or self._manager.branch(state.id)
        if state.worktree_ready:
            found = await self._manager.find(state.id, path, Path(state.git_dir), branch)
            if found is not None:
                return found, None, ""
        worktree = await self._manager.rebuild(state.id, path, branch)
        archived = ""
        for moved in await anyio.to_thread.run_sync(_moved_aside, path):
            there = replace(worktree, path=moved)
            archived = await self._archive(there, state, "found in place of its worktree")
            remove = functools.partial(shutil.rmtree, moved, ignore_errors=True)
            await anyio.to_thread.run_sync(remove)
        await self._created(state.id, worktree)
        return worktree, GONE if state.worktree_ready else "", archived

    async def _last_readable(self, state: WorldState) -> Checkpoint | None:
        """The newest checkpoint whose files are all there; a box that dies can lose the last."""
        for checkpoint in reversed(state.checkpoints):
            if await self._keeper.readable(checkpoint.commit):
                return checkpoint
        return None

    def _must_cut(
        self, state: WorldState, checkpoint: Checkpoint | None, past: Past, *, anew: bool
    ) -> bool:
        """Whether the files of the last steps are lost, so that the conversation must go back."""
        if checkpoint is None:
            return anew
        lost = checkpoint is not state.checkpoints[-1]
        return lost or (anew and past.step > checkpoint.step)

    async def _cut(
        self, state: WorldState, checkpoint: Checkpoint | None, history: History
    ) -> Past | None:
        """Forget the steps whose files are lost: the conversation must fit the worktree."""
        step = checkpoint.step if checkpoint else 0
        text = f"the files of step {history.present.step} are lost: back to step {step}"
        await self._bus.emit(e.Notice(level=e.Level.WARNING, text=text, world=state.id))
        if checkpoint is None:
            return None
        await self._bus.emit(
            e.WorldForked(
                world=state.id,
                source=state.id,
                step=step,
                checkpoint=checkpoint.commit,
                config=state.config,
                system=history.present.system,
            )
        )
        return history.at(step)

    async def _created(self, world: WorldId, worktree: Worktree) -> None:
        await self._bus.emit(
            e.WorktreeCreated(
                world=world,
                path=str(worktree.path),
                branch=worktree.branch,
                git_dir=str(worktree.git_dir),
            )
        )


def _moved_aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.found-*"))
