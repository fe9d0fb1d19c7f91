"""The whole of `miyabi demo --headless --speed max` against its child commands alone: ≤ 1.25 ×.

The demo runs in this process with every sandboxed command noted; afterwards the same commands are
run one after another in the same worktrees, and their times added up.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import verdict
from miyabi_tui.cli import main as miyabi
from miyabi_tui.engine.sandbox.local import LocalSandbox

ROUNDS = 3


def race(folder: Path) -> tuple[float, float, list[tuple[list[str], Path, dict[str, str]]]]:
    """Seconds of the demo, CPU seconds of the engine itself, and its commands."""
    commands: list[tuple[list[str], Path, dict[str, str]]] = []
    genuine = LocalSandbox.exec

    async def noted(self: Any, argv: Any, **options: Any) -> Any:
        env = {**self._env, **(options.get("env") or {})}
        commands.append((list(argv), options["cwd"], env))
        return await genuine(self, argv, **options)

    LocalSandbox.exec = noted  # type: ignore[method-assign]
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            code = miyabi(["demo", "--headless", "--speed", "max", "--keep", str(folder)])
    finally:
        LocalSandbox.exec = genuine  # type: ignore[method-assign]
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert code == 0
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, own, commands


def alone(commands: list[tuple[list[str], Path, dict[str, str]]]) -> float:
    """Seconds of the commands, one after another."""
    total = 0.0
    for argv, cwd, env in commands:
        if not cwd.is_dir():  # the base's own worktree is gone: measured in its sibling's place
            cwd = next(one for _, one, _ in commands if one.is_dir())
        started = time.perf_counter()
        subprocess.run(argv, cwd=cwd, env=env, capture_output=True, stdin=subprocess.DEVNULL)
        total += time.perf_counter() - started
    return total


def main() -> bool:
    """Measure; whether the bound is kept."""
    ratios = []
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["MIYABI_STATE_DIR"] = str(Path(scratch, "state"))
        for number in range(ROUNDS):
            seconds, own, commands = race(Path(scratch, f"demo-{number}"))
            children = alone(commands)
            ratios.append(seconds / children)
            print(
                f"demo {seconds:.1f} s, its {len(commands)} commands alone {children:.1f} s, "
                f"engine's own CPU {own:.1f} s"
            )
    return verdict("demo ÷ its commands alone", sorted(ratios)[ROUNDS // 2], 1.25)


if __name__ == "__main__":
    raise SystemExit(not main())
