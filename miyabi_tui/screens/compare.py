"""Two worlds or all of them side by side: scores, tests, cost, files, and the diff between two."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static

from miyabi_tui.screens.touched import diffs_of
from miyabi_tui.widgets.compare_rows import Row, figures, files
from miyabi_tui.widgets.compare_table import CompareHead, CompareTable
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.keyline import Hint, KeyLine
from miyabi_tui.widgets.overlap import Touched, touched

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.state import RunState, WorldState
    from miyabi_tui.engine.worlds import WorldId

REFRESH_SECONDS = 1.0
HINTS = (
    Hint("1 … 9", "choose two", "", short="two", rank=1),
    Hint("enter", "diff between them", "between", short="diff"),
    Hint("v", "two / all", "both", short="two/all", rank=2),
    Hint("x", "swap", "swap", rank=4),
    Hint("↑↓", "why", "", rank=5),
    Hint("r", "read files again", "again", short="again", rank=3),
    Hint("esc", "back", "back"),
)


class CompareScreen(Screen[None]):
    """The head, the table, why the chosen row is as it is, the keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,c", "back", "Back", show=False),
        Binding("enter,d", "between", "The diff between the two", show=False),
        Binding("v", "both", "Only the two, or all", show=False),
        Binding("x", "swap", "Swap the two", show=False),
        Binding("r", "again", "Read the files again", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "A page up", show=False),
        Binding("pagedown,space", "page(1)", "A page down", show=False),
        Binding("home,g", "move(-100000)", "First", show=False),
        Binding("end,G", "move(100000)", "Last", show=False),
        Binding("left,h", "shift(-1)", "Columns to the left", show=False),
        Binding("right,l", "shift(1)", "Columns to the right", show=False),
        *(Binding(str(n), f"choose({n})", f"World {n}", show=False) for n in range(1, 10)),
    ]

    AUTO_FOCUS = ""

    def __init__(
        self,
        control: Control,
        run: Callable[[], RunState],
        clock: Callable[[], float],
        world: WorldId,
    ) -> None:
        super().__init__()
        self._control = control
        self._run = run
        self._clock = clock
        others = [one.id for one in run().ranking if one.id is not world]
        self._pair = (world, others[0] if others else world)
        self._only_two = False
        self._touched: list[Touched] | None = None
        self._unread: dict[WorldId, str] = {}
        self._table = CompareTable()
        self._head = CompareHead(self._table)

    def compose(self) -> ComposeResult:
        """Title, head, table, why, keys."""
        yield Static(id="compare-title", markup=False)
        yield self._head
        yield self._table
        yield Static(id="compare-why", markup=False)
        yield KeyLine(HINTS)

    def on_mount(self) -> None:
        """Show what is known, and read what the worlds changed."""
        self._show()
        self.set_interval(REFRESH_SECONDS, self._show)
        self.action_again()

    def on_resize(self) -> None:
        """Other columns fit."""
        self.call_after_refresh(self._show)

    # --- what is shown ---------------------------------------------------------------------------

    def _shown(self) -> list[WorldState]:
        worlds = self._run().worlds
        if not self._only_two:
            return list(worlds)
        return [one for wanted in self._pair for one in worlds if one.id is wanted]

    def _show(self) -> None:
        run, worlds = self._run(), self._shown()
        rows = figures(run, worlds, self._clock())
        rows += [Row(("", "faint"), head=True), self._files_head(worlds)]
        rows += files(self._touched or (), worlds)
        self._table.show([one.id for one in worlds], rows)
        self._head.pair = self._pair
        self._head.forget()
        many = "two worlds" if len(worlds) == 2 else f"{len(worlds)} worlds"
        title = f"{many} side by side · {one_line(run.issue.title)}"
        for line in self.query("#compare-title").results(Static):  # none where it is leaving
            line.update(title)
        self._say()

    def _files_head(self, worlds: Sequence[WorldState]) -> Row:
        cells = []
        for world in worlds:
            many = sum(world.id in one.by for one in self._touched or ())
            said = "unread" if world.id in self._unread else f"{many} file{'s' * (many != 1)}"
            cells.append(((said if self._touched is not None else "", "faint"),))
        label = "files" if self._touched is not None else "files: reading"
        return Row((label, "accent"), tuple(cells), head=True)

    def _say(self) -> None:
        row = self._table.chosen
        said = row.detail if row else ""
        if row and row.file and self._unread:
            said += "".join(f" · {one} cannot be read: {why}" for one, why in self._unread.items())
        self.query_one("#compare-why", Static).update(one_line(said))

    def on_compare_table_chosen(self, message: CompareTable.Chosen) -> None:
        """Say why the row is as it is."""
        message.stop()
        self._say()

    # --- the files -------------------------------------------------------------------------------

    def action_again(self) -> None:
        """Read what the worlds have changed until now."""
        worlds = [one.id for one in self._run().worlds if one.worktree_ready]
        self.run_worker(lambda: self._read(worlds), thread=True, exclusive=True, group="files")

    def _read(self, worlds: Sequence[WorldId]) -> None:
        found = diffs_of(self._control, worlds)
        unread = {world: diff for world, diff in found.items() if isinstance(diff, str)}
        files_ = touched({one: diff for one, diff in found.items() if not isinstance(diff, str)})
        self.app.call_from_thread(self._take, files_, unread)

    def _take(self, files_: list[Touched], unread: dict[WorldId, str]) -> None:
        self._touched, self._unread = files_, unread
        self._show()

    # --- keys ------------------------------------------------------------------------------------

    def action_move(self, rows: int) -> None:
        """Choose another row."""
        self._table.move(rows)

    def action_page(self, pages: int) -> None:
        """Choose a row a page further."""
        self._table.move(pages * max(1, self._table.size.height - 1))

    def action_shift(self, columns: int) -> None:
        """Show other worlds, where there is no room for all."""
        self._table.shift(columns)
        self._head.forget()

    def action_choose(self, number: int) -> None:
        """This world, and the one chosen before it."""
        for one in self._run().worlds:
            if one.id.key == str(number) and one.id is not self._pair[1]:
                self._pair = (self._pair[1], one.id)
                self._show()

    def action_swap(self) -> None:
        """The diff the other way round."""
        self._pair = (self._pair[1], self._pair[0])
        self._show()

    def action_both(self) -> None:
        """Show only the two, or all."""
        self._only_two = not self._only_two
        self._show()

    def action_between(self) -> None:
        """The diff from the first to the second, at the chosen file."""
        from miyabi_tui.screens.diff import DiffScreen

        first, second = self._pair
        if first is second:
            self.notify("There is only one world.", severity="warning", timeout=4, markup=False)
            return
        name = f"from {first.key} {first} to {second.key} {second}"
        row = self._table.chosen
        path = row.file.path if row and row.file else ""
        load = self._control.diff_between
        self.app.push_screen(DiffScreen(name, lambda: load(first, second), path=path))

    def action_back(self) -> None:
        """Close."""
        self.dismiss(None)

    def on_key_line_chosen(self, message: KeyLine.Chosen) -> None:
        """A click in the footer."""
        message.stop()
        if message.action:
            self.call_later(self.run_action, message.action)
