"""Keeps the snapshots in the top-level `snapshots/`; importing this module is all it takes.

The plugin's name is rebound at import, because syrupy asks again when the run ends.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest_textual_snapshot

if TYPE_CHECKING:
    from syrupy.location import PyTestLocation

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
