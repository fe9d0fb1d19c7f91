"""Snapshots: what a worktree holds, as a commit under a ref of its own.

    refs/miyabi/<run>/base                    the commit that the run began with
    refs/miyabi/<run>/<world>/<step>          after each step; 0 is what the agent began with
    refs/miyabi/<run>/<world>/saved           the last one in mid-step
    refs/miyabi/<run>/archive/<world>/<n>     what would be gone otherwise, and why

Neither the worktree's index nor its branch moves. The message says where its git stood, so that
it can be put back there.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import anyio.to_thread
import msgspec
from msgspec.structs import replace

from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.repo.git import Diffstat, Git, commit_of, identity, printable
from miyabi_tui.engine.repo.index import contents
from miyabi_tui.engine.repo.leavings import leavings, open_up
from miyabi_tui.engine.repo.note import Note
from miyabi_tui.engine.repo.putting_back import difference, put_back
from miyabi_tui.engine.repo.standing import set_ref, standing

if TYPE_CHECKING:
    from miyabi_tui.engine.repo.index import Contents
    from miyabi_tui.engine.repo.worktrees import Worktree

REFS = "refs/miyabi"
ATTEMPTS = 20  # at a ref's name, while another program takes names too


class Snapshot(msgspec.Struct, frozen=True):
    """A worktree's content as a commit, and the size of its change against the base."""

    commit: str
    change: Diffstat


