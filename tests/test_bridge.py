"""The bridge: one fold and one batch a pump."""

from __future__ import annotations

from miyabi_tui.bridge import Bridge
from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.worlds import FIVE, WorldId
from tests import board_states as states


def test_a_pump_folds_like_the_fold() -> None:
    for script in (states.racing(), states.mixed(), states.merged(), states.no_winner()):
        bridge = Bridge(states.FakeSubscription(script.records))
        batch = bridge.pump()
        assert batch is not None
        assert batch.state == bridge.state == fold(script.records)
        assert bridge.pump() is None


def test_streams_go_to_their_worlds_in_order() -> None:
    script = states.racing()
    batch = Bridge(states.FakeSubscription(script.records)).pump()
    assert batch is not None
    for world in FIVE:
        seqs = [record.seq for record in batch.streams[world]]
        assert seqs == sorted(seqs)
        assert all(e.world_of(record.event) is world for record in batch.streams[world])


def test_an_unchanged_world_stays_the_same_object() -> None:
    script = states.opened()
    control = states.FakeControl(script)
    bridge = Bridge(control.subscribe())
    bridge.pump()
    before = bridge.state
    control.more(e.WorldPaused(world=WorldId.BETA))
    bridge.pump()
    changed = [a.id for a, b in zip(before.worlds, bridge.state.worlds, strict=True) if a is not b]
    assert changed == [WorldId.BETA]
