"""What a world does now and why, in words, and how the worlds stand meanwhile."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.activity import activity, in_words
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.standing import place_of, standings
from miyabi_tui.engine.worlds import FIVE, WorldId
from tests import board_states as states

A, B, C, D, E = FIVE


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("python -m pytest -q tests/test_parse.py", "running pytest tests/test_parse.py"),
        ("cd src && PYTHONPATH=. pytest -x", "running pytest"),
        ("uv run pytest tests", "running pytest tests"),
        ("npm test -- --watch=false", "running npm test"),
        ("cargo test", "running cargo test"),
        ("make check", "running make check"),
        ("make build", "running make build"),
        ("ruff check .", "linting with ruff"),
        ("python -m ruff format .", "formatting with ruff"),
        ("npx eslint src", "linting with eslint"),
        ("mypy", "checking types with mypy"),
        ("pip install -e .", "installing ."),
        ("npm ci", "installing what the project needs"),
        ("git diff --stat", "looking at its changes"),
        ("git log --oneline | head", "reading the history"),
        ("rg -n split_row", "searching for split_row"),
        ("sed -n 1,40p ledger/parse.py", "reading ledger/parse.py"),
        ("ls -la src", "looking around in src"),
        ("python - <<'EOF' …", "trying some Python"),
        ("python3 -c 'print(1)'", "trying some Python"),
        ("python tools/gen.py --all", "running tools/gen.py"),
        ("rm tests/old.py", "removing tests/old.py"),
        ("ls && python -m pytest -q; git diff", "running pytest"),
        ("./run.sh fast", "running run.sh fast"),
        ("echo ready", "running echo ready"),
        ("'", "running '"),
    ],
)
def test_commands_in_words(line: str, words: str) -> None:
    assert in_words("bash", line) == words


def test_other_tools_say_it_themselves_and_all_is_short() -> None:
    assert in_words("read", "reading a.py from line 4") == "reading a.py from line 4"
    assert len(in_words("bash", "x" * 500)) <= 72


def test_why_and_for_how_long() -> None:
    run = fold(states.racing().records)
    world = run.world(A)
    began = world.doing_since or 0.0
    assert activity(world, began + 1) == "running pytest · to check its edits"
    assert activity(world, began + 14) == "running pytest · to check its edits · 14 s"
    assert activity(world, began + 74).endswith(" · 1:14")
    assert activity(replace(world, doing=""), began) == ""


def test_a_run_of_some_of_the_tests_leads_nobody() -> None:
    """Three of three that were picked out say nothing against 41 of all 42."""
    script = states.opened()
    states.kept(script, B, 1, "41 passed, 1 failed in 0.3s")
    states.kept(script, A, 1, "42 passed in 0.3s")
    states.kept(script, A, 2, "1 failed in 0.3s")
    states.kept(script, C, 1, "3 passed in 0.1s")
    ranked = standings(fold(script.records))
    assert [one.world.id for one in ranked[:2]] == [A, B]
    told = {one.world.id: (one.passed, one.known) for one in ranked}
    assert told[A] == (42, 42) and told[B] == (41, 42) and told[C] == (None, None)


def test_the_standing_while_the_race_is_on() -> None:
    script = states.racing()

    def sampled(world: WorldId, passed: int, *, builds: bool = True) -> e.TestsSampled:
        return e.TestsSampled(
            world=world, step=1, builds=builds, passed=passed, known=42, seconds=1.0
        )

    script.add(sampled(B, 42), sampled(C, 10), sampled(D, 40, builds=False))
    ranked = standings(fold(script.records))
    order = [one.world.id for one in ranked]
    assert order[0] is B and order[-1] is D and order.index(C) > order.index(B)
    told = place_of(ranked, B)
    assert told is not None and (told.place, told.passed, told.known) == (1, 42, 42)
    broken = place_of(ranked, D)
    assert broken is not None and (broken.passed, broken.builds) == (None, False)


def test_evidence_goes_before_promise() -> None:
    order = [one.world.id for one in standings(fold(states.choosing().records))]
    assert order == [A, B, D, C, E]  # D is at work, C and E may not win
    assert standings(fold(states.merged().records))[0].world.id is A
