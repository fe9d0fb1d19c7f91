"""Names made from titles, for folders and branches."""

from __future__ import annotations

import re


def slug(title: str, most: int = 32) -> str:
    """A few words of the title, for folders and branches; `task` where it has no ASCII words."""
    words = re.findall(r"[a-z0-9]+", title.lower())
    name = ""
    for word in words:
        if len(name) + len(word) + 1 > most:
            break
        name = f"{name}-{word}".strip("-")
    return name or "task"
