"""What a world had changed at a moment that is over, from the commits that are kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.repo.git import commit_of, open_repository

if TYPE_CHECKING:
    from miyabi_tui.engine.state import RunState, WorldState
    from miyabi_tui.engine.worlds import WorldId


def diff(run: RunState, world: WorldId, *, since: WorldId | None = None) -> str:
    """The unified diff from the base, or from another world, to the last checkpoint. Blocks.

    Raises:
        UsageError: nothing is kept of it, or its repository is gone.
        GitError: git cannot read it.
    """
    after = _commit(run.world(world))
    before = run.base_commit if since is None else _commit(run.world(since))
    if not Path(run.repo).is_dir():
        raise UsageError(f"the repository of this run is gone: it was in {run.repo}")
    git = open_repository(Path(run.repo))
    for commit in (before, after):
        if not commit_of(git, commit):
            raise UsageError(f"commit {commit[:9]} is not in {run.repo} any more")
    _, text = git.run(
        *("diff-tree", "-r", "-p", "--no-color", "--no-ext-diff", "--no-textconv"),
        *("--find-renames", before, after),
        strip=False,
    )
    return text.encode("utf-8", "replace").decode()


def _commit(world: WorldState) -> str:
    """What is kept of a world last."""
    kept = world.commit or (world.checkpoints[-1].commit if world.checkpoints else "")
    if not kept:
        raise UsageError(f"{world.id} had no checkpoint yet at this moment")
    return kept
