"""Attempts of a world to leave its place: by what its commands name, and by what the kernel said.

These are rules over text. They find the attempts of an agent that does not hide them; one that does
is stopped by its isolation, or seen by its traces (`sentinel.py`).
"""

from __future__ import annotations

import itertools
import os.path
import re
from typing import TYPE_CHECKING

from miyabi_tui.engine.events import Escape
from miyabi_tui.engine.shell import Simple, joined, simple_commands

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    Found = tuple[Escape, str]

SHOWN = 120  # characters of a command in a detail
FOUND_AT_MOST = 20  # in one command line

# Whatever is written there is no harm to anybody.
_FREE = ("/tmp", "/var/tmp", "/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/fd")
_FREE_HOME = ("~/.cache", "~/.npm", "~/.cargo", "~/.local/share")
_HOME = re.compile(r"^(?:~|\$HOME|\$\{HOME\})(?=/|$)")
_SECRET_FILES = (
    r"(?:~|\$HOME|\$\{HOME\}|/root|/home/[^/\s'\"]+|/Users/[^/\s'\"]+)/\.(?:"
    r"ssh|aws|azure|gnupg|kube|netrc|pypirc|npmrc|git-credentials|config/gh|config/gcloud"
    r"|docker/config\.json)(?![\w-])"
    r"|/etc/(?:shadow|gshadow|sudoers)(?![\w-])"
    r"|/proc/(?!self/)[^/\s'\"]+/(?:environ|mem)(?![\w-])"
)
_SECRET = re.compile(rf"^(?:{_SECRET_FILES})")
_SECRET_IN_CODE = re.compile(rf"(?<![\w/])(?:{_SECRET_FILES})")
_GIT_DATA = re.compile(r"(?:^|/)\.git(?:/|$)")
_SOCKET = re.compile(r"/dev/(?:tcp|udp)/([^/]*)")  # as bash opens it
_LOCAL = re.compile(r"(?:^|[/@\[])(?:localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|::1)(?=[\]:/]|$)")

_ALL_OPERANDS = frozenset(
    "rm rmdir touch mkdir truncate shred tee mkfifo mknod unlink".split()
)  # each of them is written or removed
_AFTER_FIRST = frozenset({"chmod", "chown", "chgrp", "setfacl", "chattr"})
_LAST_OPERAND = frozenset({"cp", "install", "ln", "link", "rsync"})
_SPEAK_ONLY = frozenset("echo printf : true false test [".split())
_INTERPRETERS = re.compile(r"^(?:python[\d.]*|perl|ruby|node|php|lua)$")
_CODE_OPTIONS = ("-c", "-e", "--eval")

_CALLS_OUT = frozenset(
    "curl wget nc ncat netcat ssh scp sftp ftp telnet dig nslookup host ping traceroute".split()
)
_FETCHES: dict[str, frozenset[str]] = {
    "npm": frozenset("install i ci add publish update".split()),
    "yarn": frozenset("install add publish".split()),
    "pnpm": frozenset("install i add publish".split()),
    "cargo": frozenset("install add fetch publish update".split()),
    "go": frozenset("get install".split()),
    "gem": frozenset("install push".split()),
    "apt": frozenset("install update upgrade".split()),
    "apt-get": frozenset("install update upgrade".split()),
    "apk": frozenset({"add"}),
    "brew": frozenset({"install"}),
    "poetry": frozenset("install add publish".split()),
    "uv": frozenset("add sync".split()),
    "git": frozenset("clone fetch pull ls-remote".split()),
}
_GIT_VALUES = frozenset({"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env"})
_PARENT = frozenset({"$PPID", "${PPID}"})
_MACHINE = frozenset(
    "docker podman nsenter chroot mount umount systemctl systemd-run shutdown reboot".split()
)


def escapes_in(command: str, worktree: Path, allowed: Sequence[Path] = ()) -> list[Found]:
    """What a bash command in `worktree` tries outside of it, with the words that say so.

    `allowed` are further places that are the world's own.
    """
    own = [os.path.normpath(one) for one in (worktree, *allowed)]
    found: dict[Found, None] = {}
    for one in simple_commands(command, own[0]):
        for kind, detail in _escapes(one, own):
            found[kind, detail[:SHOWN]] = None
            if len(found) >= FOUND_AT_MOST:
                return list(found)
    return list(found)


