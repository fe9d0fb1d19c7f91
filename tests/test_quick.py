"""The collector stands aside for a screen, and is afterwards as it was."""

from __future__ import annotations

import gc
import sys

from miyabi_tui import quick


def test_the_collector_stands_aside_and_is_as_before_afterwards() -> None:
    before = gc.isenabled(), gc.get_threshold(), sys.getswitchinterval()
    with quick.quick():
        assert not gc.isenabled()
        quick._settle()  # the start is over
        assert gc.isenabled()
        assert gc.get_threshold() == (*before[1][:2], quick.SELDOM)
    assert (gc.isenabled(), gc.get_threshold()) == before[:2]
    assert abs(sys.getswitchinterval() - before[2]) < 1e-6
