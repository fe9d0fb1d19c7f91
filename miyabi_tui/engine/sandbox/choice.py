"""IsolationManager: which isolation really works on this machine, and its sandboxes (REQ-SEC-3)."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import msgspec
from msgspec.structs import replace

from miyabi_tui.engine.errors import SandboxError
from miyabi_tui.engine.events import Escape
from miyabi_tui.engine.sandbox import bubblewrap, process
from miyabi_tui.engine.sandbox.base import Mount
from miyabi_tui.engine.sandbox.cgroups import Cgroup
from miyabi_tui.engine.terms import Isolation, Sandboxing

if TYPE_CHECKING:
    from miyabi_tui.engine.sandbox.base import Sandbox, Space
    from miyabi_tui.engine.sandbox.docker import Docker

ORDER = (Isolation.DOCKER, Isolation.BUBBLEWRAP, Isolation.PROCESS)
INSTALL = {
    Isolation.DOCKER: "install and start Docker or podman, or name its socket in DOCKER_HOST",
    Isolation.BUBBLEWRAP: "install the package bubblewrap",
}


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One isolation on this machine: what it is made of, or why it does not work and what to do."""

    isolation: Isolation
    works: bool
    detail: str = ""
    advice: str = ""


class IsolationManager:
    """Makes sandboxes of the isolation that was asked for, or of the first that works.

    `temporary` is a folder for what the sandboxes need for themselves, on a tmpfs if possible.
    """

    def __init__(
        self, asked: Isolation, limits: Sandboxing, repo: Path, temporary: Path, owner: str
    ) -> None:
        self._asked = asked
        self._limits = limits
        self.owner = owner
        self._repo = repo
        self.temporary = temporary
        self._kernel = process.Kernel()
        self._docker: Docker | None = None
        self._made = 0
        self._scratches: dict[str, list[Path]] = {}
        self.isolation = asked
        self.detail = ""
        self.passed_over: tuple[str, ...] = ()

    async def choose(self) -> None:
        """Take the first isolation that really works here, by trying.

        Raises:
            SandboxError: the one that was asked for does not work.
        """
        over: list[str] = []
        for isolation in ORDER if self._asked is Isolation.AUTO else (self._asked,):
            found = await self.look(isolation)
            if found.works:
                self.isolation, self.detail = isolation, found.detail
                self.passed_over = tuple(over)
                return
            over.append(f"{isolation}: {found.detail}")
        raise SandboxError(
            f"isolation by {self._asked} does not work here", over[0].partition(": ")[2],
            f'{INSTALL[self._asked]}, or set isolation = "auto"',
        )  # fmt: skip

    async def look(self, isolation: Isolation) -> Candidate:
        """Whether an isolation works on this machine."""
        match isolation:
            case Isolation.DOCKER:
                return await self._look_at_docker()
            case Isolation.BUBBLEWRAP:
                why_not = await anyio.to_thread.run_sync(bubblewrap.probe)
                holds = await anyio.to_thread.run_sync(self._limits_that_hold)
            case _:
                self._kernel = await anyio.to_thread.run_sync(process.probe)
                holds = await anyio.to_thread.run_sync(self._limits_that_hold)
                remarks = "; ".join(self._kernel.remarks)
                return Candidate(
                    isolation=isolation,
                    works=True,
                    detail="; ".join(filter(None, (remarks, holds))),
                    advice=INSTALL[Isolation.BUBBLEWRAP] if remarks else "",
                )
        return Candidate(
            isolation=isolation,
            works=not why_not,
            detail=why_not or holds,
            advice=INSTALL[isolation] if why_not else "",
        )

    async def _look_at_docker(self) -> Candidate:
        from miyabi_tui.engine.sandbox import docker

        found = await docker.look(self._limits, self._repo, self.temporary, self.owner)
        if isinstance(found, str):
            advice = INSTALL[Isolation.DOCKER]
            return Candidate(isolation=Isolation.DOCKER, works=False, detail=found, advice=advice)
        self._docker = found
        return Candidate(isolation=Isolation.DOCKER, works=True, detail=found.detail)

    def _limits_that_hold(self) -> str:
        group = Cgroup.make(f"{self.owner}probe", self._limits)
        if group is None:
            return "limits by process only, without a control group"
        try:
            missing = {"memory", "processes", "cpu"} - group.holds
            return f"no control group limits {' and '.join(sorted(missing))}" if missing else ""
        finally:
            group.remove()

    @property
    def mounts(self) -> bool:
        """Whether commands can see a file in another one's place."""
        return self.isolation is not Isolation.PROCESS

    def folders_of(self, name: str) -> list[Path]:
        """Where the present sandboxes of that name keep what is below their `/tmp`."""
        return [one for one in self._scratches.get(name, ()) if one.is_dir()]

    @property
    def stops(self) -> frozenset[Escape]:
        """The attempts to leave that commands are really kept from."""
        if self.isolation is Isolation.PROCESS:
            return self._kernel.stops
        return frozenset(Escape)

    @property
    def own_folders(self) -> tuple[Path, ...]:
        """Where commands may write besides their worktree."""
        return (self.temporary,) if self.isolation is Isolation.PROCESS else ()

    async def aclose(self) -> None:
        """Give back what was opened for the sandboxes."""
        if self._docker is not None:
            await anyio.to_thread.run_sync(self._docker.close)

    @property
    def has_own_programs(self) -> bool:
        """Whether commands see the programs of an image, not those of this machine."""
        return self._docker is not None and not self._docker.shows_machine

    async def sandbox(self, space: Space, *, outside: bool = False) -> Sandbox:
        """A sandbox of the chosen isolation, ready to run commands.

        `outside`: for miyabi's own tools, which an image does not hold.

        Raises:
            SandboxError: it cannot be made.
        """
        self._made += 1
        scratch = self.temporary / f"{space.name}-{self._made}"
        await anyio.to_thread.run_sync(
            functools.partial((scratch / "tmp" / "home").mkdir, parents=True)
        )
        space = replace(space, scratch=scratch, owner=self.owner)
        self._scratches.setdefault(space.name, []).append(scratch)
        made = await anyio.to_thread.run_sync(self._sandbox, space, outside)
        await made.start()
        return made

    def _sandbox(self, space: Space, outside: bool) -> Sandbox:
        if self._docker is not None and not (outside and self.has_own_programs):
            return self._docker.sandbox(_at_home(space, Path("/tmp")))
        group = Cgroup.make(f"{self.owner}{space.name}-{self._made}", space.limits)
        if self.isolation is Isolation.BUBBLEWRAP:
            return bubblewrap.BubblewrapSandbox(_at_home(space, Path("/tmp")), group)
        assert space.scratch is not None
        temporary = space.scratch / "tmp"
        space = replace(space, mounts=(*space.mounts, Mount(temporary, writable=True)))
        return process.ProcessSandbox(_at_home(space, temporary), group, self._kernel)


def _at_home(space: Space, temporary: Path) -> Space:
    """The space with a home of its own; its caches would be where commands cannot write."""
    env = {name: value for name, value in space.env.items() if name != "XDG_CACHE_HOME"}
    place = {"HOME": os.fspath(temporary / "home"), "TMPDIR": os.fspath(temporary)}
    return replace(space, env=env | place)
