"""Folders of ours that commands have written in."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def remove_folder(folder: Path) -> None:
    """Remove a folder with all in it, as far as that goes. Blocks.

    A command may have taken its own rights away: they are given back first.
    """
    for inside, folders, _ in os.walk(folder):
        for name in folders:
            path = os.path.join(inside, name)
            with contextlib.suppress(OSError):
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)
