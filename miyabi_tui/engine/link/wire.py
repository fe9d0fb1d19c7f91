"""What an engine and its watchers say to each other: one JSON object a line.

    watcher   Hello, then any of Steer, Ask, ForkOff, Say, Reply, DiffAsked
    engine    Welcome or Refused, then Told and DiffTold

The first line of either side stays readable for every version: only then is it known who speaks.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from miyabi_tui import __version__
from miyabi_tui.engine.control import Fork
from miyabi_tui.engine.events import Record
from miyabi_tui.engine.worlds import WorldId

PROTOCOL = 1
LINE_AT_MOST = 1 << 20  # bytes of one line of a watcher
STREAM_CHARACTERS = 200_000  # of each world's past output, for whoever shows it


def _tag(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_tag):
    """The base of all messages; `type` is the class's name in snake_case."""


class Hello(Message, frozen=True, kw_only=True):
    """Who wants to watch: events after number `after`, and how much output of the past."""

    protocol: int = PROTOCOL
    program: str = __version__
    after: int = 0
    characters: int = STREAM_CHARACTERS


class Steer(Message, frozen=True, kw_only=True):
    """A command to one world."""

    verb: Literal["pause", "proceed", "kill", "pick"]
    world: WorldId


class Ask(Message, frozen=True, kw_only=True):
    """A command to the run."""

    verb: Literal["merge", "stop", "unpick"]


class ForkOff(Message, frozen=True, kw_only=True):
    """See `Control.fork`."""

    fork: Fork


class Say(Message, frozen=True, kw_only=True):
    """See `Control.tell`."""

    world: WorldId
    text: str


class Reply(Message, frozen=True, kw_only=True):
    """See `Control.answer`."""

    question: str
    choice: str
    amount: float | None = None


class DiffAsked(Message, frozen=True, kw_only=True):
    """See `Control.diff`; answered by the `DiffTold` of the same number.

    With `other` it is `Control.diff_between`.
    """

    number: int
    world: WorldId
    other: WorldId | None = None


class Welcome(Message, frozen=True, kw_only=True):
    """The engine agrees."""

    run_id: str
    program: str = __version__


class Refused(Message, frozen=True, kw_only=True):
    """The engine does not agree; `pid` is its process."""

    program: str
    pid: int


class Told(Message, frozen=True, kw_only=True):
    """What happened, in order; numbers may be left out where output was dropped."""

    records: tuple[Record, ...]


class DiffTold(Message, frozen=True, kw_only=True):
    """The diff, or why there is none."""

    number: int
    text: str = ""
    error: str = ""


Steering = Steer | Ask | ForkOff | Say | Reply
Command = Steering | DiffAsked

_encoder = msgspec.json.Encoder()
hello = msgspec.json.Decoder(Hello).decode
command = msgspec.json.Decoder(Command).decode
greeting = msgspec.json.Decoder(Welcome | Refused).decode
news = msgspec.json.Decoder(Told | DiffTold).decode


def line(message: Message) -> bytes:
    """The message as it is sent."""
    return _encoder.encode(message) + b"\n"


def understood(said: Hello) -> bool:
    """Whether both sides speak alike: events change with the program, not only with the wire."""
    return (said.protocol, said.program) == (PROTOCOL, __version__)
