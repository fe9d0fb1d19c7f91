"""Make the README's pictures from a real demo race: `python docs/make_picture.py`."""

from __future__ import annotations

import asyncio
import functools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui import demo
from miyabi_tui.app import MiyabiApp
from miyabi_tui.engine.engine import Engine
from miyabi_tui.engine.events import MergePolicy
from miyabi_tui.engine.terms import Isolation

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.engine.state import RunState

HERE = Path(__file__).parent
SIZE = (190, 48)
PICTURES: dict[str, Callable[[RunState], bool]] = {
    "race.svg": lambda run: any(world.step >= 6 for world in run.worlds),
    "podium.svg": lambda run: run.finished,
}


async def main() -> None:
    """Race once, and take each picture as soon as its moment has come."""
    with tempfile.TemporaryDirectory() as scratch:
        assignment = functools.partial(
            demo.assignment,
            Path(scratch, "tally"),
            speed=4.0,
            merge=MergePolicy.AUTO,
            interactive=True,
            isolation=Isolation.AUTO,
        )
        with Engine(assignment, Path(scratch, "miyabi.db")) as engine:
            app = MiyabiApp(engine)
            async with app.run_test(size=SIZE) as pilot:
                for name, moment in PICTURES.items():
                    while not moment(app.state):
                        await pilot.pause(0.05)
                    (HERE / name).write_text(app.export_screenshot(title="miyabi demo"))


if __name__ == "__main__":
    asyncio.run(main())
