"""What a provider can get wrong: errors told as ours, malformed arguments, usage not reported."""

from __future__ import annotations

import json
import re
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from miyabi_tui.engine.errors import (
    ConnectionLost,
    ModelError,
    Overloaded,
    RateLimited,
    RequestRefused,
    StreamBroken,
)
from miyabi_tui.engine.models.base import Usage
from miyabi_tui.engine.models.headers import advised_wait, limits_report, retry_after
from miyabi_tui.engine.models.registry import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from miyabi_tui.engine.models.base import AssistantMessage, Turn

# The names that error bodies and error events use, as the status that they stand for.
_STATUS = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "insufficient_quota": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}

TOKENS_AT_MOST = 10**9  # of one turn: a server that says more is broken
_NEXT_STEP = {
    401: "check the key in {key_variable}",
    402: "add credit to the {provider} account, or race another model",
    403: "ask {provider} for access to {model}, or race another model",
    404: "check the model name {model!r} and the base URL {shown_url}",
    413: "the conversation is too long for {model}: narrow the task",
}


class Endpoint(msgspec.Struct, frozen=True):
    """Where a model is asked, for names and messages."""

    provider: str
    model: str
    url: str

    @property
    def name(self) -> str:
        """`PROVIDER/MODEL`."""
        return f"{self.provider}/{self.model}"

    @property
    def shown_url(self) -> str:
        """The address without a user or password in it."""
        return re.sub(r"://[^/@]*@", "://", self.url)

    @property
    def key_variable(self) -> str:
        """The environment variable that carries the provider's key, or where it is named."""
        if (known := PROVIDERS.get(self.provider)) and known.key_variable:
            return known.key_variable
        return f"the variable that [providers.{self.provider}] names"


@contextmanager
def translated(sdk: Any, endpoint: Endpoint, whole: Callable[[], bool]) -> Iterator[None]:
    """Turn the exceptions of `sdk` (the module) and of its transport into ours.

    `whole` tells whether the terminal event was there: a line lost after it took nothing away.
    """
    try:
        yield
    except Exception as error:
        if (fault := _fault(sdk, endpoint, error)) is None:
            raise
        if not (isinstance(fault, ConnectionLost) and whole()):
            raise fault from error


def error_event(endpoint: Endpoint, names: tuple[object, ...], cause: str) -> ModelError:
    """The error that a running stream carried, known by its code or type (whichever is known)."""
    for name in map(str, names):
        if status := _STATUS.get(name) or (int(name) if name.isdecimal() else 0):
            return _refusal(endpoint, status, cause)
    return StreamBroken(f"{endpoint.name} broke off its answer", cause, "try again")


def incomplete(endpoint: Endpoint) -> StreamBroken:
    """A stream that closed cleanly before its terminal event."""
    return StreamBroken(
        f"{endpoint.name} broke off its answer",
        "the stream ended without its terminal event",
        "try again; if it stays so, look at the proxy or server in between",
    )


def sound_arguments(text: str) -> dict[str, Any]:
    """Tool-call arguments as an object; `{}` where the model wrote no sound JSON object."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def estimated_usage(turn: Turn, answer: AssistantMessage) -> Usage:
    """Usage counted from the text, 4 bytes a token, for a server that reports none."""
    asked = turn.system.encode() + msgspec.json.encode((turn.messages, turn.tools))
    answered = answer.text + answer.reasoning + "".join(c.arguments for c in answer.tool_calls)
    return Usage(len(asked) // 4, len(answered.encode()) // 4, estimated=True)


def tokens(counts: Any, name: str) -> int:
    """One count of a usage object; 0 where the server left it out or sent none."""
    value = getattr(counts, name, None)
    return min(value, TOKENS_AT_MOST) if isinstance(value, int) and value > 0 else 0


def settled_usage(turn: Turn, answer: AssistantMessage, reported: Usage) -> Usage:
    """The usage of a turn that is over: as reported, and estimated where it was not."""
    if reported.input_tokens and reported.output_tokens:
        return reported
    guess = estimated_usage(turn, answer)
    return Usage(
        reported.input_tokens or guess.input_tokens,
        reported.output_tokens or guess.output_tokens,
        reported.cache_read_tokens,
        reported.cache_write_tokens,
        estimated=not reported.input_tokens or guess.output_tokens > 0,
    )


def _fault(sdk: Any, endpoint: Endpoint, error: Exception) -> ModelError | None:
    import httpx2  # here, as it comes with the SDK, which is imported late

    if isinstance(error, sdk.APIStatusError):
        return _answered(endpoint, error)
    if isinstance(
        error, (sdk.APIConnectionError, httpx2.RequestError, ssl.SSLError, anyio.EndOfStream)
    ):
        return _line_fault(endpoint, error)
    if isinstance(error, sdk.APIError):
        return error_event(endpoint, _names(error), _words(error))
    if isinstance(error, json.JSONDecodeError):
        return StreamBroken(f"{endpoint.name} sent a broken event", str(error), "try again")
    return None


def _answered(endpoint: Endpoint, error: Any) -> ModelError:
    if error.status_code < 400:  # an error event inside a stream that began well
        return error_event(endpoint, _names(error), _words(error))
    # An empty account answers 429 too, but waiting does not fill it.
    status = 402 if "insufficient_quota" in _names(error) else error.status_code
    fault = _refusal(endpoint, status, f"HTTP {error.status_code}: {_words(error)}")
    headers = error.response.headers
    if (wait := retry_after(headers)) is not None:
        fault.retry_after = wait
    fault.limits = limits_report(headers)
    return fault


def _refusal(endpoint: Endpoint, status: int, cause: str) -> ModelError:
    name = endpoint.name
    if status == 429:
        step = "race fewer worlds at once, or raise the account's limit"
        wait = advised_wait(cause)
        return RateLimited(f"{name} limited the rate", cause, step, retry_after=wait)
    if status == 408:
        return ConnectionLost(f"{name} stopped waiting for the request", cause, "try again")
    if status >= 500 or status == 409:
        return Overloaded(f"{name} has a fault of its own", cause, "try later, or another model")
    step = _NEXT_STEP.get(status, "read the cause: {model} may not take what was sent")
    step = step.format(
        provider=endpoint.provider,
        model=endpoint.model,
        shown_url=endpoint.shown_url,
        key_variable=endpoint.key_variable,
    )
    return RequestRefused(f"{name} refused the request", cause, step)


def _line_fault(endpoint: Endpoint, error: Exception) -> ModelError:
    import httpx2

    root = error.__cause__ if isinstance(error.__cause__, Exception) else error
    cause = str(root) or type(root).__name__
    if isinstance(root, (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)):
        step = f"check the base URL {endpoint.shown_url} and the key in {endpoint.key_variable}"
        return RequestRefused(f"{endpoint.name} cannot be asked", cause, step)
    step = f"check the network, and that {endpoint.shown_url} can be reached"
    if isinstance(root, httpx2.TimeoutException):
        lost = ConnectionLost(f"{endpoint.name} was silent for too long", cause, step)
    else:
        lost = ConnectionLost(f"the line to {endpoint.name} was lost", cause, step)
    never_sent = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
    lost.billable = not isinstance(root, never_sent)
    return lost


def _names(error: Any) -> tuple[object, ...]:
    return getattr(error, "code", None), getattr(error, "type", None)


def _words(error: Any) -> str:
    """The provider's own message, and the id under which it knows the request."""
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error", body)
    message = inner.get("message") if isinstance(inner, dict) else inner
    words = " ".join(str(message or error.message).split())[:500]
    request_id = getattr(error, "request_id", None)
    return f"{words} (request {request_id})" if request_id else words
