"""Sandboxes and sites for tests that are not about isolation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine.sandbox.base import Sandbox, Space
from miyabi_tui.engine.sandbox.process import ProcessSandbox
from miyabi_tui.engine.sites import Site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from miyabi_tui.engine.repo.worktrees import Worktree
    from miyabi_tui.engine.sites import OnSlot, Purpose
    from miyabi_tui.engine.worlds import WorldId


def bare(env: Mapping[str, str], owner: str = "") -> ProcessSandbox:
    """Commands with that environment, kept to nothing."""
    return ProcessSandbox(Space(name="test", worktree=Path("/"), env=env, owner=owner))


class OneSite:
    """In place of `Sites`: everything runs in the one sandbox, on the worktree as it is."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.site = Site(sandbox, sandbox, None)

    async def of_worktree(
        self,
        world: WorldId | None,
        worktree: Worktree,
        purpose: Purpose,
        on_slot: OnSlot | None = None,
        scratch: Path | None = None,
    ) -> Site:
        """See `Sites.of_worktree`."""
        return self.site

    async def of_folder(self, folder: Path, scratch: Path) -> Site:
        """See `Sites.of_folder`."""
        return self.site

    def unconfined(self, folder: Path) -> Sandbox:
        """See `Sites.unconfined`."""
        return self.site.sandbox
