"""The clipboard of the terminal in front of the person, also at the far end of an SSH line: OSC 52.

Terminal multiplexers keep that for themselves: tmux is asked by its own command and passes it on,
GNU screen is told to hand it through.
"""

from __future__ import annotations

import base64
import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SAFE_BYTES = 74_994  # base64 makes 100,000 characters of it, which is what many terminals take
BYTES_AT_MOST = 400_000
SCREEN_PIECE = 700  # of one string that GNU screen hands through
TMUX_SECONDS = 3.0
# Pasted, a control character would be a key: only tab and line feed are text.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def harmless(text: str) -> tuple[str, int]:
    """The text without control characters, and how many it had; line ends become line feeds."""
    return _CONTROLS.subn("", text.replace("\r\n", "\n"))


def sequence(text: str) -> str:
    """What is written to a terminal so that it takes the text to its clipboard."""
    code = base64.b64encode(text.encode("utf-8", "replace")).decode()
    return f"\x1b]52;c;{code}\x07"


def wrapped(text: str, env: Mapping[str, str]) -> str:
    """The same for the terminal around a multiplexer; empty where there is none."""
    plain = sequence(text)
    if env.get("TMUX"):
        return f"\x1bPtmux;\x1b{plain}\x1b\\"
    if env.get("STY"):
        pieces = [plain[at : at + SCREEN_PIECE] for at in range(0, len(plain), SCREEN_PIECE)]
        return "".join(f"\x1bP{one}\x1b\\" for one in pieces)
    return ""


def tell_tmux(text: str, env: Mapping[str, str]) -> bool:
    """Hand the text to tmux, which sets the clipboard of its own terminal. Blocks for a moment."""
    if not env.get("TMUX"):
        return False
    command = ("tmux", "load-buffer", "-w", "-")
    try:
        done = subprocess.run(
            command,
            input=text.encode("utf-8", "replace"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TMUX_SECONDS,
            env=dict(env),
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
