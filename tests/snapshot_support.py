"""Keeps the snapshots in the top-level `snapshots/`; importing this module is all it takes.

The plugin's name is rebound at import, because syrupy asks again when the run ends.

`snap_compare` begins an app for each picture. Where one app can be led from picture to picture, its
test takes a fifth of the time with an `Album`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest_textual_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syrupy.assertion import SnapshotAssertion
    from syrupy.location import PyTestLocation
    from textual.app import App
    from textual.pilot import Pilot

SNAPSHOTS = Path(__file__).parent.parent / "snapshots"


class TopLevelSvg(pytest_textual_snapshot.SVGImageExtension):  # type: ignore[misc]
    """SVGs in `snapshots/<test file>/`."""

    _file_extension = "svg"
    file_extension = "svg"

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation, **_: Any) -> str:
        """The folder of a test file's snapshots."""
        return str(SNAPSHOTS / Path(test_location.filepath).stem)


pytest_textual_snapshot.SVGImageExtension = TopLevelSvg


class Album:
    """Pictures of a running app, each compared with the snapshot of its name."""

    def __init__(self, snapshot: SnapshotAssertion) -> None:
        self._snapshot = snapshot.use_extension(TopLevelSvg)
        self.other: list[str] = []  # the names of those that are not as they were

    async def picture(self, pilot: Pilot[int], name: str) -> None:
        """Take one, when the app has come to rest."""
        for _ in range(2):
            await pilot.pause()
            await pilot.wait_for_scheduled_animations()
        app = pilot.app
        taken = app.export_screenshot(title=app.title, simplify=True)
        if not self._snapshot(name=name) == taken:
            self.other.append(name)

    async def sizes(self, app: App[Any], sizes: Sequence[tuple[int, int]], name: str) -> list[str]:
        """One of each size, as the terminal is resized; the names of those that have changed."""
        async with app.run_test(size=sizes[0]) as pilot:
            for columns, rows in sizes:
                await pilot.resize_terminal(columns, rows)
                await self.picture(pilot, name.format(size=f"{columns}x{rows}"))
        return self.other
