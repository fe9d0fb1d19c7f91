"""What a screen leaves behind in its process when it is gone."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from miyabi_tui.app import MiyabiApp
from miyabi_tui.opening import Opening
from miyabi_tui.screen_settings import Screen
from tests import board_states as states

if TYPE_CHECKING:
    from types import FrameType

STOPS = (signal.SIGTSTP, signal.SIGCONT)


class Brief(MiyabiApp):
    """A screen that is left at once; like Textual's driver it answers ctrl+z from then on."""

    def run(self, **_: Any) -> None:
        """Take the signals."""
        for one in STOPS:
            signal.signal(one, _taken)


def _taken(number: int, frame: FrameType | None) -> None:
    raise RuntimeError("there is no screen any more")


def test_ctrl_z_after_the_screen_is_the_shells_again() -> None:
    before = [signal.getsignal(one) for one in STOPS]
    Opening(Screen(theme="dark")).run(states.FakeControl(states.racing()), Brief)
    assert [signal.getsignal(one) for one in STOPS] == before
