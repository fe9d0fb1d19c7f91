"""The style sheet is read once at the start, and anew when a theme asks for it."""

from __future__ import annotations

from collections import Counter

import pytest
from textual.css import stylesheet

from miyabi_tui.styles.few_colours import OURS
from tests import board_states as states
from tests import known_styles
from tests.desk import Desk

pytestmark = pytest.mark.anyio


async def test_no_source_is_read_twice_before_a_theme_is_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: Counter[str] = Counter()
    parse = stylesheet.parse  # type: ignore[attr-defined]

    def counted(scope: str, css: str, read_from: tuple[str, str], **more: object) -> object:
        read[css] += 1
        return parse(scope, css, read_from, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(stylesheet, "parse", counted)
    monkeypatch.setattr(stylesheet.Stylesheet, "_parse_rules", known_styles.PARSE)
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert len(read) > 8 and set(read.values()) == {1}
        ground = desk.app.screen.styles.background
        desk.app.theme = OURS["light"].name
        await pilot.pause()
        assert set(read.values()) == {2}
        assert desk.app.screen.styles.background != ground
