"""Reduced motion: what is read stands still for longer, and keys are as quick as ever."""

from __future__ import annotations

import pytest

from miyabi_tui.app import MiyabiApp
from miyabi_tui.engine.worlds import WorldId
from miyabi_tui.terminal_kind import Look
from miyabi_tui.widgets.stream_text import Look as LineLook
from tests import board_states as states

SIZE = (200, 50)


def app(*, calm: bool) -> MiyabiApp:
    """A race with or without motion."""
    script = states.racing()
    control = states.FakeControl(script)
    return MiyabiApp(control, clock=lambda: script.now + 1, look=Look(calm=calm))


async def moves(*, calm: bool) -> int:
    """How often the view of a stream moves while two hundred lines come."""
    made = app(calm=calm)
    async with made.run_test(size=SIZE) as pilot:
        await pilot.pause()
        view = made.race.board.pane(WorldId.ALPHA).stream
        tops = []
        for number in range(200):
            view.text.line(LineLook.FACT, f"line {number}")
            view.flush()
            tops.append(view._top)
        return len(set(tops))


@pytest.mark.anyio
async def test_a_stream_turns_pages() -> None:
    usual, reduced = await moves(calm=False), await moves(calm=True)
    assert reduced * 2 < usual


@pytest.mark.anyio
async def test_nothing_is_animated_and_keys_are_as_quick() -> None:
    made = app(calm=True)
    assert made.animation_level == "none"
    async with made.run_test(size=SIZE) as pilot:
        await pilot.press("2")
        assert made.race.world is not None
        assert made.race.world.id is WorldId.BETA
