"""ctrl+z under lines: the worlds' commands are in sessions of their own, and stand still with us.

The signal only asks; the loop that prints does it, where no lock is held that the engine may want.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from miyabi_tui.engine.state import WorldStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from miyabi_tui.engine.engine import Engine
    from miyabi_tui.engine.worlds import WorldId

STILL_WITHIN = 5.0  # seconds after which we stop all the same
LOOKS = 0.02
SAID = "miyabi and its worlds stand still; fg or bg goes on"


@contextlib.contextmanager
def on_stop(engine: Engine) -> Iterator[Callable[[], None]]:
    """What the loop calls now and then: stops us with our worlds, if that was asked since."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True

    def stop_if_asked() -> None:
        nonlocal asked
        if asked:
            _stop(engine)
            asked = False  # pressed once more meanwhile, it was the same wish

    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGTSTP) is not signal.SIG_DFL:
        yield stop_if_asked  # nobody may stop us
        return
    signal.signal(signal.SIGTSTP, ask)
    try:
        yield stop_if_asked
    finally:
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)


def _stop(engine: Engine) -> None:
    """Pause who is at work, stop, and once we are let go on, let them go on."""
    held = _at_work(engine)
    for world in held:
        engine.pause(world)
    until = time.monotonic() + STILL_WITHIN
    while set(held) & set(_at_work(engine)) and time.monotonic() < until:
        time.sleep(LOOKS)
    if held:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{SAID}\n")
            sys.stderr.flush()
    before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    try:
        os.kill(os.getpid(), signal.SIGTSTP)
    finally:
        signal.signal(signal.SIGTSTP, before)
        for world in held:
            engine.proceed(world)


def _at_work(engine: Engine) -> list[WorldId]:
    run = engine.state
    if run.finished:
        return []
    return [one.id for one in run.worlds if not one.ended and one.status is not WorldStatus.PAUSED]
