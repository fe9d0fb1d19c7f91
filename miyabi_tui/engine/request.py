"""What a run is asked to do: everything decided before the engine starts."""

from __future__ import annotations

from pathlib import Path

import msgspec

from miyabi_tui.engine.events import ComplexityEstimated, Issue, MergePolicy
from miyabi_tui.engine.terms import Terms
from miyabi_tui.engine.worlds import WorldConfig


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `interactive` says that a person may answer; `notices` are told at its start.

    `complexity` is by what the worlds got their models; None where nobody asked.
    """

    issue: Issue
    repo: Path
    base_ref: str
    base_commit: str
    worlds: tuple[WorldConfig, ...]
    merge: MergePolicy = MergePolicy.ASK
    terms: Terms = Terms()
    recorded: bool = False
    interactive: bool = False
    notices: tuple[str, ...] = ()
    complexity: ComplexityEstimated | None = None
