"""What a command says, from bytes on two pipes to text: kept within bounds, shown within bounds."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from miyabi_tui.engine.events import Channel
from miyabi_tui.engine.sandbox.output import HeadTail

if TYPE_CHECKING:
    from miyabi_tui.engine.sandbox.base import OnOutput

STREAMED_AT_MOST = 200_000  # characters of one command shown live; capture goes on beyond


class Capture:
    """Keeps the head and tail of `keep` characters, and tells the first ones as they come.

    Characters may come in pieces: each channel has a decoder of its own.
    """

    def __init__(self, keep: int, on_output: OnOutput | None = None) -> None:
        self._kept = HeadTail(keep)
        self._on_output = on_output
        self._room = STREAMED_AT_MOST
        self._break = ""  # what ends the line that the command has begun
        made = codecs.getincrementaldecoder("utf-8")
        self._decoders = {one: made("replace") for one in (Channel.STDOUT, Channel.STDERR)}

    def feed(self, channel: Channel, data: bytes) -> None:
        """Take in what came from a pipe: STDOUT or STDERR."""
        self._take(channel, self._decoders[channel].decode(data))

    def close(self) -> None:
        """Nothing more will come: what is left of a character in pieces counts as a wrong one."""
        for channel, decoder in self._decoders.items():
            self._take(channel, decoder.decode(b"", final=True))
            decoder.reset()

    def note(self, text: str) -> None:
        """Add a line of our own to the output."""
        text = f"{self._break}{text}"
        self._break = ""
        self._kept.add(text)
        if self._on_output is not None:
            self._on_output(Channel.NOTE, text)

    def text(self) -> str:
        """What was kept of both pipes, in the order in which it came."""
        return self._kept.text()

    def _take(self, channel: Channel, text: str) -> None:
        if not text:
            return
        self._kept.add(text)
        self._break = "" if text.endswith("\n") else "\n"
        if self._on_output is None or self._room <= 0:
            return
        self._on_output(channel, text[: self._room])
        self._room -= len(text)
        if self._room <= 0:
            self._on_output(Channel.NOTE, "… more output, not shown live …\n")
