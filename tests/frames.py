"""What a terminal shows as text that can be reviewed: its rows, and the styles of each row in runs.

A file has a block for each size; looks that show the same text share it, and a letter stands for
one style in each of them. So a colour that changes is one line of a legend.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, groupby, product
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.style import Style

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.segment import Segment
    from textual.app import App

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
NAMES = (*LETTERS, *(f"{one}{other}" for one, other in product(LETTERS, LETTERS)))
BESIDE = " ¦ "
SIGNS = ("bold", "dim", "italic", "underline", "strike", "reverse")
LINES = ("underline", "strike", "reverse")  # seen on blanks too

Size = tuple[int, int]
Run = tuple[int, str]
"""The column before which it ends, and its style in words."""


@dataclass(frozen=True)
class Frame:
    """What is seen at a size in a look."""

    size: Size
    look: str
    text: tuple[str, ...]
    runs: tuple[tuple[Run, ...], ...]


def take(app: App[Any], look: str) -> Frame:
    """What the app shows now."""
    under = app._background_screens
    update: Any = app.screen._compositor.render_update(full=True, screen_stack=under)
    rows = [[one for strip in strips for one in strip] for strips in update.strips]
    text = tuple("".join(one.text for one in row).rstrip() for row in rows)
    size = (app.size.width, app.size.height)
    return Frame(size, look, text, tuple(_runs(row) for row in rows))


def _runs(row: Iterable[Segment]) -> tuple[Run, ...]:
    """The same wherever a row happens to be cut into segments."""
    found: list[Run] = []
    end, ground = 0, ""
    styled = ((text, _words(style or Style.null())) for text, style, _ in row if text)
    for (words, behind, lined), same in groupby(styled, key=lambda one: one[1]):
        text = "".join(one for one, _ in same)
        end += cell_len(text)
        if not lined and not text.strip(" "):  # of a blank only the ground is seen
            words = found[-1][1] if found and behind == ground else f"on {behind}"
        if found and found[-1][1] == words:
            found.pop()
        found.append((end, words))
        ground = "" if lined else behind
    return tuple(found)


@lru_cache(maxsize=4096)
def _words(style: Style) -> tuple[str, str, bool]:
    """A style in words, the ground of it, and whether a blank in it has lines."""
    ink = style.color.name if style.color else "default"
    ground = style.bgcolor.name if style.bgcolor else "default"
    signs = [one for one in SIGNS if getattr(style, one)]
    return " ".join([*signs, ink, "on", ground]), ground, any(one in LINES for one in signs)


# --- written --------------------------------------------------------------------------------------


def written(frames: Iterable[Frame]) -> str:
    """The frames as a file has them; sizes in the order in which they come first."""
    by_size: dict[Size, list[Frame]] = {}
    for frame in frames:
        by_size.setdefault(frame.size, []).append(frame)
    return "\n".join(
        line
        for some in by_size.values()
        for _, same in groupby(some, key=lambda frame: frame.text)
        for line in _block([*same])
    )


def _block(frames: Sequence[Frame]) -> Iterator[str]:
    """Frames of one size with the same text."""
    (width, height), text = frames[0].size, frames[0].text
    yield f"=== {width}x{height} {' '.join(frame.look for frame in frames)}"
    yield from (f"|{row}" for row in text)
    names: dict[tuple[str, ...], str] = {}
    rows = [_named(across, names) for across in zip(*(one.runs for one in frames), strict=True)]
    yield "--- styles of the rows"
    first = 1
    for runs, same in groupby(rows):
        count = len([*same])
        yield f"{first}-{first + count - 1} {runs}"
        first += count
    yield "--- legend"
    yield from (f"{name} {BESIDE.join(styles)}" for styles, name in names.items())
    yield ""


def _named(across: Sequence[Sequence[Run]], names: dict[tuple[str, ...], str]) -> str:
    """One row in all looks: letters with how many cells each has."""
    said: list[str] = []
    start = 0
    at = [0] * len(across)
    for end in sorted({end for runs in across for end, _ in runs}):
        styles = tuple(runs[place][1] for runs, place in zip(across, at, strict=True))
        name = names.setdefault(styles, NAMES[len(names)])
        said.append(f"{name}{end - start}")
        start = end
        at = [
            place + (runs[place][0] == end and place + 1 < len(runs))
            for runs, place in zip(across, at, strict=True)
        ]
    return " ".join(said)


def read(said: str) -> list[Frame]:
    """The frames of a file."""
    blocks = re.split(r"^=== ", said, flags=re.MULTILINE)[1:]
    return [*chain.from_iterable(_read_block(block) for block in blocks)]


def _read_block(block: str) -> Iterator[Frame]:
    head, _, rest = block.partition("\n")
    shown, rows, legend = re.split(r"^--- .*\n", rest, flags=re.MULTILINE)
    size, *looks = head.split(" ")
    width, height = size.split("x")
    text = tuple(row[1:] for row in shown.split("\n")[:-1])
    styles = {
        name: words.split(BESIDE)
        for name, _, words in (line.partition(" ") for line in legend.rstrip("\n").split("\n"))
    }
    for number, look in enumerate(looks):
        runs: list[tuple[Run, ...]] = []
        for line in rows.rstrip("\n").split("\n"):
            place, *some = line.split(" ")
            first, last = map(int, place.split("-"))
            runs += [_ended(some, styles, number)] * (last - first + 1)
        yield Frame((int(width), int(height)), look, text, tuple(runs))


def _ended(some: Iterable[str], styles: dict[str, list[str]], number: int) -> tuple[Run, ...]:
    found: list[Run] = []
    end = 0
    for one in some:
        name = one.rstrip("0123456789")
        end += int(one[len(name) :])
        words = styles[name][number]
        if found and found[-1][1] == words:
            found.pop()
        found.append((end, words))
    return tuple(found)
