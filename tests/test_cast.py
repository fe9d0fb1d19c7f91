"""`--cast FILE`: an asciinema file that plays, with and without a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pyte
import pytest

from miyabi_tui import cli, paths
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.replaying.cast import Cast
from tests import board_states as states
from tests.replays import RUN, write
from tests.terminal import Terminal


def played(path: Path) -> tuple[dict[str, Any], list[list[Any]], pyte.Screen]:
    """The header, the events, and the last screen of a recording."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    header, events = lines[0], lines[1:]
    screen = pyte.Screen(header["width"], header["height"])
    stream = pyte.Stream(screen)
    for _, kind, data in events:
        if kind == "o" and "\x1b[?1049l" not in data:
            stream.feed(data)
        elif kind == "r":
            columns, rows = map(int, data.split("x"))
            screen.resize(rows, columns)
    return header, events, screen


def recorded(script: states.Script) -> None:
    paths.journal_path().parent.mkdir(parents=True, exist_ok=True)
    anyio.run(write, paths.journal_path(), script)


def test_without_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(states.merged())
    path = tmp_path / "race.cast"
    words = ["replay", RUN, "--cast", str(path), "--size", "80x24", "--speed", "4"]
    assert cli.main(words) == cli.WINNER
    assert f"asciinema play {path}" in capsys.readouterr().out
    header, events, screen = played(path)
    assert (header["version"], header["width"], header["height"]) == (2, 80, 24)
    assert header["title"] == f"miyabi replay {RUN}"
    assert header["timestamp"] == int(states.START)
    times = [at for at, _, _ in events]
    assert times == sorted(times) and times[0] == 0
    assert 22 / 4 < times[-1] < 22 / 4 + 5  # the tape's 22 s, and a last look
    assert len({round(at, 1) for at in times}) > 10
    shown = "\n".join(screen.display)
    assert "Quoted fields with commas" in shown and "merged into miyabi/issue-270" in shown
    assert "event 86/86" in shown and "q quit" in shown


def test_on_a_terminal(tmp_path: Path) -> None:
    recorded(states.merged())
    path = tmp_path / "live.cast"
    words = ("-m", "miyabi_tui", "replay", RUN, "--at", "60", "--cast", str(path))
    with Terminal(*words, cwd=tmp_path, columns=100, rows=30) as terminal:
        terminal.until(lambda text: "60/86" in text and "exit 1 · 0.4 s" in text)
        live = [row.rstrip() for row in terminal.screen.display]
        terminal.press("q")
        assert terminal.end() == cli.WINNER
    header, events, screen = played(path)
    assert (header["width"], header["height"]) == (100, 30)
    assert [row.rstrip() for row in screen.display][2:28] == live[2:28]
    said = "".join(data for _, kind, data in events if kind == "o")
    assert "\x1b[6n" not in said and "\x1b[?1000h" not in said  # nothing is asked of a viewer


def test_a_full_disk_ends_the_recording_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write the recording"):
        Cast(tmp_path / "nowhere" / "x.cast", "t", 0.0, lambda: 0.0)
    cast = Cast(Path("/dev/full"), "t", 0.0, lambda: 0.0)
    for _ in range(20):
        cast.write("x" * 1_000, (80, 24))
    assert "the recording ends early" in cast.trouble
    cast.close()
