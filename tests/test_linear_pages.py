"""`--linear`: pages as lines, worlds compared, events, and the terminal given away and back."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import StoreError
from miyabi_tui.engine.worlds import FIVE
from miyabi_tui.linear_aside import NO_TERMINAL, SteppingAside
from miyabi_tui.linear_words import HELP
from tests import board_states as states
from tests import racing
from tests.terminal import Terminal
from tests.test_linear import Talk, race

if TYPE_CHECKING:
    from pathlib import Path

ALPHA, BETA, *_ = FIVE


def test_a_score_says_each_lost_point_with_its_reason() -> None:
    said = Talk(states.hostile()).say("score gamma").splitlines()
    assert said[:2] == ["Gamma:", "87 of 100: place 3 of 4 scored"]
    assert "  quality: 7 of 10" in said
    assert said[said.index("  quality: 7 of 10") + 1] == "  −3: no test was added"
    assert "  ✗ ledger/parse.py:44: B307, unsafe feature, high" in said
    assert not re.search("[━╌]|  $", "\n".join(said)), "no bars, and nothing filled up"
    assert "No score yet:" in Talk(states.racing()).say("score 2")


def test_tests_and_cost_are_those_of_the_screen() -> None:
    talk = Talk(states.hostile())
    assert "  42 of 42: as scored, +1" in talk.say("tests gamma").splitlines()
    cost = talk.say("cost alpha").splitlines()
    assert "  40% of what the 5 worlds cost" in cost and "  in: 9.3k" in cost
    waits = states.racing()
    waits.add(e.WorldWaiting(world=ALPHA, reason="rate limit of anthropic, 12 s"))
    waits.add(e.WorldWaiting(world=ALPHA, reason=""), after=12)
    assert "  12 s: rate limit of anthropic" in Talk(waits).say("cost alpha").splitlines()


def test_worlds_are_compared_all_or_two_with_their_diff() -> None:
    talk = Talk(states.hostile())
    said = talk.say("compare").splitlines()
    assert "  score: Alpha 100 (best), Beta 95, Gamma 87, Epsilon 37" in said
    assert any(one.startswith("  tests/test_parse.py: Alpha +4, Beta +4") for one in said)
    assert not any("diff --git" in one for one in said)
    two = talk.say("compare 1 gam").splitlines()
    assert "  score: Alpha 100 (best), Gamma 87" in two
    assert two[two.index("From Alpha to Gamma:") + 1].startswith("diff --git")
    assert talk.asked[-1] == "diff Alpha Gamma"
    for words in ("compare alpha", "compare alpha alpha", "compare alpha omega", "compare 1 2 3"):
        assert talk.say(words).startswith("Which two worlds?"), words
    assert "Beta not" not in Talk(states.racing()).say("compare")
    assert "  score: not known yet" in Talk(states.racing()).say("compare").splitlines()


def test_events_are_the_newest_of_the_time_line() -> None:
    talk = Talk(states.hostile())
    said = talk.say("events 3").splitlines()
    assert said[0].startswith("3 of ") and len(said) == 4
    assert re.fullmatch(r"\d+:\d\d the run: now choosing", said[-1])
    assert len(talk.say("events").splitlines()) == 21
    for words in ("events 0", "events x", "events -1"):
        assert talk.say(words).startswith("How many?"), words
    assert "nothing to read yet" in Talk(states.Script()).say("events")


def test_a_journal_or_a_diff_that_cannot_be_read_is_said() -> None:
    talk = Talk(states.racing())

    def broken(*_: object, **__: object) -> Any:
        raise StoreError("the journal is damaged", "page 7")

    talk.control.records = talk.control.diff = broken  # type: ignore[method-assign]
    talk.control.diff_between = broken  # type: ignore[method-assign]
    assert talk.say("events") == "The events cannot be read: the journal is damaged: page 7"
    assert "the journal cannot be read: the journal is damaged: page 7" in talk.say("cost 1")
    said = talk.say("compare 1 2")
    assert "Alpha's files cannot be read: the journal is damaged: page 7" in said
    assert said.endswith("The diff between them cannot be read: the journal is damaged: page 7")


@pytest.mark.parametrize("words", ["score 1", "tests 1", "cost 1", "compare", "events 9"])
def test_what_agents_wrote_is_harmless(words: str) -> None:
    script = states.racing()
    evil = "\x1b]0;mine\x07\x1b[31mred\r\n\x9b2Jfake line"
    script.add(e.WorldKilled(world=ALPHA, reason=evil))
    failing = e.TestsSampled(
        world=ALPHA, step=2, builds=True, passed=1, known=2, seconds=1.0, failures=(evil,)
    )
    script.add(e.WorldWaiting(world=ALPHA, reason=evil), failing)
    lines = Talk(script).say(words).split("\n")
    assert not any(re.search(r"[\x00-\x1f\x7f-\x9f]", line) for line in lines)
    assert not any(line.startswith("fake line") for line in lines)


def test_help_has_every_word() -> None:
    words = {line.split()[0] for line, _ in HELP}
    assert {"score", "tests", "cost", "compare", "events", "edit", "shell"} <= words


# --- stepping aside -------------------------------------------------------------------------------

EDITOR = """\
#!{python}
import os, pathlib, sys
pathlib.Path({seen!r}).write_text(os.getcwd() + " " + os.environ["MIYABI_WORLD"])
sys.exit(3)
"""


def test_an_editor_opens_in_the_worktree_and_the_world_stands_still_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = Talk(states.racing())
    editor, seen = tmp_path / "vi", tmp_path / "seen"
    editor.write_text(EDITOR.format(python=sys.executable, seen=str(seen)))
    editor.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(editor))
    away = SteppingAside(talk.control, terminal=True)
    (gone,) = away.edit(talk.run, talk.run.world(BETA), "beside")
    assert "Beta's worktree is not there" in gone
    talk.control.worktree = lambda world: tmp_path  # type: ignore[method-assign]
    (asks,) = away.edit(talk.run, talk.run.world(BETA), "")
    assert "edit beta pause lets it stand still" in asks and not seen.exists()
    talk.asked.clear()
    said = away.edit(talk.run, talk.run.world(BETA), "pause")
    assert said == [
        "Back from vi in Beta's worktree. It ended with exit code 3. Beta goes on.",
    ]
    assert seen.read_text() == f"{tmp_path} Beta"
    assert talk.asked == ["pause Beta", "proceed Beta"]
    monkeypatch.setenv("EDITOR", "none-such")
    assert "none-such is not there" in away.edit(talk.run, talk.run.world(BETA), "beside")[0]


def test_words_from_a_pipe_are_not_for_a_shell() -> None:
    talk = Talk(states.racing())
    assert talk.say("shell beta beside") == NO_TERMINAL
    assert talk.asked == []


def test_in_a_terminal_a_shell_and_back(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.SLEEPS})
    args = ("-m", "miyabi_tui", "run", "add() subtracts", "--linear", "--speed", "max")
    (tmp_path / "home").mkdir()
    env: dict[str, Any] = {"SHELL": "/bin/bash", "HOME": str(tmp_path / "home")}
    env["MIYABI_STATE_DIR"] = str(tmp_path / "state")
    more = ("--worlds", "alpha", "--model", f"replay/{recording}")
    with Terminal(*args, *more, cwd=repo, **env) as terminal:
        terminal.until("sleeping")
        terminal.press("shell alpha pause\n")
        terminal.until("exit, or ctrl+d, takes you back to the race.")
        terminal.until("(Alpha) ")
        terminal.press("echo $MIYABI_WORLD at $((40 + 2)); stty raw -echo\n")
        terminal.until("Alpha at 42")
        terminal.press("exit\r")
        terminal.until("Back from the shell in Alpha's worktree. Alpha goes on.")
        terminal.press("status\n")
        terminal.until("Alpha: ")
        terminal.press("quit yes\n")
        assert terminal.end() == 3


def test_a_real_race_is_read_in_words(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.SLEEPS, BETA: racing.SLEEPS})
    words = ["score 1", "tests 1", "cost 1", "compare 1 2", "events 5", "quit yes"]
    marks = [
        "echo sleeping",
        "No score yet",
        "Tests that pass",
        "Each step",
        "the same.",
        "events,",
    ]
    said: list[str] = []
    asleep: list[str] = []

    def react(text: str) -> str:
        asleep.extend([text] * text.count(marks[0]))
        if len(asleep) < 2 or len(said) == len(words) or marks[len(said)] not in text:
            return ""
        said.append(words[len(said)])
        return said[-1]

    run, text = race(repo, recording, tmp_path / "state" / "miyabi.db", react)
    assert (run.status, said) == (e.RunStatus.INTERRUPTED, words)
    assert "Alpha and Beta hold the same." in text
    assert "  calc/ops.py: Alpha +" in text and "5 of " in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)
