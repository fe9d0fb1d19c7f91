"""What keeps the worlds of a run apart and within bounds, in words: for panes, lines and pages.

Paths and commands are an agent's own: whoever shows these words makes them harmless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine.events import Escape
from miyabi_tui.engine.excess import Excess

if TYPE_CHECKING:
    from miyabi_tui.engine import events as e
    from miyabi_tui.engine.scoring.score import Finding, Lost
    from miyabi_tui.engine.state import WorldState

REFUSED = "refused: "

_TRIED = {
    Escape.READ: "read outside",
    Escape.WRITE: "write outside",
    Escape.NETWORK: "reach the network",
    Escape.PROCESS: "reach a process outside",
    Escape.GIT: "change git data",
}


# --- isolation -----------------------------------------------------------------------------------


def isolation(chosen: e.SandboxChosen) -> list[str]:
    """Where commands run, and of each better place why it is not had here: a line each."""
    first = f"isolation: {chosen.isolation}" + (f" ({chosen.detail})" if chosen.detail else "")
    return [first, *(f"not {one}" for one in chosen.passed_over)]


# --- attempts to leave ---------------------------------------------------------------------------


def tried(attempt: e.EscapeAttempted) -> str:
    """What a world tried: `tried to write outside: /etc/passwd`."""
    return f"tried to {_TRIED[attempt.kind]}: {attempt.detail.removeprefix(REFUSED)}"


def stopped(attempt: e.EscapeAttempted) -> str:
    """Whether it was kept from it."""
    return "stopped" if attempt.stopped else "NOT stopped"


def escapes(world: WorldState) -> str:
    """How many attempts there were: `2 escapes stopped`, `1 of 3 escapes NOT stopped`."""
    many = len(world.escapes)
    if not many:
        return ""
    through = sum(not one.stopped for one in world.escapes)
    noun = f"escape{'s' * (many != 1)}"
    if not through:
        return f"{many} {noun} stopped"
    return f"{f'{through} of ' * (through < many)}{many} {noun} NOT stopped"


# --- limits --------------------------------------------------------------------------------------


def over(exceeded: e.LimitExceeded) -> str:
    """Why a world stands still: `over its memory limit: 2.3 of 2 GB`."""
    return _excess(exceeded).reason


def over_short(exceeded: e.LimitExceeded) -> str:
    """The same in few cells: `memory: 2.3 of 2 GB`."""
    return f"{exceeded.resource}: {_excess(exceeded).amount}"


def _excess(exceeded: e.LimitExceeded) -> Excess:
    return Excess(exceeded.world, exceeded.resource, exceeded.used, exceeded.limit)


# --- heavy work ----------------------------------------------------------------------------------


def is_scarce(slots: e.SlotsChanged | None) -> bool:
    """Whether less heavy work runs than the machine is enough for, or none may begin."""
    return slots is not None and (slots.held or slots.at_once < slots.most)


def slots(changed: e.SlotsChanged, *, short: bool = False) -> str:
    """How much heavy work may run at once, and why: `heavy work: 1 of 4 at once, memory 92 %`."""
    why = changed.reason and f", {changed.reason}"
    if short:
        return slots_short(changed) + why
    if changed.held:
        return f"heavy work is held{why}"
    many = f"{changed.at_once} of {changed.most}" * (changed.at_once < changed.most)
    return f"heavy work: {many or changed.at_once} at once{why}"


def slots_short(changed: e.SlotsChanged) -> str:
    """The same without the reason, in few cells: `2 of 4 slots`, `work held`."""
    if changed.held:
        return "work held"
    if changed.at_once < changed.most:
        return f"{changed.at_once} of {changed.most} slots"
    return f"{changed.most} slot{'s' * (changed.most != 1)}"


# --- findings ------------------------------------------------------------------------------------


def blocking(world: WorldState | e.WorldScored) -> tuple[Finding, ...]:
    """The security findings that keep a world from winning by evidence."""
    found = world.evidence.security if world.evidence else ()
    return tuple(one for one in found if one.severity.blocks)


def kind(finding: Finding) -> str:
    """What it is about and how bad: `leaked secret, high`."""
    return f"{finding.threat or 'security'}, {finding.severity}"


def place(finding: Finding) -> str:
    """Its file, line and rule."""
    line = f":{finding.line}" if finding.line else ""
    return f"{finding.path}{line} {finding.rule}".rstrip()


def other_reasons(world: WorldState | e.WorldScored) -> tuple[str, ...]:
    """Why a world may not win besides these findings."""
    told = {f"security, {one.severity}: {one}" for one in blocking(world)}
    return tuple(one for one in world.ineligible if one not in told)


def other_losses(world: WorldState | e.WorldScored) -> list[Lost]:
    """The points that a world lost besides those for these findings."""
    told = {f"new, {one.severity}: {one}" for one in blocking(world)}
    return [one for one in world.score.lost if one.reason not in told] if world.score else []


def reasons(world: WorldState) -> list[str]:
    """Why a world may not win, each finding with its threat first; empty when it may."""
    if not world.ineligible:
        return []
    found = [f"{kind(one)}: {place(one)} {one.message}".rstrip() for one in blocking(world)]
    return [*found, *other_reasons(world)]
