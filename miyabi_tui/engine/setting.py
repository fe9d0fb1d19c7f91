"""Puts a race together from a request: toolchain, worktrees, models, lanes."""

from __future__ import annotations

import functools
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import anyio

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents.review import ReviewAgent
from miyabi_tui.engine.collector import GarbageCollector
from miyabi_tui.engine.ground import Ground
from miyabi_tui.engine.guards import open_guards
from miyabi_tui.engine.models import registry
from miyabi_tui.engine.models.tariff import Tariff
from miyabi_tui.engine.monitor import Monitor
from miyabi_tui.engine.oversight import Oversight
from miyabi_tui.engine.questions import Questions
from miyabi_tui.engine.race import Race
from miyabi_tui.engine.repo.git import identity
from miyabi_tui.engine.repo.owner import Owner
from miyabi_tui.engine.repo.snapshots import Keeper
from miyabi_tui.engine.repo.worktrees import FiveWorldsManager
from miyabi_tui.engine.resources.governor import governor_for
from miyabi_tui.engine.resources.hardware import HardwareLimits
from miyabi_tui.engine.sampler import keep_sampling
from miyabi_tui.engine.sandbox.choice import IsolationManager
from miyabi_tui.engine.sandbox.ports import PortRanges, ports_folder
from miyabi_tui.engine.scoring.toolchain import SETTINGS, find_toolchain, inside_image
from miyabi_tui.engine.scratch import remove_abandoned, scratch_folder, shared_memory
from miyabi_tui.engine.sites import Sites
from miyabi_tui.engine.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping
    from pathlib import Path

    from anyio.abc import TaskGroup

    from miyabi_tui.engine.agents.past import History
    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.collector import Report
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.resources.governor import Governor
    from miyabi_tui.engine.scoring.toolchain import Toolchain
    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.worlds import WorldId

SETTLED_SECONDS = 30.0


@asynccontextmanager
async def prepare(
    request: RunRequest,
    git: Git,
    bus: Bus,
    pasts: Mapping[WorldId, History],
    *,
    journal: Path,
    owner: str,
) -> AsyncGenerator[Race, None]:
    """A race, ready to run, with its gauges being read; everything is closed afterwards.

    `pasts` are the conversations that go on; `owner` marks the processes of this engine.
    Meanwhile worktrees of earlier runs are collected.

    Raises:
        UsageError: a model cannot be made.
        GitError: the repository cannot be read.
    """
    async with _means(request, git, bus, journal, owner) as means, AsyncExitStack() as stack:
        group = await stack.enter_async_context(anyio.create_task_group())
        questions = Questions(bus, interactive=request.interactive)
        guards = await stack.enter_async_context(
            open_guards(request, bus, questions, group, journal=journal, owner=owner)
        )
        isolation, slots = means.isolation, means.governor.slots
        sites = Sites(request, git, means.toolchain, isolation, slots, means.ports, bus, group)
        oversight = Oversight(request, git, bus, questions, isolation, journal)
        workshop = Workshop(
            request,
            bus,
            means.manager,
            sites,
            oversight,
            means.reviewer,
            means.keeper,
            guards,
            means.author,
        )
        stack.push_async_callback(isolation.aclose)
        stack.push_async_callback(workshop.aclose)
        for name in _models(bus.state):
            await workshop.model(registry.check(name, request.terms.providers))
        ground = Ground(bus, means.manager, means.keeper, interactive=request.interactive)
        _begin_beside(group, request, git, bus, means, sites, journal)
        stack.callback(group.cancel_scope.cancel)  # at first: nothing is measured any more
        yield Race(request, git, bus, means.manager, workshop, ground, pasts, questions)


class _Means(NamedTuple):
    """What all worlds share, before anything of the race runs."""

    scratch: Path
    isolation: IsolationManager
    toolchain: Toolchain
    ports: PortRanges
    governor: Governor
    manager: FiveWorldsManager
    keeper: Keeper
    reviewer: ReviewAgent
    author: dict[str, str]


@asynccontextmanager
async def _means(
    request: RunRequest, git: Git, bus: Bus, journal: Path, owner: str
) -> AsyncGenerator[_Means, None]:
    """Everything that is found out or made first; folders and ports are given back afterwards."""
    run, terms = bus.state, request.terms
    await anyio.to_thread.run_sync(remove_abandoned)
    with (
        scratch_folder(owner) as scratch,
        scratch_folder(owner, shared_memory()) as temporary,
        _ports() as ports,
    ):
        await _warn_of_unknown_prices(request, bus)
        isolation = await _isolation(request, git, bus, temporary, owner)
        toolchain = await _toolchain(request, git, bus, scratch / "settings")
        if isolation.has_own_programs:
            toolchain = inside_image(toolchain)
        hardware = await anyio.to_thread.run_sync(HardwareLimits.detect, git.work_tree)
        governor = governor_for(terms.governor, terms.sandbox, hardware, bus, git.work_tree)
        signed = Owner(run.run_id, str(journal))
        manager = FiveWorldsManager(git, run.base_commit, run.issue.key, run.task, owner=signed)
        keeper = Keeper(git, run.run_id, ignored=terms.checkpoints.ignored)
        await keeper.pin_base(run.base_commit)
        reviewer = ReviewAgent(toolchain, bus, scratch, terms.test_seconds)
        if run.base and run.base.measurement:
            reviewer.take_base(run.base.measurement)
        author = await anyio.to_thread.run_sync(identity, git)
        yield _Means(
            scratch, isolation, toolchain, ports, governor, manager, keeper, reviewer, author
        )


