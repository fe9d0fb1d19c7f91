"""Which values of an environment are secrets, and how they look when they are encoded."""

from __future__ import annotations

import base64
import fnmatch
import html
import json
import math
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

from miyabi_tui.engine.masking import NO_GAPS, SHORTEST
from miyabi_tui.engine.sandbox.environment import SECRET

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

LONGEST = 160  # what is longer is looked for in parts, each of them at most so long

_IN_ADDRESS = re.compile(r"://([^/\s@:]*)(?::([^/\s@]*))?@")
_WORD = re.compile(r"[A-Za-z]?[a-z]+(?:[-_ ][a-z]+)*|[A-Z]+(?:[-_ ][A-Z]+)*")
_NUMBER = re.compile(r"[-+]?[\d.,:_ -]{1,15}")
_ADDRESS = re.compile(r"https?://[\w.-]+(?::\d+)?(?:/[\w.-]{0,20})*/?")
_FILE = re.compile(r"~[\w/.-]*|[\w.-]+(?:/[\w.-]+)+\.\w{1,5}")
_RANDOM = re.compile(r"[A-Za-z0-9+/=_-]{16,}")
_NO_TEXT = re.compile(r"[\ud800-\udfff]")
_WORD_AT_MOST = 20


def hidden(env: Mapping[str, str], keys: Container[str] = ()) -> dict[str, str]:
    """The secrets of an environment by the names of their variables.

    Those are the variables named by custom, those of `keys`, and passwords in addresses. What is
    short, a word, a number, a path or a plain address is no secret, however its variable is named:
    it would blacken what everybody may read.
    """
    found: dict[str, str] = {}
    for name, value in env.items():
        if name in keys or any(fnmatch.fnmatchcase(name.upper(), one) for one in SECRET):
            if not is_trivial(value):
                found[name] = value
        for number, password in enumerate(_passwords(value)):
            found.setdefault(f"{name}{f'_{number + 1}' if number else ''}", password)
    return found


def _passwords(value: str) -> Iterator[str]:
    for user, password in _IN_ADDRESS.findall(value):
        if not is_trivial(password or user):
            yield password or user
        elif password:  # it would occur by chance, but not beside its user
            yield f"{user}:{password}@"


def is_trivial(value: str) -> bool:
    """Whether the value may be seen by anybody, or says nothing."""
    bare = value.translate(NO_GAPS)
    if len(bare) < SHORTEST or len(set(bare)) < 4:
        return True
    word = _WORD.fullmatch(value) and len(value) <= _WORD_AT_MOST
    return bool(word or _NUMBER.fullmatch(value) or _ADDRESS.fullmatch(value) or _is_path(value))


def _is_path(value: str) -> bool:
    """Base64 has slashes too: an absolute path begins in a folder that there is."""
    if value.startswith("/"):
        return os.path.exists("/" + value.split("/")[1]) and value.count("/") > 1
    return bool(_FILE.fullmatch(value))


def disguises(value: str) -> set[str]:
    """The value as it is and in common encodings, without any white space, in parts of a length.

    Lines of a value of several lines, such as a private key, are looked for alone too.
    """
    data = value.encode("utf-8", "surrogateescape")
    forms = {
        value,
        quote(data, safe=""),
        quote(data),
        quote_plus(data),
        unquote(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        html.escape(value),
        re.sub(r'([$"`\\])', r"\\\1", value),  # as `export -p` prints it
        data.hex(),
        data.hex().upper(),
        *_base64(data),
    }
    forms |= {line for line in value.splitlines() if _RANDOM.fullmatch(line)}
    return {part for form in forms for part in _parts(form.translate(NO_GAPS))}


def _base64(data: bytes) -> Iterator[str]:
    """What is surely in the base64 of any text with `data` in it: one form for each alignment."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data).decode()
        sure = whole[math.ceil(before * 8 / 6) : (before + len(data)) * 8 // 6]
        yield sure
        yield sure.translate(str.maketrans("+/", "-_"))


def _parts(form: str) -> Iterator[str]:
    if len(form) < SHORTEST or _NO_TEXT.search(form):
        return
    size = math.ceil(len(form) / math.ceil(len(form) / LONGEST))
    for start in range(0, len(form), size):
        if len(part := form[start : start + size]) >= SHORTEST:
            yield part
