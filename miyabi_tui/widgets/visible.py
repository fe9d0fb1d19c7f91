"""Text of a file as it really is: what could be obeyed or could hide is shown as a sign.

Unlike `inert`, which cleans a stream, this keeps everything in sight: an escape code in a diff
reads `␛[31m`, a character that turns the direction of writing `‹202E›`.
"""

from __future__ import annotations

import re

from miyabi_tui.widgets.widths import safe
from miyabi_tui.widgets.wrap import cells

TAB = 4
# what is of no width or no sign of its own, but for parts of emoji: those `safe` takes out
_HIDDEN = re.compile(
    r"[\x80-\x9f\xad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e01ef]"
)


def visible(text: str) -> str:
    """One line with tabs as blanks and every control as a sign; as wide as it counts."""
    if text.isascii() and text.isprintable():
        return text
    made = ""
    for number, part in enumerate(text.split("\t")):
        made += " " * (TAB - cells(made) % TAB) if number else ""
        made += safe(_HIDDEN.sub(_code, part))
    return made


def _code(match: re.Match[str]) -> str:
    return f"‹{ord(match.group()):04X}›"
