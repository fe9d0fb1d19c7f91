"""Each screen in each state, at four sizes, in three themes and without colour, as text.

`make snapshots` accepts what is there now; look at it before: `python -m tests.frames_seen SCENE`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.frames import read, written
from tests.frames_seen import FRAMES, LOOKS, SIZES, seen
from tests.scenes import SCENES

if TYPE_CHECKING:
    from pathlib import Path

HOW = "look at it: python -m tests.frames_seen {0}; then accept it: make snapshots"


@pytest.mark.anyio
@pytest.mark.parametrize("scene", SCENES)
async def test_scene(scene: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    frames = await seen(scene, tmp_path)
    assert all(len(frame.text) == frame.size[1] for frame in frames)
    now, file = written(frames), FRAMES / f"{scene}.txt"
    assert read(now) == frames
    if request.config.getoption("update_snapshots"):
        FRAMES.mkdir(parents=True, exist_ok=True)
        file.write_text(now, encoding="utf-8")
    assert file.exists(), f"no frames of {scene} yet; {HOW.format(scene)}"
    kept = file.read_text(encoding="utf-8")
    assert now.split("\n") == kept.split("\n"), f"{scene} looks different; {HOW.format(scene)}"
    assert {(frame.size, frame.look) for frame in frames} == {
        (size, look) for size in SIZES for look in LOOKS
    }


def test_every_file_is_a_scene() -> None:
    assert {file.name for file in FRAMES.iterdir()} == {f"{scene}.txt" for scene in SCENES}
