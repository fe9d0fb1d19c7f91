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

    from tests.wire_server import Answer

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


def answer(request: WireRequest) -> Answer:
    """The recorded turns, but Gamma's provider limits it on its second turn."""
    if request.world == "Gamma" and request.assistant_turns == 1:
        return Fault("status", 429, "rate_limit_error", headers={"retry-after": "7"})
    turn = TURNS[request.world][request.assistant_turns]
    return Say(text="On it — 直します。", reasoning="Think first.", tool_calls=turn)


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
def test_five_worlds_race_over_a_real_socket(provider: str, tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    prefix, path = PROVIDERS[provider]
    with WireServer(answer) as server:
        model = f"{provider}/test-model"
        done = miyabi(
            *("run", "-", "--issue-number", "7", "--json", "--merge", "auto"),
            *("--model", model, "--alternative-model", model),
            cwd=repo,
            state=tmp_path / "state",
            env={f"{prefix}_API_KEY": "sk-test", f"{prefix}_BASE_URL": server.url + path},
            stdin="# add() subtracts\n`add(2, 3)` gives -1.\n",
        )
        asked = {request.world for request in server.requests}

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
    assert worlds["Gamma"]["status"] == "failed"
    assert "limited the rate" in worlds["Gamma"]["reasons"][0]
    assert worlds["Delta"]["eligible"] is False
    assert worlds["Beta"]["tokens"] == 240  # 100 in and 20 out, twice, as the server reported
    assert worlds["Beta"]["cost_usd"] is None  # no list has a price for test-model
    assert any("no price is known" in line.get("text", "") for line in lines)
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
