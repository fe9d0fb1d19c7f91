"""`miyabi replay`: which run, on the screen or into files, and what to say at the end."""

from __future__ import annotations

import functools
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from miyabi_tui import ending, paths
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.store.lock import is_driven
from miyabi_tui.history import opened
from miyabi_tui.opening import Opening, screen_of
from miyabi_tui.replaying.control import ReplayControl
from miyabi_tui.replaying.tape import Tape

if TYPE_CHECKING:
    import argparse

    from miyabi_tui.app import MiyabiApp
    from miyabi_tui.replaying.cast import Cast

SIZE = (120, 40)


def replay(args: argparse.Namespace) -> str:
    """Play the run that is meant; what to say when it is over.

    Raises:
        UsageError: there is no such run, no such event, or no terminal to play it on.
        StoreError: the journal cannot be read.
    """
    journal = paths.journal_path()
    tape = Tape(journal, found(journal, args.run))
    if args.at > tape.number(len(tape)):
        last = tape.number(len(tape))
        raise UsageError(f"there is no event {args.at}", f"the last one is {last}", f"--at {last}")
    screen = sys.stdout.isatty() and sys.stdin.isatty()
    if args.export_svg or (args.cast and not screen):
        return _export(tape, args, args.speed)
    if not screen:
        raise UsageError(
            "a replay needs a terminal",
            "there is none here",
            f"--export-svg DIR or --cast FILE, or: miyabi show {tape.run_id}",
        )
    return _on_screen(tape, args)


def export(run_id: str, args: argparse.Namespace) -> str:
    """Write the pictures and the recording of a run that were asked for; their names.

    It is recorded at its own pace, whatever that was.

    Raises:
        UsageError: they cannot be written there.
    """
    return _export(Tape(paths.journal_path(), run_id), args, 1.0)


def _export(tape: Tape, args: argparse.Namespace, speed: float) -> str:
    from miyabi_tui.replaying import pictures

    size, said = args.size or SIZE, []
    if args.export_svg:
        written = anyio.run(pictures.export, tape, Path(args.export_svg), size)
        said += [*map(str, written), f"{len(written)} pictures in {args.export_svg}"]
    if args.cast:
        from miyabi_tui.replaying import casting

        said.append(anyio.run(casting.headless, tape, Path(args.cast), size, speed))
    return "\n".join(said)


def _on_screen(tape: Tape, args: argparse.Namespace) -> str:
    with ExitStack() as stack:
        cast = None
        if args.cast:
            from miyabi_tui.replaying import casting

            cast = casting.on_terminal(Path(args.cast), tape)
            stack.callback(cast.close)
        control = stack.enter_context(
            ReplayControl(tape, speed=args.speed, at=tape.place_of(args.at))
        )
        opening = Opening(screen_of(theme=args.theme))
        with ending.on_signals(None, opening.leave):
            opening.run(control, functools.partial(_built, cast))
    again = f"miyabi replay {tape.run_id} --at {tape.number(control.place)}"
    here = f"event {tape.number(control.place):,} of {tape.number(len(tape)):,}"
    lines = [f"run {tape.run_id} left at {here}; go on there: {again}"]
    if is_driven(tape.journal, tape.run_id):
        lines.append(f"it still goes on: miyabi attach {tape.run_id}")
    if cast is not None:
        lines.append(cast.trouble or f"play the recording: asciinema play {cast.path}")
    return "\n".join(lines)


def _built(cast: Cast | None, control: ReplayControl, **options: Any) -> MiyabiApp:
    from miyabi_tui.app import MiyabiApp
    from miyabi_tui.screens.replay import ReplayScreen

    made: type[MiyabiApp] = MiyabiApp
    if cast is not None:
        from miyabi_tui.replaying.casting import recorded

        made = recorded(cast)
    return made(control, clock=control.clock, race=ReplayScreen, **options)


def found(journal: Path, prefix: str) -> str:
    """The run that is meant; the newest one for nothing.

    Raises:
        UsageError: there is none, or more than one.
    """
    if not journal.exists():
        raise UsageError("there is no run yet", "", "make one: miyabi demo")
    return anyio.run(_find, journal, prefix)


async def _find(journal: Path, prefix: str) -> str:
    async with opened(journal) as store:
        return await store.find(prefix)
