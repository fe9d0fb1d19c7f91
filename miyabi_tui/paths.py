"""Where things live outside of the user's repository."""

from __future__ import annotations

import os
from pathlib import Path


def state_dir() -> Path:
    """The folder for the journal: `MIYABI_STATE_DIR`, else the platform's state folder (XDG)."""
    if chosen := os.environ.get("MIYABI_STATE_DIR"):
        return Path(chosen)
    import platformdirs

    return platformdirs.user_state_path("miyabi")


def journal_path() -> Path:
    """The journal of all runs of this user."""
    return state_dir() / "miyabi.db"


def log_path(run_id: str) -> Path:
    """What the engine of a detached run says besides its journal."""
    return state_dir() / "logs" / f"{run_id}.log"
