"""A sample: a checkpoint of a running world, built and tested beside its worktree.

The checkpoint's files are put into a folder inside of the user's checkout, where worktrees are, so
that tools find there what they find from a worktree. The folder is a repository of its own, with
the user's objects but none of the refs: tests that call git find the checkpoint and cannot touch
anything else.
"""

from __future__ import annotations

import functools
import shutil
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import msgspec
import psutil

from miyabi_tui.engine.errors import WorktreeError
from miyabi_tui.engine.repo.git import GUARDS, Git
from miyabi_tui.engine.scoring.junit import Outcome
from miyabi_tui.engine.scoring.measure import Measurer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from miyabi_tui.engine.sandbox.base import Sandbox
    from miyabi_tui.engine.scoring.toolchain import Toolchain
    from miyabi_tui.engine.sites import Site, SiteMaker

GENTLY = ("nice", "-n", "10")  # the worlds' own commands go first
FAILURES = 10  # that are named
FAILURE = 200  # characters of one

# REQ-RES-2 lets another world begin below these; a sample asks for no less. The disk may be fuller.
CPU_PERCENT, MEMORY_PERCENT, DISK_PERCENT = 75.0, 70.0, 85.0
LOOK_SECONDS = 0.5


class Machine(msgspec.Struct, frozen=True):
    """How busy the machine is, in percent of what it has."""

    cpu: float
    memory: float
    disk: float


def read_machine(folder: Path) -> Machine:
    """How busy the machine is, with the disk of `folder`. Blocks for half a second: in a thread."""
    return Machine(
        psutil.cpu_percent(interval=LOOK_SECONDS),
        psutil.virtual_memory().percent,
        psutil.disk_usage(str(folder)).percent,
    )


def has_room(machine: Machine) -> bool:
    """Whether a sample would take nothing from the worlds."""
    return (
        machine.cpu < CPU_PERCENT
        and machine.memory < MEMORY_PERCENT
        and machine.disk < DISK_PERCENT
    )


class Sample(msgspec.Struct, frozen=True):
    """What a checkpoint's build and tests said; see `TestsSampled`."""

    builds: bool
    passed: int = 0
    known: int = 0
    failures: tuple[str, ...] = ()


class Bench:
    """Takes samples in `folder`, one after another, each in a site of its own.

    `include` copies untracked files there.
    """

    def __init__(
        self,
        git: Git,
        toolchain: Toolchain,
        sites: SiteMaker,
        folder: Path,
        scratch: Path,
        include: Callable[[Path], None],
    ) -> None:
        self._git = git
        self._toolchain = toolchain
        self._sites = sites
        self._folder = folder
        self._scratch = scratch
        self._include = include

    async def sample(self, commit: str, seconds: float) -> Sample | None:
        """Build and test a commit; None where that says nothing, or takes more than `seconds`.

        The folder is not there before; it stays.

        Raises:
            MiyabiError: the checkpoint cannot be put there.
            OSError: as above.
        """
        found = None
        with anyio.move_on_after(seconds):
            await self._check_out(commit, seconds)
            await anyio.to_thread.run_sync(
                functools.partial(self._scratch.mkdir, parents=True, exist_ok=True)
            )
            site = await self._sites.of_folder(self._folder, self._scratch)
            try:
                if await self._set_up(site.sandbox, seconds):
                    found = await self._measure(site, commit, seconds)
            finally:
                await site.close()
        return found

    async def clear(self, within: float) -> None:
        """Remove the folder; what is not gone `within` seconds is left to its thread."""
        remove = functools.partial(shutil.rmtree, self._folder, ignore_errors=True)
        with anyio.move_on_after(within, shield=True):
            await anyio.to_thread.run_sync(remove, abandon_on_cancel=True)

    async def _check_out(self, commit: str, seconds: float) -> None:
        """Fill the folder, from the user's own repository and with its filters.

        The index goes to the folder's own.
        """
        await anyio.to_thread.run_sync(functools.partial(self._folder.mkdir, parents=True))
        own = Git(self._folder, self._folder / ".git")
        form = await self._git("rev-parse", "--show-object-format")
        await own("init", "--quiet", f"--object-format={form}")
        await anyio.to_thread.run_sync(self._lend_objects, own.git_dir)
        await own("update-ref", "--no-deref", "HEAD", commit)
        there = (f"--git-dir={self._git.git_dir}", f"--work-tree={self._folder}")
        fill = ("-c", "core.sparseCheckout=false", "read-tree", "-u", "--reset", commit)
        outside = self._sites.unconfined(self._folder)
        try:
            filled = await outside.exec(
                (*GENTLY, "git", *GUARDS, *there, *fill),
                cwd=self._folder,
                time_limit=seconds,
                env={"GIT_INDEX_FILE": str(own.git_dir / "index")},
            )
        finally:
            with anyio.CancelScope(shield=True):
                await outside.stop()
        if not filled.ok:
            raise WorktreeError(f"cannot check out {commit}", filled.output.strip()[-300:])
        await anyio.to_thread.run_sync(self._include, self._folder)

    def _lend_objects(self, to: Path) -> None:
        alternates = to / "objects" / "info" / "alternates"
        alternates.parent.mkdir(parents=True, exist_ok=True)
        alternates.write_text(f"{self._git.common_dir / 'objects'}\n")

    async def _set_up(self, sandbox: Sandbox, seconds: float) -> bool:
        command = self._toolchain.commands.setup
        if not command:
            return True
        result = await sandbox.exec(
            (*GENTLY, "bash", "-c", command), cwd=self._folder, time_limit=seconds
        )
        return result.ok

    async def _measure(self, site: Site, commit: str, seconds: float) -> Sample | None:
        listing = await self._git("ls-tree", "-r", "-z", "--name-only", commit)
        measurer = Measurer(
            self._toolchain, site.sandbox, self._folder, self._scratch, seconds, GENTLY
        )
        failures, tests = await measurer.build_and_test([*filter(None, listing.split("\0"))])
        if failures:
            return Sample(builds=False, failures=_named(failures))
        ran = list(tests.outcomes.values())
        known = len(ran) - ran.count(Outcome.SKIPPED)
        if not known and not self._toolchain.commands.build and not self._toolchain.python:
            return None
        red = sorted(tests.having(Outcome.FAILED))
        return Sample(True, ran.count(Outcome.PASSED), known, _named(red))


def _named(failures: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one[:FAILURE] for one in failures[:FAILURES])
