"""What goes through the proxy: one exchange in HTTP, or the two directions of a tunnel."""

from __future__ import annotations

import logging
import re
import socket
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import h11
from anyio.abc import ByteStream

if TYPE_CHECKING:
    from collections.abc import Iterable

CHUNK = 65_536
HEAD_AT_MOST = 65_536  # bytes of a request's or an answer's head
REST_SECONDS = 0.2  # after a connection that could not be taken, say for want of descriptors
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade".split()
)
GONE = (
    anyio.EndOfStream,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    OSError,
    h11.ProtocolError,
)

log = logging.getLogger(__name__)


class Idle:
    """Cancels its scope when nothing has moved for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.scope = anyio.CancelScope()
        self.touch()

    def touch(self) -> None:
        """Something has moved."""
        self.scope.deadline = anyio.current_time() + self._seconds


class Line(ByteStream):
    """A Unix socket, not blocking, as a stream.

    anyio's own stream and listener (4.16) complain in the log when data comes as they are cancelled
    (a future that is cancelled is given its result): every end of a busy world would be told there.
    """

    def __init__(self, taken: socket.socket) -> None:
        self._socket = taken

    async def receive(self, max_bytes: int = CHUNK) -> bytes:
        await anyio.lowlevel.checkpoint()
        while True:
            try:
                data = self._socket.recv(max_bytes)
            except BlockingIOError:
                await anyio.wait_readable(self._socket)
            else:
                if data:
                    return data
                raise anyio.EndOfStream

    async def send(self, item: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        left = memoryview(item)
        while left:
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                await anyio.wait_writable(self._socket)

    async def send_eof(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        self._socket.close()
        await anyio.lowlevel.checkpoint()


class Peer:
    """One side of an exchange in HTTP."""

    def __init__(self, line: ByteStream, role: type[h11.CLIENT | h11.SERVER], idle: Idle) -> None:
        self.line = line
        self.http = h11.Connection(role, max_incomplete_event_size=HEAD_AT_MOST)
        self.idle = idle

    async def event(self) -> object:
        """What it says next."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            try:
                data = await self.line.receive()
            except anyio.EndOfStream:
                data = b""
            self.idle.touch()
            self.http.receive_data(data)
        return event

    async def say(self, event: h11.Event) -> None:
        """Say it, as fast as the other side reads."""
        if data := self.http.send(event):
            await self.line.send(data)
            self.idle.touch()


class Failure(Exception):
    """An answer of our own. Its text is in the status line too: many programs show nothing else."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self._status = status
        self._text = re.sub(r"[^ -~]", "?", text)

    async def tell(self, client: Peer) -> None:
        """Answer so, if an answer can still be begun."""
        if client.http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        body = f"miyabi: {self._text}\n".encode()
        headers = [
            ("Content-Type", "text/plain"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        reason = self._text.encode()
        await client.say(h11.Response(status_code=self._status, headers=headers, reason=reason))
        await client.say(h11.Data(data=body))


async def accepted(listener: socket.socket) -> Line:
    while True:
        await anyio.wait_readable(listener)
        try:
            taken, _ = listener.accept()
        except BlockingIOError:
            continue
        except OSError:
            await anyio.sleep(REST_SECONDS)
        else:
            taken.setblocking(False)
            return Line(taken)


async def pump(source: ByteStream, sink: ByteStream, idle: Idle, both: anyio.CancelScope) -> None:
    """Carry one direction to its end, which is told; a break ends both directions."""
    try:
        async for data in source:
            idle.touch()
            await sink.send(data)
            idle.touch()
        await sink.send_eof()
    except GONE:
        both.cancel()


async def carry_body(client: Peer, server: Peer, both: anyio.CancelScope) -> None:
    """Carry the rest of a request. A server that reads no more may have answered already."""
    while True:
        try:
            event = await client.event()
        except GONE:
            both.cancel()
            return
        if not isinstance(event, h11.Data | h11.EndOfMessage):
            return
        try:
            await server.say(event)
        except GONE:
            return


async def carry_answer(client: Peer, server: Peer, request: h11.Request) -> bool:
    """Carry an answer to its end, or as far as it goes; whether there was one."""
    old = request.http_version < b"1.1"
    try:
        while True:
            event = await server.event()
            if isinstance(event, h11.InformationalResponse):
                if not old:
                    await client.say(event)
            elif isinstance(event, h11.Response):
                await client.say(_answered(event))
            elif isinstance(event, h11.Data | h11.EndOfMessage):
                await client.say(event)
            if isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                break
    except GONE as error:
        log.info("an answer to a sandbox broke off: %r", error)
    return client.http.our_state is not h11.SEND_RESPONSE


def passed_on(request: h11.Request, path: str, host: str) -> h11.Request:
    """The request as the server gets it, which is asked for nothing else on this connection."""
    headers = [(b"host", host.encode()), *_end_to_end(request.headers, b"host")]
    if any(name == b"transfer-encoding" for name, _ in request.headers):
        headers.append((b"transfer-encoding", b"chunked"))
    headers.append((b"connection", b"close"))
    return h11.Request(method=request.method, target=path, headers=headers)


def _answered(response: h11.Response) -> h11.Response:
    headers = [*_end_to_end(response.headers), (b"connection", b"close")]
    return h11.Response(status_code=response.status_code, headers=headers, reason=response.reason)


def _end_to_end(headers: Iterable[tuple[bytes, bytes]], *but: bytes) -> list[tuple[bytes, bytes]]:
    """The headers that are not about one connection only."""
    own = {*HOP_BY_HOP, *but}
    for name, value in headers:
        if name == b"connection":
            own |= {one.strip().lower() for one in value.split(b",")} - {b"content-length"}
    return [(name, value) for name, value in headers if name not in own]
