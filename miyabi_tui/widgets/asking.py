"""Words for what a world waits for, for questions to the person, and for what budgets allow."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.events import BreakerState, Level, QuestionKind, Scope
from miyabi_tui.engine.safety import over, over_short
from miyabi_tui.engine.state import RunState
from miyabi_tui.engine.terms import Strategy
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.words import ANSWERS, Asked, age, clock, dollars
from miyabi_tui.widgets.wrap import cells

if TYPE_CHECKING:
    from miyabi_tui.engine.events import (
        BreakerChanged,
        BudgetWarned,
        QuestionAnswered,
        QuestionAsked,
    )
    from miyabi_tui.engine.state import WorldState
    from miyabi_tui.engine.worlds import WorldId

_TRY = re.compile(r"(?:retry|attempt) \d+ of \d+")
STRATEGIES = {
    Strategy.ACCEPT_PARTIAL: "content with what there is",
    Strategy.LOWER_TEMPERATURE: "again, less daring",
    Strategy.SWITCH_MODEL: "again, with another model",
    Strategy.WAIT_FOR_HUMAN: "your word is waited for",
    Strategy.SKIP: "given up",
}


class Budget(msgspec.Struct, frozen=True):
    """What an issue may cost: the limit in US dollars, the spent share of it, and its ink."""

    limit: float
    share: float
    ink: str

    def __str__(self) -> str:
        percent = "" if self.ink == "dim" else f" ({math.floor(self.share * 100)} %)"
        return f" of {money(self.limit)}{percent}"


def money(usd: float) -> str:
    """$5.00, $1,000.00."""
    return f"${usd:,.2f}"


def left(until: float, now: float) -> str:
    """The time until a moment: 41 s, 9:48, 3 h; empty when it has come."""
    seconds = math.ceil(until - now)
    if seconds <= 0:
        return ""
    if seconds < 100:
        return f"{seconds} s"
    return clock(seconds) if seconds < 3_600 else age(seconds)


def waiting(reason: str, until: float | None, now: float) -> str:
    """Why a world waits, and how long: `rate limit, 12 s`, `retry 2 of 3 in 4 s: the cause`."""
    reason = one_line(reason)
    rest = left(until, now) if until is not None and reason else ""
    if not rest:
        return reason
    if (tries := _TRY.match(reason)) is None:
        return f"{reason}, {rest}"
    return f"{tries.group()} in {rest}{reason[tries.end() :]}"


def fitting(text: str, room: int) -> str:
    """The first wording of what a world waits for that fits: what it can do without goes first.

    `anthropic: rate limit, 12 s · a answers` can do without all but `rate limit, 12 s`.
    """
    short = text.replace(f" · {ANSWERS}", " · a")
    plain = text.removesuffix(f" · {ANSWERS}")
    head, _, tail = plain.partition(": ")
    least = head if _TRY.match(head) or head == "budget" else tail or head
    least = plain if head == "approval" else least  # a command alone would look as if it ran
    return next((one for one in (text, short, plain, least) if cells(one) <= room), least)


def breaker(changed: BreakerChanged, now: float) -> str:
    """How a provider stands that is not trusted now."""
    provider = one_line(changed.provider)
    if changed.state is BreakerState.HALF_OPEN:
        return f"{provider}: breaker half-open, one call at a time"
    rest = left(changed.until, now) if changed.until is not None else ""
    cause = one_line(changed.cause)
    return f"{provider}: breaker open{rest and f', {rest}'}{cause and f' · {cause}'}"


# --- questions -----------------------------------------------------------------------------------


def in_turn(run: RunState, world: WorldId | None) -> list[QuestionAsked]:
    """The open questions as they are answered: this world's, the run's, others', soonest first."""

    def turn(one: QuestionAsked) -> tuple[int, float]:
        whose = 1 if one.world is None else 0 if one.world is world else 2
        return whose, math.inf if one.until is None else one.until

    return sorted(run.questions, key=turn)


def title(question: QuestionAsked) -> str:
    """Its title as a harmless line that begins with a capital."""
    return capital(one_line(question.title))


def capital(line: str) -> str:
    """The line, beginning with a capital."""
    return line[:1].upper() + line[1:]


