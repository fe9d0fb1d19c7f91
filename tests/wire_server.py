"""A local server that speaks the streaming wire formats of the providers, driven by a script.

    with WireServer(lambda request: Say(text="hello")) as server:
        model = AnthropicModel("m", provider="anthropic", api_key="k", base_url=server.url)

The script is asked with each `WireRequest` and returns what to `Say`, or the `Fault` to have. It
is called from one thread per connection. Every request is recorded in `server.requests`.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, groupby
from typing import Any, Literal, Self

from miyabi_tui.engine.models.base import Usage

_USAGE = Usage(input_tokens=100, output_tokens=20)

Format = Literal["anthropic", "responses", "chat"]
Event = tuple[str | None, dict[str, Any] | str]

_FORMATS: dict[str, Format] = {
    "/v1/messages": "anthropic",
    "/v1/responses": "responses",
    "/v1/chat/completions": "chat",
}


@dataclass(frozen=True)
class WireRequest:
    """One request as it came in."""

    format: Format
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def conversation(self) -> list[dict[str, Any]]:
        """The messages, or the input items."""
        items: list[dict[str, Any]] = self.body.get("messages") or self.body.get("input") or []
        return items

    @property
    def prompt(self) -> str:
        """The system prompt and all that the user said, to search in."""
        said = [
            item.get("content") for item in self.conversation if item.get("role") != "assistant"
        ]
        system = (self.body.get("system"), self.body.get("instructions"))
        return "\n".join(text for content in (*system, *said) for text in _texts(content))

    @property
    def world(self) -> str:
        """The name after `World: ` in the prompt, or nothing."""
        found = re.search(r"World: (\w+)", self.prompt)
        return found[1] if found else ""

    @property
    def assistant_turns(self) -> int:
        """How many turns the model has answered before this one."""
        return sum(1 for answered, _ in groupby(self.conversation, key=_is_answer) if answered)


@dataclass(frozen=True)
class Say:
    """A model turn to stream: reasoning (each paragraph a part), then text, then tool calls."""

    text: str = ""
    reasoning: str = ""
    tool_calls: Sequence[tuple[str, dict[str, Any] | str]] = ()
    """Name and arguments; a string goes out raw, so that it can be malformed."""
    usage: Usage | None = _USAGE
    truncated: bool = False
    """End because the output limit is reached."""
    delay: float = 0.0
    """Seconds before each event."""
    piece: int = 8
    """Characters in a delta."""
    packet: int = 0
    """Bytes in a write; 0 writes each event whole."""
    call_ids: bool = True
    """False leaves the ids of tool calls out, as some chat servers do."""
    call_indexes: bool = True
    """False numbers all tool calls 0, as some chat servers do."""


Kind = Literal["status", "drop", "drop_midway", "no_end", "error_event", "garbled", "stall"]


@dataclass(frozen=True)
class Fault:
    """A failure. All but `status` and `drop` come while `say` is streamed, half way through it.

    `status` answers with an HTTP status, `drop` closes without an answer, `drop_midway` closes in
    the stream, `no_end` closes it cleanly but without its terminal events, `error_event` sends the
    format's error event, `garbled` an event that is not JSON, `stall` goes silent until the client
    hangs up.
    """

    kind: Kind
    status: int = 500
    error: str = "api_error"
    """The `type` in an error body."""
    headers: dict[str, str] = field(default_factory=dict)
    say: Say = Say(text="a partial answer that goes on and on")


Answer = Say | Fault
Script = Callable[[WireRequest], Answer]


def scripted(turns_by_world: dict[str, list[Say]]) -> Script:
    """A script that answers the n-th turn of each world, and refuses (400) what is beyond it."""

    def answer(request: WireRequest) -> Answer:
        turns = turns_by_world.get(request.world, [])
        if request.assistant_turns < len(turns):
            return turns[request.assistant_turns]
        return Fault("status", 400, "invalid_request_error")

    return answer


class WireServer:
    """The server as a context manager. Leaving it ends every connection and every thread."""

    def __init__(self, script: Script) -> None:
        self.requests: list[WireRequest] = []
        self._server = _Server(script, self.requests)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,))

    @property
    def url(self) -> str:
        """The base URL, without `/v1`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def wait_for_hangup(self, timeout: float = 5.0) -> bool:
        """Wait until a client has closed its connection in the middle of an answer."""
        return self._server.hangups.acquire(timeout=timeout)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()
        if self._server.errors:
            raise self._server.errors[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close() joins them
    request_queue_size = 64

    def __init__(self, script: Script, requests: list[WireRequest]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.requests = requests
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

    def end_connections(self) -> None:
        self.stopping.set()
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
            self._start_stream()
            self._send(_events(request, answer), answer)
            self.wfile.write(b"0\r\n\r\n")
        elif answer.kind == "status":
            self._send_status(answer)
        else:
            self._fail(request, answer)

    def _fail(self, request: WireRequest, fault: Fault) -> None:
        if fault.kind == "drop":
            self.close_connection = True
            return
        events = _events(request, fault.say)
        closing = {"anthropic": 2, "responses": 1, "chat": 3}[request.format]
        cut = len(events) - closing if fault.kind == "no_end" else len(events) // 2
        self._start_stream()
        self._send(events[:cut], fault.say)
        if fault.kind == "error_event":
            self._send([_error_event(request.format, fault.error)], fault.say)
        if fault.kind == "garbled":
            self._send([("message_delta", "{not json")], fault.say)
        if fault.kind in ("no_end", "error_event", "garbled"):
            self.wfile.write(b"0\r\n\r\n")
            return
        self.close_connection = True
        if fault.kind == "stall" and not self.connection.recv(1):
            self.server.hangups.release()

    def _start_stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self._end_headers()

    def _send_status(self, fault: Fault) -> None:
        error = {"type": fault.error, "message": f"{fault.status} for a test", "code": fault.error}
        body = json.dumps({"type": "error", "error": error}).encode()
        self.send_response(fault.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in fault.headers.items():
            self.send_header(name, value)
        self._end_headers()
        self.wfile.write(body)

    def _end_headers(self) -> None:
        self.send_header("request-id", self.request_id)  # Anthropic's name
        self.send_header("x-request-id", self.request_id)  # OpenAI's
        self.end_headers()

    def _send(self, events: list[Event], say: Say) -> None:
        for name, data in events:
            if say.delay:
                self.server.stopping.wait(say.delay)
            text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
            line = (f"event: {name}\n" if name else "") + f"data: {text}\n\n"
            raw = line.encode()
            size = say.packet or len(raw)
            for start in range(0, len(raw), size):
                packet = raw[start : start + size]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(packet), packet))


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for block in content if isinstance(content, list) else ():
        yield from _texts(block.get("text"))


def _is_answer(item: dict[str, Any]) -> bool:
    return item.get("role") == "assistant" or item.get("type") in ("reasoning", "function_call")


def _events(request: WireRequest, say: Say) -> list[Event]:
    makers = {"anthropic": _anthropic, "responses": _responses, "chat": _chat}
    return list(makers[request.format](say, request.assistant_turns))


def _calls(say: Say) -> Iterator[tuple[int, str, str]]:
    for number, (name, arguments) in enumerate(say.tool_calls):
        raw = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        yield number, name, raw


def _paragraphs(say: Say) -> list[str]:
    return say.reasoning.split("\n\n") if say.reasoning else []


def _cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _error_event(format: Format, error: str) -> Event:
    fault = {"type": error, "message": "broken for a test", "code": error, "param": None}
    match format:
        case "anthropic":
            return "error", {"type": "error", "error": fault}
        case "responses" if error == "rate_limit_exceeded":
            response = {"id": "resp", "object": "response", "status": "failed", "error": fault}
            return "response.failed", {"type": "response.failed", "response": response}
        case "responses":
            return "error", {**fault, "type": "error", "sequence_number": 99}
        case "chat":
            return None, {"error": fault}


def _anthropic(say: Say, turn: int) -> Iterator[Event]:
    used = say.usage or Usage()
    usage = {
        "input_tokens": used.input_tokens - used.cache_read_tokens - used.cache_write_tokens,
        "cache_read_input_tokens": used.cache_read_tokens,
        "cache_creation_input_tokens": used.cache_write_tokens,
        "output_tokens": 1,
    }
    message: dict[str, Any] = {
        "id": f"msg_{turn}",
        "type": "message",
        "role": "assistant",
        "model": "wire",
    }
    message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield "message_start", {"type": "message_start", "message": message}
    yield "ping", {"type": "ping"}
    for index, (block, deltas) in enumerate(_anthropic_blocks(say, turn)):
        at = {"index": index}
        yield "content_block_start", {"type": "content_block_start", **at, "content_block": block}
        for delta in deltas:
            yield "content_block_delta", {"type": "content_block_delta", **at, "delta": delta}
        yield "content_block_stop", {"type": "content_block_stop", **at}
    reason = "max_tokens" if say.truncated else "tool_use" if say.tool_calls else "end_turn"
    end = {"delta": {"stop_reason": reason, "stop_sequence": None}}
    yield (
        "message_delta",
        {"type": "message_delta", **end, "usage": {"output_tokens": used.output_tokens}},
    )
    yield "message_stop", {"type": "message_stop"}


def _anthropic_blocks(say: Say, turn: int) -> Iterator[tuple[dict[str, Any], list[dict[str, str]]]]:
    for paragraph in _paragraphs(say):
        deltas = [
            {"type": "thinking_delta", "thinking": part} for part in _cut(paragraph, say.piece)
        ]
        signed = {"type": "signature_delta", "signature": f"signed-{turn}"}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]
    if say.text:
        deltas = [{"type": "text_delta", "text": part} for part in _cut(say.text, say.piece)]
        yield {"type": "text", "text": ""}, deltas
    for number, name, raw in _calls(say):
        block = {"type": "tool_use", "id": f"toolu_{turn}_{number}", "name": name, "input": {}}
        deltas = [
            {"type": "input_json_delta", "partial_json": part} for part in _cut(raw, say.piece)
        ]
        yield block, deltas


