"""The governor: sets how much heavy work runs at once, by the machine's size, load and pressure."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio.to_thread import run_sync

from miyabi_tui.engine import events as e
from miyabi_tui.engine.resources.load import LoadMeter
from miyabi_tui.engine.resources.pressure import read_pressure
from miyabi_tui.engine.resources.scaler import DynamicScaler
from miyabi_tui.engine.resources.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from miyabi_tui.engine.publisher import Publisher
    from miyabi_tui.engine.resources.hardware import HardwareLimits
    from miyabi_tui.engine.resources.load import Load
    from miyabi_tui.engine.resources.pressure import Pressure
    from miyabi_tui.engine.terms import Governing, Sandboxing

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # between two looks at the memory's pressure
IDLE_PERCENT, IDLE_SECONDS = 5.0, 3.0  # of a core, and for how long: then a place is lent
EASED = "memory is no longer short"
Result = TypeVar("Result")


def most_at_once(governing: Governing, hardware: HardwareLimits, sandboxing: Sandboxing) -> int:
    """How much heavy work runs at once at most: what is set, else what fits on the machine."""
    return governing.at_once or hardware.max_concurrent_worktrees(sandboxing)


class Governor:
    """Governs `slots`, which the commands of all worlds of a run take their places in.

    The two readings are awaited, so that they can be made in a thread; see `governor_for`.
    """

    def __init__(
        self,
        slots: Slots,
        governing: Governing,
        hardware: HardwareLimits,
        sandboxing: Sandboxing,
        publisher: Publisher,
        *,
        read_load: Callable[[], Awaitable[Load]],
        read_pressure: Callable[[], Awaitable[Pressure]],
    ) -> None:
        self.slots = slots
        self._governing = governing
        self._publisher = publisher
        self._read_load = read_load
        self._read_pressure = read_pressure
        self._scaler = DynamicScaler(governing, most_at_once(governing, hardware, sandboxing))
        self._size = "as set" if governing.at_once else hardware.reason(sandboxing)
        self._quiet: dict[str, float] = {}  # since when a world's commands do nothing

    async def run(self) -> None:
        """Govern until cancelled; at once over where nothing is governed."""
        if not self._governing.enabled:
            return
        self._resize(self._size)
        every, looked = self._governing.every_seconds, anyio.current_time()
        await self._reading(self._read_load)  # the CPU's share counts from here
        try:
            while True:
                await anyio.sleep(min(LOOK_SECONDS, every))
                await self._look_at_memory()
                if (now := anyio.current_time()) - looked >= every:
                    looked = now
                    await self._scale()
        finally:
            self.slots.release()

    def saw(self, gauges: e.Gauges) -> None:
        """Lend the places of worlds whose commands do nothing, and take back those that work."""
        if not self._governing.enabled:
            return
        now = anyio.current_time()
        for gauge in gauges.worlds:
            since = self.slots.since(gauge.world)
            if since is None or gauge.cpu_percent >= IDLE_PERCENT:
                self._quiet.pop(gauge.world, None)
                self.slots.reclaim(gauge.world)
                continue
            begun = self._quiet[gauge.world] = max(self._quiet.get(gauge.world, now), since)
            if now - begun > IDLE_SECONDS:
                self.slots.lend(gauge.world)

    async def _look_at_memory(self) -> None:
        pressure = await self._reading(self._read_pressure)
        if pressure is None:
            return
        trouble = pressure.trouble(self._governing)
        if trouble and not self.slots.held:
            self.slots.hold(trouble)
            self._tell(f"memory is short: {trouble}")
        elif self.slots.held and not trouble:
            self.slots.release()
            self._tell(EASED)

    async def _scale(self) -> None:
        load, before = await self._reading(self._read_load), self._scaler.at_once
        if load is not None and self._scaler.after(load) != before:
            self._resize(self._scaler.reason)

    def _resize(self, reason: str) -> None:
        self.slots.resize(self._scaler.at_once)
        self._tell(reason)

    def _tell(self, reason: str) -> None:
        self._publisher.post(
            e.SlotsChanged(
                at_once=self._scaler.at_once,
                most=self._scaler.most,
                reason=reason,
                held=bool(self.slots.held),
            )
        )

    async def _reading(self, read: Callable[[], Awaitable[Result]]) -> Result | None:
        """A reading, or None: what cannot be read changes nothing."""
        try:
            return await read()
        except Exception:  # a disk that is gone must not end the run from here
            log.warning("the machine's load cannot be read", exc_info=True)
            return None


def in_thread(read: Callable[[], Result]) -> Callable[[], Awaitable[Result]]:
    """`read` in a thread of its own, left to itself when its caller is cancelled."""

    async def call() -> Result:
        return await run_sync(read, abandon_on_cancel=True)

    return call


def governor_for(
    governing: Governing,
    sandboxing: Sandboxing,
    hardware: HardwareLimits,
    publisher: Publisher,
    folder: Path,
) -> Governor:
    """A governor of this machine with slots of its own; `folder` is on the disk that counts."""
    most = most_at_once(governing, hardware, sandboxing)
    slots = Slots(most, governing.stagger_seconds) if governing.enabled else Slots(None)
    return Governor(
        slots,
        governing,
        hardware,
        sandboxing,
        publisher,
        read_load=in_thread(LoadMeter(folder).read),
        read_pressure=in_thread(read_pressure),
    )
