"""`miyabi demo --tour`: eight captions, each with the key that it teaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from miyabi_tui import cli
from miyabi_tui.app import MiyabiApp
from miyabi_tui.screens.tour import CAPTIONS, LEFT, OVER, TourScreen
from tests import board_states as states
from tests.desk import press, shown

if TYPE_CHECKING:
    from textual.pilot import Pilot

SIZES = [(60, 16), (80, 24), (120, 40), (200, 50)]


class Guided:
    """The tour over a script, under a pilot."""

    def __init__(self, script: states.Script) -> None:
        self.control = states.FakeControl(script)
        self.app = MiyabiApp(self.control, clock=lambda: script.now + 1, race=TourScreen)
        self.toasts: list[str] = []
        self.app.notify = self._toast  # type: ignore[method-assign]

    def _toast(self, message: str, **_: Any) -> None:
        self.toasts.append(message)

    @property
    def tour(self) -> TourScreen:
        assert isinstance(self.app.race, TourScreen)
        return self.app.race

    @property
    def caption(self) -> str:
        return shown(self.tour.caption) if self.tour.caption.display else ""


@pytest.mark.anyio
async def test_each_caption_waits_for_its_key() -> None:
    guided = Guided(states.racing())
    async with guided.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "1/8 One issue, five worlds" in guided.caption
        await press(pilot, "k", "n")  # a question asked and declined
        assert "1/8" in guided.caption
        await press(pilot, "enter")
        for keys, following in (
            (("2",), "3/8"),
            (("z",), "4/8"),
            (("z",), "5/8"),
            (("d", "escape"), "6/8"),
            (("p",), "7/8"),
            (("question_mark", "escape"), "8/8"),
        ):
            await press(pilot, *keys)
            await pilot.pause()
            assert following in guided.caption, keys
        assert guided.tour.board.focused_world is states.B
        assert guided.control.asked[-1] == f"pause {states.B}"
        assert "miyabi run" in guided.caption
        await press(pilot, "enter")
        assert guided.caption == "" and guided.toasts[-1] == OVER
        await press(pilot, "enter")
        assert guided.tour.board.zoomed  # enter is enter again
        await press(pilot, "escape")
        assert not guided.tour.board.zoomed


@pytest.mark.anyio
async def test_enter_goes_on_also_where_a_world_is_read_and_not_while_words_are_typed() -> None:
    guided = Guided(states.racing())
    async with guided.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "enter", "enter", "z")
        await pilot.pause()
        assert guided.tour.board.zoomed and "4/8" in guided.caption
        await press(pilot, "slash", "x", "enter")
        await pilot.pause()
        assert "4/8" in guided.caption
        await press(pilot, "enter")
        await pilot.pause()
        assert "5/8" in guided.caption


@pytest.mark.anyio
@pytest.mark.parametrize("captions", [0, 3, 7])
async def test_escape_leaves_the_tour_and_not_the_race(captions: int) -> None:
    guided = Guided(states.racing())
    async with guided.app.run_test(size=(60, 16)) as pilot:
        await press(pilot, *["enter"] * captions, "escape")
        await pilot.pause()
        assert guided.caption == "" and guided.toasts[-1] == LEFT
        assert guided.app.is_running and "stop" not in guided.control.asked


@pytest.mark.anyio
@pytest.mark.parametrize("size", SIZES)
async def test_every_caption_fits_and_covers_nothing(size: tuple[int, int]) -> None:
    guided = Guided(states.merged())
    async with guided.app.run_test(size=size) as pilot:
        await pilot.pause()
        for number, caption in enumerate(CAPTIONS, 1):
            rows = guided.caption.splitlines()
            said = " ".join(row.lstrip("▌ ").strip() for row in rows[1:])
            assert f"{number}/8 {caption.title}" in rows[0]
            assert said.strip() == caption.text
            assert "esc leaves" in rows[0]
            tour = guided.tour
            for other in (tour.board, tour.keyline, tour.podium):
                assert not (other.display and other.region.overlaps(tour.caption.region))
            await press(pilot, "enter")
            await pilot.pause()


def test_without_a_terminal_there_is_no_tour(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "--tour"]) == cli.WRONG_USE
    assert "the tour needs a terminal" in capsys.readouterr().err


def test_caption(snap_compare: Any) -> None:
    async def before(pilot: Pilot[int]) -> None:
        await press(pilot, "enter")
        await pilot.pause()

    guided = Guided(states.racing())
    assert snap_compare(guided.app, terminal_size=(80, 24), run_before=before)


def test_last_caption(snap_compare: Any) -> None:
    async def before(pilot: Pilot[int]) -> None:
        await press(pilot, *["enter"] * 7)
        await pilot.pause()

    guided = Guided(states.merged())
    assert snap_compare(guided.app, terminal_size=(80, 24), run_before=before)
