"""The first picture, before anything heavy is imported: who is starting, and what for.

It stands on the terminal's other screen, which the app then takes over as it is, so that nothing
flashes. It has neither colours, as the background is not known yet, nor any sign beyond ASCII. Who
says something before there is an app calls `leave` first. Only what Python has loaded anyway is
imported here.
"""

from __future__ import annotations

import os
import sys

OTHER_SCREEN = "\x1b[?1049h"
_OPENED = f"{OTHER_SCREEN}\x1b[?25l"
_CLOSED = b"\x1b[?1049l\x1b[?25h"
# What each command that has a screen begins with.
DOING = {
    "": "looking at this repository",
    "demo": "a recorded race on a sample project",
    "run": "a race on your issue",
    "resume": "going on with a race",
    "attach": "joining a race that goes on",
    "replay": "an old race once more",
}
# With these, or the beginnings that argparse takes for them, there are lines and no screen.
LINES = ("-h", "--help", "--version", "--headless", "--linear", "--json", "--detach")
FILES = ("--export-svg",)
NAME = "m i y a b i"
WORLDS = "Alpha   Beta   Gamma   Delta   Epsilon"
ERRORS = 2  # the descriptor to which the app writes too

_standing = False


def show(words: list[str]) -> bool:
    """Paint it where these words of the command line lead to a screen; whether they do.

    Never waits.
    """
    global _standing
    if not (_has_screen(words) and _has_terminal()):
        return False
    picture = _OPENED + drawn(DOING[words[0] if words else ""], *_size())
    try:
        os.set_blocking(ERRORS, False)
        _standing = os.write(ERRORS, picture.encode()) > 0
    except OSError:  # a terminal that takes nothing now
        pass
    finally:
        os.set_blocking(ERRORS, True)  # the shell has the same terminal
    return True


def taken() -> bool:
    """Whether it stands; from now on its screen is the caller's, who gives it back."""
    global _standing
    stood, _standing = _standing, False
    return stood


def leave() -> None:
    """Give the terminal back, unless somebody has taken over."""
    if taken():
        try:
            os.write(ERRORS, _CLOSED)
        except OSError:  # it has gone
            pass


def drawn(doing: str, columns: int, rows: int) -> str:
    """The picture in the middle of so much room; in little room, less of it."""
    lines = [("1", NAME), ("", ""), ("2", WORLDS), ("", ""), ("2", f"{doing} ...")]
    if columns < len(WORLDS) or rows < len(lines):
        lines = lines[:1]
    top = max(1, (rows - len(lines)) // 2)
    return "".join(
        f"\x1b[{top + number};{max(1, (columns - len(text)) // 2 + 1)}H\x1b[{pen}m{text}\x1b[0m"
        for number, (pen, text) in enumerate(lines)
        if text
    )


def _has_screen(words: list[str]) -> bool:
    """Whether the command has a screen, as far as can be told without reading all of it."""
    if (words[0] if words else "") not in DOING:
        return False
    options = [word.partition("=")[0] for word in words if word.startswith("-")]
    lines = any(one.startswith(option) for option in options for one in LINES + FILES)
    return not lines and (bool(words) or _in_repository())


def _in_repository() -> bool:
    """Without words there is a screen in a repository alone."""
    folder, above = os.getcwd(), ""
    while folder != above:
        if os.path.lexists(os.path.join(folder, ".git")):
            return True
        folder, above = os.path.dirname(folder), folder
    return False


def _has_terminal() -> bool:
    """Whether people see what is painted: else nothing must be in the way of lines."""
    term = os.environ.get("TERM", "").strip().lower()
    if term in ("", "dumb", "unknown") or os.environ.get("TEXTUAL_DRIVER"):
        return False
    return sys.platform != "win32" and all(os.isatty(number) for number in (0, 1, ERRORS))


def _size() -> tuple[int, int]:
    try:
        columns, rows = os.get_terminal_size(ERRORS)
    except OSError:
        columns = rows = 0
    return columns or 80, rows or 24
