"""Streams of agents, made harmless piece by piece: no escape code is obeyed."""

from __future__ import annotations

import re

from miyabi_tui.widgets.widths import settled

MOST_CARRIED = 4_096

_STRING_END = r"(?:\x07|\x1b\\|\x9c)"
_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, modes
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*"
    + _STRING_END
    + r"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"
)
_UNFINISHED = re.compile(
    r"(?:\r+|\x1b[ -/]*|(?:\x1b\[|\x9b)[0-?]*[ -/]*"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*\x1b?)\Z"
)
_ODD = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufe00-\ufe0f\ufeff\ufff9-\ufffb\ud800-\udfff\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff"
    r"\U000e0000-\U000e01ef]"
)


def _plain_character(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code == 0x08:
        return "\b"
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if 0x80 <= code < 0xA0 or 0xD800 <= code < 0xE000:
        return "\ufffd"
    if 0x1F1E6 <= code <= 0x1F1FF:
        return chr(code - 0x1F1E6 + ord("A"))
    return " " if code in (0x2028, 0x2029) else ""


class Cleaner:
    """Cleans a stream that comes in pieces; an escape code may be split between two of them."""

    def __init__(self) -> None:
        self._carried = ""

    def feed(self, piece: str) -> str:
        """The piece without escape codes; of controls only newline, return, tab and backspace."""
        text = self._carried + piece
        self._carried = ""
        unfinished = _UNFINISHED.search(text)
        if unfinished and len(unfinished.group()) <= MOST_CARRIED:
            self._carried = unfinished.group()
            text = text[: unfinished.start()]
        if "\x1b" in text or "\x9b" in text or "\x9d" in text or "\x90" in text:
            text = _ESCAPE.sub("", text)
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        return settled(_ODD.sub(_plain_character, text))

    def reset(self) -> None:
        """Forget an unfinished escape code: another writer goes on."""
        self._carried = ""
