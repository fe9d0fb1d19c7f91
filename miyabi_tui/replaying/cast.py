"""An asciinema file, version 2: a header, then what the screen wrote, each piece with its time."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TERM = "xterm-256color"
# Questions to the terminal, and modes of its keyboard, mouse and pasting: of no use to a viewer.
_ASKED = re.compile(
    r"\x1b\[\??6n|\x1b\[>?\d*c|\x1b\[\?[\d;]*\$p|\x1b\[[<>=]\d*(?:;\d+)?u|\x1b\]\d+;\?(?:\x07|\x1b\\)"
    r"|\x1b\[\?(?:100[0-6]|1015|1016|2004|2031|2048)[hl]"
)


class Cast:
    """Writes an asciinema file; `now` is the time in seconds, of which the first is 0.

    Raises:
        UsageError: it cannot be written there.
    """

    def __init__(self, path: Path, title: str, started_at: float, now: Callable[[], float]) -> None:
        self.path = path
        self.events = 0
        self.trouble = ""
        self._now = now
        self._began = now()
        self._size: tuple[int, int] | None = None
        self._header = {"version": 2, "timestamp": int(started_at), "title": title}
        try:
            self._file = path.open("w", encoding="utf-8", errors="replace")
        except OSError as error:
            raise UsageError(f"cannot write the recording {path}", str(error)) from error

    def write(self, data: str, size: tuple[int, int]) -> None:
        """What was written to a terminal of this size; what is asked of it is left out."""
        data = _ASKED.sub("", data)
        if not data:
            return
        if self._size is None:
            header = self._header | {"width": size[0], "height": size[1], "env": {"TERM": TERM}}
            self._put(header)
        elif size != self._size:
            self._put([self._time(), "r", f"{size[0]}x{size[1]}"])
        self._size = size
        self._put([self._time(), "o", data])
        self.events += 1

    def close(self) -> None:
        """Nothing more comes."""
        try:
            self._file.close()  # what the buffer holds is written here
        except OSError as error:
            self._fail(error)

    def _time(self) -> float:
        return round(max(0.0, self._now() - self._began), 6)

    def _put(self, line: object) -> None:
        if self.trouble or self._file.closed:
            return
        try:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:  # a full disk ends the recording, not the screen
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.trouble = self.trouble or f"the recording ends early: {error}"
