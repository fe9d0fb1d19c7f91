"""Names that look like a well-known package's: a letter off, swapped, doubled, or another sign."""

from __future__ import annotations

import functools
import re
import unicodedata

from miyabi_tui.engine.security.manifests import PYPI
from miyabi_tui.engine.security.popular import POPULAR

SHORTEST = 5  # letters of a name of which one may be off; shorter ones are near each other anyway
_LIKE = str.maketrans("0135$", "oles" + "s")
_ALIKE = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_ADDED = re.compile(r"^(?:python|py|node|js|go|rs|lib)-?|-?(?:python|py|node|js|lib|official|sdk)$")


def looks_like(name: str, registry: str) -> str:
    """The well-known package that `name` looks like and is not; empty where it looks like none."""
    known = POPULAR.get(registry, frozenset())
    plain = _normal(name, registry)
    if plain in {_normal(one, registry) for one in known}:
        return ""
    for one in sorted(known):
        if _alike(plain, _normal(one, registry)):
            return one
    return ""


def has_foreign_letters(name: str) -> bool:
    """Whether there are letters in it that no registry's name has."""
    return not name.isascii()


@functools.cache
def _normal(name: str, registry: str) -> str:
    name = unicodedata.normalize("NFKC", name).lower()
    return re.sub(r"[-_.]+", "-", name) if registry == PYPI else name


@functools.cache
def _shape(name: str) -> str:
    """A name without what the eye does not tell apart."""
    name = re.sub(r"[-_.]", "", name).translate(_LIKE)
    for pair, one in _ALIKE:
        name = name.replace(pair, one)
    return name


def _alike(name: str, known: str) -> bool:
    if _shape(name) == _shape(known):
        return True
    if len(known) < SHORTEST or abs(len(name) - len(known)) > 1:
        return False
    return _one_off(name, known)


def _one_off(one: str, other: str) -> bool:
    """Whether one letter more, less or another, or two swapped, makes them the same."""
    if len(one) > len(other):
        one, other = other, one
    start = 0
    while start < len(one) and one[start] == other[start]:
        start += 1
    rest, longer = one[start:], other[start:]
    if len(one) < len(other):
        return rest == longer[1:]
    swapped = len(rest) > 1 and rest[:2] == longer[1::-1] and rest[2:] == longer[2:]
    return rest[1:] == longer[1:] or swapped
