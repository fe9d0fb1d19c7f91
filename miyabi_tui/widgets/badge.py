"""What keeps a world apart, and whether it tried to leave: at the end of a pane's second row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine.safety import escapes
from miyabi_tui.engine.terms import Isolation
from miyabi_tui.widgets.wrap import cells

if TYPE_CHECKING:
    from miyabi_tui.engine.state import WorldState
    from miyabi_tui.widgets.rows import Span
    from miyabi_tui.widgets.words import PaneView

ALERT = "⚠"
_SHORT = {Isolation.BUBBLEWRAP: "bwrap", Isolation.PROCESS: f"{ALERT} process"}
_LONG = _SHORT | {Isolation.BUBBLEWRAP: "bubblewrap"}


def badge(isolation: Isolation | None, wide: bool) -> Span:
    """Which isolation the world's commands run in: marked, also without colour, if it is none."""
    if isolation is None:
        return "", "faint"
    name = (_LONG if wide else _SHORT).get(isolation, str(isolation))
    return name, "bad" if isolation is Isolation.PROCESS else "faint"


def attempts(world: WorldState) -> tuple[tuple[str, ...], str]:
    """How often it tried to leave, in fewer and fewer words, and their ink."""
    said = escapes(world)
    if not said:
        return (), "warn"
    many = len(world.escapes)
    through = any(not one.stopped for one in world.escapes)
    count = f"{ALERT} {many} escape{'s' * (many != 1)}"
    return (f"{ALERT} {said}", count, f"{ALERT} {many}"), "bad" if through else "warn"


def tail(view: PaneView, room: int, wide: bool) -> list[Span]:
    """Both, each after two blanks: the attempts in as many words as fit into `room` cells."""
    name, ink = badge(view.isolation, wide)
    own: list[Span] = [(f"  {name}", ink)] if name else []
    wordings, alarm = attempts(view.world)
    left = room - sum(cells(text) for text, _ in own) - 2
    shown = next((one for one in wordings if cells(one) <= left), wordings[-1] if wordings else "")
    return [(f"  {shown}", alarm), *own] if shown else own


def mark(view: PaneView) -> list[Span]:
    """The same in a strip of one row, where there is no room for it: a sign if it matters."""
    _, alarm = attempts(view.world)
    if ALERT in badge(view.isolation, wide=False)[0]:
        alarm = "bad"
    elif not view.world.escapes:
        return []
    return [(f" {ALERT}", alarm)]