@contextmanager
def _ports() -> Iterator[PortRanges]:
    """The ranges of ports of this run's worlds, as long as it lasts."""
    ports = PortRanges(ports_folder())
    try:
        yield ports
    finally:
        ports.release_all()


def _begin_beside(
    group: TaskGroup,
    request: RunRequest,
    git: Git,
    bus: Bus,
    means: _Means,
    sites: Sites,
    journal: Path,
) -> None:
    """Begin what goes on beside the race: the gauges, the governor, the collector, the samples."""
    seen = Seen(bus, means.governor)
    monitor = Monitor(sites.sandboxes, seen, sites.folders_of, request.terms.sandbox)
    group.start_soon(monitor.watch)
    group.start_soon(means.governor.run)
    group.start_soon(_collect, git, journal, bus)
    group.start_soon(
        keep_sampling,
        request.terms,
        git,
        bus,
        means.reviewer,
        sites,
        means.toolchain,
        means.scratch,
        means.manager.include,
    )


class Seen:
    """The bus, for the monitor; the governor sees what it tells: who is idle lends its place."""

    def __init__(self, bus: Bus, governor: Governor) -> None:
        self._bus = bus
        self._governor = governor

    def post(self, event: e.AnyEvent) -> None:
        """See `Publisher.post`."""
        if isinstance(event, e.Gauges):
            self._governor.saw(event)
        self._bus.post(event)

    async def emit(self, event: e.AnyEvent) -> None:
        """See `Publisher.emit`."""
        await self._bus.emit(event)


async def _isolation(
    request: RunRequest, git: Git, bus: Bus, temporary: Path, owner: str
) -> IsolationManager:
    """What keeps the commands apart from this machine, as the person is told.

    Raises:
        SandboxError: what was asked for cannot be had.
    """
    terms = request.terms
    manager = IsolationManager(terms.isolation, terms.sandbox, git.work_tree, temporary, owner)
    await manager.choose()
    await bus.emit(
        e.SandboxChosen(
            isolation=manager.isolation, detail=manager.detail, passed_over=manager.passed_over
        )
    )
    return manager


def _models(run: RunState) -> list[str]:
    """The models of the worlds that race from now on."""
    return sorted({world.config.model for world in run.worlds if not world.ended})


async def _collect(git: Git, journal: Path, bus: Bus) -> None:
    """Collect old worktrees hourly, once the race has begun in earnest."""

    async def tell(report: Report) -> None:
        gone = sum(one.goes for one in report.items)
        text = f"{gone} worktree{'s' if gone > 1 else ''} of earlier runs archived and removed"
        bus.post(e.Notice(level=e.Level.INFO, text=text))

    await anyio.sleep(SETTLED_SECONDS)
    await GarbageCollector(git, journal).loop(tell)


async def _toolchain(request: RunRequest, git: Git, bus: Bus, scratch: Path) -> Toolchain:
    """What the base commit is measured with; the user's checkout may hold something else."""
    base = request.base_commit
    files = (await git("ls-tree", "-r", "-z", "--name-only", base)).split("\0")
    for name in set(files) & set(SETTINGS):
        text = await git("show", f"{base}:{name}")
        await anyio.to_thread.run_sync(functools.partial(_write, scratch / name, text))
    find = functools.partial(
        find_toolchain, git.work_tree, files, request.terms.commands, settings=scratch
    )
    toolchain = await anyio.to_thread.run_sync(find)
    if toolchain.remark and not bus.state.resumed:
        bus.post(e.Notice(level=e.Level.WARNING, text=toolchain.remark))
    return toolchain


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="replace")


async def _warn_of_unknown_prices(request: RunRequest, bus: Bus) -> None:
    """Say before the race that a dollar limit cannot hold; this also loads the price list."""
    names = {*_models(bus.state), request.terms.fallback.model} - {""}
    specs = [registry.check(name, request.terms.providers) for name in sorted(names)]
    unknown = [
        spec.name
        for spec in specs
        if spec.provider.kind is not registry.Kind.REPLAY
        and not await anyio.to_thread.run_sync(Tariff(spec, request.terms.prices).is_known)
    ]
    if unknown and not bus.state.resumed:
        text = f"no price is known for {', '.join(unknown)}: only steps and time limit what it uses"
        bus.post(e.Notice(level=e.Level.WARNING, text=text))
