"""The ASCII twins: as wide as what they stand for, and states stay apart."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import miyabi_tui
from miyabi_tui.widgets.signs import plain
from miyabi_tui.widgets.stream_text import Look
from miyabi_tui.widgets.wrap import cells

ROOT = Path(miyabi_tui.__file__).parent
STATES = "◌●◷◔‖◐▲◆⊘★■✗"  # queued, running, waiting, quiet, paused, evaluating, leads, scored, may
# not win, won, killed, failed


def test_every_state_has_its_own() -> None:
    twins = plain(STATES)
    assert len(set(twins)) == len(STATES)
    assert len({plain(mark) for mark in "✓✗?!"}) == 4


def test_no_sign_of_ours_is_a_question_mark() -> None:
    for folder in ("widgets", "screens", "replaying"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.stem in ("signs", "widths", "inert", "visible"):
                continue
            for sign in {sign for sign in path.read_text() if not sign.isascii()}:
                assert plain(sign) != "?", (path.name, sign)


def test_the_marks_of_streams_are_as_wide() -> None:
    for look in Look:
        assert len(plain(look.first)) == cells(look.first)


def test_all_of_unicode_becomes_ascii_of_the_same_width() -> None:
    for code in range(0xA0, 0x3000):
        sign = chr(code)
        if unicodedata.category(sign)[0] not in "CM":
            twin = plain(sign)
            assert twin.isascii()
            assert len(twin) == cells(sign), (hex(code), twin)


def test_letters_lose_their_accents_only() -> None:
    assert plain("naïve café — 日本 🎉\x1b[1m") == "naive cafe - ???? ??\x1b[1m"


def test_lines_and_corners() -> None:
    assert plain("╭─┬─╮│├┼┤╰═╝╱╲") == "+-+-+|+++" + "+=+/\\"
