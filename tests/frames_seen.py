"""Draws scenes as pictures, to be looked at: `python -m tests.frames_seen racing diff -o FOLDER`.

They show the screen as it is now, or with `--kept` as it was accepted: for each scene and each size
one sheet with all looks, as SVG.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import tempfile
from itertools import groupby, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import anyio
from rich.cells import cell_len, get_character_cell_size
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style

import tests.settling  # noqa: F401  pilots wait for the app
from tests.frames import Frame, Size, read, take
from tests.scenes import SCENES
from tests.snapshot_support import SNAPSHOTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FRAMES = SNAPSHOTS / "frames"
SIZES: tuple[Size, ...] = ((60, 16), (80, 24), (120, 40), (200, 50))
COLOURED = ("dark", "light", "contrast")
LOOKS = (*COLOURED, "none")


async def seen(scene: str, folder: Path) -> list[Frame]:
    """The scene at each size in each look, as it is now; in the folder is what it stands on."""
    found: list[Frame] = []
    for looks, variables in ((COLOURED, {}), (("none",), {"NO_COLOR": "1"})):
        place = folder / looks[0]
        place.mkdir()
        with patch.dict(os.environ, variables):
            found += await _frames(scene, place, looks)
    return sorted(found, key=lambda frame: (frame.size, LOOKS.index(frame.look)))


async def _frames(scene: str, folder: Path, looks: Sequence[str]) -> list[Frame]:
    """One app, which comes into the scene and goes through all sizes in all looks."""
    found: list[Frame] = []
    stage = await anyio.to_thread.run_sync(SCENES[scene], folder)
    with stage.around:
        async with stage.app.run_test(size=(120, 40)) as pilot:
            await stage.arrive(pilot)
            for look in looks:
                if look in COLOURED:
                    stage.app.theme = f"miyabi-{look}"
                for size in SIZES:
                    await pilot.resize_terminal(*size)
                    await stage.wait(pilot)
                    found.append(take(stage.app, look))
    return found


# --- drawn ----------------------------------------------------------------------------------------


def sheet(frames: Sequence[Frame], title: str) -> str:
    """Frames of one size, two beside each other, as an SVG."""
    width, height = frames[0].size
    beside = min(2, len(frames))
    rows = (len(frames) + 1) // 2
    console = Console(
        width=beside * (width + 2),
        height=rows * (height + 1),
        file=io.StringIO(),
        record=True,
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    for pair in zip_longest(frames[::2], frames[1::2]):
        drawn = [_drawn(frame) for frame in pair if frame]
        for line in zip(*drawn, strict=True):
            gap = Segment("  ")
            cells = [segment for row in line for segment in (*row, gap)]
            console.print(Segments([*cells, Segment.line()]), end="")
        console.print()
    return console.export_svg(title=title)


def _drawn(frame: Frame) -> Iterator[list[Segment]]:
    """The rows of a frame."""
    width = frame.size[0]
    for text, runs in zip(frame.text, frame.runs, strict=True):
        left, at = text + " " * (width - cell_len(text)), 0
        row: list[Segment] = []
        for end, words in runs:
            piece = ""
            while left and at < end:
                piece, left, at = piece + left[0], left[1:], at + get_character_cell_size(left[0])
            style = Style.parse(words)  # word by word: no font is as wide as it should be
            row += [Segment(word, style) for word in re.findall(r"[^ ]+| +", piece)]
        yield row


def main() -> None:
    """Draw the scenes that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene", nargs="*", help="all, where none is named")
    parser.add_argument("-o", "--output", type=Path, default=Path("frames"), help="a folder")
    parser.add_argument("--kept", action="store_true", help="as they were accepted")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    for scene in given.scene or SCENES:
        if given.kept:
            frames = read((FRAMES / f"{scene}.txt").read_text(encoding="utf-8"))
        else:
            with tempfile.TemporaryDirectory() as folder:
                frames = anyio.run(seen, scene, Path(folder))
        for (width, height), some in groupby(frames, key=lambda frame: frame.size):
            name = f"{scene}-{width}x{height}"
            picture = given.output / f"{name}.svg"
            picture.write_text(sheet([*some], name), encoding="utf-8")
            sys.stdout.write(f"{picture}\n")


if __name__ == "__main__":
    main()
