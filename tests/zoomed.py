"""Runs with something to read in them, and what is on the screen of a zoomed world."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine import events as e
from miyabi_tui.engine.models.base import Usage
from miyabi_tui.widgets.zoom_checkpoints import ZoomCheckpoints
from tests import board_states as states
from tests.desk import Desk, press

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from miyabi_tui.widgets.zoom_view import ZoomView

A, B = states.A, states.B

ANSWER = """\
## What is wrong

`split_row` cuts at **every** comma, quoted or not:

1. a field such as `"Tokyo, JP"` becomes two
2. the quotes stay in the text

```python
def split_row(line: str) -> list[str]:
    # one line, as csv has it
    return next(csv.reader([line], skipinitialspace=True))
```

I change that, and add a test.
"""

LISTING = "".join(f"tests/test_parse.py::test_{n:03} PASSED\n" for n in range(1, 121))


def reading() -> states.Script:
    """A world that has explained itself, run long tests, and goes on."""
    script = states.opened()
    used = Usage(31_000, 1_240, cache_read_tokens=20_000)
    states.step(script, A, 1, thought="The csv module knows quoting.", text="I look first.")
    states.call(
        script, A, 1, "read", "ledger/parse.py", text="import csv\n\n\ndef split_row(line):\n"
    )
    states.call(script, A, 1, "bash", "python -m pytest -q", out=states.RED, code=1)
    states.kept(script, A, 1, "1 failed, 41 passed in 0.33s")
    states.step(script, A, 2, text=ANSWER, usage=used, cost=0.0312)
    states.call(script, A, 2, "edit", "ledger/parse.py", text="edited")
    states.kept(script, A, 2, "1 failed, 41 passed in 0.33s")
    script.add(e.WorldWaiting(world=A, reason="rate limit of anthropic, 12 s"), after=1)
    script.add(e.WorldWaiting(world=A, reason=""), after=12)
    sampled = e.TestsSampled(
        world=A,
        step=2,
        builds=True,
        passed=41,
        known=43,
        seconds=1.2,
        failures=("tests/test_parse.py::test_quoted", "tests/test_parse.py::test_empty"),
    )
    script.add(sampled)
    states.step(script, A, 3, text="Now all of it, one by one.", cost=0.0101)
    states.call(script, A, 3, "bash", "python -m pytest -v", out=LISTING)
    states.kept(script, A, 3, "120 passed in 1.02s")
    script.add(e.WorldTold(world=A, text="keep the public name"), after=2)
    return script


def view(desk: Desk) -> ZoomView:
    """What is read."""
    found = desk.app.race.board.pane(desk.app.race.board.focused_world or A).reading
    assert found is not None
    return found


def rows(desk: Desk) -> list[str]:
    """The rows of the present tab as they are on the screen."""
    target = view(desk).body.target
    if isinstance(target, ZoomCheckpoints):
        target = target.listing
    return [strip.text.rstrip() for strip in target.render_lines(target.size.region)]


async def settled(pilot: Pilot[int]) -> None:
    """Wait for what is read in threads."""
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def zoom(pilot: Pilot[int], *keys: str) -> None:
    """Zoom the first world, then press the keys."""
    await press(pilot, "z")
    await settled(pilot)
    await press(pilot, *keys)
    await settled(pilot)