def holds_secrets(path: str) -> bool:
    """Whether a path names a file of keys, by custom."""
    return bool(_secrets_in(_SECRET, path))


def users(worktree: str) -> tuple[str, ...]:
    """What is the user's although it may lie in a free place: the repository and its neighbours."""
    repo, inside, _ = worktree.partition("/.miyabi/")
    if not inside:
        return ()
    beside = os.path.dirname(repo)
    return (repo,) if beside == "/" or beside in _FREE else (beside,)


def is_below(path: str, folders: Sequence[str]) -> bool:
    """Whether a path is one of the folders, or in one."""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _secrets_in(pattern: re.Pattern[str], text: str) -> list[str]:
    """The files of keys in a text, as they are written; with the user's own home for any other."""
    if not (found := pattern.findall(text)) and (home := os.path.expanduser("~")) not in "/~":
        found = pattern.findall(text.replace(f"{home}/", "~/"))
    return found


def _escapes(command: Simple, own: Sequence[str]) -> Iterator[Found]:
    for target in (*command.outputs, *_targets(command)):
        if match := _SOCKET.match(target):
            if not _LOCAL.search(match[1]):
                yield Escape.NETWORK, f"{command.name or '>'} {target}"
        elif _is_outside(target, command.folder, own):
            yield _written(target), f"{command.name or '>'} {target}"
        elif _GIT_DATA.search(target):
            yield Escape.GIT, f"{command.name or '>'} {target}"
    yield from _secrets(command)
    if reaches := _reaches(command):
        yield Escape.NETWORK, reaches
    if command.name == "git" and (words := _git(command)):
        yield Escape.GIT, words
    if ends := _foreign_process(command):
        yield Escape.PROCESS, ends


def _written(target: str) -> Escape:
    return Escape.GIT if _GIT_DATA.search(target) else Escape.WRITE


# --- files ----------------------------------------------------------------------------------------


def _is_outside(target: str, folder: str, own: Sequence[str]) -> bool:
    """Whether a path surely lies outside; one that only the shell can tell does not."""
    path = _HOME.sub("~", joined(folder, _HOME.sub("~", target)))
    if "$" in path or "`" in path or path == "-":
        return False
    if path.startswith("~"):
        normal = os.path.normpath(path)
        return not is_below(normal, _FREE_HOME) and not is_below(os.path.expanduser(normal), own)
    normal = os.path.normpath(path)
    free = is_below(normal, _FREE) and not is_below(normal, users(own[0]))
    free = free or normal.startswith("/proc/self/")
    return not free and not is_below(normal, own)


def _targets(command: Simple) -> Sequence[str]:
    """The files that a command writes, moves or removes, as far as its words tell."""
    name, operands = command.name, command.operands
    if name in _ALL_OPERANDS:
        return operands
    if name in _AFTER_FIRST:
        return operands[1:]
    if name == "mv":
        return (*operands, *_values(command, "-t"))
    if name == "ln" and not command.has("-s", "--symbolic"):
        return operands  # a hard link lets whoever has it write the file
    if name in _LAST_OPERAND:
        return (*operands[-1:], *_values(command, "-t"))
    if name == "sed" and command.has("-i", "--in-place"):
        return operands if command.has("-e", "-f") else operands[1:]
    if name == "perl" and command.has("-i"):
        return [one for one in operands if one.startswith(("/", "~", ".."))]
    if name == "dd":
        return [one.removeprefix("of=") for one in command.arguments if one.startswith("of=")]
    if name == "tar" and command.has("-x", "--extract"):
        return _values(command, "-C")
    if name == "find" and "-delete" in command.arguments:
        return operands[:1]
    return ()


def _values(command: Simple, option: str) -> list[str]:
    """What follows an option."""
    words = command.arguments
    return [after for word, after in itertools.pairwise(words) if word == option]


