"""Gives the terminal back where miyabi cannot any more: killed, or out of memory.

A shell waits beside the screen. When its input ends without a word, miyabi has gone without one.
"""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ERRORS = 2  # the descriptor to which the screen is painted
DONE = b"done\n"
SECONDS = 2.0  # for the shell to end
# The last frame ends; mouse, pasting, focus and keys as they were; the first screen, its cursor.
GIVEN_BACK = (
    r"\033[?2026l\033[?1000l\033[?1002l\033[?1003l\033[?1006l\033[?1015l\033[?1004l"
    r"\033[?2004l\033[?2031l\033[<u\033[8h\033[0m\033[?1049l\033[?25h"
)
SAID = r"miyabi has been killed; miyabi runs lists what can go on.\r\n"
_SCRIPT = f"read -r word || {{ stty sane <&1; printf '{GIVEN_BACK}{SAID}'; }}"


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Meanwhile the terminal is usable again a moment after this process has been killed."""
    try:
        shell = subprocess.Popen(
            ["sh", "-c", _SCRIPT],
            stdin=subprocess.PIPE,
            stdout=ERRORS,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # who kills our group does not mean it
        )
    except OSError:  # no shell: nothing is promised
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            shell.communicate(DONE, timeout=SECONDS)
