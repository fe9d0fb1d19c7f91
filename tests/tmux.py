"""A tmux server of our own: its socket in a folder, none of the person's settings, one pane."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Self

from tests.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROMPT = "%%>"
SHELL = ("bash", "--norc", "--noprofile", "-i")
BECOME = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"
LOOKS = 0.05  # seconds between two looks
# What a pane would take over from whoever tests: another tmux, another size, other colours.
OURS = ("TMUX", "TMUX_PANE", "STY", "COLUMNS", "LINES", "COLORTERM", "NO_COLOR", "TERM_PROGRAM")


class NoTmux(Exception):
    """It cannot be had here."""


class Tmux:
    """A server with one pane, `columns` × `rows`, in which bash waits at its prompt."""

    def __init__(self, folder: Path, *, term: str, columns: int, rows: int, **env: str) -> None:
        program = shutil.which("tmux")
        if program is None:
            raise NoTmux("tmux is not installed")
        self._folder = folder
        self._command = (program, "-L", "miyabi-test", "-f", "/dev/null")
        self._env = {name: value for name, value in os.environ.items() if name not in OURS}
        self._env |= {"TMUX_TMPDIR": str(folder), "PS1": f"{PROMPT} ", "TERM": "xterm-256color"}
        self._env |= {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **env}
        size = ("-x", str(columns), "-y", str(rows))
        settings = ("set", "-g", "default-terminal", term, ";", "set", "-g", "status", "off", ";")
        self.ask("start-server", ";", *settings, "new-session", "-d", *size, *SHELL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ask("kill-server")

    def ask(self, *words: str) -> str:
        """Give tmux a command; what it says."""
        done = subprocess.run(
            (*self._command, *words),
            cwd=self._folder,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, f"tmux {' '.join(words)}: {done.stderr}"
        return done.stdout

    def told(self, *names: str) -> list[str]:
        """What tmux knows of the pane, by the names of its formats."""
        form = " ".join(f"#{{{name}}}" for name in names)
        return self.ask("display-message", "-p", form).split()

    @property
    def text(self) -> str:
        """The pane as it is now; rows that ran on over its edge are one."""
        return self.ask("capture-pane", "-pJ")

    @property
    def pens(self) -> str:
        """The same with the codes of its colours."""
        return self.ask("capture-pane", "-pe")

    def until(self, seen: str | Callable[[str], bool], timeout: float = 60) -> str:
        """Look until the pane shows what is wanted; the pane then."""
        wanted = (lambda text: seen in text) if isinstance(seen, str) else seen
        end = time.monotonic() + timeout
        while not wanted(text := self.text):
            assert time.monotonic() < end, f"never saw {seen!r}:\n{text}"
            self.look_again()
        return text

    def look_again(self) -> None:
        """Leave the others a moment before the next look."""
        time.sleep(LOOKS)

    def prompt(self) -> str:
        """Look until bash waits for a command; the pane then."""
        return self.until(lambda text: text.rstrip().rpartition("\n")[2].rstrip() == PROMPT)

    def press(self, *keys: str) -> None:
        """Type keys, by tmux's names for them."""
        self.ask("send-keys", *keys)

    def resize(self, columns: int, rows: int) -> None:
        """Change the window's size, whoever looks at it."""
        self.ask("resize-window", "-x", str(columns), "-y", str(rows))

    def client(self, columns: int, rows: int) -> Terminal:
        """A terminal that is attached to the server, and gives the window its size."""
        self.ask("set", "-w", "window-size", "latest")  # no more the one it was given
        attach = (*self._command, "attach-session")
        env = {name: self._env[name] for name in ("TMUX_TMPDIR", "LANG", "LC_ALL")}
        return Terminal("-c", BECOME, *attach, cwd=self._folder, columns=columns, rows=rows, **env)
