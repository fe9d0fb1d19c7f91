"""The race in its three themes, with few colours, without any, and in ASCII, as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from miyabi_tui.app import MiyabiApp
from miyabi_tui.terminal_kind import FEW, MANY, NONE, Look
from tests import board_states as states
from tests import snapshot_support  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL, WIDE = (80, 24), (120, 40)
LOOKS = {
    "dark": Look(),
    "light": Look(theme="light"),
    "contrast": Look(theme="contrast"),
    "none": Look(colours=NONE),
    "16-dark": Look(colours=FEW),
    "16-light": Look(theme="light", colours=FEW),
    "256": Look(colours=MANY),
    "ascii": Look(unicode=False),
}
PICTURES = [
    ("16-dark", "mixed", WIDE),
    ("16-light", "mixed", WIDE),
    ("256", "racing", SMALL),
    ("ascii", "racing", WIDE),
    ("ascii", "merged", SMALL),
]


def app(look: str, state: str) -> MiyabiApp:
    """The race in a state, drawn in a look, at a fixed time."""
    script: states.Script = getattr(states, state)()
    control = states.FakeControl(script)
    return MiyabiApp(control, clock=lambda: script.now + 1, look=LOOKS[look])


@pytest.mark.parametrize(
    ("look", "state", "size"),
    PICTURES,
    ids=[f"{look}-{state}-{size[0]}x{size[1]}" for look, state, size in PICTURES],
)
def test_look(
    snap_compare: Callable[..., bool], look: str, state: str, size: tuple[int, int]
) -> None:
    assert snap_compare(app(look, state), terminal_size=size)


@pytest.mark.parametrize("look", ["none", "16-dark", "16-light", "contrast", "ascii"])
def test_a_dialog(snap_compare: Callable[..., bool], look: str) -> None:
    assert snap_compare(app(look, "racing"), press=["k"], terminal_size=SMALL)
