"""The table of REQ-RES-2: what a reading of the load makes of the number at once."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miyabi_tui.engine.resources.load import Load
from miyabi_tui.engine.resources.scaler import DynamicScaler, Step, step
from miyabi_tui.engine.terms import Governing

TERMS = Governing()
# below, at and between the marks, at and above the high one
MEMORY = [(0.0, "low"), (0.699, "low"), (0.7, ""), (0.8, ""), (0.9, ""), (0.901, "high")]
CPU = [(0.0, "low"), (0.749, "low"), (0.75, ""), (0.85, ""), (0.95, ""), (0.951, "high")]
DISK = [(0.0, "low"), (0.699, "low"), (0.7, ""), (0.8, ""), (0.85, ""), (0.851, "high")]
SHARES = st.floats(0, 1)


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_every_row_of_the_table(at_once: int) -> None:
    for (memory, one), (cpu, two), (disk, three) in itertools.product(MEMORY, CPU, DISK):
        kinds = {one, two, three}
        change = -1 if "high" in kinds else 1 if kinds == {"low"} else 0
        expected = min(4, max(1, at_once + change))

        found = step(at_once, Load(memory, cpu, disk), 4, TERMS)

        assert found.at_once == expected, (memory, cpu, disk)
        assert bool(found.reason) == (expected != at_once)


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (Load(0.93, 0.5, 0.5), Step(2, "memory 93 % (above 90 %)")),
        (Load(0.5, 1.0, 0.5), Step(2, "CPU 100 % (above 95 %)")),
        (Load(0.5, 0.5, 0.8512), Step(2, "disk 85.1 % (above 85 %)")),
        (Load(0.91, 0.96, 0.5), Step(2, "memory 91 % (above 90 %), CPU 96 % (above 95 %)")),
        (Load(0.2, 0.3, 0.4), Step(4, "there is room: memory 20 %, CPU 30 %, disk 40 %")),
        (Load(0.8, 0.3, 0.4), Step(3)),
    ],
)
def test_the_reason_is_in_words(load: Load, expected: Step) -> None:
    assert step(3, load, 4, TERMS) == expected


def test_the_marks_can_be_set() -> None:
    terms = Governing(cpu_high=1.0, cpu_low=0.99)

    assert step(2, Load(0.1, 1.0, 0.1), 4, terms).at_once == 2
    assert step(2, Load(0.1, 0.98, 0.1), 4, terms).at_once == 3


def test_it_keeps_count_from_the_maximum_down_to_one_and_back() -> None:
    scaler = DynamicScaler(TERMS, 3)
    busy, idle = Load(0.5, 0.99, 0.5), Load(0.1, 0.1, 0.1)

    assert scaler.at_once == 3
    assert [scaler.after(busy) for _ in range(4)] == [2, 1, 1, 1]
    assert scaler.reason == ""
    assert [scaler.after(idle) for _ in range(4)] == [2, 3, 3, 3]


@given(st.lists(st.builds(Load, SHARES, SHARES, SHARES)), st.integers(1, 9))
@settings(derandomize=True, database=None, deadline=None)
def test_it_never_leaves_its_bounds_nor_jumps(loads: list[Load], most: int) -> None:
    scaler = DynamicScaler(TERMS, most)
    for load in loads:
        before = scaler.at_once
        after = scaler.after(load)
        assert 1 <= after <= most
        assert abs(after - before) <= 1
