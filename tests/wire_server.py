"""A local server that speaks the streaming wire formats of the providers, driven by a script.

    with WireServer(lambda request: Say(text="hello")) as server:
        model = AnthropicModel("m", provider="anthropic", api_key="k", base_url=server.url)

The script is asked with each `WireRequest` and returns what to `Say`, or the `Fault` to have. It
is called from one thread per connection. Every request is recorded in `server.requests`, and what
each answer was said to cost in `server.billed`. `server.script` can be replaced at any time.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from tests.wire_formats import Event, error_event, events_of, limit_headers
from tests.wire_script import (
    Answer,
    Billed,
    Fault,
    Format,
    Say,
    Script,
    Told,
    WireRequest,
    scripted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Answer",
    "Billed",
    "Fault",
    "Format",
    "Say",
    "Script",
    "Told",
    "WireRequest",
    "WireServer",
    "limit_headers",
    "scripted",
]

_FORMATS: dict[str, Format] = {
    "/v1/messages": "anthropic",
    "/v1/responses": "responses",
    "/v1/chat/completions": "chat",
}


class WireServer:
    """The server as a context manager. Leaving it ends every connection and every thread."""

    def __init__(self, script: Script) -> None:
        self.requests: list[WireRequest] = []
        self.billed: list[Billed] = []
        self._server = _Server(script, self.requests, self.billed)
        self._thread = threading.Thread()

    @property
    def url(self) -> str:
        """The base URL, without `/v1`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def script(self) -> Script:
        """What is asked with each request from now on."""
        return self._server.script

    @script.setter
    def script(self, script: Script) -> None:
        self._server.script = script

    def wait_for_hangup(self, timeout: float = 5.0) -> bool:
        """Wait until a client has closed its connection in the middle of an answer."""
        return self._server.hangups.acquire(timeout=timeout)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Drop every connection and refuse new ones, as long as this lasts."""
        self._stop()
        self._server.refuse()
        try:
            yield
        finally:
            self._server.server_activate()
            self._start()

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop()
        self._server.stopping.set()
        self._server.drop_connections()
        self._server.server_close()
        if self._server.errors:
            raise self._server.errors[0]

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,))
        self._thread.start()

    def _stop(self) -> None:
        self._server.shutdown()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close() joins them
    request_queue_size = 64

    def __init__(self, script: Script, requests: list[WireRequest], billed: list[Billed]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.requests = requests
        self.billed = billed
        self.errors: list[BaseException] = []
        self.hangups = threading.Semaphore(0)
        self.stopping = threading.Event()
        self.request_ids = count(1)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):  # clients may go away
            self.errors.append(error)

    def refuse(self) -> None:
        """Keep the port, but do not listen on it until `server_activate`."""
        self.socket.close()
        self.drop_connections()
        self.socket = socket.socket(self.address_family, self.socket_type)
        self.server_bind()

    def drop_connections(self) -> None:
        with self._lock:
            for connection in self._open:
                with suppress(OSError):  # the client may have reset it
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.request_id = f"req_{next(self.server.request_ids)}"
        request = WireRequest(_FORMATS[self.path], self.path, headers, json.loads(raw))
        self.server.requests.append(request)
        answer = self.server.script(request)
        try:
            self._answer(request, answer)
        except ConnectionError:
            self.close_connection = True
            self.server.hangups.release()

    def _answer(self, request: WireRequest, answer: Answer) -> None:
        if isinstance(answer, Say):
            self._start_stream(request, answer)
            self._send(events_of(request, answer), answer)
            self.wfile.write(b"0\r\n\r\n")
        elif answer.kind == "status":
            self._send_status(answer)
        elif answer.kind == "drop":
            self.close_connection = True
        else:
            self._fail(request, answer)

    def _fail(self, request: WireRequest, fault: Fault) -> None:
        kind, events = fault.kind, events_of(request, fault.say)
        if kind == "no_end":
            events = [event for event in events if not event.closing]
        elif kind != "drop_at_end":
            events = events[: len(events) // 2]
        if kind == "error_event":
            events.append(error_event(request.format, fault))
        elif kind == "garbled":
            events.append(Event("message_delta", "{not json"))
        self._start_stream(request, fault.say)
        self._send(events, fault.say)
        if kind in ("no_end", "error_event", "garbled"):
            self.wfile.write(b"0\r\n\r\n")
            return
        self.close_connection = True
        if kind == "stall" and not self.connection.recv(1):
            self.server.hangups.release()

    def _start_stream(self, request: WireRequest, say: Say) -> None:
        self.bill = Billed(request.world, request.model)
        self.server.billed.append(self.bill)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self._end_headers(say.headers)

    def _send_status(self, fault: Fault) -> None:
        words = fault.words or f"{fault.status} for a test"
        error = {"type": fault.error, "message": words, "code": fault.error}
        body = json.dumps({"type": "error", "error": error}).encode()
        self.send_response(fault.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self._end_headers(fault.headers)
        self.wfile.write(body)

    def _end_headers(self, headers: dict[str, str]) -> None:
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("request-id", self.request_id)  # Anthropic's name
        self.send_header("x-request-id", self.request_id)  # OpenAI's
        self.end_headers()

    def _send(self, events: list[Event], say: Say) -> None:
        for number, event in enumerate(events):
            self._pause(say.delay)
            # Counted before it is sent, so that a client that has it finds it counted.
            self.bill.usage = event.usage or self.bill.usage
            self.bill.complete = event.closing and number == len(events) - 1
            data = event.data
            text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
            line = (f"event: {event.name}\n" if event.name else "") + f"data: {text}\n\n"
            raw = line.encode()
            size = say.packet or len(raw)
            for start in range(0, len(raw), size):
                self._pause(say.packet_delay)
                packet = raw[start : start + size]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(packet), packet))

    def _pause(self, seconds: float) -> None:
        if seconds:
            self.server.stopping.wait(seconds)
