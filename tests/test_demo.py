"""`miyabi demo` as a newcomer meets it: the five attempts differ as they should, the best wins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests import racing
from tests.test_wire_race import miyabi

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, lean: Path) -> tuple[Path, list[dict[str, Any]]]:
    """One whole demo, kept."""
    folder = tmp_path_factory.mktemp("demo")
    done = miyabi(
        *("demo", "--json", "--speed", "max", "--keep", str(folder / "tally")),
        cwd=folder,
        state=folder / "state",
        python=str(lean),
    )
    assert done.returncode == 0, done.stderr
    return folder / "tally", [json.loads(line) for line in done.stdout.splitlines()]


def test_the_last_line_is_the_result(demo: tuple[Path, list[dict[str, Any]]]) -> None:
    last = demo[1][-1]

    assert last["type"] == "run_finished"
    assert (last["status"], last["winner"], last["branch"]) == (
        "merged",
        "Alpha",
        "miyabi/issue-270",
    )
    assert [line["type"] for line in demo[1]].count("run_finished") == 1
    assert last["total_cost_usd"] > 0


def test_the_five_attempts_differ(demo: tuple[Path, list[dict[str, Any]]]) -> None:
    worlds = demo[1][-1]["worlds"]
    scores = {name: world["score"] for name, world in worlds.items()}

    assert scores["Alpha"]["total"] == 100
    assert scores["Beta"]["lint"] < 20 and scores["Beta"]["tests"] == 30
    assert scores["Gamma"]["security"] == 0 and scores["Gamma"]["tests"] == 30
    assert 0 < scores["Delta"]["tests"] < 30
    assert scores["Epsilon"]["build"] == 0
    assert {name for name, world in worlds.items() if not world["eligible"]} == {"Gamma", "Epsilon"}
    assert "security, high: tally/nights.py" in worlds["Gamma"]["reasons"][0]
    assert "does not build" in worlds["Epsilon"]["reasons"][0]


def test_the_winner_is_one_commit_and_passes_its_tests(
    demo: tuple[Path, list[dict[str, Any]]],
) -> None:
    repo, lines = demo

    assert racing.git(repo, "rev-list", "--count", "main..miyabi/issue-270") == "1"
    assert racing.git(repo, "rev-parse", "miyabi/issue-270") == lines[-1]["commit"]
    assert racing.git(repo, "status", "--porcelain") == ""
    assert "(#270)" in racing.git(repo, "log", "-1", "--format=%s", "miyabi/issue-270")


def test_it_says_that_the_turns_are_recorded(demo: tuple[Path, list[dict[str, Any]]]) -> None:
    started = next(line for line in demo[1] if line["type"] == "run_started")
    steps = [line for line in demo[1] if line["type"] == "step_started"]

    assert started["recorded"] is True
    assert {step["sampling"]["temperature"] for step in steps} == {None}  # nothing is sent
