"""How numbers and states are put into words, the same everywhere on the screen."""

from __future__ import annotations

import msgspec

from miyabi_tui.engine.events import MergeFailed, MergePolicy, Phase, RunStatus
from miyabi_tui.engine.safety import over, reasons
from miyabi_tui.engine.state import RunState, WorldState, WorldStatus
from miyabi_tui.engine.terms import Isolation, Sandboxing
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.wrap import cells

ANSWERS = "a answers"
QUIET_AFTER = 30
UNSAID = Sandboxing()
ORDINALS = ("", "1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th")


class Asked(msgspec.Struct, frozen=True):
    """An open question as a pane shows it: `own` is about its world, else about the whole run.

    `short` is its title where there is little room.
    """

    title: str
    when: str
    own: bool
    short: str = ""

    def line(self, room: int, about: str = "") -> str:
        """It in one line; where not all fits, the time and the key come before the title."""
        whole = f"{about}{self.title} · {self.when} · {ANSWERS}"
        return whole if cells(whole) <= room else f"{about}{self.when} · {ANSWERS} · {self.title}"


class PaneView(msgspec.Struct, frozen=True):
    """Everything a pane shows: the world, its standing among the others, and how quiet it is.

    `fresh`: what a resume or a fork did to it is still news. `activity`: what it does, why and for
    how long. `waits`: why it waits, and how long
    still. `asked`: what the person is asked. `isolation` and `limits` hold for its commands.
    `overridden`: the findings that the person takes with it. `budget`: what it may cost in US
    dollars, where that is billed.
    """

    world: WorldState
    place: int = 0
    leads: bool = False
    quiet: int = 0
    focused: bool = False
    why_won: str = ""
    fresh: bool = False
    activity: str = ""
    waits: str = ""
    asked: Asked | None = None
    isolation: Isolation | None = None
    limits: Sandboxing = UNSAID
    overridden: tuple[str, ...] = ()
    budget: float | None = None

    @property
    def asks(self) -> bool:
        """Whether the person is asked about this very world."""
        return self.asked is not None and self.asked.own


class Sign(msgspec.Struct, frozen=True):
    """A state as symbol, words and ink: readable without colour."""

    symbol: str
    words: str
    ink: str

    def __str__(self) -> str:
        text = f"{self.symbol} {self.words}"
        return f" {text} " if self.ink in ("trophy", "alarm") else text


def calm_ink(ink: str) -> str:
    """The ink of a sign without its ground: many loud grounds together say nothing."""
    return {"trophy": "won", "alarm": "warn"}.get(ink, ink)


