"""Programs that get the terminal for a while: the person's editor, and a shell, in a worktree.

Nothing here knows the screen: whoever calls has given the terminal away before.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType

# Editors that show a folder; any other gets the files that were changed.
TAKES_FOLDER = frozenset(
    "vim nvim vi gvim emacs emacsclient hx helix kak code code-insiders codium cursor subl zed"
    " idea pycharm".split()
)
HAS_WINDOW = frozenset("gvim code code-insiders codium cursor subl zed idea pycharm gedit".split())
FILES_AT_MOST = 20


def editor(env: Mapping[str, str]) -> list[str]:
    """The person's editor as words.

    Raises:
        UsageError: none is set, it is not there, or it wants a window that is far away.
    """
    text = env.get("VISUAL", "").strip() or env.get("EDITOR", "").strip()
    if not text:
        raise UsageError(
            "no editor is set", "", "leave, export EDITOR=vim or any other, and come back"
        )
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"$EDITOR cannot be read: {text}", str(error)) from error
    name = Path(words[0]).name
    if shutil.which(words[0], path=env.get("PATH")) is None:
        raise UsageError(f"{words[0]} is not there", "", "set $EDITOR to one that is")
    window = env.get("DISPLAY") or env.get("WAYLAND_DISPLAY") or env.get("TERM_PROGRAM") == "vscode"
    if is_remote(env) and name in HAS_WINDOW and not window:
        cause = "you are here by SSH, where it has no window"
        raise UsageError(f"{name} cannot open here", cause, "set $EDITOR to one for terminals")
    return words


def is_remote(env: Mapping[str, str]) -> bool:
    """Whether the terminal is at the other end of an SSH line."""
    return bool(env.get("SSH_CONNECTION") or env.get("SSH_TTY"))


def takes_folder(words: Sequence[str]) -> bool:
    """Whether this editor shows a folder."""
    return Path(words[0]).name in TAKES_FOLDER


def targets(words: Sequence[str], folder: Path, changed: Sequence[str]) -> list[str]:
    """What the editor opens: the folder, or the changed files that are there."""
    if takes_folder(words):
        return ["."]
    there = [one for one in changed if (folder / one).is_file()]
    # A leading dash must not be an option of the editor's.
    return [f"./{one}" for one in there[:FILES_AT_MOST]] or ["."]


def edit(words: Sequence[str], folder: Path, changed: Sequence[str], env: Mapping[str, str]) -> int:
    """Run the editor on the folder until it ends; its exit code.

    Raises:
        OSError: it cannot be started.
    """
    return _run([*words, *targets(words, folder, changed)], folder, env)


def shell(folder: Path, name: str, greeting: str, env: Mapping[str, str]) -> int:
    """Run the person's shell in the folder until it ends; `name` stands in its prompt.

    Raises:
        OSError: it cannot be started.
    """
    program = env.get("SHELL") or "/bin/sh"
    sys.stdout.write(f"\n{greeting}\n\n")
    sys.stdout.flush()
    with scratch_folder("shell-") as scratch:
        words, more = _prompting(program, name, scratch)
        return _run([program, *words], folder, {**env, **more})


def _prompting(program: str, name: str, scratch: Path) -> tuple[list[str], dict[str, str]]:
    """How this shell is told to show the world's name before its own prompt."""
    kind = Path(program).name
    if kind == "bash":
        start = scratch / "bashrc"
        start.write_text(
            "for one in /etc/bash.bashrc ~/.bashrc; do [ -r $one ] && . $one; done; unset one\n"
            f'PS1="({name}) $PS1"\n'
        )
        return ["--rcfile", str(start), "-i"], {}
    if kind == "fish":
        prompt = f"functions -c fish_prompt _own_prompt; function fish_prompt; echo -n '({name}) '"
        return ["-i", "-C", f"{prompt}; _own_prompt; end"], {}
    return ["-i"], {"PS1": f"({name}) $ "}


def _run(command: Sequence[str], folder: Path, env: Mapping[str, str]) -> int:
    """Run a program in the foreground; afterwards the terminal is ours, and as it was."""
    with _kept_terminal(), _deaf():
        return subprocess.call(list(command), cwd=folder, env=dict(env))


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """ctrl+c in there is the program's own matter; a handler, as what is ignored is inherited."""

    def nothing(number: int, frame: FrameType | None) -> None:
        return

    before = {one: signal.signal(one, nothing) for one in (signal.SIGINT, signal.SIGQUIT)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextlib.contextmanager
def _kept_terminal() -> Iterator[None]:
    """Whatever the program leaves behind: its settings, or a terminal that is nobody's."""
    try:
        descriptor = sys.__stdin__.fileno() if sys.__stdin__ else -1
        settings = termios.tcgetattr(descriptor)
    except (OSError, ValueError, termios.error):
        yield  # no terminal
        return
    try:
        yield
    finally:
        quiet = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # we may be in the background now
        with contextlib.suppress(OSError, termios.error):
            os.tcsetpgrp(descriptor, os.getpgrp())
            termios.tcsetattr(descriptor, termios.TCSADRAIN, settings)
        signal.signal(signal.SIGTTOU, quiet)