class Keeper:
    """Keeps what one run's worktrees hold. `ignored`: also the files that git ignores.

    A world is a `WorldId`, or `base` for the worktree in which the base was measured.
    """

    def __init__(self, git: Git, run_id: str, *, ignored: bool = False) -> None:
        self._git = git
        self._run = run_id
        self._ignored = ignored
        self._within: dict[str, frozenset[str]] = {}

    @functools.cached_property
    def _author(self) -> dict[str, str]:
        return identity(self._git)

    def ref(self, world: str, step: int | str) -> str:
        """The ref of a world's checkpoint."""
        return f"{REFS}/{self._run}/{world}/{step}"

    async def pin_base(self, commit: str) -> None:
        """Keep the base itself: its branch may be rewritten while the run lasts.

        Raises:
            GitError: git refused.
        """
        await anyio.to_thread.run_sync(set_ref, self._git, f"{REFS}/{self._run}/base", commit)

    async def checkpoint(
        self, world: str, worktree: Worktree, step: int, title: str, *, after: str = ""
    ) -> Snapshot:
        """Keep what the worktree holds after a step. `after` is the snapshot before this one.

        A step's ref is written over where the world went back and takes the step again.

        Raises:
            GitError: it cannot be kept.
        """
        note = Note(run=self._run, world=str(world), kind="step", step=step, reason=title)
        return await anyio.to_thread.run_sync(
            self._keep, worktree, note, after, self.ref(world, step)
        )

    async def save(
        self, world: str, worktree: Worktree, step: int, why: str, *, after: str = ""
    ) -> tuple[str, str]:
        """Keep what the worktree holds now, even while the agent writes; its ref and commit.

        Raises:
            GitError: it cannot be kept.
        """
        note = Note(run=self._run, world=str(world), kind="saved", step=step, reason=why)
        ref = self.ref(world, "saved")
        kept = await anyio.to_thread.run_sync(self._keep, worktree, note, after, ref)
        return ref, kept.commit

    async def archive(
        self, world: str, worktree: Worktree, step: int, reason: str, *, after: str = ""
    ) -> str:
        """Keep all that the worktree holds, for good; the ref.

        Besides the files: commits that only its reflog knows, its index, and the commits of
        repositories inside.

        Raises:
            GitError: it cannot be kept whole.
        """
        note = Note(run=self._run, world=str(world), kind="archive", step=step, reason=reason)
        return await anyio.to_thread.run_sync(self._archive, world, worktree, note, after)

    async def archive_commit(self, world: str, commit: str, step: int, reason: str) -> str:
        """Keep for good what is only a commit; the ref.

        Raises:
            GitError: git refused.
        """
        note = Note(run=self._run, world=str(world), kind="archive", step=step, reason=reason)
        return await anyio.to_thread.run_sync(self._archive_commit, world, commit, note)

    async def difference(self, worktree: Worktree, commit: str) -> str:
        """How the worktree differs from a snapshot, in few words; empty where it does not."""
        return await anyio.to_thread.run_sync(
            difference, self._git, worktree, commit, self._ignored
        )

    async def put_back(self, worktree: Worktree, commit: str) -> None:
        """Make the worktree hold exactly a snapshot, with branch and HEAD where they were then.

        Files that git ignores are left alone, unless snapshots hold them too.

        Raises:
            GitError: it cannot be put back.
        """
        await anyio.to_thread.run_sync(put_back, self._git, worktree, commit, self._ignored)

    async def readable(self, commit: str) -> bool:
        """Whether all of a snapshot is there: a box that dies can leave objects empty."""
        return await anyio.to_thread.run_sync(self._readable, commit)

    # --- in a thread ------------------------------------------------------------------------------

    def _keep(self, worktree: Worktree, note: Note, after: str, ref: str) -> Snapshot:
        found = self._contents(worktree)
        commit = self._snapshot(worktree, found, note, after)
        set_ref(self._git, ref, commit)
        return Snapshot(commit, found.change)

    def _contents(self, worktree: Worktree) -> Contents:
        files = Git(worktree.path, self._git.git_dir)
        return contents(files, worktree, ignored=self._ignored)

    def _snapshot(
        self,
        worktree: Worktree,
        found: Contents,
        note: Note,
        after: str,
        more: tuple[str, ...] = (),
    ) -> str:
        stands = standing(self._git, worktree)
        note = replace(
            note,
            base=worktree.base,
            head=stands.head,
            on=stands.on,
            tip=stands.tip,
            inside=found.inside,
            left_out=found.left_out,
        )
        known = frozenset(filter(None, (stands.head, stands.tip, worktree.base, *more)))
        commit = self._commit(found.tree, self._parents(after, known), note)
        self._within[commit] = known | self._within.get(after, frozenset())
        return commit

    def _parents(self, after: str, known: frozenset[str]) -> list[str]:
        """The snapshot before, then whatever it does not hold yet."""
        if after and known <= self._within.get(after, frozenset()):
            return [after]
        if len(known) == 1 and not after:
            return list(known)
        wanted = [after] if after and commit_of(self._git, after) else []
        _, listing = self._git.run("merge-base", "--independent", *wanted, *sorted(known))
        rest = [one for one in listing.split() if one not in wanted]
        return [*wanted, *rest]

    def _commit(self, tree: str, parents: list[str], note: Note) -> str:
        above = (word for parent in parents for word in ("-p", parent))
        _, commit = self._git.run(
            "commit-tree", tree, *above, "-m", note.message(), env=self._author
        )
        return commit

    def _archive(self, world: str, worktree: Worktree, note: Note, after: str) -> str:
        open_up(worktree.path)
        found = self._contents(worktree)
        if found.left_out:
            cause = f"{printable(found.left_out[0])} cannot be read"
            raise GitError(f"cannot keep {worktree.path} whole", cause)
        more = leavings(self._git, worktree, found, self._author)
        return self._at_free_number(world, self._snapshot(worktree, found, note, after, more))

    def _archive_commit(self, world: str, commit: str, note: Note) -> str:
        known = Note.of(self._git, commit)
        note = replace(
            note, base=known.base, head=known.head or commit, on=known.on, tip=known.tip or commit
        )
        kept = self._commit(f"{commit}^{{tree}}", [commit], note)
        return self._at_free_number(world, kept)

    def _at_free_number(self, world: str, commit: str) -> str:
        folder = f"{REFS}/{self._run}/archive/{world}/"
        for _ in range(ATTEMPTS):
            _, listing = self._git.run("for-each-ref", "--format=%(refname)", folder)
            taken = [int(name.rpartition("/")[2]) for name in listing.split()]
            ref = f"{folder}{max(taken, default=0) + 1}"
            try:
                self._git.run("update-ref", ref, commit, "")
            except GitError as error:  # another one took the number
                refused = error
            else:
                return ref
        raise refused

    def _readable(self, commit: str) -> bool:
        pinned = f"{REFS}/{self._run}/base"
        try:
            base = commit_of(self._git, pinned) or Note.of(self._git, commit).base
            self._git.run("rev-list", "--objects", "--quiet", commit, "--not", base)
            self._git.measure(base, commit)  # reads what was changed
        except GitError:
            return False
        return True
