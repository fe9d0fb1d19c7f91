"""Makes lanes: a model, a sandbox and an environment of its own for each world."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from miyabi_tui.engine.lane import Lane
from miyabi_tui.engine.models import registry
from miyabi_tui.engine.sandbox.environment import free_ports, world_environment
from miyabi_tui.engine.sandbox.process import ProcessSandbox

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.engine.agents.review import ReviewAgent
    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.guards import Guards
    from miyabi_tui.engine.models.base import Model
    from miyabi_tui.engine.repo.snapshots import Keeper
    from miyabi_tui.engine.repo.worktrees import FiveWorldsManager
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.scoring.toolchain import Toolchain
    from miyabi_tui.engine.worlds import WorldConfig, WorldId


class Workshop:
    """Everything that the lanes of one run share. `owner` marks the processes of this engine."""

    def __init__(
        self,
        request: RunRequest,
        bus: Bus,
        manager: FiveWorldsManager,
        toolchain: Toolchain,
        reviewer: ReviewAgent,
        keeper: Keeper,
        guards: Guards,
        identity: dict[str, str],
        owner: str,
    ) -> None:
        self.reviewer = reviewer
        self.identity = identity
        self.sandboxes: dict[WorldId | None, ProcessSandbox] = {}
        self._request = request
        self._bus = bus
        self._manager = manager
        self._toolchain = toolchain
        self._keeper = keeper
        self._guards = guards
        self._owner = owner
        self._models: dict[str, Model] = {}
        self._ports: dict[WorldId | None, range] = {}

    async def lane(self, config: WorldConfig) -> Lane:
        """A lane for a world; its processes are kept apart from those of any lane before it.

        Raises:
            UsageError: the model cannot be made.
        """
        spec = registry.check(config.model, self._request.terms.providers)
        model, sandbox = await self.model(spec), await self.sandbox(config.id)
        worktree, ports = self._manager.path(config.id), self._ports[config.id]
        return Lane(
            config,
            self._request,
            self._bus,
            self._guards.guarded(model, spec, config.id, worktree, ports),
            sandbox,
            self.reviewer,
            self._keeper,
            self.identity,
        )

    async def model(self, spec: registry.ModelSpec) -> Model:
        """The model of that name, shared by the worlds that race it."""
        if spec.name not in self._models:
            speed = self._request.terms.speed
            create = functools.partial(
                registry.create, spec, speed=math.inf if speed is None else speed
            )
            self._models[spec.name] = await anyio.to_thread.run_sync(create)
        return self._models[spec.name]

    async def sandbox(self, world: WorldId | None, folder: Path | None = None) -> ProcessSandbox:
        """A sandbox for a world, or for the base (None), with ports of its own.

        In `folder`, or in the worktree. Once the base is measured, None is for the samples.
        """
        place = folder or self._manager.path(world)
        made = await anyio.to_thread.run_sync(self._sandbox, world, place)
        self.sandboxes[world] = made
        return made

    def _sandbox(self, world: WorldId | None, folder: Path) -> ProcessSandbox:
        terms = self._request.terms
        environment = world_environment(
            world,
            path_first=[folder / one for one in self._toolchain.path_first],
            extra=terms.env,
            keys={one.key_variable for one in terms.providers.values()},
            ports=self._own_ports(world),
        )
        return ProcessSandbox(environment, owner=self._owner)

    def _own_ports(self, world: WorldId | None) -> range:
        """Ports that no other world of this run was given."""
        taken = [ports for one, ports in self._ports.items() if one is not world]
        found = free_ports(len(taken) + 1)
        self._ports[world] = next((one for one in found if one not in taken), range(0))
        return self._ports[world]

    async def aclose(self) -> None:
        """Release the models' connections."""
        with anyio.CancelScope(shield=True):
            for model in self._models.values():
                await model.aclose()
