"""The rate limiter: over the limit never, ≥ 98 % of it used under saturation, < 1 ms a call.

A million calls through the windows alone, on a virtual clock; and, in real time, calls of two
engines through one file, with short windows. The file's cost is CPU of this whole process, threads
included, for calls that need not wait and are settled.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import deque
from pathlib import Path

import anyio

from benchmarks.common import verdict
from miyabi_tui.engine.models.limiter import Allowance, LimitStore, RateLimiter, open_limits
from miyabi_tui.engine.models.limiter_windows import (
    SECOND,
    WINDOW,
    Counted,
    Hold,
    Wanted,
    Windows,
    plan,
)

ARRIVALS = 1_000_000
ALLOWANCE = Allowance(requests=500, tokens=400_000)
OTHERS, ALONE = 100, 300
SHORT, WINDOWS = 2.0, 5  # seconds of a window in real time, and how many of them
WORLDS = 9  # in each engine, calling again as soon as they may
IN_SHORT = Allowance(requests=60)


def simulated() -> tuple[int, float]:
    """How many windows of a million calls were over the limit, and the share that was used."""
    chance = random.Random(7)
    windows, now, over = Windows(), 0, 0
    inside: deque[Counted] = deque()
    requests = tokens = used = 0
    for _ in range(ARRIVALS):
        now += int(chance.expovariate(20) * SECOND)  # twice of what is allowed, with lulls
        now += 90 * SECOND if chance.random() < 1e-5 else 0
        wanted = Wanted(chance.randrange(100, 1_500), ALLOWANCE)
        (moment,) = plan(windows, (wanted,), max(now, inside[-1].at if inside else 0), Hold())
        inside.append(Counted(moment, 1, wanted.tokens))
        requests, tokens, used = requests + 1, tokens + wanted.tokens, used + wanted.tokens
        while inside[0].at <= moment - WINDOW:
            gone = inside.popleft()
            requests, tokens = requests - 1, tokens - gone.tokens
        over += requests > ALLOWANCE.requests or tokens > ALLOWANCE.tokens
    minutes = inside[-1].at / WINDOW
    return over, max(ARRIVALS / ALLOWANCE.requests, used / ALLOWANCE.tokens) / minutes


async def saturated(path: Path) -> tuple[int, float]:
    """The same of the worlds of two engines with one file."""
    times: list[float] = []
    calls = IN_SHORT.requests * (WINDOWS + 1)

    async def world(store: LimitStore) -> None:
        limiter = RateLimiter("account", IN_SHORT, store)
        while len(times) < calls:
            async with limiter.place(1, lambda until: None) as place:
                times.append(place.since)

    async with (
        open_limits(path, window=SHORT) as one,
        open_limits(path, window=SHORT) as other,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(one.listen)
        tasks.start_soon(other.listen)
        async with anyio.create_task_group() as worlds:
            for number in range(2 * WORLDS):
                worlds.start_soon(world, (one, other)[number % 2])
        tasks.cancel_scope.cancel()
    exact = sorted(round(at * SECOND) for at in times)
    pairs = list(zip(exact, exact[IN_SHORT.requests :], strict=False))
    over = sum(late - early < SHORT * SECOND for early, late in pairs)
    # Each call came so much later than a window after the one that it had to wait for.
    took = sum(late - early for early, late in pairs) / len(pairs) / SECOND
    return over, SHORT / took


async def cost(path: Path) -> float:
    """Seconds of CPU of a call that need not wait, with a minute's worth of others in the file."""
    async with open_limits(path) as store:
        limiter = RateLimiter("account", Allowance(100_000, 100_000_000), store)
        for begin in (False, True):
            started = time.process_time() if begin else 0.0
            for _ in range(ALONE if begin else OTHERS):
                async with limiter.place(1_000, lambda until: None) as place:
                    await place.settle(800)
    return (time.process_time() - started) / ALONE


def main() -> bool:
    """Measure; whether all bounds are kept."""
    over, share = simulated()
    with tempfile.TemporaryDirectory() as folder:
        over_file, share_file = anyio.run(saturated, Path(folder, "limits.db"))
        seconds = anyio.run(cost, Path(folder, "alone.db"))
    print(f"used of the allowance: {share:.2%} simulated, {share_file:.2%} through the file")
    return all(
        [
            verdict(f"windows over the limit of {ARRIVALS}", over, 0),
            verdict("windows over the limit through the file", over_file, 0),
            verdict("% of the allowance not used, simulated", 100 * (1 - share), 2),
            verdict("% of the allowance not used, two engines", 100 * (1 - share_file), 2),
            verdict("ms of CPU of a call and its settlement", seconds * 1000, 1),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(not main())
