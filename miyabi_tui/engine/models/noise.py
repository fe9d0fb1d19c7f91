"""What differs in a command's output each time it runs, and says nothing: out of it for the key.

Only for the key of the response cache; what a model reads is never changed. Each rule wants the
surroundings in which tools print such a thing, so that a number by itself always stays.
"""

from __future__ import annotations

import re

_UNIT = r"(?:ns|[uµμ]s|ms|s|secs?|seconds?|m|mins?|minutes?)"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"

# What a text must hold, in lower case, for the rule to be tried; the rule; what is put instead.
# Where a rule begins with plain letters it costs next to nothing, so most of them do.
_RULES: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = tuple(
    (needles, re.compile(pattern), instead)
    for needles, pattern, instead in (
        # "1 passed in 0.12s", "65.2s (0:01:05)", "Ran 3 tests in 0.004s", "added 5 packages in 2s"
        (
            ("in ",),
            rf"in (?<!\win )\d+(?:\.\d+)? ?{_UNIT}\b(?: ?\(\d+:\d\d:\d\d\))?",
            "in ⟦time⟧",
        ),
        # "(12 ms)" behind a test of jest, "(0.00s)" behind one of Go
        (("(",), rf"\(\d+(?:\.\d+)? ?{_UNIT}\)", "(⟦time⟧)"),
        # "Time:   1.234 s", "Duration  1.20s", "took 3 ms", "elapsed: 0.5s"
        (
            ("time", "duration", "took", "elapsed"),
            rf"(?i)\b(time|duration|took|elapsed)(\s*[:=]?\s*)\d+(?:\.\d+)? ?{_UNIT}\b",
            r"\1 ⟦time⟧",
        ),
        # "ok  pkg/x  0.005s", "0.05s call tests/test_x.py": with a fraction, and ending a column
        (
            ("0s", "1s", "2s", "3s", "4s", "5s", "6s", "7s", "8s", "9s"),
            r"(?m)(?<![\w.=])\d+\.\d{2,}s(?=\s|$)",
            "⟦time⟧",
        ),
        # the shell's own `time`
        (("real",), r"(?m)^(real|user|sys)(\s+)\d+m\d+[.,]\d+s$", r"\1 ⟦time⟧"),
        # "3 hours ago", of git and others
        ((" ago",), r"\b\d+ (second|minute|hour|day|week|month|year)s? ago\b", r"⟦time⟧ ago"),
        # "<tally.Entry object at 0x7f31c2a4b9d0>"; a constant of fewer digits stays
        (("at 0x",), r"at 0x[0-9a-fA-F]{6,16}\b", "at ⟦address⟧"),
        (("0x",), r"0x(?:0000)?[0-9a-f]{12}\b", "⟦address⟧"),
        # pytest numbers its temporary folders
        (("pytest-of-",), r"pytest-of-([^/\s]+)/pytest-\d+", r"pytest-of-\1/pytest-⟦n⟧"),
        # mkdtemp, mktemp and Go draw the names of theirs
        (
            ("/tmp", "/go-build"),
            r"/(?:tmp[a-z0-9_]{8}|tmp\.[A-Za-z0-9]{6,12}|go-build\d+)(?![\w.])",
            "/⟦scratch⟧",
        ),
        # "pid 4711", "PID: 4711", and "==4711==" of sanitizers
        (("pid",), r"(?i)\b(pid)(\W{1,3})\d+\b", r"\1 ⟦pid⟧"),
        (("==",), r"(?m)==(?<=^==)\d+==", "==⟦pid⟧=="),
        # a port that the system chose: those it chooses are above 32767
        (
            ("localhost:", "127.0.0.1:", "0.0.0.0:"),
            r"\b(localhost|127\.0\.0\.1|0\.0\.0\.0):(?:3276[89]|327[7-9]\d|32[89]\d\d|3[3-9]\d{3}"
            r"|[4-6]\d{4})\b",
            r"\1:⟦port⟧",
        ),
        # git numbers the worktrees of one name
        (("worktrees/",), r"\.git/worktrees/⟦miyabi:task⟧\d+", ".git/worktrees/⟦miyabi:task⟧"),
        # how much our own cut left out, and the two lines it went through
        (
            ("characters left out",),
            r"[^\n]*\n… \d+ characters left out …\n[^\n]*",
            "… ⟦left out⟧ …",
        ),
    )
)
_CLOCK = re.compile(r":\d\d:\d\d")
_MOMENTS = tuple(
    (re.compile(pattern), instead)
    for pattern, instead in (
        # 2026-11-22T22:02:12.123Z: a date alone is data, with a time of day it is a stamp
        (
            r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|[+-]\d\d:?\d\d))?",
            "⟦moment⟧",
        ),
        # the command `date`
        (
            rf"\b{_DAY} (?:{_MONTH} +\d+|\d+ {_MONTH}) \d\d:\d\d:\d\d(?: [AP]M)?(?: [A-Z]+)?"
            r" \d{4}\b",
            "⟦moment⟧",
        ),
        # "[22:02:25]" or "22:02:25.123 " before a line of a log
        (r"(?m)^(\[?)\d\d:\d\d:\d\d(?:[.,]\d+)?(\]|(?= ))", r"\1⟦moment⟧\2"),
    )
)
# `ls -l`: kind and rights, links, owner, group, size, date, name.
_LISTED = re.compile(
    rf"(?m)^([-dlbcps][-rwxsStT]{{9}}[.+@]?) +(\d+) +(\S+) +(\S+) +([\d.,]+[KMGT]?) +"
    rf"(?:{_MONTH} +\d+ +(?:\d\d:\d\d|\d{{4}})|⟦moment⟧|\d{{4}}-\d\d-\d\d \d\d:\d\d) (.*)$"
)
# A line that was filled up around a duration, as pytest's last one is.
_FILLED = re.compile(r"(?m)^=+ (.*⟦time⟧.*) =+$")


def steady(text: str) -> str:
    """A command's output without what is only noise."""
    if _CLOCK.search(text):
        for pattern, instead in _MOMENTS:
            text = pattern.sub(instead, text)
    seen = text.lower()
    for needles, pattern, instead in _RULES:
        if any(needle in seen for needle in needles):
            text = pattern.sub(instead, text)
    if any(rights in seen for rights in ("rw-", "rwx", "r--", "r-x")):
        text = _LISTED.sub(_listed, text)
    return _FILLED.sub(r"= \1 =", text) if "⟦time⟧" in text else text


def _listed(found: re.Match[str]) -> str:
    """A line of `ls -l` without its date: a worktree's files are as old as the worktree.

    The folder above grows with each run, and `.git` holds the worktree's number.
    """
    rights, links, owner, group, size, name = found.groups()
    own = name in ("..", ".git")
    return " ".join(
        [rights, *(() if own else (links,)), owner, group, *(() if own else (size,)), name]
    )
