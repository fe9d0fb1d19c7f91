"""`--linear`: a run as plain lines, steered by typed words, at a terminal or from a pipe."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from miyabi_tui import linear
from miyabi_tui.engine import events as e
from miyabi_tui.engine.engine import Engine
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.repo.git import open_repository
from miyabi_tui.engine.worlds import FIVE, WorldId
from miyabi_tui.linear_questions import Questions
from miyabi_tui.linear_steering import Steering
from tests import board_states as states
from tests import racing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from miyabi_tui.engine.state import RunState

ALPHA, BETA, *_ = FIVE


class Talk:
    """Typed words over a script, and its fake engine."""

    def __init__(self, script: states.Script) -> None:
        self.script = script
        self.control = states.FakeControl(script)
        self.questions = Questions(self.control)
        self.steering = Steering(self.control, self.questions)

    @property
    def run(self) -> RunState:
        return fold(self.script.records)

    def say(self, *lines: str) -> str:
        """What comes back to the last line."""
        answers = [self.steering.do(line, self.run) for line in lines]
        return "\n".join(answers[-1])

    @property
    def asked(self) -> list[str]:
        """What the engine was asked."""
        return self.control.asked


@pytest.mark.parametrize(
    ("lines", "asked"),
    [
        (["pause beta"], ["pause Beta"]),
        (["pause 2"], ["pause Beta"]),
        (["PAUSE bet"], ["pause Beta"]),
        (["kill 2", "yes"], ["kill Beta"]),
        (["kill beta yes"], ["kill Beta"]),
        (["kill beta", "no"], []),
        (["kill beta", "status"], []),
        (["kill beta", "pause alpha"], ["pause Alpha"]),
        (["tell gamma mind the docs"], ["tell Gamma: mind the docs"]),
        (["winner alpha", "y"], ["pick Alpha"]),
        (["back alpha 0", "yes"], ["fork Alpha 0"]),
        (["fork alpha 0 try again"], ["fork Alpha 0"]),
        (["diff beta"], ["diff Beta"]),
        (["quit", "yes"], ["stop"]),
        (["undo"], []),
        (["pause omega"], []),
        (["dance"], []),
        (["merge"], []),
    ],
)
def test_what_words_do(lines: list[str], asked: list[str]) -> None:
    talk = Talk(states.racing())
    said = talk.say(*lines)
    assert talk.asked == asked
    assert said or asked, "every word has an answer, or an effect that is told"


def test_refusals_are_words() -> None:
    talk = Talk(states.racing())
    assert talk.say("merge") == (
        "There is no winner yet: wait for the scores, or pick one with winner."
    )
    assert "Which world? pause and one of: 1 alpha, 2 beta" in talk.say("pause")
    assert talk.say("dance") == "There is no such command: dance. help lists them."
    assert talk.say("back alpha 9").startswith("Alpha has checkpoints after the steps")
    assert talk.say("undo").startswith("Nothing to undo")
    assert "kill beta: end a world" in talk.say("help")
    assert "Beta: running" in talk.say("status")
    over = Talk(states.merged())
    assert over.say("kill 1") == "Nothing to kill: the race is over."
    assert over.say("tell all hello") == "No world is at work: nobody would read it."


def test_a_world_that_may_not_win_is_taken_by_its_name() -> None:
    talk = Talk(states.hostile())
    said = talk.say("winner gamma")
    assert "its security findings" in said and said.endswith("gamma or no?")
    talk.say("yes")
    assert talk.asked == []
    talk.say("winner gamma", "Gamma")
    assert talk.asked == ["pick Gamma"]


def test_undo_takes_back_what_was_typed() -> None:
    talk = Talk(states.far(4))
    talk.say("kill beta", "yes")
    talk.script.add(e.WorldKilled(world=BETA, reason="killed by hand"))
    assert talk.say("undo") == "Beta is back at step 4."
    assert talk.asked == ["kill Beta", "fork Beta 4"]


def test_questions_are_numbered_choices() -> None:
    talk = Talk(states.asked())
    (question,) = talk.run.questions
    lines = talk.questions.choices(question, talk.run)
    assert [line.split(":")[0].strip() for line in lines][: len(question.choices)] == [
        f"answer {n}" for n in range(1, len(question.choices) + 1)
    ]
    assert "no choice 9" in talk.say("answer 9")
    assert talk.say("answer 2") == f"Answered: {question.choices[1].name}."
    assert talk.asked == [f"answer {question.id}: {question.choices[1].name}"]
    money = Talk(states.racing())
    money.script.add(states.over_budget())
    (asked,) = money.run.questions
    money.questions.choices(asked, money.run)
    assert "dollars" in money.say("answer 1 much")
    money.say("answer 1 9.5")
    assert money.asked == [f"answer {asked.id}: {asked.choices[0].name} 9.5"]
    assert "answer 1" in money.say("questions")


# --- a real race ----------------------------------------------------------------------------------


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return racing.make_project(tmp_path / "project")


def race(
    repo: Path, recording: Path, journal: Path, react: Callable[[str], str]
) -> tuple[RunState, str]:
    """A race whose person reads the lines and types; closes the pipe on a lone `EOF`."""
    reading, writing = os.pipe()
    state = {"open": True}

    class Out(io.StringIO):
        def write(self, text: str) -> int:
            done = super().write(text)
            said = react(text) if text.strip() and state["open"] else ""
            if said == "EOF":
                state["open"] = False
                os.close(writing)
            elif said:
                os.write(writing, f"{said}\n".encode())
            return done

    out = Out()
    request = racing.request_for(repo, recording, interactive=True)
    with Engine(lambda: (request, open_repository(repo)), journal) as engine:
        run = linear.run(engine, out=out, words=reading)
    os.close(reading)
    if state["open"]:
        os.close(writing)
    return run, out.getvalue()


def test_a_race_in_words(repo: Path, tmp_path: Path) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX, BETA: racing.SLEEPS})
    said: list[str] = []

    def react(text: str) -> str:
        for seen, word in (
            ("bash · echo sleeping", "kill beta yes"),
            ("killed by hand", "undo"),
            ("another future", "pause 2"),
            ("paused", "kill 2"),
            ("Kill Beta?", "yes"),
            ("It is your turn", "merge"),
        ):
            if seen in text and word not in said:
                said.append(word)
                return word
        return ""

    run, text = race(repo, recording, tmp_path / "state" / "miyabi.db", react)
    assert run.status is e.RunStatus.MERGED
    assert said == ["kill beta yes", "undo", "pause 2", "kill 2", "yes", "merge"]
    assert "Beta is back at step 1." in text
    assert "Alpha is merged into miyabi/issue-7" in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text), "nothing moves a cursor"
    assert text.endswith("\n")


def test_when_no_more_words_come_the_race_ends_by_itself(repo: Path, tmp_path: Path) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX})
    run, text = race(repo, recording, tmp_path / "state" / "miyabi.db", lambda _text: "EOF")
    assert (run.status, run.winner) == (e.RunStatus.SELECTED, ALPHA)
    assert linear.NO_MORE in text and "merge it with: miyabi merge" in text


def test_the_command_with_words_from_a_pipe(repo: Path, tmp_path: Path) -> None:
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.FIX})
    command = [sys.executable, "-m", "miyabi_tui", "run", "add() subtracts", "--linear"]
    command += ["--worlds", "alpha", "--speed", "max", "--model", f"replay/{recording}"]
    env = {**os.environ, "MIYABI_STATE_DIR": str(tmp_path / "state")}
    done = subprocess.run(
        command, cwd=repo, env=env, input="status\nwinner alpha", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert linear.HELLO in done.stdout and "\x1b" not in done.stdout
    assert "merge it with: miyabi merge" in done.stdout
    both = subprocess.run([*command, "--json"], cwd=repo, env=env, capture_output=True, text=True)
    assert both.returncode == 2 and "do not go together" in both.stderr
