"""Beside the race: the worktree in an editor or a shell, the clipboard, whose the mouse is."""

from __future__ import annotations

import contextlib
import os
import re
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest

from miyabi_tui import aside, clipboard
from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.models.base import AssistantMessage, Usage
from miyabi_tui.engine.worlds import FIVE, WorldId
from miyabi_tui.screens import mousing
from miyabi_tui.thin import Thinner
from tests import board_states as states
from tests import (
    racing,
    snapshot_support,  # noqa: F401
)
from tests.desk import Desk, happen, press
from tests.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual.pilot import Pilot

ALPHA, BETA, *_ = FIVE

pytestmark = pytest.mark.anyio


def program(folder: Path, name: str, text: str) -> Path:
    """A program of the person's."""
    made = folder / name
    made.write_text(f"#!/bin/sh\n{text}\n")
    made.chmod(0o755)
    return made


def turned(world: WorldId, message: AssistantMessage) -> e.TurnFinished:
    """A turn of a world's model."""
    return e.TurnFinished(
        world=world,
        step=9,
        message=message,
        usage=Usage(),
        cost_usd=None,
        stop_reason="",
        seconds=1.0,
    )


async def done(desk: Desk, pilot: Pilot[int], toasts: int = 1) -> str:
    """Wait until something more is said; it."""
    while len(desk.toasts) < toasts:
        await pilot.pause(0.01)
    return desk.toasts[-1]


