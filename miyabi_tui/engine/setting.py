"""Puts a race together from a request: models, sandboxes, worktrees, lanes."""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager
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
from miyabi_tui.engine.scoring.toolchain import find_toolchain

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.models.base import Model
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.worlds import WorldId


@asynccontextmanager
async def prepare(
    request: RunRequest, git: Git, bus: Bus, task: str, scratch: Path
) -> AsyncGenerator[Race, None]:
    """A race, ready to run, with its gauges being read; everything is closed afterwards.

    Raises:
        UsageError: a model cannot be made.
        GitError: the repository cannot be read.
    """
    specs = {
        world.model: registry.check(world.model, request.providers) for world in request.worlds
    }
    models: dict[str, Model] = {}
    for name, spec in specs.items():
        models[name] = await anyio.to_thread.run_sync(
            functools.partial(registry.create, spec, speed=request.speed)
        )
    files = (await git("ls-files", "-z")).split("\0")
    toolchain = await anyio.to_thread.run_sync(
        find_toolchain, git.work_tree, files, request.commands
    )
    if toolchain.remark:
        bus.post(e.Notice(level=e.Level.WARNING, text=toolchain.remark))
    for spec in specs.values():
        await _warn_of_unknown_price(spec, bus)
    author = await anyio.to_thread.run_sync(identity, git)
    ports = await anyio.to_thread.run_sync(free_ports, len(request.worlds) + 1)

    def sandbox(world: WorldId | None, index: int) -> ProcessSandbox:
        return ProcessSandbox(
            world_environment(
                world,
                path_first=toolchain.path_first,
                extra=request.env,
                ports=ports[index] if index < len(ports) else range(0),
            )
        )

    manager = FiveWorldsManager(git, request.base_commit, request.issue.key, task)
    reviewer = ReviewAgent(toolchain, bus, scratch, request.test_seconds)
    lanes = [
        Lane(
            world,
            request,
            bus,
            models[world.model],
            functools.partial(_price, specs[world.model]),
            sandbox(world.id, index),
            reviewer,
            author,
        )
        for index, world in enumerate(request.worlds)
    ]
    race = Race(request, git, bus, manager, lanes, reviewer, sandbox(None, len(lanes)), author)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(sample, {lane.world.id: lane.sandbox for lane in lanes}, bus)
            yield race
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            for model in models.values():
                await model.aclose()


def _price(spec: registry.ModelSpec, name: str, usage: Usage) -> float | None:
    return prices.cost_usd(name, usage, spec.base_url)


async def _warn_of_unknown_price(spec: registry.ModelSpec, bus: Bus) -> None:
    """Say before the race that a dollar limit cannot hold; this also loads the price list."""
    if spec.provider.kind is registry.Kind.REPLAY:
        return
    price = await anyio.to_thread.run_sync(_price, spec, spec.name, Usage(1_000, 1_000))
    if price is None:
        text = f"no price is known for {spec.name}: its dollar limit cannot hold, steps and time do"
        bus.post(e.Notice(level=e.Level.WARNING, text=text))
