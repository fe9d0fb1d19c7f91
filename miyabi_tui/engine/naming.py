"""Names made from titles, for folders and branches."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miyabi_tui.engine.events import Issue


def slug(title: str, most: int = 32) -> str:
    """A few words of the title, for folders and branches; `task` where it has no ASCII words."""
    words = re.findall(r"[a-z0-9]+", title.lower())
    name = ""
    for word in words:
        if len(name) + len(word) + 1 > most:
            break
        name = f"{name}-{word}".strip("-")
    return name or "task"


def own_branch(issue: Issue) -> str:
    """The branch a winner gets where no target is set."""
    return f"miyabi/{issue.key}"
