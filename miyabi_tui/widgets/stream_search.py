"""Searching in blocks: where something stands, which of it is the present one, the next."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miyabi_tui.widgets.stream_blocks import Block

Match = tuple[int, int, int]
"""The number of a line in its block, and from where to where in it."""


class Search:
    """One search; a block keeps what was found in it until it changes."""

    def __init__(self) -> None:
        self.query = ""
        self._pattern: re.Pattern[str] | None = None
        self.here: tuple[Block, Match] | None = None

    def look_for(self, query: str, blocks: Sequence[Block]) -> None:
        """Look for something else; capitals matter where there are any in it."""
        self.query = query
        flags = re.IGNORECASE if query == query.lower() else 0
        self._pattern = re.compile(re.escape(query), flags) if query else None
        self.here = None
        for block in blocks:
            block.found = None
        self.refresh(blocks)

    def refresh(self, blocks: Sequence[Block], start: int = 0) -> None:
        """Find it in blocks that are new or changed."""
        if self._pattern is None:
            return
        for number in range(start, len(blocks)):
            block = blocks[number]
            if block.found is None:
                block.found = [
                    (line, *one.span())
                    for line, text in enumerate(block.lines)
                    for one in self._pattern.finditer(text.text)
                ]

    def all(self, blocks: Sequence[Block]) -> list[tuple[int, Match]]:
        """Everything found, each with the place of its block, in order."""
        if self._pattern is None:
            return []
        return [(n, one) for n, block in enumerate(blocks) for one in block.found or ()]

    def number(self, blocks: Sequence[Block]) -> tuple[int, int]:
        """Which of how many the present one is; 0 where it is none of them."""
        found = self.all(blocks)
        if self.here is None:
            return 0, len(found)
        block, match = self.here
        at = (
            n for n, (place, one) in enumerate(found, 1) if blocks[place] is block and one == match
        )
        return next(at, 0), len(found)
