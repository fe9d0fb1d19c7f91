"""What makes two requests the same: the key of the response cache, and answers fit for another run.

A race that is repeated on the same commit asks the same again, but in other worktrees, with other
ports, and its commands take another 0.1 s. So a request is hashed with such names and noise taken
out. Whatever else a tool says follows from the base commit and from what was done before, and both
are in the key: files as `read` shows them, and what a person or a model wrote, keep every number.
"""

from __future__ import annotations

import json
import os
import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from miyabi_tui.engine.models.base import AssistantMessage, ToolMessage, UserMessage
from miyabi_tui.engine.models.noise import steady

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.engine.models.base import Message, Sampling, ToolSpec, Turn

VERSION = 1  # of these rules: answers kept by others are not found
WORKTREE, TASK = "⟦miyabi:worktree⟧", "⟦miyabi:task⟧"
IN_SHELL = "⟦miyabi:worktree in a shell⟧"  # with its spaces escaped
_PORT = re.compile(r"⟦miyabi:port\+(\d+)⟧")
_PLACEHOLDER = "⟦miyabi:"
# A task's folder ends with four digits of its run: an ordinary word is never taken for one.
_TASK = re.compile(r".*-[0-9a-f]{4}")
# A number is a port only behind a local host or the word itself.
_NAMED_PORT = re.compile(
    r"((?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])\\?[\"']?\s*[:,]\s*"
    r"|(?<![a-z])port\w*\W{1,3})(\d{4,5})(?!\d)",
    re.IGNORECASE,
)
_NOISY = "bash"  # the tool whose output is more than files and our own words


class Ground(msgspec.Struct, frozen=True):
    """What a world stands on. Two futures of one world differ in their `salt`."""

    worktree: Path
    base: str = ""
    ports: range = range(0)
    salt: str = ""


class Key(msgspec.Struct, frozen=True):
    """Names a request. `exact` is the same only for the very same bytes, worktree and all."""

    canonical: str
    exact: str


class Names:
    """Takes the names of one world's ground out of texts, and puts them into others.

    Making one looks for symbolic links in the worktree's path, which blocks for a moment.
    """

    def __init__(self, ground: Ground) -> None:
        self._path = str(ground.worktree)
        self._task = ground.worktree.name if _TASK.fullmatch(ground.worktree.name) else ""
        self._ports = ground.ports
        # Commands see the path without symbolic links, and JSON may write it in several ways.
        found = {self._path, os.path.realpath(self._path)}
        spelled = {one: IN_SHELL for path in found for one in _spellings(_in_shell(path))}
        spelled |= {one: WORKTREE for path in found for one in _spellings(path)}
        self._spelled = sorted(spelled.items(), key=lambda one: len(one[0]), reverse=True)
        self._port_names = [str(port) for port in ground.ports]
        self._port_starts = {name[:3] for name in self._port_names}

    def lifted(self, text: str) -> str:
        """`text` with placeholders for worktree, task and ports."""
        for spelling, placeholder in self._spelled:
            text = text.replace(spelling, placeholder)
        if self._task:
            text = text.replace(self._task, TASK)
        # Looked at in two steps, since this is done for every text of every request.
        near = any(start in text for start in self._port_starts)
        if near and any(name in text for name in self._port_names):
            text = _NAMED_PORT.sub(self._port_lifted, text)
        return text

    def settled(self, text: str, *, as_json: bool = False) -> str:
        """`text` with this ground's names for the placeholders; `as_json`: inside of raw JSON.

        Raises:
            LookupError: this ground has nothing for one of them.
        """
        if _PLACEHOLDER not in text:
            return text
        for placeholder, path in ((WORKTREE, self._path), (IN_SHELL, _in_shell(self._path))):
            inside = json.dumps(path, ensure_ascii=False)[1:-1] if as_json else path
            text = text.replace(placeholder, inside)
        if TASK in text and not self._task:
            raise LookupError(TASK)
        text = text.replace(TASK, self._task)
        return _PORT.sub(lambda found: str(self._ports[int(found[1])]), text)

    def _port_lifted(self, found: re.Match[str]) -> str:
        port = int(found[2])
        if port not in self._ports:
            return found[0]
        return f"{found[1]}⟦miyabi:port+{self._ports.index(port)}⟧"


