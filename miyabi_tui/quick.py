"""Keeps the screen's thread quick: no long pauses for the collector, and its turn soon."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTLED = 4.0  # seconds after which what was imported is all there is for the whole of a run
# Collections of the middle generation for one of everything, five full streams too: after ten
# million tokens a key in 55 had waited for 205 ms. What waits now are rings that outlived a screen.
SELDOM = 5_000
TURN = 0.001  # seconds for which the engine's thread may hold up the screen's; Python's own: 0.005


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """Nothing is collected while a screen starts; what stays for good is never looked at again.

    Measured: three collections of 40 to 110 ms within the first seconds, each as long as a key
    would have waited.
    """
    turn, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(TURN)
    gc.disable()
    settled = threading.Timer(SETTLED, _settle)
    settled.daemon = True
    settled.start()
    try:
        yield
    finally:
        settled.cancel()
        gc.enable()
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(turn)


def _settle() -> None:
    gc.freeze()
    youngest, middle, _ = gc.get_threshold()
    gc.set_threshold(youngest, middle, SELDOM)
    gc.enable()
