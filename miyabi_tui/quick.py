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
TURN = 0.001  # seconds for which the engine's thread may hold up the screen's; Python's own: 0.005


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """Nothing is collected while a screen starts; what stays for good is never looked at again.

    Measured: three collections of 40 to 110 ms within the first seconds, each as long as a key
    would have waited.
    """
    turn = sys.getswitchinterval()
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
        sys.setswitchinterval(turn)


def _settle() -> None:
    gc.freeze()
    gc.enable()
