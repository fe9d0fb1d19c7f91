"""Masks secrets in whatever is told, kept or shown: `•••ANTHROPIC_API_KEY•••`.

The last layer, for what has come out all the same: a world's commands do not get these variables.
Found are the values and their common encodings, also where lines are broken in the midst of them.
Not found is what somebody made on purpose: a part of a secret, or one that was turned round.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

SHORTEST = 8  # characters: what is shorter occurs by chance
GAPS = " \t\r\n"
NO_GAPS = str.maketrans("", "", GAPS)
GAP = 3  # characters of white space that may be between two of a secret: `xxd`, `base64`, `fold`
HEAD = 3  # characters by which the secrets are found that may begin at a place
_FAR = re.compile(f"[{GAPS}]{{{GAP + 1},}}")
_LEFT_OUT = re.compile(r"(\n… \d+ characters left out …\n)")


class _Table:
    """What is looked for, each with its name: the longest first, as that is what is meant."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = dict(names)
        self.needles = sorted(names, key=lambda one: (-len(one), one))
        self.longest = max(map(len, self.needles), default=0)
        self.in_json = [_json_bare(msgspec.json.encode(one)[1:-1]) for one in self.needles]
        self.heads: dict[str, list[str]] = {}
        for needle in self.needles:
            for length in range(1, HEAD + 1):
                self.heads.setdefault(needle[:length], []).append(needle)


def _json_bare(data: bytes) -> bytes:
    """JSON without white space, also without that which is escaped; backslashes come in pairs."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"\0")
        for escaped in (b"\\n", b"\\r", b"\\t"):
            data = data.replace(escaped, b"")
    return data.translate(None, b" ")


class Masker:
    """Knows secrets by the names of their variables. Any thread may mask with it."""

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        self._table = _Table({})
        self.add(secrets or {})

    def learn(self, env: Mapping[str, str], keys: Container[str] = ()) -> None:
        """Hide the secrets of an environment; `keys` are the variables of providers' keys."""
        from miyabi_tui.engine.disguises import hidden

        self.add(hidden(env, keys))

    def add(self, secrets: Mapping[str, str]) -> None:
        """Hide these values, by name, from now on."""
        if not secrets:
            return
        from miyabi_tui.engine.disguises import disguises

        names = dict(self._table.names)
        for name, value in secrets.items():
            for one in disguises(value):
                names.setdefault(one, name)
        if len(names) > len(self._table.names):
            self._table = _Table(names)

    def __bool__(self) -> bool:
        return bool(self._table.needles)

    def mask(self, text: str) -> str:
        """The text without secrets, also where it was cut in the midst of one.

        Its end is such a cut, and so is where characters were left out: what is more than half of
        a secret there is masked.
        """
        if not self or not text:
            return text
        if "characters left out" not in text:
            return self._whole(text)
        parts = _LEFT_OUT.split(text)
        for place in range(0, len(parts), 2):
            rest = self._after_cut(parts[place]) if place else parts[place]
            parts[place] = self._whole(rest)
        return "".join(parts)

    def in_json(self, data: bytes) -> bool:
        """Whether there may be a secret in this JSON."""
        bare = _json_bare(data)
        return any(one in bare for one in self._table.in_json)

    def split(self, text: str) -> tuple[str, str]:
        """What can be shown of a text that goes on, and its end that may be a secret's beginning.

        The end is to be put before what comes next.
        """
        if not self:
            return text, ""
        shown, at = [], 0
        for start, end, name in self._found(text):
            if self._may_begin(text, at) <= start:
                break
            shown += [text[at:start], _mask(name, text[start:end])]
            at = end
        held = self._may_begin(text, at)
        return "".join([*shown, text[at:held]]), text[held:]

    def _whole(self, text: str) -> str:
        shown, at = [], 0
        for start, end, name in self._found(text):
            shown += [text[at:start], _mask(name, text[start:end])]
            at = end
        cut = self._may_begin(text, at)
        begun = text[cut:].translate(NO_GAPS)
        for needle in self._table.heads.get(begun[:HEAD], ()):
            if len(begun) >= _most(needle) and needle.startswith(begun):
                shown += [text[at:cut], _mask(self._table.names[needle], text[cut:])]
                return "".join(shown)
        return "".join([*shown, text[at:]])

    def _found(self, text: str) -> Iterator[tuple[int, int, str]]:
        """The secrets in the text from left to right: start, end, name."""
        table, bare = self._table, text.translate(NO_GAPS)
        hits = [needle for needle in table.needles if needle in bare]
        if not hits:
            return
        places: range | list[int] = range(len(text))
        if len(bare) < len(text):
            places = [place for place in places if text[place] not in GAPS]
        found = []
        for needle in hits:
            start = bare.find(needle)
            while start >= 0:
                if _close(places, start, start + len(needle)):
                    found.append((start, -len(needle), needle))
                start = bare.find(needle, start + 1)
        at = 0
        for start, length, needle in sorted(found):
            if start >= at:
                at = start - length
                yield places[start], places[at - 1] + 1, table.names[needle]

    def _may_begin(self, text: str, at: int) -> int:
        """Where, from `at` on, a secret may begin of which the text holds no more; else its end."""
        table = self._table
        reach = text[max(at, len(text) - table.longest * (GAP + 1)) :]
        tail = _FAR.split(reach)[-1].translate(NO_GAPS)[1 - table.longest :]
        for start in range(len(tail)):
            for needle in table.heads.get(tail[start : start + HEAD], ()):
                if len(needle) > len(tail) - start and needle.startswith(tail[start:]):
                    return _back(text, len(tail) - start)
        return len(text)

    def _after_cut(self, text: str) -> str:
        """The text after its beginning was masked, if that is the end of a secret."""
        table = self._table
        bare = text[: table.longest * (GAP + 1)].translate(NO_GAPS)
        for needle in table.needles:
            for length in range(len(needle) - 1, _most(needle) - 1, -1):
                if bare.startswith(needle[-length:]):
                    places = [place for place, one in enumerate(text) if one not in GAPS]
                    end = places[length - 1] + 1
                    return _mask(table.names[needle], text[:end]) + text[end:]
        return text


def _mask(name: str, hidden_text: str) -> str:
    """What is shown instead; the lines keep their numbers."""
    return f"•••{name}•••" + "\n" * hidden_text.count("\n")


def _most(needle: str) -> int:
    """How many characters of it are more than may be seen."""
    return max(SHORTEST, len(needle) // 2 + 1)


def _close(places: range | list[int], start: int, end: int) -> bool:
    """Whether no gap in there is too wide."""
    if places[end - 1] - places[start] == end - 1 - start:
        return True
    return all(places[one + 1] - places[one] <= GAP + 1 for one in range(start, end - 1))


def _back(text: str, count: int) -> int:
    """The place from which on the text has `count` characters, gaps not counted."""
    place = len(text)
    while count:
        place -= 1
        count -= text[place] not in GAPS
    return place


class StreamMasker:
    """Masks a stream that comes in pieces, of which none shows the beginning of a secret."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = ""

    def feed(self, piece: str) -> str:
        """What can be shown by now."""
        shown, self._held = self._masker.split(self._held + piece)
        return shown

    def flush(self) -> str:
        """The rest, where no more will come."""
        held, self._held = self._held, ""
        return self._masker.mask(held)
