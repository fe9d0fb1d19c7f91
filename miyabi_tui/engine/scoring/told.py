"""What `suite.py` and `probe.py` said while they ran, read from the output of their command."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

import msgspec

from miyabi_tui.engine.scoring.junit import Outcome

HOW = {"p": Outcome.PASSED, "f": Outcome.FAILED, "s": Outcome.SKIPPED}
PYTEST_ENDS = (0, 1, 5)  # all passed, some failed, no tests


class Lines(msgspec.Struct, frozen=True):
    """The lines that were said, in order, and the rest of the output.

    `cut`: lines are missing. `forged`: some are not what their speaker said.
    """

    said: tuple[tuple[Any, ...], ...]
    rest: str
    cut: bool
    forged: bool


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of a suite.

    `collected` is how many tests were to run, None where not known. `finished` is pytest's status
    when it had come to its end, and `ended` that with which it then returned; None where they were
    not said. `counts` are the numbers of passed, failed and skipped tests as said at the end.
    """

    outcomes: dict[str, Outcome]
    not_collected: tuple[str, ...]
    collected: int | None = None
    finished: int | None = None
    ended: int | None = None
    counts: tuple[int, ...] = ()
    cut: bool = False
    forged: bool = False

    @property
    def failed(self) -> bool:
        """Whether anything failed."""
        return bool(self.not_collected) or Outcome.FAILED in self.outcomes.values()

    @property
    def lost(self) -> int:
        """How many of the collected tests did not come to an end."""
        return max(0, (self.collected or 0) - len(self.outcomes))

    @property
    def interrupted(self) -> bool:
        """Whether pytest says itself that it gave up, maybe within a test."""
        return bool({self.finished, self.ended} - {None, *PYTEST_ENDS})


def new_word() -> str:
    """A word that nothing in a worktree can know."""
    return secrets.token_hex(8)


def read_lines(output: str, word: str, kept: int) -> Lines:
    """The lines in an output of which `kept` characters were kept at most."""
    said, last, cut, forged = [], 0, False, False
    for found in re.finditer(rf"{word} (\d{{1,9}}) (\[[^\n]*\])\n", output):
        try:
            what = json.loads(found[2])
        except ValueError:
            continue  # cut in its middle: the number will be missed
        number = int(found[1])
        forged |= number <= last or not isinstance(what, list) or not what
        cut |= number > last + 1
        last = max(last, number)
        said.append(tuple(what))
    whole = bool(said) and said[-1][:1] == ("x",)
    rest = re.sub(rf"\n?{word}[^\n]*\n?", "", output)
    return Lines(tuple(said), rest, cut or (not whole and len(output) > kept), forged)


def told(lines: Lines) -> Told:
    """What the lines say together: once failed is failed."""
    outcomes: dict[str, Outcome] = {}
    not_collected: dict[str, None] = {}
    facts: dict[str, Any] = {}
    forged = lines.forged
    for what in lines.said:
        forged |= "ended" in facts  # nothing comes after the end
        match what:
            case ("t", "p" | "f" | "s" as how, str(name)):
                if how == "f":
                    outcomes[name] = Outcome.FAILED
                outcomes.setdefault(name, HOW[how])
            case ("c", str(name)):
                not_collected[name] = None
            case ("n", int(number)):
                facts["collected"] = number
            case ("f", int(status), int(), int(), int()):
                forged |= "finished" in facts
                facts |= {"finished": status, "counts": what[2:]}
            case ("x", int(status)):
                facts["ended"] = status
            case _:
                forged = True
    return Told(
        outcomes=outcomes,
        not_collected=tuple(not_collected),
        cut=lines.cut,
        forged=forged,
        **facts,
    )
