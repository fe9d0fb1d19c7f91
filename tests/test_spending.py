"""Money is counted also where things go wrong: kill -9 in mid-turn, a budget that is spent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from miyabi_tui.engine.models.base import Usage
from tests import racing
from tests.test_wire_race import miyabi
from tests.wire_server import Fault, Say, WireRequest, WireServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wire_server import Answer

MODEL = "anthropic/test-model"
SETTINGS = f"""
[prices."{MODEL}"]
input = 10.0
output = 100.0
"""
TURN = Usage(input_tokens=2_000, output_tokens=1_000)  # 12 cents


def fixed(request: WireRequest) -> Answer:
    return Say(text="On it.", tool_calls=racing.FIX[request.assistant_turns], usage=TURN)


def command(*more: str) -> list[str]:
    return [*("run", "add() subtracts", "--issue-number", "7", "--worlds", "beta"), *more]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    made = racing.make_project(tmp_path / "project")
    (made / "miyabi.toml").write_text(SETTINGS)
    return made


def env(server: WireServer) -> dict[str, str]:
    return {
        "ANTHROPIC_API_KEY": "sk-test",
        "ANTHROPIC_BASE_URL": server.url,
        "MIYABI_MODEL": MODEL,
        "MIYABI_ALTERNATIVE_MODEL": MODEL,
    }


def costs(state: Path, cwd: Path) -> dict[str, Any]:
    found = miyabi("costs", "--by", "run", "--json", cwd=cwd, state=state)
    total: dict[str, Any] = json.loads(found.stdout)["total"]
    return total


def test_what_a_killed_engine_had_under_way_is_in_the_ledger_and_in_the_journal(
    repo: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    stalled = Fault("stall", say=Say(text="word " * 400, usage=TURN))
    asked = threading.Event()

    def stall(_request: WireRequest) -> Answer:
        asked.set()
        return stalled

    with WireServer(stall) as server:
        engine = subprocess.Popen(
            [sys.executable, "-m", "miyabi_tui", *command("--headless")],
            cwd=repo,
            env={**os.environ, **env(server), "MIYABI_STATE_DIR": str(state)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert engine.stdout is not None
        with engine:
            assert asked.wait(60)
            engine.kill()
        before = costs(state, tmp_path)
        server.script = fixed
        resumed = miyabi("resume", "--json", cwd=repo, state=state, env=env(server))
    assert before["cost_usd"] > 0 and before["estimated"]
    lines = [json.loads(line) for line in resumed.stdout.splitlines()]
    (dead,) = [one for one in lines if one["type"] == "turn_discarded"]
    assert (dead["cause"], dead["cost_usd"]) == (
        "the engine was killed",
        pytest.approx(before["cost_usd"]),
    )
    spent = lines[-1]["worlds"]["Beta"]["cost_usd"]
    assert spent == pytest.approx(before["cost_usd"] + 2 * 0.12)
    assert costs(state, tmp_path)["cost_usd"] == pytest.approx(spent)


def test_a_spent_budget_stops_a_headless_run_which_can_go_on_with_more(
    repo: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    with WireServer(fixed) as server:
        stopped = miyabi(
            *command("--headless", "--budget", "0.5"), cwd=repo, state=state, env=env(server)
        )
        asked = len(server.requests)
        resumed = miyabi(
            *("resume", "--headless", "--budget", "5"), cwd=repo, state=state, env=env(server)
        )
    assert stopped.returncode == 3, stopped.stdout
    assert (
        "interrupted: the next turn may pass the budget of issue #7, $0.50: $0.12 is spent"
        in stopped.stdout
    )
    assert "--budget 1)" in stopped.stdout
    assert asked == 1
    assert resumed.returncode == 0, resumed.stdout
    assert len(server.requests) == 2  # what was bought is not bought again
    assert costs(state, tmp_path)["cost_usd"] == pytest.approx(0.24)


def test_the_same_race_again_comes_from_the_cache_and_says_what_was_spent(
    repo: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    with WireServer(fixed) as server:
        first = miyabi(*command("--headless"), cwd=repo, state=state, env=env(server))
        again = miyabi(*command("--json"), cwd=repo, state=state, env=env(server))
        anew = miyabi(*command("--headless", "--no-cache"), cwd=repo, state=state, env=env(server))
    assert (first.returncode, again.returncode, anew.returncode) == (0, 0, 0)
    assert len(server.requests) == 4
    lines = [json.loads(line) for line in again.stdout.splitlines()]
    turns = [one for one in lines if one["type"] == "turn_finished"]
    assert [(one["cached"], one["cost_usd"]) for one in turns] == [(True, 0.0)] * 2
    (before,) = [one for one in lines if one["type"] == "spent_before"]
    assert (before["runs"], before["cost_usd"]) == (1, pytest.approx(0.24))
    assert lines[-1]["worlds"]["Beta"]["score"]["total"] == 100.0
