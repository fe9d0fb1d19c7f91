"""Programs that run another one: what is run by `env`, `sudo`, `timeout`, `bash -c`, `find -exec`…

Manners, no wall: what comes from elsewhere, as a file or a pipe, is not known before it runs.
"""

from __future__ import annotations

import re
from typing import NamedTuple

Words = tuple[str, ...]

SHELLS = frozenset("sh bash dash zsh ksh ash fish".split())
# Programs that run another one: their options that take a value, and how many words come before it.
WRAPPERS: dict[str, tuple[str, int]] = {
    "env": ("uC", 0),
    "nohup": ("", 0),
    "setsid": ("", 0),
    "command": ("", 0),
    "builtin": ("", 0),
    "exec": ("a", 0),
    "time": ("fo", 0),
    "nice": ("n", 0),
    "ionice": ("cn", 0),
    "timeout": ("ks", 1),
    "stdbuf": ("ioe", 0),
    "xargs": ("adEILnPs", 0),
    "sudo": ("CDghpRrTtUu", 0),
    "doas": ("Cu", 0),
    "watch": ("n", 0),
    "strace": ("eopsu", 0),
    "flock": ("wE", 1),
    "chroot": ("", 1),
    "busybox": ("", 0),
    "uvx": ("", 0),
    "npx": ("", 0),
}
LONG_WITH_VALUE = frozenset(
    "--unset --chdir --signal --kill-after --adjustment --user --group --max-args --max-procs "
    "--delimiter --arg-file --replace --from --with --package --python".split()
)
RUNNERS = frozenset("uv poetry pipx pdm hatch".split())  # before `run`
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(\[[^]]*\])?\+?=")


class Inner(NamedTuple):
    """What a command runs in turn: a script, or other commands. Not `clear` where there is more."""

    script: str | None = None
    commands: tuple[Words, ...] = ()
    clear: bool = True


def inner(name: str, words: Words) -> Inner:
    """What the program `name` runs in turn if it is called with these words."""
    if name in SHELLS:
        return _shell(words)
    if name == "eval":
        return Inner(script=" ".join(words))
    if name in WRAPPERS:
        return _wrapped(name, words)
    run: Words = ()
    if name in RUNNERS and "run" in words:
        run = past_options(words[words.index("run") + 1 :], LONG_WITH_VALUE)
    elif name.startswith("python") and "-m" in words:
        run = words[words.index("-m") + 1 :]
    elif name == "find":
        starts = [at for at, word in enumerate(words) if word in ("-exec", "-execdir", "-ok")]
        ends = (*starts[1:], len(words))
        return Inner(
            commands=tuple(words[at + 1 : end] for at, end in zip(starts, ends, strict=False))
        )
    return Inner(commands=(run,) if run else ())


def _wrapped(name: str, words: Words) -> Inner:
    if name == "command" and words[:1] in (("-v",), ("-V",)):
        return Inner()
    options, before = WRAPPERS[name]
    if name == "env" and (script := _split_string(words)):
        return Inner(script=script)
    run = past_options(words, LONG_WITH_VALUE | {f"-{one}" for one in options})
    if name in ("env", "sudo", "doas"):
        while run and ASSIGNMENT.match(run[0]):
            run = run[1:]
    run = run[before:]
    return Inner(commands=(run,) if run else ())


def _shell(words: Words) -> Inner:
    """A shell's script, where it is in its words; not clear where it comes from elsewhere."""
    script, at = False, 0
    while at < len(words) and words[at][:1] in ("-", "+") and words[at] != "--":
        option = words[at]
        script = script or (not option.startswith("--") and "c" in option)
        takes = option in ("--rcfile", "--init-file") or (option[:2] != "--" and option[-1] in "oO")
        at += 2 if takes else 1
    at += words[at : at + 1] == ("--",)
    if script and at < len(words):
        return Inner(script=words[at])
    return Inner(clear=at < len(words))


def _split_string(words: Words) -> str:
    """The script of `env -S`."""
    for at, word in enumerate(words):
        if word in ("-S", "--split-string"):
            return " ".join(words[at + 1 :])
        if word.startswith(("-S", "--split-string=")):
            return " ".join((word.removeprefix("--split-string=").removeprefix("-S"), *words[at:]))
        if not word.startswith("-") and not ASSIGNMENT.match(word):
            break
    return ""


def past_options(words: Words, with_value: frozenset[str]) -> Words:
    """What is behind a program's options, of which some take a value."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        if words[at] == "--":
            return words[at + 1 :]
        at += 2 if words[at] in with_value else 1
    return words[at:]
