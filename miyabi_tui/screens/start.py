"""The start screen: a new race, what goes on, what could go on, what is over, and the demo."""

from __future__ import annotations

import time
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from miyabi_tui.drawn_app import DrawnApp
from miyabi_tui.styles import SHEETS
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.keyline import Hint, KeyLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from textual import events
    from textual.app import ComposeResult

    from miyabi_tui.engine.store.journal import RunRow
    from miyabi_tui.starting import Facts

NEW, DEMO, TOUR = "new", "demo", "tour"
NARROW = 70  # columns, under which a run's line leaves out when it began
# What enter does with a run of each kind, and the command's words.
VERBS = {"going": ("watch it", "attach"), "open": ("go on with it", "resume"), "past": ("", "")}


class StartApp(DrawnApp):
    """The start screen as an app of its own; `chosen` is what is to be done, as a command's words.

    `gather` reads the facts, `why_wrong` says why words would not begin a race; both block.
    """

    TITLE = "miyabi"
    CSS_PATH: ClassVar[list[str | PurePath]] = [*SHEETS]
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+q", "quit", "Quit", show=False, priority=True)
    ]

    def __init__(
        self, gather: Callable[[], Facts], why_wrong: Callable[[Sequence[str]], str], **options: Any
    ) -> None:
        super().__init__(**options)
        self.chosen: list[str] = []
        self.why_wrong = why_wrong
        self.start = StartScreen(gather)

    def get_default_screen(self) -> Screen[None]:
        """The list."""
        return self.start

    def choose(self, words: Iterable[str]) -> None:
        """Leave, and have this done."""
        self.chosen = [*words]
        self.exit()

    async def action_quit(self) -> None:
        """Leave, with nothing to be done."""
        self.exit()


