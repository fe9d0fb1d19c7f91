"""What agents print, made harmless: no escape code is obeyed, no character breaks a pane's width.

Emoji sequences are reduced to their parts, because terminals disagree about how wide the whole is.
"""

from __future__ import annotations

TAB = 4


def overtype(line: str, piece: str) -> str:
    """The line after `piece` is written to it: returns and backspaces overtype, tabs are spaces."""
    if "\r" in piece:
        parts = [part for part in piece.split("\r") if part]
        line, piece = ("", parts[-1]) if parts else (line, "")
        if not parts:
            return line
    if "\b" in piece:
        for character in piece:
            line = line[:-1] if character == "\b" else line + character
        piece = ""
    return (line + piece).expandtabs(TAB)


def one_line(text: str) -> str:
    """Any text as one harmless line."""
    if text.isascii() and text.isprintable():
        return text
    from miyabi_tui.widgets.cleaner import Cleaner  # its patterns take longer than most lines

    cleaner = Cleaner()
    return " ".join(overtype("", part) for part in cleaner.feed(text).split("\n")).strip()