def _responses(say: Say, turn: int) -> Iterator[Event]:
    for number, (kind, fields) in enumerate(_responses_events(say, turn)):
        yield kind, {"type": kind, "sequence_number": number, **fields}


def _responses_events(say: Say, turn: int) -> Iterator[tuple[str, dict[str, Any]]]:
    response: dict[str, Any] = {"id": f"resp_{turn}", "object": "response", "created_at": 0}
    response |= {"model": "wire", "output": [], "parallel_tool_calls": True, "tools": []}
    response |= {"tool_choice": "auto", "error": None, "incomplete_details": None, "usage": None}
    yield "response.created", {"response": {**response, "status": "in_progress"}}
    output: list[dict[str, Any]] = []
    for item, texts in _responses_items(say, turn):
        held, place, part, kind = _RESPONSES_PARTS[item["type"]]
        index = {"output_index": len(output)}
        added = {**item, held: "" if isinstance(item[held], str) else []}
        yield "response.output_item.added", {**index, "item": added}
        for number, text in enumerate(texts):
            at = {**index, "item_id": item["id"], **({place: number} if place else {})}
            if part:
                shown = {"type": kind.rpartition(".")[2], "text": ""}
                yield f"{part}.added", {**at, "part": shown}
            for piece in _cut(text, say.piece):
                yield f"{kind}.delta", {**at, "delta": piece}
            yield f"{kind}.done", {**at, "text" if part else held: text, "name": item.get("name")}
        yield "response.output_item.done", {**index, "item": item}
        output.append(item)
    response |= {"output": output, "usage": _responses_usage(say.usage)}
    if say.truncated:
        response |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        yield "response.incomplete", {"response": response}
    else:
        yield "response.completed", {"response": {**response, "status": "completed"}}


