"""The terms a run is carried out on. They are in its journal, so that it can be resumed from it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from miyabi_tui.engine.models.registry import Provider
from miyabi_tui.engine.scoring.toolchain import Commands


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one world may use: steps, seconds of work (pauses excluded), US dollars."""

    steps: Annotated[int, msgspec.Meta(ge=1)] = 60
    seconds: Annotated[float, msgspec.Meta(gt=0)] = 1_500.0
    cost_usd: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] = 16_000


class Checkpoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How worktrees are saved: `every_seconds` besides every step, `ignored` files too or not."""

    every_seconds: Annotated[float, msgspec.Meta(gt=0)] = 300.0
    ignored: bool = False


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was asked for besides its worlds. No key is in here, only names of variables.

    `target` is the branch that was asked for, empty where the run makes its own; `prompts` a
    folder; `speed` the pace of recorded turns, None without any pause.
    """

    target: str = ""
    limits: Limits = Limits()
    checkpoints: Checkpoints = Checkpoints()
    commands: Commands = Commands()
    providers: dict[str, Provider] = {}
    prompts: str = ""
    env: tuple[str, ...] = ()
    test_seconds: float = 600.0
    speed: float | None = 1.0
