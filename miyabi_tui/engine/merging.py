"""The merge of a run's winner, noted in the journal so that it is done exactly once."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import anyio.to_thread

from miyabi_tui.engine import events as e
from miyabi_tui.engine.repo.merge import find_merge, land_merge, prepare_merge
from miyabi_tui.engine.summary import commit_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.repo.merge import MergeResult


async def merge_winner(
    git: Git, bus: Bus, identity: Mapping[str, str], branch: str, *, new_branch: bool
) -> MergeResult:
    """Merge the winner; what an interrupted merge has done already is only noted.

    The commit is made and noted before the branch moves, so a branch that holds it tells all.

    Raises:
        MergeConflict: it does not apply; nothing was changed.
        GitError: git failed.
        StoreError: the journal cannot be written.
    """
    run = bus.state
    assert run.winner is not None
    world, begun, done = run.world(run.winner), run.merge_started, None
    if begun is not None and begun.world is run.winner:
        done = await anyio.to_thread.run_sync(find_merge, git, begun.branch, begun.commit)
    if done is None:
        call = functools.partial(
            prepare_merge,
            *(git, world.commit, run.base_commit, branch, commit_message(run), identity),
            new_branch=new_branch,
        )
        merge = await anyio.to_thread.run_sync(call)
        await bus.emit(e.MergeStarted(world=world.id, branch=branch, commit=merge.commit))
        done = await anyio.to_thread.run_sync(land_merge, git, merge)
    await bus.emit(e.Merged(world=world.id, branch=done.branch, commit=done.commit))
    return done
