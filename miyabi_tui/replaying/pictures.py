"""Pictures of a run's key moments, painted without a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from miyabi_tui.app import MiyabiApp
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.events import Phase
from miyabi_tui.replaying.control import ReplayControl
from miyabi_tui.replaying.survey import Kind
from miyabi_tui.screens.replay import ReplayScreen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from textual.pilot import Pilot

    from miyabi_tui.replaying.survey import Mark
    from miyabi_tui.replaying.tape import Tape

    Size = tuple[int, int]

LOOK_SECONDS = 0.01


async def export(tape: Tape, folder: Path, size: Size) -> list[Path]:
    """Write the pictures into a folder, which is made; their paths.

    Raises:
        UsageError: they cannot be written there.
        StoreError: the journal cannot be read.
    """
    written: list[Path] = []
    try:
        await anyio.Path(folder).mkdir(parents=True, exist_ok=True)
        with ReplayControl(tape) as control:
            survey = await anyio.to_thread.run_sync(control.surveyed)
            moments = key_moments(tape, survey.marks)

            app = MiyabiApp(control, clock=control.clock, race=ReplayScreen)

            async def paint(pilot: Pilot[int]) -> None:
                control.player.play(False)
                for number, (name, place) in enumerate(moments, 1):
                    await stand(app, control, pilot, place)
                    path = folder / f"{number:02}-{name}.svg"
                    picture = app.export_screenshot(title=f"miyabi · {name}")
                    await anyio.Path(path).write_text(picture, "utf-8")
                    written.append(path)

            await headless_app(app, size, paint)
    except OSError as error:
        raise UsageError(f"cannot write pictures to {folder}", str(error)) from error
    return written


def key_moments(tape: Tape, marks: Sequence[Mark]) -> list[tuple[str, int]]:
    """The moments worth a picture, by name, in order: each phase, mid-race, divergence, end."""
    phases = [one for one in marks if one.kind is Kind.PHASE]
    found = [(f"{one.text}-begins", one.place) for one in phases if one.text == Phase.RACING]
    found += [(one.text, one.place) for one in phases if one.text != Phase.RACING]
    for one, following in zip(phases, [*phases[1:], None], strict=True):
        if one.text == Phase.RACING:
            stop = following.place - 1 if following else len(tape)
            middle = (tape.played(one.place) + tape.played(stop)) / 2
            found.append((str(Phase.RACING), max(one.place, tape.place_at(middle))))
    found += [("divergence", one.place) for one in marks if one.kind is Kind.DIVERGENCE]
    found.append(("end", len(tape)))
    return sorted(found, key=lambda moment: moment[1])


async def headless_app(
    app: MiyabiApp,
    size: Size,
    act: Callable[[Pilot[int]], Awaitable[None]],
    *,
    painted: bool = False,
) -> None:
    """Run an app without a terminal, act on it, leave; `painted`: its driver takes the bytes."""

    async def act_and_leave(pilot: Pilot[Any]) -> None:
        try:
            await pilot.pause()
            await act(pilot)
        finally:
            app.exit()

    await app.run_async(headless=not painted, size=size, auto_pilot=act_and_leave)


async def stand(app: MiyabiApp, control: ReplayControl, pilot: Pilot[int], place: int) -> None:
    """Jump to a place and wait until the screen shows it."""
    control.seek(place)
    while control.jumping:
        await anyio.sleep(LOOK_SECONDS)
        app.race.pump()
    if control.trouble is not None:
        raise control.trouble
    app.race.pump()
    await pilot.pause()
