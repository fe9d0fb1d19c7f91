"""A sandbox whose commands wait for a place before they begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine.resources.weight import is_light

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from miyabi_tui.engine.resources.slots import Slots
    from miyabi_tui.engine.sandbox.base import ExecResult, OnOutput, Reading, Sandbox
    from miyabi_tui.engine.sandbox.table import ProcessTable


class GovernedSandbox:
    """`sandbox`, whose commands take a place of `world`, unless they only look.

    For `on_wait` see `Slots.slot`.
    """

    def __init__(
        self, sandbox: Sandbox, slots: Slots, world: str, on_wait: Callable[[str], None]
    ) -> None:
        self.isolation = sandbox.isolation
        self._sandbox = sandbox
        self._slots = slots
        self._world = world
        self._on_wait = on_wait

    async def start(self) -> None:
        """See `Sandbox.start`."""
        await self._sandbox.start()

    async def exec(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        time_limit: float,
        env: Mapping[str, str] | None = None,
        on_output: OnOutput | None = None,
        keep: int = 10_000,
    ) -> ExecResult:
        """See `Sandbox.exec`; the time limit and the result's seconds begin with its place."""

        async def run() -> ExecResult:
            return await self._sandbox.exec(
                argv, cwd=cwd, time_limit=time_limit, env=env, on_output=on_output, keep=keep
            )

        if is_light(argv):
            return await run()
        async with self._slots.slot(self._world, self._on_wait):
            return await run()

    async def freeze(self) -> None:
        """See `Sandbox.freeze`; another world may have the place meanwhile."""
        self._slots.pause(self._world)
        try:
            await self._sandbox.freeze()
        except BaseException:
            self._slots.proceed(self._world)
            raise

    async def thaw(self) -> None:
        """See `Sandbox.thaw`."""
        await self._sandbox.thaw()
        self._slots.proceed(self._world)  # not earlier: what waits would begin in a frozen sandbox

    async def interrupt(self) -> None:
        """See `Sandbox.interrupt`."""
        await self._sandbox.interrupt()

    def usage(self, table: ProcessTable) -> Reading:
        """See `Sandbox.usage`."""
        return self._sandbox.usage(table)

    def kill(self) -> None:
        """See `Sandbox.kill`."""
        self._sandbox.kill()

    async def stop(self) -> None:
        """See `Sandbox.stop`; a world that stood still does so no more."""
        try:
            await self._sandbox.stop()
        finally:
            self._slots.proceed(self._world)