@pytest.fixture
def lent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A worktree, and a terminal that can be given away; where programs write what they see."""
    monkeypatch.setattr(
        states.FakeControl, "worktree", lambda _self, world: tmp_path / world.lower()
    )
    for world in FIVE:
        (tmp_path / world.lower()).mkdir()
    for name in ("VISUAL", "EDITOR", "SSH_CONNECTION", "SSH_TTY", "TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def lend(desk: Desk) -> None:
    """A pilot has no terminal to give away: the rest is real."""
    desk.app.suspend = contextlib.nullcontext  # type: ignore[method-assign,assignment]


async def test_o_opens_the_changed_files_in_the_editor(
    lent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = program(lent, "pico", f'pwd > {lent}/seen; echo "$MIYABI_WORLD $*" >> {lent}/seen')
    monkeypatch.setenv("EDITOR", f"{editor} -w")
    (lent / "alpha" / "ledger").mkdir()
    (lent / "alpha" / "ledger" / "parse.py").touch()
    desk = Desk(states.merged())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        lend(desk)
        await press(pilot, "1", "o")
        said = await done(desk, pilot)
    assert (lent / "seen").read_text() == f"{lent}/alpha\nAlpha -w ./ledger/parse.py\n"
    assert said.startswith("Back from pico in Alpha's worktree.")
    assert "Its result is commit" in said and "no part of it" in said


async def test_a_world_at_work_is_paused_if_the_person_wants(
    lent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", str(program(lent, "vim", f"pwd > {lent}/seen; exit 3")))
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        lend(desk)
        await press(pilot, "2", "o")
        assert "vim in Beta's worktree" in desk.shown(".dialog-title")
        await press(pilot, "p")
        said = await done(desk, pilot)
        assert desk.control.asked[1:] == ["pause Beta", "proceed Beta"]
        assert said == "Back from vim in Beta's worktree. It ended with exit code 3. Beta goes on."
        await press(pilot, "o", "b")
        await done(desk, pilot, 2)
        await press(pilot, "o", "escape")
        assert desk.control.asked[3:] == []
    assert (lent / "seen").read_text() == f"{lent}/beta\n"


async def test_without_an_editor_the_next_step_is_said(
    lent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        lend(desk)
        await press(pilot, "o")
        assert "no editor is set" in desk.toasts[-1] and "export EDITOR=vim" in desk.toasts[-1]
        monkeypatch.setenv("EDITOR", "no-such-editor")
        await press(pilot, "o")
        assert "no-such-editor is not there" in desk.toasts[-1]
        program(lent, "code", "true")
        monkeypatch.setenv("PATH", f"{lent}:{os.environ['PATH']}")
        monkeypatch.setenv("EDITOR", "code --wait")
        monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "TERM_PROGRAM"):
            monkeypatch.delenv(name, raising=False)
        await press(pilot, "o")
        assert "code cannot open here: you are here by SSH" in desk.toasts[-1]


async def test_a_screen_without_a_terminal_says_so(lent: Path) -> None:
    desk = Desk(states.merged())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "1", "exclamation_mark")
        assert "cannot be given away" in await done(desk, pilot)
        (lent / "alpha").rmdir()
        await press(pilot, "exclamation_mark")
        assert "worktree is not there" in await done(desk, pilot, 2)


async def test_the_shell_knows_where_it_is(lent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = program(lent, "zsh", f'echo "$(pwd) $MIYABI_WORLD $MIYABI_RUN $PS1" > {lent}/seen')
    monkeypatch.setenv("SHELL", str(shell))
    desk = Desk(states.merged())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        lend(desk)
        await press(pilot, "2", "exclamation_mark")
        assert (await done(desk, pilot)).startswith("Back from the shell in Beta's worktree.")
    assert (lent / "seen").read_text() == f"{lent}/beta Beta r1 (Beta) $ \n"


def test_a_folder_or_files(tmp_path: Path) -> None:
    (tmp_path / "-x.py").touch()
    assert aside.targets(["/usr/bin/nvim", "-p"], tmp_path, ["-x.py"]) == ["."]
    assert aside.targets(["nano"], tmp_path, ["-x.py", "gone.py"]) == ["./-x.py"]
    assert aside.targets(["nano"], tmp_path, []) == ["."]
    with pytest.raises(UsageError, match="cannot be read"):
        aside.editor({"EDITOR": "vim 'x"})


# --- the clipboard --------------------------------------------------------------------------------


async def test_y_copies_and_says_what_and_how_much() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "1", "y", "b")
        assert "Copied Alpha's branch: 26 bytes." == await done(desk, pilot)
        assert desk.app.clipboard == "world-Alpha-issue-270-main"
        await press(pilot, "y", "d")
        assert re.match(
            r"Copied Alpha's diff: \d+ lines, \d,?\d* bytes\.", await done(desk, pilot, 2)
        )
        assert desk.app.clipboard == states.DIFF
        await press(pilot, "y", "p")
        await done(desk, pilot, 3)
        assert desk.app.clipboard == "/nowhere/alpha"
        await press(pilot, "y", "escape")
        assert len(desk.toasts) == 3


async def test_the_last_output_and_the_last_words() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        out = e.Channel.STDOUT
        await happen(
            desk,
            pilot,
            e.Output(world=BETA, channel=out, text="old\n", call_id="c1"),
            e.Output(world=BETA, channel=out, text="2 \x1b[31mfailed\x1b[0m\n", call_id="c2"),
            e.Output(world=BETA, channel=e.Channel.STDERR, text="sorry\n", call_id="c2"),
            e.Output(world=BETA, channel=e.Channel.TEXT, text="Hm."),
        )
        await press(pilot, "2", "y", "o")
        said = await done(desk, pilot)
        assert desk.app.clipboard == "2 [31mfailed[0m\nsorry\n"  # no key of the shell's
        assert "2 control characters left out" in said
        await press(pilot, "3", "y", "s")
        assert await done(desk, pilot, 2) == "Gamma has no summary yet."
        text = "I read the parser."
        turn = AssistantMessage(text)
        await happen(desk, pilot, turned(BETA, turn), turned(BETA, AssistantMessage("")))
        await press(pilot, "2", "y", "s")
        await done(desk, pilot, 3)
        assert desk.app.clipboard == text


def test_no_colour_gets_into_what_is_copied() -> None:
    """The driver says colours only when they change; never within a string for the terminal."""
    for env in ({}, {"TMUX": "x"}, {"STY": "x"}):
        text = clipboard.wrapped("x" * 999, env) or clipboard.sequence("x" * 999)
        thinner = Thinner()
        thinner.thin("\x1b[1;38;2;1;2;3mbold\x1b[0m")  # the pen still has it
        assert thinner.thin(text) == text


def test_what_is_written_to_which_terminal() -> None:
    plain = clipboard.sequence("héllo")
    assert b64decode(plain.removeprefix("\x1b]52;c;").removesuffix("\x07")).decode() == "héllo"
    assert clipboard.wrapped("héllo", {}) == ""
    in_tmux = clipboard.wrapped("héllo", {"TMUX": "/tmp/x"})
    assert in_tmux == f"\x1bPtmux;\x1b{plain}\x1b\\"
    pieces = clipboard.wrapped("x" * 3000, {"STY": "1"})
    assert pieces.count("\x1bP") == pieces.count("\x1b\\") == 6
    joined = pieces.replace("\x1bP", "").replace("\x1b\\", "")
    assert joined == clipboard.sequence("x" * 3000)
    assert not clipboard.tell_tmux("x", {}) and not clipboard.tell_tmux("x", {"TMUX": "/gone,1,1"})


async def test_the_mouse_of_a_screen_without_a_terminal() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "M")
        assert desk.toasts[-1] == mousing.NONE


# --- a real terminal ------------------------------------------------------------------------------

PICO = """trap '' INT
case "$(stty -a)" in *" icanon"*) echo "speaks: cooked";; esac
echo "$1 is open"; stty raw -echo; dd bs=1 count=2 2>/dev/null >/dev/null"""
MOUSE_ON, MOUSE_OFF = b"\x1b[?1003h", b"\x1b[?1003l"


def test_a_shell_and_back_in_a_real_terminal(tmp_path: Path) -> None:
    """The world pauses, the shell has the terminal as it was, and the screen is right after it."""
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.SLEEPS})
    args = (
        *("-m", "miyabi_tui", "run", "add() subtracts", "--issue-number", "7", "--speed", "max"),
        *("--worlds", "alpha", "--model", f"replay/{recording}"),
    )
    (tmp_path / "home").mkdir()
    editor = program(tmp_path, "pico", PICO)
    env: dict[str, Any] = {
        "SHELL": "/bin/bash",
        "HOME": str(tmp_path / "home"),
        "EDITOR": str(editor),
    }
    with Terminal(*args, cwd=repo, **env) as terminal:
        terminal.until("sleeping")
        terminal.press("!")
        terminal.until("A shell in Alpha's worktree")
        terminal.press("p")
        terminal.until("(Alpha) ")
        assert terminal.said.rindex(b"\x1b[?1049l") > terminal.said.rindex(b"\x1b[?1049h")
        terminal.press("echo $MIYABI_WORLD in $(basename $PWD) $((40 + 2)); stty raw -echo\n")
        terminal.until(lambda text: "Alpha in " in text and text.count("(Alpha) ") == 2)
        terminal.press("\x03")
        terminal.until(lambda text: text.count("(Alpha) ") == 3)
        terminal.press("exit\r")
        terminal.until("Back from the shell")
        terminal.until("goes on")
        terminal.until(lambda text: "step" in text and "kill" in text.splitlines()[-1])
        after = terminal.said[terminal.said.rindex(b"\x1b[?1049h") :]
        assert MOUSE_ON in after and MOUSE_OFF not in after

        terminal.press("o", "b")
        terminal.until("ops.py is open")
        assert "speaks: cooked" in terminal.text
        terminal.press("\x03", "x")  # ctrl+c is the program's, and ends neither it nor the race
        terminal.until("Back from pico")

        terminal.press("M")
        terminal.until("The mouse is the terminal's")
        assert terminal.said.rindex(MOUSE_OFF) > terminal.said.rindex(MOUSE_ON)
        terminal.press("!", "b")
        terminal.until("(Alpha) ")
        terminal.press("exit\n")
        terminal.until("Back from the shell")
        assert terminal.said.rindex(MOUSE_OFF) > terminal.said.rindex(MOUSE_ON)

        terminal.press("y", "b")
        terminal.until("Copied Alpha's branch")
        code = re.findall(rb"\x1b\]52;c;([^\x07]*)\x07", terminal.said)[-1]
        assert b64decode(code).startswith(b"world-Alpha-issue-7")

        terminal.press("q", "y")
        assert terminal.end() == 3


# --- pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["y", "exclamation_mark"])
def test_pictures(snap_compare: Callable[..., bool], key: str) -> None:
    desk = Desk(states.racing())
    assert snap_compare(desk.app, press=["2", key], terminal_size=(120, 40))


SLOWLY = """
import sys
from miyabi_tui import cli, driver
driver.OWED = driver.OWED_AT_FIRST = 100.0
sys.exit(cli.main())
"""


def test_a_shell_gets_no_answers_that_a_slow_line_still_brings(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.SLEEPS})
    args = ("run", "add() subtracts", "--issue-number", "7", "--speed", "max", "--worlds", "alpha")
    model = ("--model", f"replay/{recording}")
    (tmp_path / "home").mkdir()
    env: dict[str, Any] = {"SHELL": "/bin/bash", "HOME": str(tmp_path / "home")}
    with Terminal("-c", SLOWLY, *args, *model, cwd=repo, **env) as terminal:
        terminal.until("sleeping")
        terminal.press("!")
        terminal.until("A shell in Alpha's worktree")
        terminal.held = []
        terminal.until(lambda _: bool(terminal.held), poll=True)
        terminal.press("b")
        off = b"\x1b[?2031l"
        terminal.until(lambda _: off in terminal.said)
        assert b"\x1b[?1049l" not in terminal.said  # it is not given away yet
        answers, terminal.held = terminal.held, None
        terminal.press(*answers)
        terminal.until("(Alpha) ")
        terminal.press("echo rea''dy; cat -v\n")
        terminal.until("ready")
        terminal.press("the end\n")
        terminal.until(lambda text: text.count("the end") == 2)
        terminal.press("\x04")
        terminal.until(lambda text: text.count("(Alpha) ") == 2)
        terminal.press("exit\n")
        terminal.until("Back from the shell")
        shell = terminal.said.rpartition(b"\x1b[?1049l")[2].partition(b"\x1b[?1049h")[0]
        assert shell.count(b"the end") == 2
        assert not re.search(rb"\d+;\d+R", shell)
        terminal.press("q", "y")
        assert terminal.end() == 3
