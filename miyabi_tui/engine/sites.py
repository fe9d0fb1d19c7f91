"""Sites: where the commands of a run's worlds are executed. A sandbox, and a git view of its own.

Agents work in one, their results are measured in another, fresh one without any network, so that
nothing an agent left behind has a part in its score.
"""

from __future__ import annotations

from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.to_thread
from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import SandboxError
from miyabi_tui.engine.repo.view import GitView
from miyabi_tui.engine.resources.governed import GovernedSandbox
from miyabi_tui.engine.sandbox.base import EVERYWHERE, Mount, Space
from miyabi_tui.engine.sandbox.environment import world_environment
from miyabi_tui.engine.sandbox.process import ProcessSandbox
from miyabi_tui.engine.sandbox.seen import hidden, homes, tool_folders
from miyabi_tui.engine.scoring.measure import PROBE, SUITE

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from miyabi_tui.engine.publisher import Publisher
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.repo.worktrees import Worktree
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.resources.slots import Slots
    from miyabi_tui.engine.sandbox.base import Sandbox
    from miyabi_tui.engine.sandbox.choice import IsolationManager
    from miyabi_tui.engine.sandbox.ports import PortRanges
    from miyabi_tui.engine.sandbox.proxy import AllowProxy
    from miyabi_tui.engine.scoring.toolchain import Toolchain
    from miyabi_tui.engine.worlds import WorldId

    OnSlot = Callable[[str], None]


SAMPLES = "samples"  # whose they are in the queue for slots


class Purpose(Enum):
    """What a site is for: an agent's work, the person's own setup command, a measurement."""

    WORK = auto()
    SETUP = auto()
    MEASURE = auto()


