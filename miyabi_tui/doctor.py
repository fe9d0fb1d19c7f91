"""What works on this machine and what is missing for a race: `miyabi doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from rich.cells import cell_len, chop_cells

from miyabi_tui import __version__, config, paths
from miyabi_tui.engine import checkup
from miyabi_tui.engine.checkup import BAD, OK, WARN, Check, Subject
from miyabi_tui.engine.checkup_project import open_git
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.events import Complexity
from miyabi_tui.engine.masking import Masker
from miyabi_tui.engine.models import registry
from miyabi_tui.screen_settings import Screen
from miyabi_tui.settings_file import SettingsFile
from miyabi_tui.terminal_ground import asked
from miyabi_tui.terminal_kind import DUMB, FEW, NONE, TRUE, UNTOLD, Look, look

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from miyabi_tui.config import Settings

UNBOUNDED = 1_000  # columns, where nobody's terminal is written to
LEAST_TEXT = 28  # columns beside the names; with fewer, the text begins below its name
SIGNS = {OK: "✓", WARN: "!", BAD: "✗"}
PLAIN_SIGNS = {OK: "+", WARN: "!", BAD: "x"}
COLOURS = {OK: "32", WARN: "33", BAD: "31"}
BOLD = "1"
PLAIN = str.maketrans({"…": "...", "→": "->", "–": "-", "×": "x", "·": "-", "✓": "+", "✗": "x"})
SMALL, NARROW = (80, 24), 40  # columns and rows where all is to be seen; columns at least
DEFAULT = Screen()
FORWARD = (
    "ssh does not forward COLORTERM: put SetEnv COLORTERM=truecolor under the host in your "
    "~/.ssh/config (and AcceptEnv COLORTERM in its sshd_config), or export it there"
)
NO_MOUSE = "the mouse is left to it, which would keep escape back; M takes it all the same"
IN_TMUX = 'in ~/.tmux.conf: set -as terminal-features ",*:RGB"; then export COLORTERM=truecolor'


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a terminal says of itself; `encoding` is that of what is printed."""

    env: Mapping[str, str]
    tty: bool
    columns: int
    rows: int
    encoding: str

    @classmethod
    def here(cls) -> Facts:
        """Those of standard output, as wide as can be where that is no terminal."""
        size = shutil.get_terminal_size((UNBOUNDED, 24))
        encoding = sys.stdout.encoding or "ascii"
        return cls(
            env=os.environ,
            tty=sys.stdout.isatty(),
            columns=size.columns,
            rows=size.lines,
            encoding=encoding,
        )

    @property
    def utf8(self) -> bool:
        """Whether every sign can be printed."""
        return self.encoding.lower().replace("-", "") == "utf8"

    @property
    def coloured(self) -> bool:
        """Whether colours are wanted."""
        return self.tty and not self.env.get("NO_COLOR") and self.env.get("TERM") != "dumb"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """All that was looked at. `repo` is None outside of a repository that can be raced in."""

    version: str
    repo: str | None
    checks: tuple[Check, ...]

    @property
    def missing(self) -> list[Check]:
        """What no race can be run without."""
        return [one for one in self.checks if one.needed and one.state is BAD]

    @property
    def ready(self) -> bool:
        """Whether a race could be run."""
        return not self.missing


def examine(folder: Path, facts: Facts | None = None) -> Found:
    """Look at everything, for at most half a minute or so; nothing is raised. Blocks."""
    facts = facts or Facts.here()
    git, checks = open_git(folder.absolute())
    settings, of_settings = _settings(git.work_tree if git else folder, facts.env)
    subject = Subject(
        folder=folder.absolute(),
        journal=paths.journal_path(),
        env=facts.env,
        git=git,
        isolation=settings.isolation,
        sandbox=settings.sandbox,
        governor=settings.governor,
        providers=settings.providers,
        commands=settings.commands,
    )
    looks = checkup.looks(subject)
    looks["keys.models"] = lambda: _models(settings, facts.env)
    looks["terminal.size"] = lambda: terminal(facts, settings.screen)
    checks += [*of_settings, *checkup.together(looks)]
    groups = list(dict.fromkeys(_group(one) for one in checks))
    checks.sort(key=lambda one: groups.index(_group(one)))
    if any(one.name == "keys.usable" and one.state is BAD for one in checks):
        checks = [one for one in checks if one.name != "keys.models"]  # it would say the same
    checks[:0] = [
        Check("miyabi.version", OK, __version__),
        Check("miyabi.python", OK, f"{platform.python_version()}, {sys.executable}"),
    ]
    variables = {one.key_variable for one in (settings.providers | registry.PROVIDERS).values()}
    masker = Masker()
    masker.learn(facts.env, variables)
    checks = [_harmless(one, masker) for one in checks]
    repo = _printable(str(git.work_tree)) if git else None
    return Found(version=__version__, repo=repo, checks=tuple(checks))


