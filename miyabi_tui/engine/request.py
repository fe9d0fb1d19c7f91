"""What a run is asked to do: everything decided before the engine starts."""

from __future__ import annotations

from pathlib import Path

import msgspec

from miyabi_tui.engine.agents.codegen import Limits
from miyabi_tui.engine.events import Issue, MergePolicy
from miyabi_tui.engine.models.registry import Provider
from miyabi_tui.engine.scoring.toolchain import Commands
from miyabi_tui.engine.worlds import WorldConfig


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `speed` is the pace of recorded turns; `target` empty makes a new branch."""

    issue: Issue
    repo: Path
    base_ref: str
    base_commit: str
    worlds: tuple[WorldConfig, ...]
    target: str = ""
    merge: MergePolicy = MergePolicy.ASK
    limits: Limits = Limits()
    commands: Commands = Commands()
    providers: dict[str, Provider] = {}
    prompts: Path | None = None
    env: tuple[str, ...] = ()
    test_seconds: float = 600.0
    speed: float = 1.0
    recorded: bool = False
    interactive: bool = False
    notices: tuple[str, ...] = ()
