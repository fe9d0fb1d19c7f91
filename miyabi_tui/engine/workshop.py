"""Makes lanes: a model and a site of its own for each world."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from miyabi_tui.engine.lane import Lane
from miyabi_tui.engine.models import registry

if TYPE_CHECKING:
    from miyabi_tui.engine.agents.review import ReviewAgent
    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.guards import Guards
    from miyabi_tui.engine.models.base import Model
    from miyabi_tui.engine.oversight import Oversight
    from miyabi_tui.engine.repo.snapshots import Keeper
    from miyabi_tui.engine.repo.worktrees import FiveWorldsManager
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.sites import Sites
    from miyabi_tui.engine.worlds import WorldConfig


class Workshop:
    """Everything that the lanes of one run share."""

    def __init__(
        self,
        request: RunRequest,
        bus: Bus,
        manager: FiveWorldsManager,
        sites: Sites,
        oversight: Oversight,
        reviewer: ReviewAgent,
        keeper: Keeper,
        guards: Guards,
        identity: dict[str, str],
    ) -> None:
        self.reviewer = reviewer
        self.identity = identity
        self.sites = sites
        self._oversight = oversight
        self._request = request
        self._bus = bus
        self._manager = manager
        self._keeper = keeper
        self._guards = guards
        self._models: dict[str, Model] = {}

    async def lane(self, config: WorldConfig) -> Lane:
        """A lane for a world.

        Raises:
            UsageError: the model cannot be made.
        """
        spec = registry.check(config.model, self._request.terms.providers)
        model, worktree = await self.model(spec), self._manager.path(config.id)
        ports = await anyio.to_thread.run_sync(self.sites.ports, config.id)
        return Lane(
            config,
            self._request,
            self._bus,
            self._guards.guarded(model, spec, config.id, worktree, ports),
            self.sites,
            self._oversight,
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

    async def aclose(self) -> None:
        """Release the models' connections."""
        with anyio.CancelScope(shield=True):
            for model in self._models.values():
                await model.aclose()
