"""`miyabi run` as a user types it: five worlds race through an official SDK over real sockets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from miyabi_tui.engine.worlds import WorldId
from tests import racing
from tests.wire_server import Fault, Say, WireRequest, WireServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wire_server import Answer, Script

PROVIDERS = {
    "anthropic": ("ANTHROPIC", ""),
    "openai": ("OPENAI", "/v1"),
    "openai-chat": ("OPENAI", "/v1"),
}
TURNS: dict[str, racing.Turns] = {
    "Alpha": racing.UNTESTED,
    "Beta": racing.FIX,
    "Gamma": racing.FIX,
    "Delta": racing.NOTHING,
    "Epsilon": racing.BROKEN,
}


# Every row of the fault table in design/facts-llm.md, once each, in the middle of the race.
FAULTS: dict[str, list[Fault]] = {
    "Alpha": [Fault("status", 500), Fault("drop_midway")],
    "Beta": [
        Fault("status", 429, "rate_limit_error"),
        Fault("status", 529, "overloaded_error", headers={"retry-after-ms": "60"}),
    ],
    "Gamma": [
        Fault("drop"),
        Fault("stall"),
        Fault("status", 429, "rate_limit_error", headers={"retry-after": "0.2"}),
    ],
    "Delta": [Fault("no_end"), Fault("error_event", error="overloaded_error")],
    "Epsilon": [Fault("garbled"), Fault("status", 401, "authentication_error")],
}
SETTINGS = """
[retry]
first_seconds = 0.05
[breaker]
seconds = 0.3
[providers.{provider}]
timeout_seconds = 2.0
[prices."{provider}/test-model"]
input = 10.0
output = 100.0
"""


def faulty() -> Script:
    """The recorded turns; what is left of a world's faults comes before, from its second turn on.

    A world with only one turn has its faults there.
    """
    left = {world: list(faults) for world, faults in FAULTS.items()}

    def answer(request: WireRequest) -> Answer:
        turns = TURNS[request.world]
        if left[request.world] and request.assistant_turns == len(turns) - 1:
            return left[request.world].pop(0)
        turn = turns[request.assistant_turns]
        return Say(text="On it — 直します。", reasoning="Think first.", tool_calls=turn)

    return answer


def miyabi(
    *args: str,
    cwd: Path,
    state: Path,
    env: dict[str, str] | None = None,
    stdin: str = "",
    python: str = sys.executable,
) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, without a terminal."""
    return subprocess.run(
        [python, "-m", "miyabi_tui", *args],
        cwd=cwd,
        env={**os.environ, "MIYABI_STATE_DIR": str(state), **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_five_worlds_race_over_a_real_socket_with_every_fault(
    provider: str, tmp_path: Path
) -> None:
    repo = racing.make_project(tmp_path / "project")
    (repo / "miyabi.toml").write_text(SETTINGS.format(provider=provider))
    prefix, path = PROVIDERS[provider]
    state = tmp_path / "state"
    with WireServer(faulty()) as server:
        model = f"{provider}/test-model"
        done = miyabi(
            *("run", "-", "--issue-number", "7", "--json", "--merge", "auto"),
            *("--model", model, "--alternative-model", model),
            cwd=repo,
            state=state,
            env={f"{prefix}_API_KEY": "sk-test", f"{prefix}_BASE_URL": server.url + path},
            stdin="# add() subtracts\n`add(2, 3)` gives -1.\n",
        )
        asked = {request.world for request in server.requests}
        billed = [one.usage for one in server.billed if one.complete and one.usage]
    costs = miyabi("costs", "--by", "world", "--json", cwd=tmp_path, state=state)

    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    last: dict[str, Any] = lines[-1]
    assert asked == set(TURNS)
    assert last["type"] == "run_finished"
    assert (last["status"], last["winner"]) == ("merged", "Beta")
    assert last["branch"] == "miyabi/issue-7"
    assert last["commit"] == racing.git(repo, "rev-parse", "miyabi/issue-7")
    worlds = last["worlds"]
    assert worlds["Beta"]["score"] == {
        "build": 30.0,
        "tests": 30.0,
        "lint": 20.0,
        "quality": 10.0,
        "security": 10.0,
        "total": 100.0,
    }
    assert worlds["Gamma"]["score"]["total"] == 100.0
    assert worlds["Delta"]["eligible"] is False
    assert worlds["Epsilon"]["status"] == "failed"  # only what is refused ends a world
    assert "refused the request: HTTP 401" in worlds["Epsilon"]["reasons"][0]
    broken = [line for line in lines if line["type"] == "turn_discarded"]
    assert sum(line["again"] for line in broken) == sum(map(len, FAULTS.values())) - 1
    assert worlds["Beta"]["tokens"] == 240  # 100 in and 20 out, twice, as the server reported
    assert worlds["Beta"]["cost_usd"] == pytest.approx(0.006)
    spent = sum(world["cost_usd"] for world in worlds.values())
    cut_off = sum(line["cost_usd"] for line in broken)
    assert spent - cut_off == pytest.approx(0.003 * len(billed))
    assert json.loads(costs.stdout)["total"]["cost_usd"] == pytest.approx(spent)
    sent = next(line for line in lines if line["type"] == "step_started")["sampling"]
    assert (sent["temperature"] is None) == (provider != "openai-chat")


def test_text_to_a_pipe_is_readable_and_nobody_eligible_is_exit_1(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.NOTHING})

    done = miyabi(
        *("run", "add() subtracts", "--worlds", "alpha", "--model", f"replay/{recording}"),
        *("--speed", "max"),
        cwd=repo,
        state=tmp_path / "state",
    )

    assert done.returncode == 1
    assert "no safe winner: Alpha: it changes nothing" in done.stdout
    assert "\x1b" not in done.stdout
    again = miyabi("runs", "--json", cwd=tmp_path, state=tmp_path / "state")
    (row,) = json.loads(again.stdout)
    assert (row["status"], row["issue_key"]) == ("no_winner", "issue-add-subtracts")
    shown = miyabi("show", row["run_id"][:4], "--json", cwd=tmp_path, state=tmp_path / "state")
    assert json.loads(shown.stdout)["worlds"]["Alpha"]["reasons"][0] == "it changes nothing"


def test_a_selected_winner_is_merged_later_by_command(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {WorldId.BETA: racing.FIX})
    state = tmp_path / "state"

    first = miyabi(
        *("run", "add() subtracts", "--issue-number", "7", "--worlds", "beta"),
        *("--model", f"replay/{recording}", "--speed", "max"),
        cwd=repo,
        state=state,
    )
    merged = miyabi("merge", cwd=repo, state=state)
    again = miyabi("merge", cwd=repo, state=state)

    assert first.returncode == 0
    assert "merge it with: miyabi merge" in first.stdout
    assert "Beta is merged into miyabi/issue-7" in merged.stdout
    assert racing.git(repo, "show", "miyabi/issue-7:calc/ops.py") == racing.RIGHT.strip()
    assert (again.returncode, again.stdout) == (2, "")
    assert "is merged already" in again.stderr