def _harmless(one: Check, masker: Masker) -> Check:
    """Without a key in it, and without what acts on a terminal."""
    found, advice = (_printable(masker.mask(text)) for text in (one.found, one.advice))
    return msgspec.structs.replace(one, name=_printable(one.name), found=found, advice=advice)


def _printable(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _settings(folder: Path, env: Mapping[str, str]) -> tuple[Settings, list[Check]]:
    """The settings, and what of a repository's own weakens the isolation."""
    name = "settings.file"
    try:
        settings, own = config.load(folder, env), config.load(folder, {})
    except UsageError as error:
        told = f"{error.title}: {error.cause}" if error.cause else error.title
        return config.Settings(), [Check(name, BAD, told, error.next_step, True)]
    except Exception as error:  # also then, the machine is to be looked at
        return config.Settings(), [Check(name, BAD, repr(error), "", True)]
    file = f"no {config.FILE}: the defaults hold"
    if SettingsFile(folder).data:
        own_file = (folder / config.FILE).is_file()
        file = f"{config.FILE if own_file else '[tool.miyabi] of pyproject.toml'} is valid"
    advice = "make sure that you want this: whoever commits here can set it"
    weak = [
        Check("settings.isolation", WARN, f"they {one}", advice) for one in config.weakened(own)
    ]
    return settings, [Check(name, OK, file), *weak]


def _models(settings: Settings, env: Mapping[str, str]) -> Iterator[Check]:
    """The models that `miyabi run` would take."""
    worlds, _ = config.assigned(settings, Complexity.MEDIUM, env=env)
    names = list(dict.fromkeys(world.model for world in worlds))
    try:
        for name in names:
            registry.check(name, settings.providers, env)
    except UsageError as error:
        why = f"{error.title}: {error.cause}" if error.cause else error.title
        yield Check("keys.models", WARN, why, f"{error.next_step}, or --model PROVIDER/MODEL")
    else:
        yield Check("keys.models", OK, f"{', '.join(names)} race by default")


# --- the terminal ---------------------------------------------------------------------------------


def terminal(facts: Facts, screen: Screen = DEFAULT) -> Iterator[Check]:
    """How much is to be seen here of a race, and how."""
    drawn = _look(screen, facts)
    yield _size(facts)
    yield _colours(facts, drawn)
    yield _theme(drawn)
    yield _letters(drawn)
    if drawn.calm:
        yield Check("terminal.motion", OK, f"reduced: {drawn.why['motion']}")
    where = facts.env.get("LC_ALL") or facts.env.get("LC_CTYPE") or facts.env.get("LANG") or "none"
    advice = "" if facts.utf8 else "export LANG=C.UTF-8"
    text = f"{facts.encoding} (locale {where})"
    yield Check("terminal.encoding", OK if facts.utf8 else WARN, text, advice)
    multiplexer = _multiplexer(facts.env)
    if facts.env.get("SSH_CONNECTION") or facts.env.get("SSH_TTY"):
        safe = bool(multiplexer)
        advice = "a line that drops ends what is on screen: use tmux, or miyabi run --detach"
        text = f"over SSH, in {multiplexer}" if safe else "over SSH"
        yield Check("terminal.ssh", OK if safe else WARN, text, "" if safe else advice)
    elif multiplexer:
        advice = "" if multiplexer == "tmux" else NO_MOUSE
        yield Check("terminal.multiplexer", OK, multiplexer, advice)


def _size(facts: Facts) -> Check:
    name = "terminal.size"
    if not facts.tty:
        advice = "run it in a terminal to watch, or with --headless"
        return Check(name, WARN, "standard output is no terminal: lines, no screen", advice)
    size = f"{facts.columns} × {facts.rows}"
    if facts.columns < NARROW:
        return Check(name, WARN, size, f"make it {NARROW} columns wide at least")
    if facts.columns < SMALL[0] or facts.rows < SMALL[1]:
        return Check(name, OK, f"{size}: the panes are shown one at a time, or short")
    return Check(name, OK, size)


def _colours(facts: Facts, look: Look) -> Check:
    """By the same rules as the screen itself."""
    env, name, why = facts.env, "terminal.colours", look.why["colours"]
    if look.colours == NONE:
        if env.get("NO_COLOR") and why.startswith("NO_COLOR"):
            return Check(name, OK, f"none: {why}", "unset NO_COLOR to have them")
        dumb = env.get("TERM", "") in ("", *DUMB)
        advice = "export TERM=xterm-256color" if dumb else ""
        return Check(name, WARN if dumb else OK, f"none: {why}", advice)
    if look.colours == TRUE:
        return Check(name, OK, f"16.7 million ({why})")
    found = f"{look.colours} ({why})"
    if " is set" in why:
        return Check(name, OK, found)
    advice = "export COLORTERM=truecolor if your terminal has them"
    if env.get("SSH_CONNECTION"):
        advice = FORWARD
    elif _multiplexer(env) == "tmux":
        advice = IN_TMUX
    elif look.colours == FEW:
        advice = "export TERM=xterm-256color, and COLORTERM=truecolor if your terminal has them"
    return Check(name, WARN, found, advice)


def _theme(look: Look) -> Check:
    advice = ""
    if look.follows and look.why["theme"] == UNTOLD:
        advice = 'if that is wrong: [screen] theme = "light", or export MIYABI_THEME=light'
    return Check("terminal.theme", OK, f"{look.theme}: {look.why['theme']}", advice)


def _letters(look: Look) -> Check:
    name, why = "terminal.signs", look.why["unicode"]
    if look.unicode:
        return Check(name, OK, f"Unicode: {why}")
    chosen = "is set" in why
    advice = "" if chosen else "export LANG=C.UTF-8 if your terminal shows UTF-8"
    return Check(name, OK if chosen else WARN, f"ASCII: {why}", advice)


def _look(screen: Screen, facts: Facts) -> Look:
    """As the screen would be drawn here; the terminal is asked for its background."""
    if not facts.tty or facts.env is not os.environ or screen.theme != "auto":
        return look(screen, facts.env)
    with asked(facts.env) as question:
        return look(screen, facts.env, question.ground())


def _multiplexer(env: Mapping[str, str]) -> str:
    if env.get("TMUX"):
        return "tmux"
    return "screen" if env.get("STY") else ""


# --- the page -------------------------------------------------------------------------------------


def page(found: Found, *, as_json: bool, facts: Facts | None = None) -> str:
    """All of it for this terminal, in groups, with the verdict at the end; or as JSON."""
    if as_json:
        first = found.missing[0].name if found.missing else None
        whole = {"ready": found.ready, "missing": first, **msgspec.structs.asdict(found)}
        return msgspec.json.encode(whole).decode()
    facts = facts or Facts.here()
    names = max(len(_title(one)) for one in found.checks)
    lines: list[str] = []
    group = ""
    for one in found.checks:
        if _group(one) != group:
            group = _group(one)
            lines += ["", _painted(group, BOLD, facts)]
        lines += _lines(one, names, facts)
    lines += ["", *_verdict(found, facts)]
    text = "\n".join(lines).lstrip("\n")
    if facts.utf8:
        return text
    return text.translate(PLAIN).encode(facts.encoding, "replace").decode(facts.encoding)


def _group(one: Check) -> str:
    return one.name.partition(".")[0]


def _title(one: Check) -> str:
    return one.name.partition(".")[2].replace("_", " ")


def _lines(one: Check, names: int, facts: Facts) -> Iterator[str]:
    """A check with its advice below; beside its name, or below it where there is no room."""
    sign = _painted((SIGNS if facts.utf8 else PLAIN_SIGNS)[one.state], COLOURS[one.state], facts)
    indent = names + 6
    beside = facts.columns - indent >= LEAST_TEXT
    if not beside:
        indent = 4
    parts = _wrapped(one.found, facts.columns - indent)
    if one.state is BAD:
        parts = [_painted(part, COLOURS[BAD], facts) for part in parts]
    if beside:
        yield f"  {sign} {_title(one):<{names}}  {parts[0]}"
    else:
        yield f"  {sign} {_title(one)}"
    yield from (" " * indent + part for part in parts[1 if beside else 0 :])
    if one.advice:
        arrow = "→ " if facts.utf8 else "-> "
        first, *rest = _wrapped(one.advice, facts.columns - indent - len(arrow))
        yield " " * indent + arrow + first
        yield from (" " * (indent + len(arrow)) + part for part in rest)


def _verdict(found: Found, facts: Facts) -> list[str]:
    """Whether a race can be run, and with what; else what is missing first."""
    by_name = {one.name: one for one in found.checks}
    if found.ready:
        told = [by_name[name].found for name in ("keys.usable", "isolation.choice")]
        text, colour = f'ready: {"; ".join(told)}. Begin with: miyabi run "…"', COLOURS[OK]
    else:
        first, *more = found.missing
        others = f" ({len(more)} more above)" if more else ""
        text = f"not ready: {first.found}{others}"
        if first.advice:
            text += f". To do: {first.advice}"
        colour = COLOURS[BAD]
    return [_painted(line, colour, facts) for line in _wrapped(text, facts.columns)]


def _painted(text: str, colour: str, facts: Facts) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if facts.coloured else text


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many columns; words that are longer are cut."""
    lines = [""]
    for word in _words(text, max(width, 1)):
        if cell_len(f"{lines[-1]} {word}") <= width and lines[-1]:
            lines[-1] += f" {word}"
        elif lines[-1]:
            lines.append(word)
        else:
            lines[-1] = word
    return lines


def _words(text: str, width: int) -> Iterable[str]:
    for word in text.split():
        yield from chop_cells(word, width) if cell_len(word) > width else (word,)