# Of each item: what of it grows, the name of its parts' index, and the events of part and text.
_RESPONSES_PARTS = {
    "reasoning": (
        "summary",
        "summary_index",
        "response.reasoning_summary_part",
        "response.reasoning_summary_text",
    ),
    "message": ("content", "content_index", "response.content_part", "response.output_text"),
    "function_call": ("arguments", "", "", "response.function_call_arguments"),
}


def _responses_items(say: Say, turn: int) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Each item whole, and the texts that are streamed for it."""
    status = {"status": "incomplete" if say.truncated else "completed"}
    item: dict[str, Any]
    if texts := _paragraphs(say):
        item = {"type": "reasoning", "id": f"rs_{turn}", "encrypted_content": f"encrypted-{turn}"}
        yield {**item, "summary": [{"type": "summary_text", "text": t} for t in texts]}, texts
    if say.text:
        item = {"type": "message", "id": f"msg_{turn}", "role": "assistant", **status}
        content = {"type": "output_text", "text": say.text, "annotations": []}
        yield {**item, "content": [content]}, [say.text]
    for number, name, raw in _calls(say):
        item = {"type": "function_call", "id": f"fc_{turn}_{number}", "name": name, **status}
        yield {**item, "call_id": f"call_{turn}_{number}", "arguments": raw}, [raw]


def _responses_usage(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    cached = {
        "cached_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
    }
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": cached,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.total,
    }


def _chat(say: Say, turn: int) -> Iterator[Event]:
    base = {"id": f"chatcmpl-{turn}", "object": "chat.completion.chunk", "created": 0}
    base |= {"model": "wire"}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return None, {**base, "choices": [choice], "usage": None}

    yield chunk({"role": "assistant", "content": ""})
    for part in _cut(say.reasoning, say.piece):
        yield chunk({"reasoning_content": part})
    for part in _cut(say.text, say.piece):
        yield chunk({"content": part})
    for number, name, raw in _calls(say):
        at = {"index": number if say.call_indexes else 0}
        call: dict[str, Any] = {**at, "type": "function"}
        call |= {"id": f"call_{turn}_{number}"} if say.call_ids else {}
        yield chunk({"tool_calls": [{**call, "function": {"name": name, "arguments": ""}}]})
        for part in _cut(raw, say.piece):
            yield chunk({"tool_calls": [{**at, "function": {"arguments": part}}]})
    yield chunk({}, "length" if say.truncated else "tool_calls" if say.tool_calls else "stop")
    if say.usage:
        usage = {
            "prompt_tokens": say.usage.input_tokens,
            "completion_tokens": say.usage.output_tokens,
            "total_tokens": say.usage.total,
            "prompt_tokens_details": {"cached_tokens": say.usage.cache_read_tokens},
        }
        yield None, {**base, "choices": [], "usage": usage}
    yield None, "[DONE]"
