"""What this terminal can show, each with its reason: colours, signs, theme, motion.

Only variables are looked at here; what the terminal itself says of its background is asked in
`terminal_ground`. Nothing heavy is imported: `miyabi doctor` and the start of the screen use it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from miyabi_tui.screen_settings import Screen

RGB = tuple[int, int, int]

NONE, FEW, MANY, TRUE = "none", "16", "256", "true"
DUMB = ("dumb", "unknown")
UNTOLD = "the terminal does not tell its background"
# Who has 24 bits without saying so in COLORTERM, which ssh and sudo do not pass on.
_TRUE_TERMS = re.compile(r"direct|kitty|alacritty|foot|ghostty|wezterm|iterm|contour|rio")
_TRUE_PROGRAMS = ("iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "rio", "zed")
_UTF8 = re.compile(r"utf-?8", re.IGNORECASE)
_COERCED = ("C.UTF-8", "C.utf8", "UTF-8")  # what Python sets for itself where nothing is set


@dataclass(frozen=True)
class Look:
    """How the screen is drawn. `follows`: the theme goes with the terminal's background.

    `why` has a reason for `theme`, `colours`, `unicode` and `motion`.
    """

    theme: str = "dark"
    colours: str = TRUE
    unicode: bool = True
    calm: bool = False
    mouse: bool = True
    follows: bool = False
    why: Mapping[str, str] = field(default_factory=dict, compare=False)


def look(screen: Screen, env: Mapping[str, str], ground: RGB | None = None) -> Look:
    """What these settings mean in this terminal; `ground` is its background, if it told."""
    theme, theme_why = _theme(screen, env, ground)
    colours, colours_why = _colours(screen, env)
    unicode, unicode_why = _unicode(screen, env)
    calm = screen.motion == "reduced"
    return Look(
        theme=theme,
        colours=colours,
        unicode=unicode,
        calm=calm,
        mouse=screen.mouse and not _eats_escape(env),
        follows=screen.theme == "auto",
        why={
            "theme": theme_why,
            "colours": colours_why,
            "unicode": unicode_why,
            "motion": "motion is set" if calm else "",
        },
    )


def no_screen(env: Mapping[str, str]) -> str:
    """Why there can be no screen in this terminal; empty where there can."""
    term = env.get("TERM", "").strip().lower()
    return f"TERM is {term}: lines, no screen" if term in DUMB else ""


def dark(ground: RGB) -> bool:
    """Whether light text is easier to read on it."""
    red, green, blue = ground
    return 0.299 * red + 0.587 * green + 0.114 * blue < 128


def _eats_escape(env: Mapping[str, str]) -> bool:
    """Whether a mouse would cost the escape key: GNU screen then keeps it back until the next."""
    return bool(env.get("STY")) and not env.get("TMUX")


def _theme(screen: Screen, env: Mapping[str, str], ground: RGB | None) -> tuple[str, str]:
    if screen.theme != "auto":
        return screen.theme, "theme is set"
    if ground is not None:
        shade = "#{:02x}{:02x}{:02x}".format(*ground)
        return ("dark" if dark(ground) else "light"), f"the terminal's background is {shade}"
    last = env.get("COLORFGBG", "").rpartition(";")[2]
    if last.isdecimal() and int(last) < 16:
        light = int(last) in (7, 15)
        return ("light" if light else "dark"), f"COLORFGBG is {env['COLORFGBG']}"
    return "dark", UNTOLD


def _colours(screen: Screen, env: Mapping[str, str]) -> tuple[str, str]:
    if env.get("MIYABI_COLOURS") and screen.colours != "auto":
        return screen.colours, "MIYABI_COLOURS is set"
    if env.get("NO_COLOR"):
        return NONE, "NO_COLOR is set"
    if screen.colours != "auto":
        return screen.colours, "colours is set"
    term = env.get("TERM", "").strip().lower()
    if term in ("", *DUMB):
        return NONE, f"TERM is {term or 'not set'}"
    if env.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return TRUE, f"TERM={term}, COLORTERM={env['COLORTERM']}"
    if (program := env.get("TERM_PROGRAM", "")) in _TRUE_PROGRAMS and not env.get("TMUX"):
        return TRUE, f"TERM_PROGRAM={program}"
    if _TRUE_TERMS.search(term):
        return TRUE, f"TERM={term}"
    if env.get("WT_SESSION"):
        return TRUE, "WT_SESSION is set"
    if "256color" in term:
        return MANY, f"TERM={term}, COLORTERM is not set"
    return FEW, f"TERM={term}, COLORTERM is not set"


def _unicode(screen: Screen, env: Mapping[str, str]) -> tuple[bool, str]:
    if screen.unicode == "ascii":
        return False, "unicode is set to ascii"
    if env.get("TERM", "").strip().lower() == "linux":
        return False, "the Linux console has no letters for our signs"
    name, locale = _locale(env)
    if not locale:
        return True, "no locale is set"
    return bool(_UTF8.search(locale)), f"{name}={locale}"


def _locale(env: Mapping[str, str]) -> tuple[str, str]:
    """The variable that decides about letters, and what it says."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        value = env.get(name, "")
        if value and not (name == "LC_CTYPE" and _coerced(env, value)):
            return name, value
    return "", ""


def _coerced(env: Mapping[str, str], value: str) -> bool:
    """Whether Python itself has set LC_CTYPE: the person has a locale without letters, or none."""
    if value not in _COERCED or env.get("LANG", "C") not in ("", "C", "POSIX"):
        return False
    if env is not os.environ:
        return False
    try:
        given = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return True
    return not any(one.startswith(b"LC_CTYPE=") for one in given)
