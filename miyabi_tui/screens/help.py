"""All keys and signs, on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from miyabi_tui.engine import safety
from miyabi_tui.engine.events import Scope
from miyabi_tui.engine.state import RunState
from miyabi_tui.screens.commands import MOVES, READING, commands
from miyabi_tui.widgets.asking import STRATEGIES, complexity, money, spent
from miyabi_tui.widgets.inert import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from miyabi_tui.screens.commands import Command

SIGNS = (
    ("● ‖ ◷ ◔", "running, paused, waiting, quiet for a while"),
    ("?", "you are asked: a answers"),
    ("◐", "evaluating: build, tests, lint, quality, security"),
    ("▲ ◆ ★", "leads, scored, winner"),
    ("⊘", "scored, but may not win: the reason stands below"),
    ("⊗ ⚠", "over a limit, so it stands still; tried to leave"),
    ("■ ✗", "killed or cut short, failed; its files stay"),
    ("▸ │ ┃ └", "a call, its output, its errors, how it ended"),
    ("» ↺ ≈", "your words, a turn from the cache, an estimate"),
)
KEY_COLUMN = 16


class HelpScreen(ModalScreen[None]):
    """Keys by what they do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter", "close", "Close", show=False)
    ]
    AUTO_FOCUS = "VerticalScroll"

    def __init__(
        self,
        attached: bool = False,
        run: RunState | None = None,
        *,
        listed: Sequence[Command] = (),
        replay: Sequence[Command] = (),
    ) -> None:
        super().__init__()
        self._listed = listed or commands(attached)
        self._replay = replay
        self._run = run or RunState()

    def compose(self) -> ComposeResult:
        """One text that scrolls where the terminal is small."""
        with VerticalScroll(classes="dialog -help"):
            yield Static(help_text(self._listed, self._run, self._replay), markup=False)

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)


def help_text(listed: Sequence[Command], run: RunState, replay: Sequence[Command] = ()) -> Content:
    """The whole page; of a replay its own keys first."""
    lines: list[Content] = []
    if replay:
        lines.append(Content.styled("The replay", "bold $ink-strong"))
        lines += [*(_line(one.key, one.help) for one in replay), Content("")]
    lines.append(Content.styled("The focused world", "bold $ink-strong"))
    lines += [_line(one.key, one.help) for one in listed]
    lines += [Content(""), Content.styled("Moving", "bold $ink-strong")]
    lines += [_line(keys, what) for keys, what in MOVES]
    lines += [Content(""), Content.styled("Reading a world", "bold $ink-strong")]
    lines += [_line(keys, what) for keys, what in READING]
    lines += [Content(""), Content.styled("Signs", "bold $ink-strong")]
    lines += [_line(signs, what) for signs, what in SIGNS]
    if run.run_id:
        lines += [Content(""), Content.styled("This run", "bold $ink-strong")]
        lines += [_line(name, what) for name, what in facts(run) if what]
    return Content("\n").join(lines)


def facts(run: RunState) -> list[tuple[str, str]]:
    """What is worth knowing about a run and has no place on the board."""
    limits = [(run.budget_usd(scope), scope) for scope in (Scope.ISSUE, Scope.MONTH)]
    said = [f"{money(limit)} for the {scope}" for limit, scope in limits if limit]
    each = run.budget_usd(Scope.WORLD)
    said += [f"{money(each)} for each world"] if each else []
    turned = sum(world.turns for world in run.worlds)
    cached = sum(world.cached for world in run.worlds)
    work = safety.slots(run.slots) if run.slots else ""
    return [
        ("the task", complexity(run)),
        ("spent", spent(run) + (", nothing is billed" if run.recorded else "")),
        ("budgets", "" if run.recorded else ", ".join(said)),
        ("turns", f"{turned}{f', {cached} of them from the cache' if cached else ''}"),
        ("if too few win", ", then ".join(STRATEGIES[one] for one in run.terms.on_failure)),
        *_apart(run),
        ("heavy work", one_line(work.removeprefix("heavy work").strip(": "))),
        ("breakers", "; ".join(one_line(f"{b.provider} {b.state}") for b in run.breakers)),
    ]


def _apart(run: RunState) -> list[tuple[str, str]]:
    """Where commands run, and below why nowhere better."""
    if run.sandbox is None:
        return []
    first, *others = map(one_line, safety.isolation(run.sandbox))
    return [("isolation", first.removeprefix("isolation: ")), *(("", one) for one in others)]


def _line(keys: str, what: str) -> Content:
    return Content.styled(f"{keys:<{KEY_COLUMN}}", "$ink-accent") + Content.styled(
        what, "$ink-text"
    )
