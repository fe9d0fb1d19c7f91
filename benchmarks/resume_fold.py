"""A run of 500 steps, read from its journal and folded: ≤ 200 ms on top of process start.

Five worlds took 100 steps each, with 50 pieces of output a step and tool texts of 5 KB. A process
that opens the journal, reads and folds is compared with one that only imports what that takes.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from benchmarks.common import PYTHON, compare, run_seconds, verdict
from miyabi_tui.engine import events as e
from miyabi_tui.engine.models.base import AssistantMessage, Sampling, ToolCall, Usage, UserMessage
from miyabi_tui.engine.store.journal import open_journal
from miyabi_tui.engine.worlds import FIVE, WorldId, default_worlds

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS, OUTPUTS, TOOL_TEXT = 100, 50, 5_000
WORDS = "the quick brown fox jumps over the lazy dog, and “quotes” are \\n escaped: {}[]\n"

IMPORTED = """
import sys
import anyio
from pathlib import Path
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.store.journal import open_journal

async def main():
    pass
"""
FOLDED = """
async def main():
    async with open_journal(Path(sys.argv[1])) as journal:
        state = fold(await journal.records("r1", streams=False))
        assert state.worlds[4].step == 100, state
"""
RECENT = """
async def main():
    async with open_journal(Path(sys.argv[1])) as journal:
        state = fold(await journal.recent("r1"))
        assert state.worlds[4].step == 100, state
"""


def text(length: int) -> str:
    """Text like that of a tool or a model."""
    return (WORDS * (length // len(WORDS) + 1))[:length]


def step_of(world: WorldId, step: int) -> Iterator[e.AnyEvent]:
    """The events of one step."""
    call_id, name = f"call-{step}", "bash"
    yield e.StepStarted(world=world, step=step, sampling=Sampling("m"))
    for _ in range(OUTPUTS):
        yield e.Output(world=world, channel=e.Channel.TEXT, text=text(120))
    call = ToolCall(call_id, name, '{"command": "make test"}')
    yield e.TurnFinished(
        world=world,
        step=step,
        message=AssistantMessage(text(400), tool_calls=(call,)),
        usage=Usage(),
        cost_usd=0.01,
        stop_reason="tool_use",
        seconds=3.0,
    )
    yield e.ToolStarted(world=world, step=step, call_id=call_id, name=name, summary="make test")
    yield e.ToolFinished(
        world=world,
        step=step,
        call_id=call_id,
        name=name,
        text=text(TOOL_TEXT),
        is_error=False,
        seconds=1.0,
    )
    yield e.StepFinished(world=world, step=step, checkpoint="c" * 40, tests="12 passed")


def run_of_500_steps() -> Iterator[e.AnyEvent]:
    """All events of the run, its worlds taking turns."""
    yield e.RunStarted(
        run_id="r1",
        issue=e.Issue("issue-7", "a title", text(2_000), 7),
        repo="/repo",
        base_ref="main",
        base_commit="b" * 40,
        target="miyabi/issue-7",
        task="task",
        worlds=default_worlds("p/m", "p/n"),
        merge=e.MergePolicy.ASK,
    )
    for world in FIVE:
        yield e.WorktreeCreated(world=world, path=f"/w/{world}", branch=f"world-{world}")
        yield e.WorldStarted(world=world, system=text(4_000), messages=(UserMessage(text(2_000)),))
    for step in range(1, STEPS + 1):
        for world in FIVE:
            yield from step_of(world, step)


async def write(path: Path) -> int:
    """Write the run in batches as small as a bus makes them; how many events it has."""
    records = [e.Record(seq, float(seq), one) for seq, one in enumerate(run_of_500_steps(), 1)]
    async with open_journal(path) as journal:
        for first in range(0, len(records), 20):
            await journal.append("r1", records[first : first + 20])
    return len(records)


def main() -> bool:
    """Measure; whether the bound is kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "miyabi.db")
        count = anyio.run(write, path)

        def seconds(body: str) -> float:
            return run_seconds([PYTHON, "-c", f"{IMPORTED}{body}\nanyio.run(main)", str(path)])

        found = compare(
            9,
            imported=lambda: seconds(""),
            folded=lambda: seconds(FOLDED),
            recent=lambda: seconds(RECENT),
        )
        print(f"{count} events, {os.path.getsize(path) / 1e6:.0f} MB of journal")
    start = found["imported"]
    print(f"process start with imports {start * 1000:.0f} ms")
    return all(
        [
            verdict("ms to open, read and fold", (found["folded"] - start) * 1000, 200),
            verdict("ms to do so with the recent output", (found["recent"] - start) * 1000, 200),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(not main())
