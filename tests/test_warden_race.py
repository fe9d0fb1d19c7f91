"""Rules and samples in a whole race, with real commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine import sampler
from miyabi_tui.engine.state import RunState, WorldStatus
from miyabi_tui.engine.terms import Termination
from miyabi_tui.engine.worlds import WorldId
from tests import racing

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from miyabi_tui.engine.engine import Engine
    from miyabi_tui.engine.request import RunRequest

A, B = WorldId.ALPHA, WorldId.BETA


def loops() -> racing.Turns:
    """A mended project, and then one command that does not end the third time."""
    count = 'echo x >> "$TMPDIR/times"; test $(wc -l < "$TMPDIR/times") -lt 3 || exec sleep 600'
    again: racing.Turns = [[("bash", {"command": count})]] * 9
    return [racing.FIX[0], *again]


def request(tmp_path: Path, *, interactive: bool, grace: float) -> RunRequest:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "recording", {A: loops(), B: racing.FIX})
    asked = racing.request_for(
        repo,
        recording,
        termination=Termination(grace_seconds=grace, sample_seconds=0.1),
        on_failure=(),
        merge=e.MergePolicy.NEVER,
    )
    return replace(asked, recorded=False, interactive=interactive)


def test_headless_a_world_that_goes_round_in_circles_is_stopped(tmp_path: Path) -> None:
    state, _ = racing.race(request(tmp_path, interactive=False, grace=60.0), tmp_path / "j.db")
    alpha = state.world(A)
    assert alpha.status is WorldStatus.KILLED
    assert alpha.reason.startswith("stopped early: the same action 3 times running: ")
    assert state.winner is B


def test_what_passes_its_tests_is_kept_and_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler, "has_room", lambda machine: True)
    monkeypatch.setattr(sampler, "LOOK_SECONDS", 0.05)
    asked = request(tmp_path, interactive=True, grace=600.0)

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if state.questions and state.world(A).sampled:
            engine.answer(state.questions[0].id, "keep")

    state, _ = racing.race(asked, tmp_path / "j.db", act)
    alpha = state.world(A)
    assert alpha.sampled and (alpha.sampled.passed, alpha.sampled.known) == (1, 1)
    assert alpha.score and alpha.score.tests == 30
    assert alpha.reason == "stopped early, its result kept"
    assert not any((tmp_path / "project" / ".miyabi" / "samples").iterdir())