class StartScreen(Screen[None]):
    """A list with headings: arrows and enter, or a key for what is there only once."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New race", show=False),
        Binding("d", "demo", "Demo", show=False),
        Binding("t", "tour", "Tour", show=False),
        Binding("r", "replay", "Replay", show=False),
        Binding("s", "show", "Show", show=False),
        Binding("q,escape", "app.quit", "Quit", show=False),
        Binding("j", "list('cursor_down')", "Down", show=False),
        Binding("k", "list('cursor_up')", "Up", show=False),
    ]
    AUTO_FOCUS = "OptionList"

    def __init__(self, gather: Callable[[], Facts]) -> None:
        super().__init__()
        self._gather = gather
        self._draft = ""
        self._facts: Facts | None = None
        self._runs: dict[str, tuple[str, RunRow]] = {}
        self.keyline = KeyLine()

    def compose(self) -> ComposeResult:
        """Where we are, the list, the keys."""
        yield Static(id="start-head", markup=False)
        yield OptionList(id="start-list", compact=True, markup=False)
        yield self.keyline

    def on_mount(self) -> None:
        """Show what needs no look at the disk; look."""
        self._show()
        self.run_worker(self._read, thread=True)

    def _read(self) -> None:
        facts = self._gather()
        self.app.call_from_thread(self._tell, facts)

    def _tell(self, facts: Facts) -> None:
        self._facts = facts
        self._show()

    def on_resize(self, event: events.Resize) -> None:
        """Other widths, other lines."""
        if self._facts is not None:
            self._show()

    def _show(self) -> None:
        listed = self.query_one(OptionList)
        at = listed.highlighted
        listed.clear_options()
        listed.add_options(self._options())
        listed.highlighted = 0 if at is None else min(at, listed.option_count - 1)
        self.query_one("#start-head", Static).update(self._head())
        self._hint()

    def _head(self) -> Content:
        name = Content.styled(" miyabi", "bold $ink-strong")
        facts = self._facts
        if facts is None:
            return name + Content.styled("  …", "$ink-dim")
        if facts.trouble:
            return name + Content.styled(f"  {one_line(facts.trouble)}", "$ink-warn")
        where = f"  {_short(facts.repo)} · {one_line(facts.branch)}"
        if facts.dirty:
            where += f" · {facts.dirty} uncommitted file{'s' * (facts.dirty > 1)}, left alone"
        return name + Content.styled(where, "$ink-dim")

    def _options(self) -> list[Option]:
        made = [
            Option(_line("n", "New race", "on an issue of this repository"), id=NEW),
            Option(
                _line("d", "Demo", "a recorded race on a sample project, no key needed"), id=DEMO
            ),
            Option(_line("t", "Tour", "the same, explained in eight captions"), id=TOUR),
        ]
        self._runs = {}
        facts = self._facts
        if facts is None:
            return made
        groups = (("going", "Going on", facts.going), ("open", "Interrupted", facts.open_ones))
        for kind, title, rows in (*groups, ("past", "Past runs", facts.past)):
            if rows:
                made.append(_heading(title))
                made += [self._run(kind, row) for row in rows]
        if not self._runs:
            said = "No run of this repository yet: they will be listed here."
            made.append(Option(Content.styled(f"\n {said}", "$ink-dim"), disabled=True))
        return made

    def _run(self, kind: str, row: RunRow) -> Option:
        self._runs[row.run_id] = (kind, row)
        return Option(run_line(row, self.size.width), id=row.run_id)

    def _hint(self) -> None:
        kind, _row = self._highlighted()
        hints = [Hint("enter", "choose", "choose")]
        if kind in VERBS:
            verb = VERBS[kind][0] or "show"
            hints = [Hint("enter", verb, "choose")]
            if kind != "going":
                hints.append(Hint("r", "replay", "replay"))
            if kind == "open":
                hints.append(Hint("s", "show", "show"))
        hints += [
            Hint("n", "new race", "new"),
            Hint("d", "demo", "demo"),
            Hint("q", "quit", "quit"),
        ]
        self.keyline.show(hints)

    def _highlighted(self) -> tuple[str, RunRow | None]:
        option = self.query_one(OptionList).highlighted_option
        name = option.id if option is not None and option.id else ""
        return self._runs.get(name, (name, None))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Other rows, other keys."""
        event.stop()
        self._hint()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter, or a click."""
        event.stop()
        self.action_choose()

    def on_key_line_chosen(self, message: KeyLine.Chosen) -> None:
        """A click in the footer."""
        message.stop()
        action = "app.quit" if message.action == "quit" else message.action
        self.call_later(self.run_action, action)

    def action_list(self, way: str) -> None:
        """Move in the list."""
        getattr(self.query_one(OptionList), f"action_{way}")()

    def action_choose(self) -> None:
        """Do what the row is about."""
        kind, row = self._highlighted()
        if row is None:
            {NEW: self.action_new, DEMO: self.action_demo, TOUR: self.action_tour}[kind]()
        elif VERBS[kind][1]:
            self._leave(VERBS[kind][1], row.run_id)
        else:
            self._page(row)

    def action_new(self) -> None:
        """The form for a new race."""
        facts = self._facts
        if facts is None:
            return
        if facts.trouble:
            self.notify(facts.trouble, severity="warning", timeout=6, markup=False)
            return
        from miyabi_tui.screens.start_race import NewRace

        form = NewRace(facts, self._why_wrong, self._draft, self._keep)
        self.app.push_screen(form, self._begin)

    def _keep(self, draft: str) -> None:
        self._draft = draft

    def _why_wrong(self, words: Sequence[str]) -> str:
        assert isinstance(self.app, StartApp)
        return self.app.why_wrong(words)

    def _begin(self, words: list[str] | None) -> None:
        if words:
            self._leave(*words)

    def action_demo(self) -> None:
        """The recorded race."""
        self._leave("demo")

    def action_tour(self) -> None:
        """The recorded race with captions."""
        self._leave("demo", "--tour")

    def action_replay(self) -> None:
        """An old run again."""
        kind, row = self._highlighted()
        if row is not None and kind != "going":
            self._leave("replay", row.run_id)

    def action_show(self) -> None:
        """A run's page."""
        _, row = self._highlighted()
        if row is not None:
            self._page(row)

    def _page(self, row: RunRow) -> None:
        from miyabi_tui.screens.start_page import PageScreen

        self.app.push_screen(PageScreen(row), self._begin)

    def _leave(self, *words: str) -> None:
        assert isinstance(self.app, StartApp)
        self.app.choose(words)


def _line(key: str, name: str, about: str) -> Content:
    return (
        Content.styled(f" {key}  ", "$ink-accent")
        + Content.styled(f"{name:<10}", "$ink-strong")
        + Content.styled(about, "$ink-dim")
    )


def _heading(title: str) -> Option:
    return Option(Content.styled(f"\n {title}", "bold $ink-text"), disabled=True)


def run_line(row: RunRow, width: int) -> Content:
    """A run in one line: id, when, how it ended, cost, issue."""
    status = row.status.replace("_", " ")
    number = f"#{row.issue_number} " if row.issue_number is not None else ""
    started = time.strftime("%d %b %H:%M", time.localtime(row.started_at))
    won = f" · {row.winner}" if row.winner else ""
    parts = [
        Content.styled(f"    {row.run_id:<10}", "$ink-accent"),
        Content.styled(f"{started}  " if width >= NARROW else "", "$ink-dim"),
        Content.styled(f"{status}{won}".ljust(21 if width >= NARROW else 12), "$ink-text"),
        Content.styled(f"{f'${row.total_cost_usd:.2f}':>7}  ", "$ink-dim"),
        Content.styled(f"{number}{one_line(row.title)}", "$ink-strong"),
    ]
    return Content("").join(parts)


def _short(path: str) -> str:
    """A path as people write it."""
    home = str(Path.home())
    inside = path == home or path.startswith(f"{home}/")
    return one_line(f"~{path.removeprefix(home)}" if inside else path)
