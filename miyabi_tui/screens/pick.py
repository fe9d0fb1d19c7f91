"""Pick this world as the winner? Its score, what it lost and why, its diff, and what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Static

from miyabi_tui.engine import safety
from miyabi_tui.engine.events import MergePolicy
from miyabi_tui.engine.scoring.score import PART_POINTS, Part
from miyabi_tui.engine.state import WorldState, WorldStatus, rank_key
from miyabi_tui.screens.dialog import Question
from miyabi_tui.screens.refusals import why_not_pick
from miyabi_tui.widgets.diff_view import DiffView
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.words import dollars, points

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.worlds import WorldId

MOST_REASONS = 5


class PickQuestion(Question):
    """Asks before a world is made the winner by hand."""

    def __init__(
        self, run: Callable[[], RunState], world: WorldId, diff: Callable[[], str]
    ) -> None:
        super().__init__(f"Make {world} the winner?", run, f"{world} wins", "not now")
        self._about = world
        self._diff = diff

    @property
    def _world(self) -> WorldState:
        return self._run().world(self._about)

    def says(self, run: RunState) -> str:
        """What picking it means."""
        return "\n".join(consequences(run, run.world(self._about)))

    def why_moot(self, run: RunState) -> str:
        """It has won or lost already, or cannot win any more."""
        return why_not_pick(run, run.world(self._about))

    def follow(self) -> None:
        """Its score, too, may have come or changed."""
        super().follow()
        self.show_part(".dialog-score", score_table(self._world))

    def body(self) -> ComposeResult:
        """The score, the reasons, the diff."""
        yield Static(score_table(self._world), classes="dialog-score", markup=False)
        yield DiffView(self._diff)

    def action_scroll_by(self, rows: int) -> None:
        """Scroll what does not fit, then the diff, whichever button has the focus."""
        diff, box = self.query_one(DiffView), self.query_one(".dialog", VerticalScroll)
        ends = box.scroll_y >= box.max_scroll_y if rows > 0 else box.scroll_y <= 0
        if diff.display and (ends or (rows < 0 and diff.scroll_y > 0)):
            diff.scroll_relative(y=rows, animate=False)
        else:
            super().action_scroll_by(rows)


class NameQuestion(PickQuestion):
    """The same of a world with findings that block it: it has to be taken by its name."""

    AUTO_FOCUS = "#name"
    NO_KEY = "esc"

    def compose(self) -> ComposeResult:
        """As the others, with a field over the buttons."""
        with VerticalScroll(classes="dialog", can_focus=False):
            yield Static(self._title, classes="dialog-title", markup=False)
            yield Static(findings_table(self._world), classes="dialog-findings", markup=False)
            yield Static(self.says(self._run()), classes="dialog-text", markup=False)
            yield from self.body()
            with Vertical(classes="dialog-named"):
                with Horizontal(classes="field"):
                    asked = f"Type {self._about} to take it anyway"
                    yield Static(asked, id="name-asked", markup=False)
                    yield Input(id="name", compact=True, select_on_focus=False)
                with Horizontal(classes="dialog-buttons"):
                    yield Button(f"enter  {self._yes}", id="yes", compact=True, disabled=True)
                    yield Button(f"{self.NO_KEY}  {self._no}", id="no", compact=True)

    def follow(self) -> None:
        """More may be found meanwhile."""
        super().follow()
        self.show_part(".dialog-findings", findings_table(self._world))

    @property
    def is_named(self) -> bool:
        """Whether the world's own name stands in the field."""
        typed = self.query_one("#name", Input).value.strip()
        return typed.casefold() == self._about.casefold()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Only with the name there is something to confirm."""
        message.stop()
        self.query_one("#yes", Button).disabled = not self.is_named

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Enter is the button."""
        message.stop()
        self.action_answer(True)

    def action_answer(self, yes: bool) -> None:
        """Answer and close; a yes without the name is none."""
        if not yes or self.is_named or self.has_class("-moot"):
            self.dismiss(yes)
            return
        self.query_one("#name", Input).focus()
        self.notify(f"Its name is {self._about}.", severity="warning", timeout=4, markup=False)


def question(run: Callable[[], RunState], world: WorldId, diff: Callable[[], str]) -> PickQuestion:
    """The question about this world: with its name where findings block it."""
    asks = NameQuestion if safety.blocking(run().world(world)) else PickQuestion
    return asks(run, world, diff)


def standing(run: RunState, world: WorldState) -> tuple[object, ...]:
    """What a question about picking this world depends on."""
    found = len(safety.blocking(world))
    return (world.status, world.salt, world.score is not None, found, run.phase, run.winner)


