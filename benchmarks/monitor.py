"""The monitor of five worlds of ten processes: at most 1 % of one core.

Each world is a shell with nine children, some of which burn what the others leave; one listens and
is talked to, and every worktree holds a thousand files. CPU time is that of an event loop with the
monitor against one that only sleeps, in turns, each for some seconds.
`python -m benchmarks.monitor [SECONDS]`, 10 unless told.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import anyio

from benchmarks.common import compare, verdict
from miyabi_tui.engine.monitor import Monitor
from miyabi_tui.engine.sandbox.marks import MARK
from miyabi_tui.engine.terms import Sandboxing
from miyabi_tui.engine.worlds import FIVE, WorldId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from miyabi_tui.engine.events import Gauge, Gauges
    from miyabi_tui.engine.publisher import Publisher
    from miyabi_tui.engine.sandbox.base import Reading, Sandbox
    from miyabi_tui.engine.sandbox.table import ProcessTable

SECONDS = 10.0
ROUNDS = 3
CHILDREN, FILES = 9, 1_000
MOST_PERCENT = 1.0
BUSY = "while :; do sleep 0.1; : > f; done"
TALKS = (
    "import socket, time; s = socket.create_server(('127.0.0.1', 0));"
    "c = socket.create_connection(s.getsockname()); a = s.accept(); time.sleep(3600)"
)


class Marked:
    """What a sandbox does for the monitor: its sessions, and what carries its mark."""

    def __init__(self, world: WorldId, folder: Path) -> None:
        children = "; ".join(["sleep 3600 &"] * (CHILDREN - 3))
        script = f'{children}; ({BUSY}) & "{sys.executable}" -c "{TALKS}" & wait'
        self.mark = f"benchmark-{os.getpid()}-{world}"
        self._process = subprocess.Popen(
            ["bash", "-c", script.replace("&;", "&")],
            env={**os.environ, MARK: self.mark},
            cwd=folder,
            start_new_session=True,
        )

    def usage(self, table: ProcessTable) -> Reading:
        """See `Sandbox.usage`."""
        known = table.of_sessions({self._process.pid}) | table.descendants({self._process.pid})
        return table.reading(table.marked(self.mark, known))

    def kill(self) -> None:
        """End its session."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Last:
    """Keeps what was published last."""

    def __init__(self) -> None:
        self.gauges: tuple[Gauge, ...] = ()

    def post(self, event: Gauges) -> None:
        """See `Publisher.post`."""
        self.gauges = event.worlds

    @property
    def complete(self) -> bool:
        """Whether every world was seen, and its files counted."""
        return len(self.gauges) == len(FIVE) and all(one.disk_bytes for one in self.gauges)


@contextlib.contextmanager
def _worlds(scratch: Path) -> Iterator[dict[WorldId, Marked]]:
    made: dict[WorldId, Marked] = {}
    try:
        for world in FIVE:
            folder = scratch / world
            folder.mkdir()
            for number in range(FILES):
                (folder / f"{number}.py").write_text("x = 1\n")
            made[world] = Marked(world, folder)
        yield made
    finally:
        for one in made.values():
            one.kill()


def _percent(seconds: float, monitor: Monitor | None) -> float:
    """CPU of this process in percent of one core, with the monitor or with a sleeping loop."""

    async def run() -> None:
        with anyio.move_on_after(seconds):
            await (monitor.watch() if monitor else anyio.sleep(seconds))

    before, began = time.process_time(), time.perf_counter()
    anyio.run(run)
    return 100 * (time.process_time() - before) / (time.perf_counter() - began)


def main(seconds: float = SECONDS) -> bool:
    """Measure and compare; whether the monitor keeps its bound."""
    with tempfile.TemporaryDirectory() as scratch, _worlds(Path(scratch)) as worlds:
        last = Last()
        monitor = Monitor(
            cast("Mapping[WorldId | None, Sandbox]", worlds),
            cast("Publisher", last),
            lambda world: (Path(scratch, world),),
            Sandboxing(),
        )
        while not last.complete:  # the first looks at each process and file are dearer
            _percent(1.0, monitor)
        found = compare(
            ROUNDS,
            idle=lambda: _percent(seconds / ROUNDS, None),
            watched=lambda: _percent(seconds / ROUNDS, monitor),
        )
        print(*last.gauges, sep="\n")
    processes = len([name for name in os.listdir("/proc") if name.isdecimal()])
    print(
        f"idle loop {found['idle']:.2f} %, with the monitor {found['watched']:.2f} % of one core,"
        f" {processes} other processes on the machine"
    )
    return verdict("the monitor, % of one core", found["watched"] - found["idle"], MOST_PERCENT)


if __name__ == "__main__":
    raise SystemExit(not main(*map(float, sys.argv[1:2])))
