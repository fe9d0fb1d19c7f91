"""All benchmarks, one after another: `python -m benchmarks`."""

from __future__ import annotations

from benchmarks import (
    checkpoint,
    demo_overhead,
    first_frame,
    guard,
    journal,
    kills,
    limiter,
    monitor,
    replay_jump,
    resume_fold,
    sandbox,
    screen,
    spawn,
    spending,
    ssh_line,
    startup,
    stopped,
)

ALL = (
    startup,
    first_frame,
    demo_overhead,
    checkpoint,
    journal,
    resume_fold,
    replay_jump,
    limiter,
    guard,
    spending,
    sandbox,
    monitor,
    spawn,
    screen,
    ssh_line,
    stopped,
    kills,
)

if __name__ == "__main__":
    results = []
    for benchmark in ALL:
        print(f"\n{(benchmark.__doc__ or '').strip().splitlines()[0]}")
        results.append(benchmark.main())
    raise SystemExit(not all(results))
