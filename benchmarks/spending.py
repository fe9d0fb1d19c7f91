"""A faulty race: ledger less the server's own count $0.00; run again: cache hits ≥ 95 %.

Five worlds race through the official SDKs while the server limits, drops and breaks off. Its own
count is what it reported on the wire; of a turn that it broke off before it had reported all, no
bill exists, and our estimate of it is told apart. Then the same race is run again on the commit.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import NO_BYTECODE, verdict
from tests import racing
from tests.wire_server import Answer, Fault, Say, WireRequest, WireServer

SEED, SHARE = 270, 0.35  # of the requests that meet a fault
INPUT, OUTPUT = 10.0, 100.0  # dollars per million tokens
LOOK = [("bash", {"command": "python -m pytest -q; ls -la; pwd; date"})]
TURNS: dict[str, racing.Turns] = {
    "Alpha": [LOOK, *racing.UNTESTED],
    "Beta": [LOOK, LOOK, *racing.FIX],
    "Gamma": [LOOK, *racing.FIX],
    "Delta": [LOOK, *racing.NOTHING],
    "Epsilon": [LOOK, LOOK, *racing.BROKEN],
}
FAULTS = (
    Fault("status", 500),
    Fault("status", 529, "overloaded_error", headers={"retry-after-ms": "30"}),
    Fault("status", 429, "rate_limit_error", headers={"retry-after-ms": "30"}),
    Fault("drop"),
    Fault("drop_midway"),
    Fault("no_end"),
    Fault("garbled"),
)
PROVIDERS = {
    "anthropic": ("ANTHROPIC", ""),
    "openai": ("OPENAI", "/v1"),
    "openai-chat": ("OPENAI", "/v1"),
}
SETTINGS = """
[retry]
attempts = 9
first_seconds = 0.02
[breaker]
seconds = 0.2
[providers.{provider}]
requests_per_minute = 0
tokens_per_minute = 0
[prices."{provider}/test-model"]
input = {input}
output = {output}
"""


def _script() -> Any:
    chance = random.Random(SEED)

    def answer(request: WireRequest) -> Answer:
        if chance.random() < SHARE:
            return chance.choice(FAULTS)
        turn = TURNS[request.world][request.assistant_turns]
        return Say(text="I look at it, step by step. " * 8, reasoning="Hm.", tool_calls=turn)

    return answer


def _miyabi(args: list[str], repo: Path, state: Path, env: dict[str, str]) -> list[dict[str, Any]]:
    base = {key: value for key, value in os.environ.items() if key != NO_BYTECODE}
    done = subprocess.run(
        [sys.executable, "-m", "miyabi_tui", *args],
        cwd=repo,
        env={**base, "MIYABI_STATE_DIR": str(state), **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _race(provider: str, folder: Path) -> tuple[float, float, int, int]:
    """Two races: the dollars of ledger less server, those only estimated, hits and turns."""
    repo, state = racing.make_project(folder / "project"), folder / "state"
    (repo / "miyabi.toml").write_text(
        SETTINGS.format(provider=provider, input=INPUT, output=OUTPUT)
    )
    prefix, path = PROVIDERS[provider]
    model = f"{provider}/test-model"
    args = ["run", "add() subtracts", "--json", "--model", model, "--alternative-model", model]
    with WireServer(_script()) as server:
        env = {f"{prefix}_API_KEY": "sk-test", f"{prefix}_BASE_URL": server.url + path}
        first = _miyabi(args, repo, state, env)
        billed = sum(
            one.usage.input_tokens * INPUT + one.usage.output_tokens * OUTPUT
            for one in server.billed
            if one.usage is not None and one.complete
        )
        again = _miyabi(args, repo, state, env)
        (costs,) = _miyabi(["costs", "--by", "run", "--json"], repo, state, {})
    ledger = sum(row["cost_usd"] for row in costs["rows"] if row["key"] == first[0]["run_id"])
    cut_off = sum(one["cost_usd"] for one in first if one["type"] == "turn_discarded")
    turns = [one["cached"] for one in again if one["type"] == "turn_finished"]
    return ledger - cut_off - billed / 1e6, cut_off, sum(turns), len(turns)


def main() -> bool:
    """Measure, print, and say whether the bounds are kept."""
    kept, hits, turns = True, 0, 0
    for provider in PROVIDERS:
        with tempfile.TemporaryDirectory() as folder:
            difference, cut_off, hit, all_turns = _race(provider, Path(folder))
        print(f"     {provider}: ${cut_off:.4f} estimated for turns that broke off without a bill")
        kept &= verdict(f"{provider}: cents of ledger less server", abs(difference) * 100, 0.0001)
        hits, turns = hits + hit, turns + all_turns
    kept &= verdict(f"share of {turns} repeated turns that missed", 1 - hits / turns, 0.05)
    return kept


if __name__ == "__main__":
    raise SystemExit(not main())
