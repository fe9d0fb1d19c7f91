"""What a world costs: dollars of its budget, tokens, turns, each step, and what it waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine.events import (
    Record,
    RunResumed,
    Scope,
    WorldFailed,
    WorldKilled,
    WorldWaiting,
)
from miyabi_tui.widgets.asking import spent
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.narrator import SLOT
from miyabi_tui.widgets.page import bar
from miyabi_tui.widgets.words import dollars, seconds, tokens, turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from miyabi_tui.engine.state import Checkpoint, WorldState
    from miyabi_tui.widgets.page import Facts, Page
    from miyabi_tui.widgets.stream_window import Past

STEP_BAR = 16
MOST_STEPS = 40
PAGE = 2_000
MATTERS = (WorldWaiting, WorldKilled, WorldFailed, RunResumed)


class Waits:
    """For what a world has waited, how often and how long; from its events in order."""

    def __init__(self) -> None:
        self.seq = 0
        self.all: dict[str, tuple[int, float]] = {}
        self._since: tuple[str, float] | None = None

    def take(self, records: Sequence[Record]) -> None:
        """Take in what is new."""
        for record in records:
            if record.seq > self.seq:
                self.seq = record.seq
                if isinstance(record.event, WorldWaiting):
                    self._turn(record.event.reason, record.at)
                else:
                    self._ended(record)

    def _turn(self, reason: str, at: float) -> None:
        what = SLOT if reason.startswith(SLOT) else one_line(reason).partition(",")[0]
        if self._since is not None and self._since[0] != what:
            self._close(at)
        if what and self._since is None:
            self._since = (what, at)
            count, took = self.all.get(what, (0, 0.0))
            self.all[what] = (count + 1, took)

    def _ended(self, record: Record) -> None:
        if self._since is not None:  # how long it waited while nobody drove the run is not known
            resumed = isinstance(record.event, RunResumed)
            self._close(self._since[1] if resumed else record.at)

    def _close(self, at: float) -> None:
        assert self._since is not None
        what, since = self._since
        count, took = self.all[what]
        self.all[what] = (count, took + max(0.0, at - since))
        self._since = None

    def shown(self, now: float) -> list[tuple[str, int, float, bool]]:
        """What, how often, how long, and whether it still waits; the longest first."""
        made = []
        for what, (count, took) in self.all.items():
            on = self._since is not None and self._since[0] == what
            more = max(0.0, now - self._since[1]) if on and self._since is not None else 0.0
            made.append((what, count, took + more, on))
        return sorted(made, key=lambda one: -one[2])


def read_waits(past: Past, given_up: Callable[[], bool]) -> tuple[list[Record], str]:
    """What matters to its waits, and why not all of it can be read; blocks.

    Page by page from the newest back, so that little is in memory at once.
    """
    before = None
    found: list[Record] = []
    try:
        while not given_up():
            page = past(before=before, newest=PAGE)
            found = [one for one in page if isinstance(one.event, MATTERS)] + found
            if len(page) < PAGE:
                break
            before = page[0].seq
    except Exception as error:  # said in the page, never a traceback
        return found, f"the journal cannot be read: {one_line(str(error)) or type(error).__name__}"
    return found, ""


def write_cost(page: Page, facts: Facts, waits: Waits | None, said: str) -> None:
    """The page; `said` is what there is to say of waits that are not known."""
    _money(page, facts)
    _tokens(page, facts.world)
    _waits(page, facts, waits, said)
    _steps(page, facts.world)


def _waits(page: Page, facts: Facts, waits: Waits | None, said: str) -> None:
    page.heading("Waits")
    if said:
        page.text(said, "dim")
    waited = waits.shown(facts.now) if waits is not None else []
    for what, count, took, on in waited:
        times = f"  {count} times" if count > 1 else ""
        state = "  waits now" if on and not facts.world.ended else ""
        took_ = f"{seconds(took):>8}  "
        page.row([(took_, "text"), (what, "text"), (times, "faint"), (state, "warn")])
    if not waited and not said:
        page.text("it never had to wait", "dim")


def _money(page: Page, facts: Facts) -> None:
    run, world = facts.run, facts.world
    limit = run.budget_usd(Scope.WORLD, world.id) or run.budget_usd(Scope.WORLD)
    page.heading("Cost", [("recorded turns: nothing is billed", "dim")] if run.recorded else ())
    total = run.meter_usd
    if limit and not run.recorded:
        share = world.meter_usd / limit
        ink = "bad" if share >= 1 else "warn" if share >= run.terms.budgets.warn_at else "good"
        said = f"{spent(world)} of ${limit:,.2f}"
        page.bar(share, ink, [(said, ink), (f"  {share:.0%} of its budget", "faint")])
    else:
        page.row([(spent(world), "text"), ("  no budget of its own", "faint")])
    if total > 0 and len(run.worlds) > 1:
        said = f"{world.meter_usd / total:.0%} of what the {len(run.worlds)} worlds cost"
        page.text(said, "dim")
    if world.running_cost_usd > 0:
        running = dollars(world.running_cost_usd, world.price_known, True)
        page.text(f"{running} of it is the turn that streams now, estimated", "dim")


def _tokens(page: Page, world: WorldState) -> None:
    used = world.usage + world.running
    page.heading("Tokens", [(turns(world) if world.turns else "no turn yet", "dim")])
    if not used.total:
        page.text("none are used yet", "dim")
        return
    near = "≈" if used.estimated else ""
    whole = max(1, used.total)
    cached = f"{tokens(used.cache_read_tokens)} of them read from the provider's cache"
    rows = [
        ("in", used.input_tokens, cached if used.cache_read_tokens else ""),
        ("out", used.output_tokens, "with what it thought"),
    ]
    for name, count, about in rows:
        line = [(f"{name:<5}", "dim"), *bar(count / whole, 12, "text")]
        page.row([*line, (f"  {near + tokens(count):>6}", "text"), (f"  {about}", "faint")])
    if used.cache_write_tokens:
        page.text(f"{tokens(used.cache_write_tokens)} written to the provider's cache", "dim")
    if world.turns:
        each = f"{tokens(used.total // world.turns)} tokens a turn"
        page.text(f"{each}, {dollars(world.cost_usd / world.turns, world.price_known)}", "dim")


def _steps(page: Page, world: WorldState) -> None:
    """What each step cost, the newest first: the differences between its checkpoints."""
    pairs = _differences(world.checkpoints)
    now = dollars(world.step_cost_usd, world.price_known)
    running = [("the one in progress ", "faint"), (now, "dim")] if world.step_cost_usd else []
    page.heading("Each step", running)
    if not pairs:
        page.text("no step is done yet", "dim")
        return
    most = max((cost for _, cost in pairs), default=0.0) or 1.0
    length = STEP_BAR if page.width >= 80 else STEP_BAR // 2
    for one, cost in pairs[: -MOST_STEPS - 1 : -1]:
        figure = dollars(cost, world.price_known)
        spans = [(f"{one.step:>4}  ", "faint"), *bar(cost / most, length, "world")]
        page.row([*spans, (f"  {figure:<9}", "text"), (f" {one_line(one.doing)}", "dim")])
    if len(pairs) > MOST_STEPS:
        page.text(f"and {len(pairs) - MOST_STEPS} steps before", "faint")


def _differences(checkpoints: Sequence[Checkpoint]) -> list[tuple[Checkpoint, float]]:
    made: list[tuple[Checkpoint, float]] = []
    before = 0.0
    for one in checkpoints:
        if one.step:
            made.append((one, max(0.0, one.cost_usd - before)))
        before = one.cost_usd
    return made
