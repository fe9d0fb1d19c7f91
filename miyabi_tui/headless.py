"""A run without a screen: readable lines for people, or one JSON object a line for programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import apply
from miyabi_tui.engine.state import RESUMABLE, RunState
from miyabi_tui.engine.summary import plain, result

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.engine.control import Control

NAME_WIDTH = 8


def run(
    control: Control,
    *,
    as_json: bool,
    out: TextIO | None = None,
    told: int = 0,
    resumable: bool = True,
    between: Callable[[], None] = lambda: None,
) -> RunState:
    """Start the race, print it to its end, and give back its last state.

    Events up to number `told` are known already; `resumable` says that the run could go on if it
    is interrupted; `between` is called now and then.
    """
    stream = out or sys.stdout
    subscription = control.subscribe()
    state = RunState()
    control.start()
    try:
        while not subscription.closed:
            subscription.wait(0.5)  # short, so that signals are seen
            between()
            for record in subscription.drain():
                state = apply(state, record)
                if record.seq <= told:
                    continue
                if as_json:
                    line = json_line(record, state)
                else:
                    line = text_line(record, state, resumable=resumable)
                if line:
                    print(line, file=stream, flush=True)
    except BrokenPipeError:  # whoever read us has gone
        if not control.attached:
            control.stop()
    return state


def json_line(record: e.Record, state: RunState) -> str:
    """The record as a JSON object; streams and gauges are left out, the last one is the result."""
    import msgspec

    event = record.event
    if isinstance(event, e.Output | e.Gauges | e.TurnMetered):
        return ""
    if isinstance(event, e.RunFinished):
        return msgspec.json.encode(result(state)).decode()
    if isinstance(event, e.BaseMeasured):
        event = msgspec.structs.replace(event, measurement=None)  # it names every test
    body = msgspec.to_builtins(event)
    return msgspec.json.encode({"seq": record.seq, "at": record.at, **body}).decode()


def text_line(record: e.Record, state: RunState, *, resumable: bool = True) -> str:
    """The record as a line for people, empty where it says nothing new to them."""
    if isinstance(record.event, e.RunFinished):
        text = closing(state, resumable=resumable)
    else:
        from miyabi_tui.telling import words

        text = plain(words(record, state))
    if not text:
        return ""
    seconds = int(state.elapsed(record.at))
    clock = f"{seconds // 60:3}:{seconds % 60:02}"
    world = e.world_of(record.event)
    name = f"{world or '':<{NAME_WIDTH}}"
    indent = "\n" + " " * (len(clock) + NAME_WIDTH + 4)
    return f"{clock}  {name}  {text.replace(chr(10), indent)}".rstrip()


def closing(state: RunState, *, resumable: bool = True) -> str:
    """How a run ended, what it cost, and what can be done next where it is `resumable`."""
    cost = f"{'≈' * state.is_estimate}${state.total_cost_usd:.4f}"
    cost = cost if state.price_known else f"at least {cost} (a price is unknown)"
    lines = [f"{state.status.value.replace('_', ' ')}{': ' if state.reason else ''}{state.reason}"]
    if state.commit:
        lines = [f"{state.winner} is merged into {state.branch} ({state.commit[:9]})"]
    if state.recorded:
        cost += " at the recording's prices; nothing was billed"
    if resumable and state.status is e.RunStatus.SELECTED and not state.commit:
        lines.append(f"merge it with: miyabi merge {state.run_id}")
    turns, cached = (
        sum(world.turns for world in state.worlds),
        sum(w.cached for w in state.worlds),
    )
    lines.append(f"cost {cost}{f', {cached} of {turns} turns from the cache' if cached else ''}")
    said = f"miyabi resume {state.run_id}" in state.reason
    if resumable and state.run_id and state.status in RESUMABLE and not state.commit and not said:
        lines.append(f"nothing is lost; go on with: miyabi resume {state.run_id}")
    return plain("\n".join(lines))
