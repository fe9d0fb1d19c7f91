"""Puts a race together from a request: models, sandboxes, worktrees, lanes."""

from __future__ import annotations

import functools
import math
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents.review import ReviewAgent
from miyabi_tui.engine.gauges import sample
from miyabi_tui.engine.lane import Lane
from miyabi_tui.engine.models import prices, registry
from miyabi_tui.engine.models.base import Usage
from miyabi_tui.engine.race import Race
from miyabi_tui.engine.repo.git import identity
from miyabi_tui.engine.repo.worktrees import FiveWorldsManager
from miyabi_tui.engine.sandbox.environment import free_ports, world_environment
from miyabi_tui.engine.sandbox.process import ProcessSandbox
from miyabi_tui.engine.scoring.toolchain import SETTINGS, find_toolchain

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping

    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.models.base import Model
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.scoring.toolchain import Toolchain
    from miyabi_tui.engine.worlds import WorldId


@asynccontextmanager
async def prepare(request: RunRequest, git: Git, bus: Bus, task: str) -> AsyncGenerator[Race, None]:
    """A race, ready to run, with its gauges being read; everything is closed afterwards.

    Raises:
        UsageError: a model cannot be made.
        GitError: the repository cannot be read.
    """
    specs = {
        world.model: registry.check(world.model, request.terms.providers)
        for world in request.worlds
    }
    with tempfile.TemporaryDirectory(prefix="miyabi-") as scratch:
        async with _models(specs, _pace(request)) as models:
            await _warn_of_unknown_prices(specs.values(), bus)
            toolchain = await _toolchain(request, git, bus, Path(scratch, "settings"))
            manager = FiveWorldsManager(git, request.base_commit, request.issue.key, task)
            boxes = await anyio.to_thread.run_sync(_sandboxes, request, toolchain, manager)
            reviewer = ReviewAgent(toolchain, bus, Path(scratch), request.terms.test_seconds)
            author = await anyio.to_thread.run_sync(identity, git)
            lanes = [
                Lane(
                    world,
                    request,
                    bus,
                    models[world.model],
                    functools.partial(_price, specs[world.model]),
                    boxes[world.id],
                    reviewer,
                    author,
                )
                for world in request.worlds
            ]
            async with anyio.create_task_group() as group:
                group.start_soon(sample, {lane.world.id: lane.sandbox for lane in lanes}, bus)
                yield Race(request, git, bus, manager, lanes, reviewer, boxes[None], author)
                group.cancel_scope.cancel()


@asynccontextmanager
async def _models(
    specs: Mapping[str, registry.ModelSpec], speed: float
) -> AsyncGenerator[dict[str, Model], None]:
    """One model for each name, shared by the worlds that race it."""
    models: dict[str, Model] = {}
    try:
        for name, spec in specs.items():
            create = functools.partial(registry.create, spec, speed=speed)
            models[name] = await anyio.to_thread.run_sync(create)
        yield models
    finally:
        with anyio.CancelScope(shield=True):
            for model in models.values():
                await model.aclose()


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
    if toolchain.remark:
        bus.post(e.Notice(level=e.Level.WARNING, text=toolchain.remark))
    return toolchain


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="replace")


def _sandboxes(
    request: RunRequest, toolchain: Toolchain, manager: FiveWorldsManager
) -> dict[WorldId | None, ProcessSandbox]:
    """A sandbox for each world, and one (None) for the base, each with ports of its own."""
    worlds: list[WorldId | None] = [*(world.id for world in request.worlds), None]
    ports = iter(free_ports(len(worlds)))
    return {
        world: ProcessSandbox(
            world_environment(
                world,
                path_first=[manager.path(world) / folder for folder in toolchain.path_first],
                extra=request.terms.env,
                keys={one.key_variable for one in request.terms.providers.values()},
                ports=next(ports, range(0)),
            )
        )
        for world in worlds
    }


def _pace(request: RunRequest) -> float:
    """The pace of recorded turns; infinity, which JSON does not know, leaves no pause."""
    return math.inf if request.terms.speed is None else request.terms.speed


def _price(spec: registry.ModelSpec, name: str, usage: Usage) -> float | None:
    return prices.cost_usd(name, usage, spec.base_url)


async def _warn_of_unknown_prices(specs: Iterable[registry.ModelSpec], bus: Bus) -> None:
    """Say before the race that a dollar limit cannot hold; this also loads the price list."""
    unknown = [
        spec.name
        for spec in specs
        if spec.provider.kind is not registry.Kind.REPLAY
        and await anyio.to_thread.run_sync(_price, spec, spec.name, Usage(1_000, 1_000)) is None
    ]
    if unknown:
        text = f"no price is known for {', '.join(unknown)}: only steps and time limit what it uses"
        bus.post(e.Notice(level=e.Level.WARNING, text=text))
