"""The three themes, and the colours that other themes get for what only miyabi knows.

The five world colours derive from Okabe and Ito's set, which colour-blind people can tell apart;
each has about the same weight on its ground, so that no world looks more important. The four of
the extra worlds keep clear of them as far as nine colours can; name and digit always stand by.

All text is at least 4.5:1 on each of its grounds, in the contrast theme 7:1
(tests/test_colours.py).
"""

from __future__ import annotations

from textual.theme import Theme

_DARK = {
    "world-alpha": "#62b6e8",
    "world-beta": "#e8a33d",
    "world-gamma": "#3fc39e",
    "world-delta": "#d993bf",
    "world-epsilon": "#e6dc62",
    "world-zeta": "#b39cf5",
    "world-eta": "#ee8a6c",
    "world-theta": "#a8cc5c",
    "world-iota": "#b9c2cf",
    "ink-on-world": "#0d1014",
    "ink-text": "#d5dae2",
    "ink-strong": "#f4f6f9",
    "ink-dim": "#a4adba",
    "ink-faint": "#8991a0",
    "ink-thought": "#969fb3",
    "ink-output": "#aab2bf",
    "ink-errors": "#d9a08c",
    "ink-good": "#7fcf8f",
    "ink-warn": "#e5b567",
    "ink-bad": "#f0836f",
    "ink-accent": "#a9b8f2",
    "scrollbar": "#3a434f",
    "scrollbar-hover": "#4a5563",
    "scrollbar-active": "#6b7483",
    "scrollbar-background": "#191c21",
    "scrollbar-background-hover": "#191c21",
    "scrollbar-background-active": "#191c21",
    "scrollbar-corner-color": "#191c21",
}

_LIGHT = {
    "world-alpha": "#0a68a8",
    "world-beta": "#9c5100",
    "world-gamma": "#006f57",
    "world-delta": "#a23a78",
    "world-epsilon": "#736300",
    "world-zeta": "#6a4bc4",
    "world-eta": "#ad3f25",
    "world-theta": "#476e00",
    "world-iota": "#57606d",
    "ink-on-world": "#ffffff",
    "ink-text": "#262b33",
    "ink-strong": "#0b0d10",
    "ink-dim": "#4d5561",
    "ink-faint": "#5d6672",
    "ink-thought": "#586279",
    "ink-output": "#454d58",
    "ink-errors": "#96452c",
    "ink-good": "#1b7131",
    "ink-warn": "#8a5a00",
    "ink-bad": "#b3261e",
    "ink-accent": "#3c4fb0",
    "scrollbar": "#c3c8cf",
    "scrollbar-hover": "#aab1ba",
    "scrollbar-active": "#7d8692",
    "scrollbar-background": "#eef0f2",
    "scrollbar-background-hover": "#eef0f2",
    "scrollbar-background-active": "#eef0f2",
    "scrollbar-corner-color": "#eef0f2",
}

_CONTRAST = {
    "world-alpha": "#6cc6ff",
    "world-beta": "#ffab2e",
    "world-gamma": "#2fe0a8",
    "world-delta": "#ff9fdc",
    "world-epsilon": "#fff36b",
    "world-zeta": "#c6b3ff",
    "world-eta": "#ff9b80",
    "world-theta": "#b4ee55",
    "world-iota": "#d5dde6",
    "ink-on-world": "#000000",
    "ink-text": "#ffffff",
    "ink-strong": "#ffffff",
    "ink-dim": "#dcdcdc",
    "ink-faint": "#c0c0c0",
    "ink-thought": "#d0d6e0",
    "ink-output": "#efefef",
    "ink-errors": "#ffb8a3",
    "ink-good": "#6ef08c",
    "ink-warn": "#ffd75e",
    "ink-bad": "#ff9d8c",
    "ink-accent": "#b9c8ff",
    "least-contrast": "7",
    "scrollbar": "#c0c0c0",
    "scrollbar-hover": "#ffffff",
    "scrollbar-active": "#ffffff",
    "scrollbar-background": "#1c1c1c",
    "scrollbar-background-hover": "#1c1c1c",
    "scrollbar-background-active": "#1c1c1c",
    "scrollbar-corner-color": "#1c1c1c",
}

DARK = Theme(
    name="miyabi-dark",
    primary="#62b6e8",
    secondary="#a4adba",
    accent="#a9b8f2",
    warning="#e5b567",
    error="#f0836f",
    success="#7fcf8f",
    foreground="#d5dae2",
    background="#101215",
    surface="#191c21",
    panel="#24282f",
    dark=True,
    variables=_DARK,
)

LIGHT = Theme(
    name="miyabi-light",
    primary="#0a68a8",
    secondary="#4d5561",
    accent="#3c4fb0",
    warning="#8a5a00",
    error="#b3261e",
    success="#1b7131",
    foreground="#262b33",
    background="#fbfbfa",
    surface="#eef0f2",
    panel="#e2e5e9",
    dark=False,
    variables=_LIGHT,
)

CONTRAST = Theme(
    name="miyabi-contrast",
    primary="#6cc6ff",
    secondary="#dcdcdc",
    accent="#b9c8ff",
    warning="#ffd75e",
    error="#ff9d8c",
    success="#6ef08c",
    foreground="#ffffff",
    background="#000000",
    surface="#121212",
    panel="#1c1c1c",
    dark=True,
    variables=_CONTRAST,
)


def variable_defaults(dark: bool) -> dict[str, str]:
    """The variables that a theme which is not ours lacks."""
    ours = _DARK if dark else _LIGHT
    return {name: value for name, value in ours.items() if not name.startswith("scrollbar")}
