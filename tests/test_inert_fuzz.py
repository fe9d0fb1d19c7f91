"""Whatever agents print: a row is as wide in a real terminal as we count, and acts on nothing."""

from __future__ import annotations

import json
import os
import shutil
import string
import subprocess
import sys
import time
import unicodedata
from typing import TYPE_CHECKING

import pyte
import pytest
import wcwidth
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from miyabi_tui.widgets.cleaner import Cleaner
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.palette import Inks
from miyabi_tui.widgets.rows import row, strip_of
from miyabi_tui.widgets.signs import plain
from miyabi_tui.widgets.stream_text import Look, StreamText
from miyabi_tui.widgets.widths import safe
from miyabi_tui.widgets.wrap import cells

if TYPE_CHECKING:
    from pathlib import Path

    from textual.strip import Strip

INK = Inks(
    dict.fromkeys(
        [*(look.ink for look in Look), *(look.mark_ink for look in Look), "text", "a", "b"], Style()
    )
)
EMOJI = ["👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "❤️", "🇯🇵", "1️⃣", "🧑🏿‍🚀", "☁️", "🫨", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
SCRIPTS = ["日本語", "한국어", "각", "ｱｶﾞ", "e\u0301\u0302", "नमस्ते", "தமிழ்", "ไทยำ", "ကို", "ѐ"]
TURNED = ["\u202e abc \u202c", "\u2066שלום\u2069", "عربي", "\u200f", "\u061c", "\u200b", "\ufeff"]
CONTROLS = ["\t", "\r", "\b", "\x00", "\x07", "\x7f", "\x85", "\x9b31m", "\x9d0;t\x9c", "\x90q"]
CODES = [
    "\x1b[31m", "\x1b[2J", "\x1b[10;10H", "\x1b]0;owned\x07", "\x1b]52;c;b3duZWQ=\x07", "\x1bc",
    "\x1b]8;;https://example.org\x1b\\", "\x1bP+q544e\x1b\\", "\x1b[5i", "\x1b[c", "\x1b[6n",
    "\x1b(0", "\x1b[?1000h", "\x1b[20l", "\x1b_Gi=1;AAAA\x1b\\", "\x1b", "\x1b[", "\x1b]", "\x0e",
    "\x1b[?1049l",
]  # fmt: skip
UNSETTLED = [
    "\u302e",
    "\u3164",
    "\uffa0",
    "☰",
    "䷀",
    "㉈",
    "\U0001d300",
    "\u0378",
    "\ue0a0",
    "\ud800",
]
PIECES = [*EMOJI, *SCRIPTS, *TURNED, *CONTROLS, *CODES, *UNSETTLED, "a", "b c", "─│", "…", " "]

hostile = st.lists(
    st.one_of(st.sampled_from(PIECES), st.text(max_size=4), st.text(string.printable, max_size=4)),
    max_size=12,
).map("".join)
widths = st.integers(min_value=0, max_value=40)


def columns(text: str) -> int:
    """Where a terminal's cursor is after the text.

    Pyte takes a mark without combining class for the end of the text; tmux, below, does not.
    """
    text = "".join(sign for sign in text if wcwidth.wcwidth(sign) or unicodedata.combining(sign))
    screen = pyte.Screen(500, 3)
    stream = pyte.Stream(screen)
    stream.feed("\r" + text)
    assert screen.cursor.y == 0
    return int(screen.cursor.x)


def check(strip: Strip, width: int) -> None:
    """So wide by every count, and nothing in it that a terminal obeys."""
    text = strip.text
    assert strip.cell_length == width
    assert cell_len(text) == width, ascii(text)
    assert wcwidth.wcswidth(text) == width, ascii(text)
    assert columns(text) == width, ascii(text)
    assert not {"Cc", "Cf", "Cs", "Zl", "Zp"} & set(map(unicodedata.category, text))
    narrow = plain(text)
    assert narrow.isascii()
    assert len(narrow) == width, ascii(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(hostile, max_size=4), widths)
@example(["\u0301", "a\u0301"], 4)
@example(["日本語"], 3)
@example(["x" + "\u0336" * 60], 9)
def test_a_strip_is_as_wide_as_it_is_asked_to_be(texts: list[str], width: int) -> None:
    check(strip_of([(text, "a") for text in texts], width, INK), width)


@settings(max_examples=200, deadline=None)
@given(st.lists(hostile, max_size=3), st.lists(hostile, max_size=3), st.integers(4, 60))
def test_a_row_is_as_wide_as_it_is_asked_to_be(
    left: list[str], right: list[str], width: int
) -> None:
    made = row(width, [(text, "a") for text in left], [(text, "b") for text in right], INK)
    check(made, width)


@settings(max_examples=150, deadline=None)
@given(st.lists(hostile, max_size=6), st.integers(6, 40), st.sampled_from(list(Look)))
def test_a_stream_is_as_wide_as_its_pane(pieces: list[str], width: int, look: Look) -> None:
    text = StreamText()
    text.reshape(width, INK, 0, 10)
    for piece in pieces:
        text.write(look, piece)
    for strip in text.window(text.first, 1000):
        check(strip, width)


@settings(max_examples=300, deadline=None)
@given(hostile)
def test_text_in_one_line_has_no_effect(text: str) -> None:
    assert columns(safe(one_line(text))) == cell_len(safe(one_line(text)))
    assert "\x1b" not in one_line(text)


@settings(max_examples=200, deadline=None)
@given(hostile, st.lists(st.integers(0, 60), max_size=4))
def test_codes_in_pieces_are_not_obeyed(text: str, cuts: list[int]) -> None:
    cleaner = Cleaner()
    made, start = "", 0
    for cut in [*sorted(cuts), len(text)]:
        made += cleaner.feed(text[start:cut])
        start = max(start, cut)
    assert not set(made) & set(map(chr, [*range(0x08), *range(0x0E, 0x20), *range(0x7F, 0xA0)]))


@pytest.mark.parametrize("code", CODES)
def test_a_code_changes_nothing_of_the_terminal(code: str) -> None:
    screen = pyte.Screen(80, 3)
    told: list[str] = []
    screen.write_process_input = told.append  # type: ignore[assignment]
    stream = pyte.Stream(screen)
    modes = set(screen.mode)
    stream.feed(strip_of([(f"before {code} after", "a")], 79, INK).text)

    assert (screen.title, screen.icon_name, told) == ("", "", [])
    assert screen.mode == modes
    assert screen.cursor.attrs == pyte.Screen(80, 3).cursor.attrs
    assert screen.cursor.y == 0
    assert screen.cursor.x == 79


def test_what_can_be_read_stays() -> None:
    assert (
        safe("naïve café 日本語 한국어 Ελλάδα שלום ✓") == "naïve café 日本語 한국어 Ελλάδα שלום ✓"
    )
    assert safe("e\u0301") == "e\u0301"
    assert safe("🇯🇵 👍🏽 ❤️") == "JP 👍 ❤"


# Writes each text in a real terminal and asks it where its cursor is then.
ASK_TERMINAL = """
import json, os, sys, tty
texts, found = json.load(open(sys.argv[1])), []
tty.setraw(0)
for text in texts:
    os.write(1, ("\\r\\x1b[2K" + text + "\\x1b[6n").encode())
    answer = b""
    while not answer.endswith(b"R"):
        answer += os.read(0, 64)
    found.append(int(answer.decode().rpartition(";")[2][:-1]) - 1)
json.dump(found, open(sys.argv[2] + ".part", "w"))
os.rename(sys.argv[2] + ".part", sys.argv[2])
"""


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not here")
def test_tmux_counts_as_we_do(tmp_path: Path) -> None:
    """All that we let through, eight characters at a time; and whole clusters."""
    every = [chr(code) for code in range(0xA0, 0x20000) if safe(f"a{chr(code)}") == f"a{chr(code)}"]
    groups = ["a" + "b".join(every[start : start + 8]) for start in range(0, len(every), 8)]
    texts = [*groups, *map(safe, PIECES), *(safe(f"{one}x{one}") for one in PIECES)]
    asked, told = tmp_path / "texts.json", tmp_path / "columns.json"
    asked.write_text(json.dumps(texts))
    tmux = ["tmux", "-S", str(tmp_path / "socket"), "-u", "-f", os.devnull]
    command = [sys.executable, "-c", ASK_TERMINAL, str(asked), str(told)]
    size = ["-x", "200", "-y", "10"]
    env = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
    subprocess.run([*tmux, "new-session", "-d", *size, *command], env=env, check=True)
    end = time.monotonic() + 60
    try:
        while not told.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)

    counted = dict(zip(texts, json.loads(told.read_text()), strict=True))
    assert {ascii(text): at for text, at in counted.items() if at != cells(text)} == {}
