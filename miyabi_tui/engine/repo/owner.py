"""Whose a worktree is: a small file in its git dir, so that nobody else's is ever removed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.engine.repo.worktrees import Worktree

FILE = "miyabi-owner"
_RUN = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]*")


class Owner(msgspec.Struct, frozen=True):
    """The run that a worktree was made for, and the journal that knows the run.

    In the file there are also the worktree's `branch`, and the `base` that it began with.
    """

    run: str
    journal: str
    branch: str = ""
    base: str = ""

    def sign(self, worktree: Worktree) -> None:
        """Leave this in the worktree's git dir. Blocks."""
        whole = replace(self, branch=worktree.branch, base=worktree.base)
        (worktree.git_dir / FILE).write_bytes(msgspec.json.encode(whole))

    @classmethod
    def of(cls, git_dir: Path) -> Owner | None:
        """Who signed; None where nobody did, or nobody can read it. Blocks."""
        try:
            found = msgspec.json.decode((git_dir / FILE).read_bytes(), type=cls)
        except (OSError, msgspec.MsgspecError):
            return None
        # An agent can write there, and files are named after runs.
        return found if _RUN.fullmatch(found.run) and "\0" not in found.journal else None
