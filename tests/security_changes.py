"""Changes of one or more files for the scanner, laid out as it reads them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from miyabi_tui.engine.security.scan import analyse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from miyabi_tui.engine.scoring.score import Finding

    Files = Mapping[str, str | bytes]


def write(root: Path, files: Files) -> None:
    """Write files below `root`; text is dedented."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, bytes) else textwrap.dedent(content).encode()
        path.write_bytes(text)


def change(folder: Path, new: Files, old: Files | None = None) -> list[Finding]:
    """What is found in a change from `old` to `new`."""
    old = old or {}
    write(folder / "new", new)
    write(folder / "old", old)
    return analyse(folder / "new", folder / "old", sorted({*new, *old}))


def blocking(findings: list[Finding]) -> list[str]:
    """The findings that keep a world from being merged."""
    return [f"{one.severity} {one}" for one in findings if one.severity.blocks]
