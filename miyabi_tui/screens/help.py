"""All keys and signs, on one page."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from miyabi_tui.engine import safety
from miyabi_tui.engine.events import Scope
from miyabi_tui.engine.state import RunState
from miyabi_tui.screens.commands import MOVES, READING, commands
from miyabi_tui.screens.veiled import Veiled
from miyabi_tui.widgets.asking import STRATEGIES, complexity, money, spent
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.wrap import breaks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
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
BROAD = 150  # columns of the terminal from which there are two of text
WIDEST, AROUND = 72, 6  # of the box, and of it what is not text


class HelpScreen(Veiled[None]):
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
        """A text that scrolls where the terminal is small; two side by side where it is wide."""
        with VerticalScroll(classes="dialog -help"):
            with Horizontal():
                yield Static(id="help-keys", markup=False)
                yield Static(id="help-more", markup=False)

    def on_resize(self, event: events.Resize) -> None:
        """Lay the texts out for this width."""
        width = event.size.width
        two = width >= BROAD
        room = min(width * 96 // 100, WIDEST) - AROUND
        keys, more = parts(self._listed, self._run, self._replay)
        left, right = self.query_one("#help-keys", Static), self.query_one("#help-more", Static)
        self.query_one(".dialog").set_class(two, "-two")
        left.update(laid_out(keys if two else [*keys, *more], room))
        right.update(laid_out(more, room) if two else "")
        right.display = two

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)


Part = tuple[str, list[tuple[str, str]]]
"""A heading, and keys with what they do."""


def parts(
    listed: Sequence[Command], run: RunState, replay: Sequence[Command] = ()
) -> tuple[list[Part], list[Part]]:
    """The keys, of a replay its own first; then all else."""
    keys: list[Part] = []
    if replay:
        keys.append(("The replay", [(one.key, one.help) for one in replay]))
    for concern, found in groupby(listed, lambda one: one.concern):
        keys.append((str(concern), [(one.key, one.help) for one in found]))
    more: list[Part] = [
        ("Moving", list(MOVES)),
        ("Reading a world", list(READING)),
        ("Signs", list(SIGNS)),
    ]
    if run.run_id:
        more.append(("This run", [one for one in facts(run) if one[1]]))
    return keys, more


def laid_out(found: Sequence[Part], width: int) -> Content:
    """Headings, and below each a row for each key; what does not fit goes on under its like."""
    lines: list[Content] = []
    for heading, rows in found:
        lines += [Content("")] if lines else []
        lines.append(Content.styled(heading, "bold $ink-strong"))
        for keys, what in rows:
            starts = [0, *breaks(what, width - KEY_COLUMN)]
            for start, stop in zip(starts, [*starts[1:], len(what)], strict=True):
                sign = keys if start == 0 else ""
                lines.append(
                    Content.styled(f"{sign:<{KEY_COLUMN}}", "$ink-accent")
                    + Content.styled(what[start:stop].rstrip(), "$ink-text")
                )
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