def consequences(run: RunState, world: WorldState) -> list[str]:
    """What picking this world means, in words."""
    lines = []
    others = [one_line(one) for one in safety.other_reasons(world)]
    if safety.blocking(world):
        others.insert(0, "its security findings")
    if others:
        lines.append(f"By the evidence it may not win: {'; '.join(others)}.")
    if override := against(run, world):
        lines.append(f"{override} Your choice is recorded as an override.")
    at_work = [one.id for one in run.worlds if not one.ended and one.id is not world.id]
    if at_work:
        names = " and ".join(filter(None, [", ".join(at_work[:-1]), at_work[-1]]))
        verb = "end" if len(at_work) > 1 else "ends"
        lines.append(f"{names} {verb} now. Every other world's worktree and branch stay.")
    else:
        lines.append("The other worlds' worktrees and branches stay.")
    if not world.ended:
        lines.append(f"{world.id} is still {world.status}: what it has done so far counts.")
    lines.append(_what_then(run))
    return lines


def _what_then(run: RunState) -> str:
    """What becomes of the winner, and how long it can be taken back."""
    if run.merge is MergePolicy.AUTO and run.merge_failed is None:
        return f"It is then merged into {run.target} at once; u cannot take that back."
    if run.merge is MergePolicy.NEVER:
        return f"Nothing is merged, and the run ends with it; later: miyabi merge {run.run_id}"
    return "Nothing is merged before you press m; until then u takes the choice back."


def against(run: RunState, world: WorldState) -> str:
    """What the ranking says against this choice; empty when it agrees."""
    best = min((one for one in run.worlds if one.eligible), key=rank_key, default=None)
    if world.score is None:
        state = world.status if world.status is not WorldStatus.RUNNING else "at work"
        return f"{world.id} has no score ({state})."
    if best is not None and best.score is not None and best.id is not world.id:
        return f"The ranking says otherwise: {_ahead(best, world)}."
    return f"No world is eligible; {world.id} is no exception." if not world.eligible else ""


def _ahead(best: WorldState, world: WorldState) -> str:
    """What puts the best world before this one."""
    assert best.score is not None
    assert world.score is not None
    total = points(best.score.total)
    if not world.eligible:
        return f"{best.id} may win, with {total}"
    if best.score.total != world.score.total:
        return f"{best.id} has {total}, {world.id} {points(world.score.total)}"
    if best.changed_lines != world.changed_lines:
        lines = f"{best.changed_lines} against {world.changed_lines}"
        return f"{best.id} has {total} too, and changes fewer lines ({lines})"
    if rank_key(best) != rank_key(world):
        ours, theirs = (dollars(one.cost_usd, one.price_known) for one in (best, world))
        return f"{best.id} has {total} too, and costs less ({ours} against {theirs})"
    return f"{best.id} has {total} too, and comes first in order"


def findings_table(world: WorldState) -> Content:
    """Each finding that blocks: its threat and severity, its place and rule, why it is one."""
    found = safety.blocking(world)
    many = "a security finding" if len(found) == 1 else f"{len(found)} security findings"
    lines = [Content.styled(f"It brings {many} of high or above into your branch:", "$ink-warn")]
    for one in found:
        lines.append(
            Content.styled(f"✗ {safety.kind(one)}", "bold $ink-bad")
            + Content.styled(f"  {one_line(safety.place(one))}", "$ink-strong")
        )
        lines.append(Content.styled(f"  {one_line(one.message)}", "$ink-text"))
    return Content("\n").join(lines)


def score_table(world: WorldState) -> Content:
    """The five parts, and the reasons of the lost points."""
    if world.score is None:
        return Content.styled("not scored yet", "$ink-faint")
    score = world.score
    parts = [Content.styled(f"{points(score.total)} ", "bold $ink-strong")]
    for part in Part:
        got, most = score.part(part), PART_POINTS[part]
        ink = "$ink-good" if got >= most else "$ink-warn"
        parts += [
            Content.styled(f" {part} ", "$ink-dim"),
            Content.styled(points(got), ink),
            Content.styled(f"/{points(most)} ", "$ink-faint"),
        ]
    lines = [Content("").join(parts)]
    lost = sorted(safety.other_losses(world), key=lambda item: -item.points)
    lines += [
        Content.styled(f"−{points(item.points):<4}", "$ink-warn")
        + Content.styled(f"{item.part}: {one_line(item.reason)}", "$ink-dim")
        for item in lost[:MOST_REASONS]
    ]
    if len(lost) > MOST_REASONS:
        lines.append(Content.styled(f"and {len(lost) - MOST_REASONS} more", "$ink-faint"))
    return Content("\n").join(lines)