def clock(seconds_: float) -> str:
    """1:05, or 1:02:03."""
    minutes, rest = divmod(int(seconds_), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def seconds(value: float) -> str:
    """0.4 s, 12 s, or 1:05."""
    if value < 10:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 100 else clock(value)


def age(seconds_: float) -> str:
    """8 s, 3 min, 2 h, 4 d."""
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds_ >= size:
            return f"{int(seconds_ // size)} {name}"
    return f"{max(0, int(seconds_))} s"


def tokens(count: int) -> str:
    """950, 12.4k, 1.2M."""
    if count < 1_000:
        return str(count)
    return f"{count / 1_000:.1f}k" if count < 999_950 else f"{count / 1_000_000:.1f}M"


def dollars(cost: float, known: bool, estimated: bool = False) -> str:
    """$0.0312, $4.20, ≈$4.20, or what is known of it."""
    amount = f"${cost:,.2f}" if cost >= 1 else f"${cost:.4f}"
    if known:
        return f"≈{amount}" if estimated else amount
    return f"≥ {amount}" if cost else "price ?"


def points(value: float) -> str:
    """Points without trailing zeros: 30, 18.5."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def memory(count: int) -> str:
    """184 MB, 1.2 GB."""
    megabytes = count / 1_000_000
    return f"{megabytes:.0f} MB" if megabytes < 1_000 else f"{megabytes / 1_000:.1f} GB"


def gauge(world: WorldState) -> tuple[str, str]:
    """CPU and memory of the world's own processes; a dash where it has none."""
    if world.gauge is None or not world.gauge.processes:
        return "–", "–"
    return f"{world.gauge.cpu_percent:.0f}%", memory(world.gauge.memory_bytes)


def usage(world: WorldState) -> str:
    """The world's tokens, the turn in progress included; ≈ where they are counted from the text."""
    used = world.usage + world.running
    return f"{'≈' if used.estimated else ''}{tokens(used.total)}"


def turns(world: WorldState) -> str:
    """12 turns, 3 from the cache."""
    cached = f", {world.cached} from the cache" if world.cached else ""
    return f"{world.turns} turn{'s' * (world.turns != 1)}{cached}"


def sampled(world: WorldState) -> tuple[str, str]:
    """What the tests of a running world said when they were last run, and its ink."""
    found = world.sampled
    if found is None or world.score is not None:
        return "", "dim"
    if not found.builds:
        return "does not build", "bad"
    return f"tests {found.passed}/{found.known}", "good" if found.passed == found.known else "warn"


def sampling(world: WorldState) -> str:
    """What is really sent; before the first step, what is configured."""
    if world.sampling is None:
        return f"t {world.config.temperature:g} · {world.config.effort}"
    sent = []
    if world.sampling.temperature is not None:
        sent.append(f"t {world.sampling.temperature:g}")
    if world.sampling.effort is not None:
        sent.append(f"effort {world.sampling.effort}")
    return " · ".join(sent)


def model(world: WorldState, short: bool = False) -> str:
    """The model's name, without its provider where there is little room."""
    name = world.sampling.model if world.sampling else world.config.model
    name = one_line(name)
    return name.rsplit("/", 1)[-1] if short else name


ASKS = Sign("?", "asks you", "alarm")


def sign(view: PaneView) -> Sign:
    """The state of a world in a symbol and one to three words."""
    world = view.world
    total = points(world.score.total) if world.score else ""
    place = ORDINALS[view.place]
    if view.asks:
        return ASKS
    match world.status:
        case WorldStatus.RUNNING if world.waiting:
            return Sign("◷", "waiting", "warn")
        case WorldStatus.RUNNING | WorldStatus.EVALUATING if view.quiet >= QUIET_AFTER:
            return Sign("◔", f"quiet {clock(view.quiet)}", "warn")
        case WorldStatus.PAUSED if world.exceeded:
            return Sign("⊗", "over limit", "bad")
        case WorldStatus.KILLED if world.cut_short:
            return Sign("■", "cut short", "warn")
        case WorldStatus.WON:
            return Sign("★", f"winner {total}".strip(), "trophy")
        case WorldStatus.SCORED | WorldStatus.LOST if world.ineligible:
            return Sign("⊘", f"may not win {total}", "bad")
        case WorldStatus.SCORED if view.leads:
            return Sign("▲", f"leads {total}", "won")
        case WorldStatus.SCORED:
            return Sign("◆", f"{place or 'scored'} {total}", "strong")
        case WorldStatus.LOST:
            return Sign("◇", f"{place or 'lost'} {total}", "dim")
    symbol, ink = _SIGNS[world.status]
    return Sign(symbol, str(world.status), ink)


_SIGNS = {
    WorldStatus.QUEUED: ("·", "faint"),
    WorldStatus.PREPARING: ("◌", "dim"),
    WorldStatus.RUNNING: ("●", "good"),
    WorldStatus.PAUSED: ("‖", "warn"),
    WorldStatus.EVALUATING: ("◐", "accent"),
    WorldStatus.SCORED: ("◆", "strong"),
    WorldStatus.KILLED: ("■", "bad"),
    WorldStatus.FAILED: ("✗", "bad"),
}


def why(view: PaneView, room: int = 200) -> tuple[str, str]:
    """One line on what a world does or why it stands where it stands, and its ink."""
    world = view.world
    if world.cut_short:
        return (f"at step {world.step}: " if world.step else "") + one_line(world.reason), "dim"
    if world.status in (WorldStatus.KILLED, WorldStatus.FAILED):
        return one_line(world.reason), "dim"
    if view.asked is not None and view.asks:
        return view.asked.line(room), "warn"
    restored = news(view)
    if world.status is WorldStatus.PAUSED and world.exceeded:
        return f"{over(world.exceeded)} · p to go on", "bad"
    if world.status is WorldStatus.PAUSED:
        said = restored or one_line(view.activity)
        return "p to go on" + (f" · {said}" if said else ""), "dim"
    if restored:
        return restored, "accent"
    if world.waiting:
        waits = view.waits or one_line(world.waiting)
        return waits + (" · a answers" if view.asked else ""), "warn"
    if view.overridden:
        return one_line(f"overridden by you: {'; '.join(view.overridden)}"), "bad"
    if world.ineligible:
        return one_line("; ".join(reasons(world))), "bad"
    if world.score is not None:
        if world.status is WorldStatus.WON and view.why_won:
            return one_line(view.why_won), "dim"
        if not world.score.lost:
            return "no point lost", "dim"
        lost = max(world.score.lost, key=lambda item: item.points)
        return one_line(f"−{points(lost.points)} {lost.part}: {lost.reason}"), "dim"
    return one_line(view.activity), "dim"


def news(view: PaneView) -> str:
    """What a resume or a fork did to a world, while that is new."""
    return one_line(view.world.restored) if view.fresh and not view.world.ended else ""


def asks_for_a_pick(run: RunState) -> bool:
    """Whether no world may win by the evidence and the run waits for the person's choice."""
    return run.phase is Phase.CHOOSING and run.winner is None and bool(run.reason)


def phase(run: RunState) -> Sign:
    """Where the run stands."""
    if run.phase is Phase.FINISHED:
        return _OUTCOMES[run.status]
    if run.questions:
        return ASKS
    if asks_for_a_pick(run):
        return Sign("⊘", "waiting for you", "warn")
    words = "waiting for you" if run.merge_ready else str(run.phase)
    return Sign("●", words, "warn" if run.merge_ready else "good")


_OUTCOMES = {
    RunStatus.RUNNING: Sign("■", "finished", "dim"),
    RunStatus.MERGED: Sign("★", "merged", "won"),
    RunStatus.SELECTED: Sign("★", "selected", "won"),
    RunStatus.NO_WINNER: Sign("⊘", "no safe winner", "warn"),
    RunStatus.FAILED: Sign("✗", "failed", "bad"),
    RunStatus.INTERRUPTED: Sign("■", "interrupted", "warn"),
}


def outcome(run: RunState) -> tuple[str, str]:
    """How the race ended or what it waits for, in one line, and its ink; empty while it is on."""
    branch = f"miyabi/{run.issue.key}"
    if run.merge_failed is not None and run.phase is Phase.CHOOSING:
        return one_line(f"{_not_merged(run.merge_failed)} · m again, w another"), "bad"
    if asks_for_a_pick(run):
        pick = "w picks a world anyway, " if any(one.commit for one in run.worlds) else ""
        return f"no safe winner · {pick}r takes one back, q leaves", "warn"
    if run.winner is not None:
        return _won(run, run.target or branch), "warn" if run.overridden else "won"
    if run.finished:
        reason = one_line(run.reason)
        head = _OUTCOMES[run.status].words
        said = f"{head}: {reason}" if reason else head
        if run.status is RunStatus.INTERRUPTED and run.run_id:
            said = f"{reason or head} · go on with {resume(run)}"
        return said, _OUTCOMES[run.status].ink
    return "", "dim"


def _won(run: RunState, target: str) -> str:
    """Who won and how, and what becomes of it."""
    assert run.winner is not None
    score = run.world(run.winner).score
    total = f" {points(score.total)}" if score else ""
    how = "picked by you" if run.winner_by_person else "won"
    many = len(run.overridden)
    against = f", {many} finding{'s' * (many != 1)} overridden" if many else ""
    head = f"{run.winner} {how}{total}{against}"
    if run.commit:
        return f"{head} · merged into {run.branch} ({run.commit[:7]})"
    if run.merge_ready:
        whom = "m merges it" if many else f"press m to merge {run.winner}"
        return f"{head} · {whom} into {target}"
    kept = "kept on its branch" if run.finished or run.merge is MergePolicy.NEVER else "merging"
    return f"{head} · {kept}"


def resume(run: RunState) -> str:
    """What to type to go on with this run."""
    return f"miyabi resume {run.run_id}".rstrip()


def _not_merged(failed: MergeFailed) -> str:
    """Why a merge failed, as short as it can be said."""
    if not failed.files:
        return failed.cause
    more = f" +{len(failed.files) - 1}" if len(failed.files) > 1 else ""
    return f"conflict with {failed.branch} in {failed.files[0]}{more}"
