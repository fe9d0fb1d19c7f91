"""What the guard costs: CPU per call over the bare SDK ≤ 1 ms, per streamed token ≤ 1.2 × it.

The same model answers the same turns over a real socket, bare and guarded (ledger, cache and rate
limit on disk, breaker); the server is another process. CPU of this process, all threads.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import anyio

from benchmarks.common import verdict
from miyabi_tui.engine.models.base import TextDelta
from miyabi_tui.engine.models.limiter import Allowance
from miyabi_tui.engine.terms import Budgets, Limits, Terms
from tests.guarding import desk, turn
from tests.wire_server import Say, WireServer

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from miyabi_tui.engine.models.base import Model

    Costs = dict[tuple[str, str], float]  # seconds of CPU by what was asked and of whom

CALLS, TOKENS, ROUNDS = 100, 3_000, 7
CALL_MS, TOKEN_RATIO = 1.0, 1.2


def _serve(line: Connection) -> None:
    """Answer with a few tokens, or with as many as the question says, until the line is closed."""

    def answer(request: object) -> Say:
        asked = getattr(request, "conversation")[-1]["content"]  # noqa: B009
        text = asked if isinstance(asked, str) else asked[0]["text"]
        many = int(text.split()[0])
        return Say(text="word " * many, piece=5, packet=1 << 16)

    with WireServer(answer) as server:
        line.send(server.url)
        line.recv()


async def _spend(model: Model, turns: list[int], salt: str) -> float:
    """CPU seconds of these turns, one after another."""
    began = time.process_time()
    for number, tokens in enumerate(turns):
        seen = 0
        async with aclosing(model.stream(turn(f"{tokens} {salt} {number}"))) as items:
            async for item in items:
                seen += isinstance(item, TextDelta)
        assert seen == tokens
    return time.process_time() - began


async def _round(url: str, folder: Path, salt: int) -> Costs:
    """One round in a state of its own: a world makes no more calls in a run than that."""

    class Server:
        """Where the other process listens."""

    server = Server()
    server.url = url  # type: ignore[attr-defined]
    terms = Terms(limits=Limits(cost_usd=0), budgets=Budgets(issue_usd=0, month_usd=0))
    costs: Costs = {}
    async with desk(server, folder, terms=terms, allowance=Allowance(0, 0)) as at:  # type: ignore[arg-type]
        guarded = await at.model()
        models = {"bare": guarded._model, "guarded": guarded}
        for which, model in models.items():
            await _spend(model, [2], f"{salt} {which} first")  # it connects, and imports
        for name, turns in (("calls", [2] * CALLS), ("tokens", [TOKENS] * 2)):
            for which, model in models.items():
                costs[name, which] = await _spend(model, turns, f"{salt} {which}")
    return costs


async def _run(url: str, folder: Path) -> bool:
    rounds = [await _round(url, folder / str(number), number) for number in range(ROUNDS)]
    middle = {key: median(costs[key] for costs in rounds) for key in rounds[0]}
    bare_ms, guarded_ms = (middle["calls", which] / CALLS * 1e3 for which in ("bare", "guarded"))
    print(f"     a call: bare {bare_ms:.2f} ms CPU, guarded {guarded_ms:.2f} ms")
    kept = verdict("ms of CPU that a call costs more", guarded_ms - bare_ms, CALL_MS)
    tokens = 2 * TOKENS
    bare_us, guarded_us = (middle["tokens", which] / tokens * 1e6 for which in ("bare", "guarded"))
    print(f"     a token: bare {bare_us:.1f} µs CPU, guarded {guarded_us:.1f} µs")
    return (
        verdict("CPU of a streamed token, guarded ÷ bare", guarded_us / bare_us, TOKEN_RATIO)
        and kept
    )


def main() -> bool:
    """Measure, print, and say whether the bounds are kept."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,))
    process.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            return anyio.run(_run, ours.recv(), Path(folder))
    finally:
        ours.send(None)
        process.join()


if __name__ == "__main__":
    raise SystemExit(not main())
