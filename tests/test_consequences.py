"""Every grave key says in words what it will do, and the footer what there is to do."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import fold
from miyabi_tui.screens import killing, pick
from miyabi_tui.screens.commands import COMMANDS, hints
from miyabi_tui.screens.undoing import Picked
from tests import board_states as states
from tests.desk import Desk, press, shown

A, B, C = states.A, states.B, states.C


def merging(script: states.Script, policy: e.MergePolicy) -> states.Script:
    """The same run with another policy."""
    begun = script.records[0]
    assert isinstance(begun.event, e.RunStarted)
    script.records[0] = replace(begun, event=replace(begun.event, merge=policy))
    return script


# --- kill -----------------------------------------------------------------------------------------


def test_a_kill_says_the_way_back_and_who_goes_on() -> None:
    run = fold(states.far(3).records)
    said = killing.consequences(run, run.world(B))
    assert "The other worlds go on." in said
    assert "u brings it back at step 3, its last checkpoint; r at any." in said
    assert said.endswith("Beta is at step 4.")


def test_a_kill_before_the_first_checkpoint_has_no_way_back() -> None:
    script = states.Script()
    script.records = [
        one for one in states.opened().records if not isinstance(one.event, e.CheckpointSaved)
    ]
    run = fold(script.records)
    said = killing.consequences(run, run.world(A))
    assert "It has no checkpoint yet: it could not be brought back." in said
    assert said.endswith("Alpha has not begun yet.")


def test_a_kill_of_the_last_world_says_what_becomes_of_the_race() -> None:
    script = states.choosing()
    run = fold(script.records)
    (last,) = [one for one in run.worlds if not one.ended]
    said = killing.consequences(run, last)
    assert "the winner is chosen from those that have a score" in said
    script = states.far(3)
    for world in run.worlds:
        if world.id is not B:
            script.add(e.WorldKilled(world=world.id, reason="killed by hand"))
    run = fold(script.records)
    assert "no other world may win" in killing.consequences(run, run.world(B))


# --- the winner -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (e.MergePolicy.ASK, "Nothing is merged before you press m; until then u takes"),
        (e.MergePolicy.AUTO, "It is then merged into miyabi/issue-270 at once; u cannot"),
        (e.MergePolicy.NEVER, "Nothing is merged, and the run ends with it; later: miyabi merge"),
    ],
)
def test_a_choice_says_what_becomes_of_it(policy: e.MergePolicy, said: str) -> None:
    run = fold(merging(states.choosing(), policy).records)
    assert said in pick.consequences(run, run.world(B))[-1]


def test_a_choice_taken_back_says_who_wins_then() -> None:
    control = states.FakeControl(states.Script())
    run = fold(states.overridden().records)
    assert run.winner is not None
    said = Picked(run.winner).undo(run, control)
    assert said == f"The choice of {run.winner} is taken back: by the evidence Alpha wins."
    run = fold(merging(states.overridden(), e.MergePolicy.AUTO).records)
    assert run.winner is not None
    assert "Alpha wins, and is merged into miyabi/issue-270 at once." in Picked(run.winner).undo(
        run, control
    )
    run = fold(states.nobody().records)
    assert "by the evidence no world may win" in Picked(A).undo(run, control)
    run = fold(states.racing().records)
    assert "the evidence chooses when all are done" in Picked(A).undo(run, control)


# --- the footer -----------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_where_keys_have_no_room_a_sign_says_so_and_the_help_has_them() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        footer = shown(desk.app.race.keyline)
        assert footer.endswith("…  ? help  q quit")
        assert "z zoom" in footer
        await press(pilot, "question_mark")
        text = desk.shown("#help-keys")
        missing = [one.help for one in COMMANDS if one.help not in text]
        assert not missing
        order = [text.index(f"{part}\n") for part in ("The focused world", "The race")]
        assert order == sorted(order)
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(200, 50)) as pilot:
        await pilot.pause()
        footer = shown(desk.app.race.keyline)
        assert "…" not in footer
        assert "y copy" in footer and "M mouse" in footer
        await press(pilot, "question_mark")
        assert "Signs" in desk.shown("#help-more") and "Signs" not in desk.shown("#help-keys")


@pytest.mark.anyio
async def test_the_footer_says_what_undo_takes_back() -> None:
    desk = Desk(states.far(3))
    async with desk.app.run_test(size=(200, 50)) as pilot:
        await press(pilot, "2", "k", "y")
        desk.control.more(e.WorldKilled(world=B, reason="killed by hand"))
        desk.app.race.pump()
        desk.app.race.show_again()
        await pilot.pause()
        assert "u undo kill" in shown(desk.app.race.keyline)


@pytest.mark.anyio
async def test_no_hint_is_cut_at_any_width() -> None:
    desk = Desk(states.waiting_for_merge())
    async with desk.app.run_test(size=(200, 50)) as pilot:
        await pilot.pause()
        offered = hints(desk.app.state, desk.app.race.world, zoomed=False, undo="choice")
        line = desk.app.race.keyline
        line.show(offered)
        for width in range(30, 220, 7):
            (strip,) = line.make(width, 1)
            said = strip.text.strip()
            assert said.endswith("?  q quit") or said.endswith("? help  q quit"), said
            assert said.startswith("m merge"), said
            known = {one.key: {one.label, one.short} for one in offered}
            for key, _, label in (part.partition(" ") for part in said.split("  ")):
                assert key == "…" or label in known[key], (width, said)
            everything = len(said.split("  ")) == len(offered)
            assert ("…" in said) is not everything
