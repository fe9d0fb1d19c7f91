"""Text of a file as it really is: what could be obeyed or could hide is shown as a sign.

Unlike `inert`, which cleans a stream, this keeps everything in sight: an escape code in a diff
reads `␛[31m`, a character that turns the direction of writing `‹202E›`.
"""

from __future__ import annotations

import re

from miyabi_tui.widgets.wrap import cells

TAB = 4
_ODD = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    r"\ufff9-\ufffb\ud800-\udfff\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff\U000e0000-\U000e01ef]"
)


def visible(text: str) -> str:
    """One line with tabs as blanks and every control as a sign; as wide as it counts."""
    if text.isascii() and text.isprintable():
        return text
    if "\t" in text:
        text = _tabs(text)
    return _ODD.sub(_sign, text)


def _tabs(text: str) -> str:
    """Tabs to the next stop, counted in cells of what is shown."""
    made = ""
    for part in re.split(r"(\t)", text):
        if part == "\t":
            made += " " * (TAB - cells(made) % TAB)
        else:
            made += _ODD.sub(_sign, part)
    return made


def _sign(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if 0x1F1E6 <= code <= 0x1F1FF:
        return chr(code - 0x1F1E6 + ord("A"))
    if 0xFE00 <= code <= 0xFE0F or 0x1F3FB <= code <= 0x1F3FF or code == 0x200D:
        return ""  # parts of emoji: terminals disagree about how wide the whole is
    return f"‹{code:04X}›"