def _in_shell(path: str) -> str:
    return path.replace(" ", "\\ ")


def _spellings(path: str) -> set[str]:
    """As it is, and as JSON may write it."""
    found = {path, *(json.dumps(path, ensure_ascii=ascii)[1:-1] for ascii in (False, True))}
    return found | {one.replace("/", "\\/") for one in found}


def has_placeholder(text: str) -> bool:
    """Whether a text holds by itself what stands for a name."""
    return _PLACEHOLDER in text


class Keys:
    """Makes the keys of one world's requests.

    A conversation only grows, so what was digested of it is remembered.
    """

    def __init__(self, ground: Ground, names: Names) -> None:
        self._ground = ground
        self._names = names
        self._digested: list[tuple[Message, bytes, bytes]] = []
        self._calls: dict[str, tuple[int, str]] = {}
        self._tools: tuple[tuple[ToolSpec, ...], str] = ((), "")

    def key(self, model: str, sampling: Sampling, turn: Turn) -> Key:
        """The key of `turn`; `model` names provider, address and model, whatever tells them apart.

        Provider items (`native`) are in `exact` alone: text, reasoning and calls say the same.
        """
        canonical = self._head(model, sampling, turn, self._names.lifted(turn.system))
        exact = self._head(model, sampling, turn, turn.system)
        for _, one, other in self._conversation(turn.messages):
            canonical.update(one)
            exact.update(other)
        return Key(canonical.hexdigest(), exact.hexdigest())

    def _head(self, model: str, sampling: Sampling, turn: Turn, system: str) -> Any:
        if self._tools[0] is not turn.tools:
            self._tools = (turn.tools, _dump(msgspec.to_builtins(turn.tools)))
        sent = [sampling.model, sampling.temperature, sampling.effort, turn.max_tokens]
        ground = [VERSION, self._ground.base, self._ground.salt, turn.world.value, model]
        return sha256(_dump([*ground, sent, system, self._tools[1]]).encode())

    def _conversation(self, messages: tuple[Message, ...]) -> list[tuple[Message, bytes, bytes]]:
        known = self._digested
        if len(known) > len(messages) or any(
            one[0] is not message for one, message in zip(known, messages, strict=False)
        ):
            known.clear()
            self._calls.clear()
        for message in messages[len(known) :]:
            same = sha256(_dump(self._canonical(message)).encode()).digest()
            exact = sha256(_dump(msgspec.to_builtins(message)).encode()).digest()
            known.append((message, same, exact))
        return known

    def _canonical(self, message: Message) -> list[Any]:
        lifted = self._names.lifted
        match message:
            case UserMessage(text):
                return ["user", lifted(text)]
            case AssistantMessage():
                calls = []
                for call in message.tool_calls:
                    # By their order: a provider's ids are random, and say nothing.
                    self._calls[call.id] = (len(self._calls), call.name)
                    calls.append([self._calls[call.id], _arguments(call.arguments, lifted)])
                return ["assistant", lifted(message.text), lifted(message.reasoning), calls]
            case ToolMessage(call_id, text, is_error):
                number, name = self._calls.get(call_id, (-1, ""))
                text = steady(lifted(text)) if name == _NOISY else lifted(text)
                return ["tool", number, is_error, text]


def _arguments(raw: str, lifted: Callable[[str], str]) -> Any:
    """A call's arguments by what they mean: spaces, order and escapes do not count."""
    try:
        return lifted(_dump(msgspec.json.decode(raw)))
    except (ValueError, RecursionError):
        return [lifted(raw)]


def _dump(value: Any) -> str:
    # Not msgspec: half a surrogate pair, which models do write, is no fault here.
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