def asked(run: RunState, world: WorldId, now: float) -> Asked | None:
    """What the person is asked about this world, or about the whole run."""
    for question in in_turn(run, world):
        if question.world in (world, None) and _concerns(question, run.world(world)):
            when, own = due(question, now), question.world is world
            exceeded = run.world(world).exceeded
            if question.kind is QuestionKind.LIMIT and own and exceeded:
                return Asked(capital(over(exceeded)), when, own, capital(over_short(exceeded)))
            return Asked(title(question), when, own)
    return None


def _concerns(question: QuestionAsked, world: WorldState) -> bool:
    """Whether a world has to do with a question of the whole run: not all want an approval."""
    return question.kind is not QuestionKind.APPROVAL or world.waiting.startswith("approval")


def due(question: QuestionAsked, now: float) -> str:
    """What happens without an answer, and when: `stop in 48 s`, or that it waits."""
    if question.until is None:
        return "waits for you"
    default = one_line(question.default) or "over"
    rest = left(question.until, now)
    return f"{default} in {rest}" if rest else f"{default} now"


def headline(run: RunState, now: float, room: int) -> str:
    """The first open question, and how many there are, in one line."""
    first = in_turn(run, None)[0]
    about = f"{len(run.questions)} questions · " if len(run.questions) > 1 else ""
    about += f"{first.world}: " if first.world and first.world not in first.title else ""
    return Asked(title(first), due(first, now), own=False).line(room, about)


def settled(title_: str, answer: QuestionAnswered) -> str:
    """What became of a question that somebody or something else has settled."""
    if not answer.choice:
        return f"{title_} · of no matter any more"
    who = "answered elsewhere" if answer.by_person else "nobody answered in time"
    return f"{title_} · {one_line(answer.choice)}: {who}"


# --- money ---------------------------------------------------------------------------------------


def spent(state: RunState | WorldState) -> str:
    """What a world, or an issue, has cost up to now; ≈ where an estimate is part of it."""
    usd = state.issue_usd if isinstance(state, RunState) else state.meter_usd
    return dollars(usd, state.price_known, state.is_estimate)


def budget(run: RunState) -> Budget | None:
    """The issue's budget; None where there is none, or where nothing is billed."""
    limit = run.budget_usd(Scope.ISSUE)
    if run.recorded or not run.run_id or not limit:
        return None
    noted = (one.spent_usd for one in run.warned if one.scope is Scope.ISSUE)
    share = max(run.issue_usd, *noted, 0.0) / limit
    warn = share >= run.terms.budgets.warn_at
    return Budget(limit, share, "bad" if share >= 1 else "warn" if warn else "dim")


def at_least(run: RunState, question: QuestionAsked) -> float:
    """What a raised budget has to be at least, so that the next turn fits in."""
    spent = run.issue_usd if question.world is None else run.world(question.world).meter_usd
    return spent if question.least is None else question.least


def warnings(run: RunState) -> list[str]:
    """Which budgets are nearly spent besides the issue's, which the head line shows anyway."""
    return [budget_warning(one) for one in run.warned if one.scope is not Scope.ISSUE]


def budget_warning(warned: BudgetWarned) -> str:
    """Which budget is nearly spent, in numbers."""
    whose = f"{warned.world}'s" if warned.world else f"the {warned.scope}'s"
    return f"{money(warned.spent_usd)} of {whose} {money(warned.limit_usd)} spent"


def complexity(run: RunState, most: int | None = None) -> str:
    """How hard the task looks and why; empty where nobody has estimated it."""
    found = run.complexity
    if found is None:
        return ""
    reasons = [one_line(reason) for reason in found.reasons[:most]]
    if found.by_person:
        reasons.insert(0, "as you said")
    return f"{found.level}{': ' if reasons else ''}{', '.join(reasons)}"


def fallback(run: RunState) -> str:
    """The strategy that was tried last, and why."""
    if not run.tried:
        return ""
    last = run.tried[-1]
    return f"{STRATEGIES[last.strategy]}: {one_line(last.reason)}".rstrip(": ")


def news(before: RunState, now: RunState) -> list[str]:
    """What has happened in between that the person should read, wherever they look."""
    notices = now.notices[len(before.notices) :]
    said = [one_line(one.text) for one in notices if one.level is not Level.INFO]
    said += [budget_warning(one) for one in now.warned if one not in before.warned]
    return [*said, fallback(now)] if len(now.tried) > len(before.tried) else said
