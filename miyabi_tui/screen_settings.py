"""How the screen looks: `[screen]` of the settings, the environment, `--theme`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from miyabi_tui.engine.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

CHOICES: dict[str, tuple[str, ...]] = {
    "theme": ("auto", "dark", "light", "contrast"),
    "motion": ("full", "reduced"),
    "unicode": ("auto", "ascii"),
    "colours": ("auto", "none", "16", "256", "true"),
}
VARIABLES = {f"MIYABI_{name.upper()}": name for name in (*CHOICES, "mouse")}
ON, OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class Screen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the screen looks like.

    `theme`: "auto" is dark or light as the terminal's own background is; "contrast" is easiest to
    read. `motion`: "reduced" keeps the text still for longer. `unicode`: "ascii" draws all signs
    with plain letters. `mouse`: false leaves the mouse to the terminal. `colours`: how many there
    are; "auto" goes by the terminal, and by NO_COLOR.
    """

    theme: Literal["auto", "dark", "light", "contrast"] = "auto"
    motion: Literal["full", "reduced"] = "full"
    unicode: Literal["auto", "ascii"] = "auto"
    mouse: bool = True
    colours: Literal["auto", "none", "16", "256", "true"] = "auto"


def said(env: Mapping[str, str]) -> dict[str, Any]:
    """What the environment sets of it.

    Raises:
        UsageError: a variable holds what it cannot.
    """
    found: dict[str, Any] = {}
    for variable, name in VARIABLES.items():
        if not (value := env.get(variable, "").strip().lower()):
            continue
        choices = CHOICES.get(name, (*ON, *OFF))
        if value not in choices:
            next_step = f"one of {', '.join(choices)}"
            raise UsageError(f"{variable} is {env[variable]!r}", "", next_step)
        found[name] = value if name in CHOICES else value in ON
    return found
