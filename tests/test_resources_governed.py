"""A sandbox whose commands wait for a place, on a virtual clock."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from miyabi_tui.engine.resources.governed import GovernedSandbox
from miyabi_tui.engine.resources.slots import Slots
from miyabi_tui.engine.sandbox.base import ExecResult, Reading, Sandbox
from miyabi_tui.engine.terms import Isolation
from miyabi_tui.engine.worlds import WorldId
from tests.virtual_time import VIRTUAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from miyabi_tui.engine.sandbox.base import OnOutput
    from miyabi_tui.engine.sandbox.table import ProcessTable

pytestmark = pytest.mark.anyio

A, B = WorldId.ALPHA, WorldId.BETA


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return VIRTUAL


async def settled() -> None:
    for _ in range(12):
        await anyio.lowlevel.checkpoint()


class Box:
    """A sandbox whose commands take as many seconds as their name says."""

    isolation = Isolation.PROCESS

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.broken = False

    async def start(self) -> None:
        self.calls.append("start")

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
        began = anyio.current_time()
        self.calls.append(f"exec {argv[0]} {cwd} {env} {on_output is not None} {keep}")
        with anyio.move_on_after(time_limit) as limit:
            await anyio.sleep(0 if argv[0] == "ls" else float(argv[0]))
        late = limit.cancelled_caught
        return ExecResult(None if late else 0, "", anyio.current_time() - began, late)

    async def freeze(self) -> None:
        self.calls.append("freeze")
        if self.broken:
            raise RuntimeError("no freezer")

    async def thaw(self) -> None:
        self.calls.append("thaw")

    async def interrupt(self) -> None:
        self.calls.append("interrupt")

    def usage(self, table: ProcessTable) -> Reading:
        return Reading(processes=7)

    def kill(self) -> None:
        self.calls.append("kill")

    async def stop(self) -> None:
        self.calls.append("stop")


def box(slots: Slots, world: str, told: list[str] | None = None) -> tuple[Sandbox, Box]:
    inner = Box()
    return GovernedSandbox(inner, slots, world, (told if told is not None else []).append), inner


async def test_a_command_waits_and_its_time_begins_with_its_place() -> None:
    slots, told, results = Slots(1), list[str](), list[ExecResult]()
    (first, _), (second, _) = box(slots, A), box(slots, B, told)

    async def run(sandbox: Sandbox, seconds: str) -> None:
        results.append(await sandbox.exec([seconds], cwd=Path("/w"), time_limit=60))

    async with anyio.create_task_group() as group:
        group.start_soon(run, first, "50")
        await settled()
        group.start_soon(run, second, "40")

    assert results == [ExecResult(0, "", 50.0), ExecResult(0, "", 40.0)]
    assert told == ["waiting for a slot (1 of 1)", ""]
    assert (await second.exec(["61"], cwd=Path("/w"), time_limit=60)).timed_out


async def test_what_only_looks_needs_no_place() -> None:
    slots, told = Slots(1), list[str]()
    sandbox, _ = box(slots, B, told)
    async with slots.slot(A, lambda _: None):
        with anyio.fail_after(1):
            assert (await sandbox.exec(["ls", "-l"], cwd=Path("/w"), time_limit=60)).ok
    assert told == []


async def test_everything_else_is_the_sandboxs_own() -> None:
    sandbox, inner = box(Slots(1), A)
    await sandbox.start()
    await sandbox.exec(
        ["0"], cwd=Path("/w"), time_limit=1, env={"K": "v"}, on_output=lambda *_: None, keep=5
    )
    await sandbox.freeze()
    await sandbox.thaw()
    await sandbox.interrupt()
    sandbox.kill()
    await sandbox.stop()

    calls = ["start", "exec 0 /w {'K': 'v'} True 5", "freeze", "thaw", "interrupt", "kill"]
    assert inner.calls == [*calls, "stop"]
    assert sandbox.isolation is Isolation.PROCESS
    assert sandbox.usage({}).processes == 7  # type: ignore[arg-type]
    protocol = {name for name in vars(Sandbox) if inspect.isfunction(vars(Sandbox)[name])}
    assert {name for name in protocol if not name.startswith("_")} <= set(vars(GovernedSandbox))


async def test_a_frozen_sandbox_lends_its_place_and_begins_nothing() -> None:
    slots = Slots(1)
    (first, _), (second, inner) = box(slots, A), box(slots, B)
    async with anyio.create_task_group() as group:

        async def run(sandbox: Sandbox) -> None:
            await sandbox.exec(["10"], cwd=Path("/w"), time_limit=60)

        group.start_soon(run, first)
        await settled()
        await second.freeze()
        group.start_soon(run, second)
        await first.freeze()
        await settled()
        assert slots.used == 0
        assert inner.calls == ["freeze"]

        await second.thaw()
        await settled()
        assert slots.holders == (A, B)
        await first.thaw()
        assert slots.used == 2


async def test_a_sandbox_that_cannot_be_frozen_keeps_its_place() -> None:
    slots = Slots(1)
    sandbox, inner = box(slots, A)
    inner.broken = True
    async with slots.slot(A, lambda _: None):
        with pytest.raises(RuntimeError, match="no freezer"):
            await sandbox.freeze()
        assert slots.used == 1


async def test_a_world_that_ended_while_it_stood_still_can_begin_anew() -> None:
    slots = Slots(1)
    sandbox, _ = box(slots, A)
    await sandbox.freeze()
    await sandbox.stop()

    with anyio.fail_after(1):
        assert (await sandbox.exec(["0"], cwd=Path("/w"), time_limit=1)).ok