def _secrets(command: Simple) -> Iterator[Found]:
    """Files that hold keys, where they are read: as an argument, or in code."""
    operands = command.operands
    if command.name in _SPEAK_ONLY or command.name == "git":
        return
    if command.name in ("grep", "egrep", "fgrep", "rg", "ag") and not command.has("-e", "-f"):
        operands = operands[1:]  # the first one is what is looked for
    for one in operands:
        for found in _secrets_in(_SECRET, one.removeprefix("@")):
            yield Escape.READ, f"{command.name} {found}"
    if _INTERPRETERS.match(command.name):
        code = [command.text, *(one for flag in _CODE_OPTIONS for one in _values(command, flag))]
        for found in _secrets_in(_SECRET_IN_CODE, "\n".join(code)):
            yield Escape.READ, f"{command.name} {found}"


# --- the network, git and processes -------------------------------------------------------------


def _reaches(command: Simple) -> str:
    """How a command reaches the network, in words; empty where it does not, or only itself."""
    name, operands = command.name, command.operands
    words = " ".join((name, *command.arguments))
    if name in _CALLS_OUT:
        local = any(_LOCAL.search(one) for one in operands)
        return "" if local or not operands else words
    if name in _FETCHES:
        from_here = any(one.startswith((".", "/", "file:")) for one in operands[1:])
        if operands[:1] and operands[0] in _FETCHES[name] and not from_here:
            return words
    return words if _installs(command) else ""


def _installs(command: Simple) -> bool:
    """Whether it is pip, under one of its names, with something that is not here already."""
    words = list(command.operands)
    if _INTERPRETERS.match(command.name) and _values(command, "-m") == ["pip"]:
        words = words[1:]
    elif command.name == "uv" and words[:1] == ["pip"]:
        words = words[1:]
    elif not re.fullmatch(r"pip[\d.]*", command.name):
        return False
    here = all(one.startswith((".", "/")) for one in words[1:]) and not command.has("-r")
    return words[:1] in (["install"], ["download"]) and not here and not command.has("--no-index")


def _git(command: Simple) -> str:
    """What a git command changes that all worlds and the user share, in words."""
    words = list(command.arguments)
    while words and words[0].startswith("-"):
        words = words[2 if words[0] in _GIT_VALUES else 1 :]
    verb, rest = (words[0], words[1:]) if words else ("", [])
    plain = [one for one in rest if not one.startswith("-")]
    text = " ".join(("git", *command.arguments))
    options = set(rest)
    match verb:
        case "push" | "update-ref" | "gc" | "prune" | "filter-branch" | "worktree" | "remote":
            shows = plain[:1] in (["list"], ["show"], ["get-url"]) or (
                verb == "remote" and not plain
            )
            return "" if shows else text
        case "branch":
            forces = options & {"-f", "-d", "-D", "-m", "-M", "--force", "--delete", "--move"}
            return text if forces else ""
        case "symbolic-ref" | "config":
            asks = options & {"--get", "--get-all", "--get-regexp", "--list", "-l", "--show-origin"}
            return text if len(plain) > 1 and not asks else ""
        case "stash":
            return "" if plain[:1] in (["list"], ["show"]) else text
        case "reflog":
            return text if plain[:1] in (["expire"], ["delete"]) else ""
    return ""


def _foreign_process(command: Simple) -> str:
    """Which process or service that is not its own a command acts upon, in words."""
    words = " ".join((command.name, *command.arguments))
    if command.name == "kill" and not command.has("-l", "-L"):
        signal = 2 if command.arguments[:1] in (("-s",), ("-n",)) else 1
        named = command.arguments[:1] != () and command.arguments[0].startswith("-")
        pids = command.arguments[signal if named else 0 :]
        foreign = any(one in _PARENT or re.fullmatch(r"-?[1-9]\d*", one) for one in pids)
        return words if foreign else ""
    if command.name in ("pkill", "killall"):
        return words if not command.has("-P", "--parent") else ""
    if command.name in ("gdb", "strace", "ptrace") and command.has("-p"):
        return words
    return words if command.name in _MACHINE and not command.has("-l", "--version") else ""
