"""A connection that the daemon hands over for a command's pipes, read without blocking the loop."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any

import anyio
import anyio.lowlevel

CHUNK = 65_536
HEADER = 8  # bytes: which pipe, three of padding, the length of what follows
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Line:
    """Both pipes of a process in one connection.

    `connection` is what the SDK gives for `socket=True`. One task at a time may read, another may
    write.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._response = getattr(connection, "_response", None)
        self._socket: socket.socket = getattr(connection, "_sock", connection)
        self._socket.setblocking(False)
        self._buffer = bytearray(self._read_ahead())
        self._pipe = 0
        self._left = 0  # bytes of the current frame that are still to come

    def _read_ahead(self) -> bytes:
        """What came together with the answer's head: the SDK would lose it."""
        with contextlib.suppress(AttributeError, OSError, ValueError):
            assert self._response is not None
            return bytes(self._response.raw._fp.fp.peek())
        return b""

    async def receive(self) -> tuple[int, bytes] | None:
        """The number of a pipe (1 output, 2 errors) and what came from it; None at the end."""
        await anyio.lowlevel.checkpoint()
        while True:
            if piece := self._piece():
                return piece
            try:
                data = self._socket.recv(CHUNK)
            except _NOT_YET:
                await anyio.wait_readable(self._socket)
                continue
            except OSError:
                return None
            if not data:
                return None
            self._buffer += data

    def _piece(self) -> tuple[int, bytes] | None:
        while self._left == 0:
            if len(self._buffer) < HEADER:
                return None
            self._pipe = self._buffer[0]
            self._left = int.from_bytes(self._buffer[4:HEADER], "big")
            del self._buffer[:HEADER]
        if not self._buffer:
            return None
        data = bytes(self._buffer[: self._left])
        del self._buffer[: len(data)]
        self._left -= len(data)
        return self._pipe, data

    async def send(self, data: bytes) -> None:
        """Write to the process's standard input.

        Raises:
            OSError: the connection is gone.
        """
        while data:
            try:
                sent = self._socket.send(data)
            except _NOT_YET:
                await anyio.wait_writable(self._socket)
            else:
                data = data[sent:]

    def cut(self) -> None:
        """End the connection from any thread; whoever reads it sees its end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the connection back; nobody may be reading any more."""
        self.cut()
        for one in (self._response, self._connection, self._socket):
            with contextlib.suppress(OSError, AttributeError):
                one.close()  # type: ignore[union-attr]