class Site:
    """One sandbox; `tools` is where miyabi's own linters run, mostly the same one.

    `view` is None where commands have no worktree, but a folder that is a repository itself.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        tools: Sandbox,
        view: GitView | None,
        proxy: AllowProxy | None = None,
    ) -> None:
        self.sandbox = sandbox
        self.tools = tools
        self._view = view
        self._proxy = proxy

    async def adopt(self) -> None:
        """Take over what was done with git inside: commits, branch, index."""
        if self._view is not None:
            await anyio.to_thread.run_sync(self._view.adopt)

    async def close(self) -> None:
        """End what still runs, and take over what was done with git."""
        with anyio.CancelScope(shield=True):
            await self.sandbox.stop()
            if self.tools is not self.sandbox:
                await self.tools.stop()
            if self._proxy is not None:
                self._proxy.stop()
            if self._view is not None:
                await anyio.to_thread.run_sync(self._view.close)


class SiteMaker(Protocol):
    """What `Sites` is to whoever needs a site."""

    async def of_worktree(
        self,
        world: WorldId | None,
        worktree: Worktree,
        purpose: Purpose,
        on_slot: OnSlot | None = None,
        scratch: Path | None = None,
    ) -> Site:
        """See `Sites.of_worktree`."""
        ...

    async def of_folder(self, folder: Path, scratch: Path) -> Site:
        """See `Sites.of_folder`."""
        ...

    def unconfined(self, folder: Path) -> Sandbox:
        """See `Sites.unconfined`."""
        ...


class Sites:
    """Makes the sites of one run. `sandboxes` are the present ones, the base's under None."""

    def __init__(
        self,
        request: RunRequest,
        git: Git,
        toolchain: Toolchain,
        isolation: IsolationManager,
        slots: Slots,
        ports: PortRanges,
        publisher: Publisher,
        group: TaskGroup,
    ) -> None:
        self.isolation = isolation
        self.sandboxes: dict[WorldId | None, Sandbox] = {}
        self._request = request
        self._git = git
        self._toolchain = toolchain
        self._slots = slots
        self._ports = ports
        self._publisher = publisher
        self._group = group
        self._proxies = 0
        self._worktrees: dict[WorldId | None, Worktree] = {}

    def ports(self, world: WorldId | None) -> range:
        """The ports that are this world's for the whole run."""
        return self._ports.reserve(world)

    def folders_of(self, world: WorldId) -> list[Path]:
        """What a world writes on the disk: its worktree, its git data, what is below its `/tmp`."""
        worktree = self._worktrees.get(world)
        own = [worktree.path, worktree.git_dir] if worktree else []
        return [*own, *self.isolation.folders_of(world.value)]

    async def of_worktree(
        self,
        world: WorldId | None,
        worktree: Worktree,
        purpose: Purpose,
        on_slot: OnSlot | None = None,
        scratch: Path | None = None,
    ) -> Site:
        """A site on a worktree; `on_slot` is told while its commands wait for a slot.

        `scratch` is a folder that a measurement's commands may write besides.

        Raises:
            SandboxError: there is no sandbox to be had.
            GitError: the repository cannot be read.
        """
        view = GitView(self._git, worktree)
        try:
            mounts = await anyio.to_thread.run_sync(self._prepared, worktree, view)
        except OSError as error:
            raise SandboxError(f"cannot prepare {worktree.path}", str(error)) from error
        if scratch is not None:
            mounts.append(Mount(scratch, writable=True))
        space = await anyio.to_thread.run_sync(self._space, world, worktree.path, mounts, purpose)
        proxy = None
        if world is not None and purpose is Purpose.WORK and self._has_list:
            from miyabi_tui.engine.sandbox.proxy import proxy_environment

            proxy = await self._proxy(world)
            env = {**space.env, **proxy_environment()}
            space = replace(space, env=env, proxy=proxy.path.parent)
        outside = self.isolation.has_own_programs and purpose is Purpose.MEASURE
        tools = await self.isolation.sandbox(space, outside=True) if outside else None
        made = await self.isolation.sandbox(space)
        sandbox = GovernedSandbox(made, self._slots, space.name, on_slot or _unsaid)
        self.sandboxes[world], self._worktrees[world] = sandbox, worktree
        return Site(sandbox, tools or sandbox, view, proxy)

    async def of_folder(self, folder: Path, scratch: Path) -> Site:
        """A site for a sample, on a folder that is a repository with this one's objects.

        Raises:
            SandboxError: there is no sandbox to be had.
        """
        objects = self._git.common_dir / "objects"
        mounts = [Mount(folder, writable=True), Mount(objects), Mount(scratch, writable=True)]
        space = await anyio.to_thread.run_sync(self._space, None, folder, mounts, Purpose.MEASURE)
        made = await self.isolation.sandbox(space)
        sandbox = self.sandboxes[None] = GovernedSandbox(made, self._slots, SAMPLES, _unsaid)
        return Site(sandbox, sandbox, None)

    def unconfined(self, folder: Path) -> Sandbox:
        """For commands of our own that may take long, such as git's: ended with the run."""
        env = world_environment(
            None, extra=self._request.terms.env, keys=self._request.terms.key_variables
        )
        return ProcessSandbox(
            Space(name="host", worktree=folder, env=env, owner=self.isolation.owner)
        )

    @property
    def _has_list(self) -> bool:
        """Whether some hosts can be reached, and others not."""
        hosts = self._request.terms.sandbox.network
        return bool(hosts) and EVERYWHERE not in hosts

    async def _proxy(self, world: WorldId) -> AllowProxy:
        """A proxy for a world that lets through what is listed, and tells of all else."""
        from miyabi_tui.engine.sandbox.proxy import AllowProxy

        def refused(host: str) -> None:
            self._publisher.post(
                e.EscapeAttempted(world=world, kind=e.Escape.NETWORK, detail=host, stopped=True)
            )

        self._proxies += 1
        folder = self.isolation.temporary / f"proxy-{self._proxies}"
        made = AllowProxy(self._request.terms.sandbox.network, folder, on_refused=refused)
        await self._group.start(made.serve)
        return made

    def _prepared(self, worktree: Worktree, view: GitView) -> list[Mount]:
        """Make the view; what is to be seen of worktree and git data."""
        view.make()
        mounts = [Mount(worktree.path, writable=True)]
        if self.isolation.mounts:
            mounts.append(Mount(view.dot_git, worktree.path / ".git"))
        else:
            view.redirect()
        mounts += [Mount(one) for one in view.objects]
        return [*mounts, Mount(view.folder, writable=True)]

    def _space(
        self, world: WorldId | None, folder: Path, mounts: list[Mount], purpose: Purpose
    ) -> Space:
        terms, first = self._request.terms, self._toolchain.path_first
        env = world_environment(
            world,
            path_first=[folder / one for one in first],
            extra=terms.env,
            ports=self.ports(world),
            keys=self._request.terms.key_variables,
        )
        further = [self._git.work_tree / one for one in terms.sandbox.readable]
        if self._toolchain.python and Path(self._toolchain.python).is_absolute():
            further.append(Path(self._toolchain.python))
        limits = terms.sandbox
        if purpose is Purpose.SETUP:
            limits = replace(limits, network=(EVERYWHERE,))
        if purpose is Purpose.MEASURE:
            mounts = [*mounts, Mount(PROBE), Mount(SUITE)]
        return Space(
            name=world.value if world else "base",
            worktree=folder,
            env=env | homes(env),
            limits=limits,
            mounts=tuple(mounts),
            tools=tool_folders(env, further),
            hidden=hidden(env),
            network=purpose is not Purpose.MEASURE,
        )


def _unsaid(reason: str) -> None:
    """Nobody looks at what has no pane."""
