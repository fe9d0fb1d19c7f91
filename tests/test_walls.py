"""The walls of the house, seen from outside: what an import brings with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = "import sys, {module}; print(' '.join(sys.modules))"


def loaded_by(module: str) -> set[str]:
    """The modules a fresh interpreter has after importing `module`."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(module=module)],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module", ["miyabi_tui.engine.engine", "miyabi_tui.engine.race", "miyabi_tui.headless"]
)
def test_the_engine_knows_no_screen(module: str) -> None:
    assert not loaded_by(module) & {"textual", "rich", "miyabi_tui.screens", "miyabi_tui.widgets"}


def test_help_loads_nothing_heavy() -> None:
    heavy = {"textual", "anthropic", "openai", "bandit", "git", "psutil", "aiosqlite", "msgspec"}

    assert not loaded_by("miyabi_tui.cli") & heavy


def test_the_screen_loads_no_engine_room() -> None:
    rooms = {"git", "psutil", "aiosqlite", "openai", "anthropic", "miyabi_tui.engine.race"}

    assert not loaded_by("miyabi_tui.app") & rooms
