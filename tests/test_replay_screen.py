"""`miyabi replay`: an old run in the same screen, from its journal alone."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from miyabi_tui import cli, paths
from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.events import Record
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.models.base import AssistantMessage, ToolCall, Usage
from miyabi_tui.engine.worlds import FIVE, WorldId, default_worlds
from miyabi_tui.replaying import past_diff
from miyabi_tui.replaying.divergence import DivergenceFinder
from miyabi_tui.replaying.moment import moment_at
from miyabi_tui.replaying.steered import NOT_STEERED
from miyabi_tui.replaying.survey import Kind, Survey
from miyabi_tui.replaying.tape import LONGEST_SILENCE
from miyabi_tui.screens.go_to import place_of
from miyabi_tui.screens.replay_commands import REPLAY, looking, steering
from tests import board_states as states
from tests.desk import shown
from tests.replays import RUN, Cinema, tape_of, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from miyabi_tui.replaying.divergence import Divergence

A, B, C, D, E = FIVE
SIZES = [(60, 16), (80, 24), (120, 40), (200, 50)]


# --- the tape -------------------------------------------------------------------------------------


def test_long_silences_are_shortened_and_places_found(tmp_path: Path) -> None:
    script = states.opened()
    before = len(script.records)
    script.add(e.PhaseChanged(phase=e.Phase.CHOOSING), after=3_600)
    tape = tape_of(tmp_path, script)
    assert len(tape) == len(script.records)
    assert tape.silence(before) == pytest.approx(3_600)
    assert tape.played(before + 1) - tape.played(before) == LONGEST_SILENCE
    assert tape.seconds < 10
    assert tape.read(0, 10_000) == script.records
    assert tape.read(before, before + 1) == script.records[-1:]
    assert tape.place_at(tape.seconds) == len(tape) and tape.place_at(-1.0) == 0
    assert place_of("7", tape) == 7 and place_of("0:00", tape) == tape.place_at(0)
    assert place_of("999,999", tape) == len(tape)
    assert place_of("", tape) is None and place_of("2:x", tape) is None


def test_every_state_is_the_fold_of_what_came_before(tmp_path: Path) -> None:
    script = states.merged()
    noise = random.Random(7)
    for index in range(1_800):
        world = noise.choice(FIVE)
        script.add(e.Output(world=world, channel=e.Channel.TEXT, text=f"{index}\n"), after=0.01)
    tape = tape_of(tmp_path, script)
    survey = Survey(tape)
    for place in (0, 1, 37, 499, 500, 501, 1_250, len(tape)):
        assert survey.state_at(place) == fold(script.records[:place])
    moment = moment_at(survey, tape, 1_250)
    told = [one for one in script.records[:1_250] if e.world_of(one.event) is A]
    assert list(moment.streams[A]) == told[-len(moment.streams[A]) :]


def test_a_jump_in_fifty_thousand_events_takes_few_of_them(tmp_path: Path) -> None:
    script = states.racing()
    for index in range(50_000):
        world = FIVE[index % 5]
        script.add(
            e.Output(world=world, channel=e.Channel.TEXT, text=f"token {index}\n"), after=0.1
        )
    tape = tape_of(tmp_path, script)
    survey = Survey(tape)
    survey.state_at(len(tape))
    for place in (49_999, 1_777, 25_250):
        moment = moment_at(survey, tape, place)
        assert moment.state.seq == place
        assert sum(map(len, moment.streams.values())) < 10_000


# --- the first divergence -------------------------------------------------------------------------


def first(*records: e.AnyEvent) -> Divergence | None:
    finder = DivergenceFinder()
    for number, event in enumerate(records, 1):
        finder.take(Record(number, 0.0, event))
    return finder.found


def turn(world: WorldId, step: int, *calls: tuple[str, str]) -> list[e.AnyEvent]:
    asked = tuple(ToolCall(f"{world}{step}{n}", *call) for n, call in enumerate(calls))
    finished = e.TurnFinished(
        world=world,
        step=step,
        message=AssistantMessage(text=f"words of {world}", tool_calls=asked),
        usage=Usage(),
        cost_usd=0.0,
        stop_reason="",
        seconds=0.0,
    )
    return [
        finished,
        *(
            e.ToolStarted(world=world, step=step, call_id=one.id, name=one.name, summary=one.name)
            for one in asked
        ),
    ]


LOOK = ("bash", '{"command": "ls", "timeout": 5}')
SAME = ("bash", '{"timeout": 5,  "command": "ls"}')
TEST = ("bash", '{"command": "pytest"}')


def test_worlds_differ_by_the_first_call_that_is_not_alike() -> None:
    assert first(*turn(A, 1, LOOK), *turn(B, 1, SAME)) is None
    found = first(*turn(A, 1, LOOK), *turn(B, 1, SAME), *turn(B, 2, TEST), *turn(A, 2, LOOK))
    assert found is not None
    assert (found.number, found.one, found.other, found.alike) == (8, B, A, 1)
    # Gamma never did the same as Alpha and Beta after the first call, so it is the first to differ
    found = first(*turn(A, 1, LOOK, LOOK), *turn(C, 1, TEST))
    assert found is not None and (found.one, found.other, found.alike) == (A, C, 0)


def test_words_and_the_summary_of_finish_are_no_difference() -> None:
    one = first(*turn(A, 1, ("finish", '{"summary": "x"}')), *turn(B, 1, ("finish", "y")))
    assert one is None


def test_the_same_calls_that_leave_something_else_differ() -> None:
    def step(world: WorldId, added: int) -> e.StepFinished:
        return e.StepFinished(world=world, step=1, lines_added=added, files_changed=1)

    found = first(*turn(A, 1, LOOK), *turn(B, 1, LOOK), step(A, 3), step(B, 4))
    assert found is not None and "+3 −0 in 1 file" in str(found)
    assert first(*turn(A, 1, LOOK), *turn(B, 1, LOOK), step(A, 3), step(B, 3)) is None


def test_a_world_that_went_back_has_done_what_that_past_had() -> None:
    config = default_worlds(states.MODEL, states.OTHER)[1]
    back = e.WorldForked(world=B, source=A, step=1, checkpoint="c" * 40, config=config, system="")
    done = e.StepFinished(world=A, step=1)
    found = first(*turn(A, 1, LOOK), done, *turn(A, 2, TEST), back, *turn(B, 2, TEST))
    assert found is None


# --- on the screen --------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_it_plays_at_the_pace_of_the_race_and_stands_still(tmp_path: Path) -> None:
    tape = await anyio_tape(tmp_path, states.merged())
    with Cinema(tape) as cinema:
        async with cinema.app.run_test(size=(120, 40)) as pilot:
            await cinema.settle(pilot)
            await cinema.pass_time(pilot, 4.0)
            place = cinema.control.place
            assert place == tape.place_at(4.0) and 0 < place < len(tape)
            assert cinema.race.run_state == fold(states.merged().records[:place])
            assert cinema.app.race.headline._now == pytest.approx(cinema.control.clock(), abs=1.1)
            await cinema.press(pilot, "space")
            await cinema.pass_time(pilot, 4.0)
            assert cinema.control.place == place and "‖" in cinema.bar()
            await cinema.press(pilot, "space", "greater_than_sign", "plus")
            await cinema.pass_time(pilot, 1.0)
            assert "4×" in cinema.bar()
            assert cinema.control.place == tape.place_at(8.0)
            await cinema.press(pilot, "less_than_sign", "minus", "minus")
            assert "0.5×" in cinema.bar()


@pytest.mark.anyio
async def test_jumping_back_rebuilds_state_and_streams(tmp_path: Path) -> None:
    script = states.merged()
    tape = await anyio_tape(tmp_path, script)
    with Cinema(tape, at=46) as cinema:
        async with cinema.app.run_test(size=(120, 40)) as pilot:
            await cinema.settle(pilot)
            then = {world: cinema.stream(world) for world in FIVE}
            assert "csv" in then[A]
            await cinema.press(pilot, "ctrl+end")
            assert cinema.race.run_state == fold(script.records)
            assert cinema.control.player.ended and "■" in cinema.bar()
            await cinema.press(pilot, "backspace")
            assert cinema.control.place == 46
            assert {world: cinema.stream(world) for world in FIVE} == then
            await cinema.press(pilot, "3", "ctrl+home")
            assert cinema.race.run_state.run_id == "" and not cinema.race.board.panes
            await cinema.press(pilot, "backspace")
            assert {world: cinema.stream(world) for world in FIVE} == then


@pytest.mark.anyio
async def test_after_a_jump_the_gauges_show_the_past_up_to_there(tmp_path: Path) -> None:
    script = states.racing()
    for percent in (10.0, 40.0, 90.0, 20.0):
        gauge = e.Gauge(A, percent, 100_000_000 + int(percent) * 1_000_000, 3)
        script.add(e.Gauges(worlds=(gauge,)), after=1)
    tape = await anyio_tape(tmp_path, script)
    with Cinema(tape, at=len(tape)) as cinema:
        async with cinema.app.run_test(size=(120, 40)) as pilot:
            await cinema.settle(pilot)
            trail = cinema.race.board.pane(A).foot.trail
            assert list(trail.cpu) == [97.0, 10.0, 40.0, 90.0, 20.0]
            assert list(trail.memory)[-1] == 120_000_000
            assert not cinema.race.board.pane(C).foot.trail.cpu
            await cinema.press(pilot, *["left_parenthesis"], "number_sign")
            await pilot.press(*str(tape.number(len(tape) - 1)), "enter")
            await cinema.settle(pilot)
            assert cinema.control.place == len(tape) - 1
            trail = cinema.race.board.pane(A).foot.trail
            assert list(trail.cpu) == [97.0, 10.0, 40.0, 90.0]
            assert "█▁▄█ 90%" in shown(cinema.race.board.pane(A).foot)
            await cinema.press(pilot, "ctrl+home", "ctrl+end")
            assert list(cinema.race.board.pane(A).foot.trail.cpu)[-1] == 20.0


@pytest.mark.anyio
async def test_an_extra_world_is_there_only_from_its_fork_on(tmp_path: Path) -> None:
    script = states.crowded(7)
    tape = await anyio_tape(tmp_path, script)
    fork = next(
        n for n, one in enumerate(script.records, 1) if isinstance(one.event, e.WorldForked)
    )
    with Cinema(tape, at=len(tape)) as cinema:
        async with cinema.app.run_test(size=(120, 40)) as pilot:
            await cinema.settle(pilot)
            await cinema.press(pilot, "7")
            assert len(cinema.race.board.panes) == 7
            cinema.control.seek(fork - 1)
            await cinema.settle(pilot)
            assert len(cinema.race.board.panes) == 5
            await cinema.press(pilot, "2")
            assert cinema.race.board.focused_world is B


@pytest.mark.anyio
async def test_a_closed_dialog_gives_no_keys_to_a_pane_that_was_put_away(tmp_path: Path) -> None:
    tape = await anyio_tape(tmp_path, states.merged())
    with Cinema(tape, at=len(tape)) as cinema:
        async with cinema.app.run_test(size=(120, 40)) as pilot:
            await cinema.settle(pilot)
            await cinema.press(pilot, "b", "ctrl+home")
            assert cinema.race.board.panes == ()
            await cinema.press(pilot, "question_mark", "escape", "tab", "2", "z", "ctrl+end")
            assert len(cinema.race.board.panes) == 5
            await cinema.press(pilot, "2")
            assert cinema.race.board.focused_world is B


@pytest.mark.anyio
async def test_marks_seconds_and_events(tmp_path: Path) -> None:
    script = states.merged()
    tape = await anyio_tape(tmp_path, script)
    with Cinema(tape, at=60) as cinema:
        async with cinema.app.run_test(size=(120, 40)) as pilot:
            await cinema.settle(pilot)
            marks = cinema.control.survey.marks
            phases = [one.place for one in marks if one.kind is Kind.PHASE]
            await cinema.press(pilot, "right_curly_bracket")
            assert cinema.control.place == min(one for one in phases if one > 60)
            assert "choosing" in cinema.bar()
            await cinema.press(pilot, "left_curly_bracket", "left_curly_bracket")
            assert cinema.control.place == 0
            await cinema.press(pilot, "right_square_bracket", "right_square_bracket")
            assert "Alpha" in cinema.bar()
            await cinema.press(pilot, "right_parenthesis")
            assert cinema.control.place == tape.place_at(tape.played(14) + 10)
            await cinema.press(pilot, "left_parenthesis")
            await cinema.press(pilot, "number_sign", *"x", "enter")
            assert len(cinema.app.screen_stack) == 2  # it says what can be written
            await cinema.press(pilot, "backspace", *"52", "enter")
            assert cinema.control.place == 52
            assert {one.event for one in cinema.control.records(world=A)} == {
                one.event for one in script.records[:52] if e.world_of(one.event) is A
            }


@pytest.mark.anyio
async def test_to_the_first_divergence_and_back(tmp_path: Path) -> None:
    tape = await anyio_tape(tmp_path, states.merged())
    with Cinema(tape, at=80) as cinema:
        async with cinema.app.run_test(size=(120, 40)) as pilot:
            await cinema.settle(pilot)
            found = cinema.control.survey.divergence
            assert found is not None and (found.one, found.other) == (A, B)
            await cinema.press(pilot, "v")
            assert cinema.control.place == tape.place_of(found.number)
            assert cinema.toasts[-1] == str(found)
            await cinema.press(pilot, "v")
            assert cinema.control.place == 80


@pytest.mark.anyio
async def test_nothing_can_be_steered(tmp_path: Path) -> None:
    tape = await anyio_tape(tmp_path, states.asked())
    with Cinema(tape, at=len(tape)) as cinema:
        async with cinema.app.run_test(size=(120, 40)) as pilot:
            await cinema.settle(pilot)
            keys = ("p", "k", "s", "S", "w", "m", "a", "r")
            await cinema.press(pilot, *keys)
            assert cinema.toasts == [NOT_STEERED] * len(keys)
            assert len(cinema.app.screen_stack) == 1
            await cinema.press(pilot, "q")
    assert {f"action_{one.action}" for one in (*REPLAY, *looking())}.isdisjoint(steering())
    keys_ = [key for one in REPLAY for key in one.keys.split(",")]
    assert len(keys_) == len(set(keys_))


@pytest.mark.anyio
async def test_at_the_speed_max_it_is_over_at_once_and_plays_again(tmp_path: Path) -> None:
    tape = await anyio_tape(tmp_path, states.merged())
    with Cinema(tape, speed=float("inf")) as cinema:
        async with cinema.app.run_test(size=(80, 24)) as pilot:
            await cinema.settle(pilot)
            await cinema.pass_time(pilot, 1.0)
            assert cinema.control.place == len(tape) and cinema.race.run_state.finished
            await cinema.press(pilot, "space")
            assert cinema.control.player.playing or cinema.control.place == len(tape)


@pytest.mark.anyio
async def test_a_diff_that_is_kept_nowhere_says_why(tmp_path: Path) -> None:
    tape = await anyio_tape(tmp_path, states.merged())
    with Cinema(tape, at=60) as cinema:
        async with cinema.app.run_test(size=(120, 40)) as pilot:
            await cinema.settle(pilot)
            await pilot.press("d")
            await pilot.app.workers.wait_for_complete()
            await pilot.pause()
            with pytest.raises(Exception, match="the repository of this run is gone"):
                cinema.control.diff(A)


def test_a_diff_is_that_of_the_last_checkpoint_before(repository: Callable[..., Any]) -> None:
    repo = repository({"a.txt": "one\n"})
    base = repo.git("rev-parse", "HEAD")
    commits = []
    for number in (1, 2):
        (repo.path / "a.txt").write_text(f"one\nstep {number}\n")
        repo.git("commit", "-qam", f"step {number}")
        commits.append(repo.git("rev-parse", "HEAD"))
    script = states.opened(worlds=2)
    start = script.records[0].event
    assert isinstance(start, e.RunStarted)
    where = replace(start, repo=str(repo.path), base_commit=base)
    script.records[0] = replace(script.records[0], event=where)
    script.records = [one for one in script.records if not isinstance(one.event, e.CheckpointSaved)]
    script.add(e.StepFinished(world=A, step=1, checkpoint=commits[0]))
    script.add(e.StepFinished(world=A, step=2, checkpoint=commits[1]))
    script.add(e.StepFinished(world=B, step=1, checkpoint="f" * 40))
    assert "+step 2" in past_diff.diff(fold(script.records), A)
    assert "+step 1" in past_diff.diff(fold(script.records[:-2]), A)
    for records, world, why in (
        (script.records, B, "fffffffff is not in"),
        (script.records[:-3], A, "no checkpoint yet"),
    ):
        with pytest.raises(UsageError, match=why):
            past_diff.diff(fold(records), world)


@pytest.mark.anyio
async def test_what_is_read_in_full_moves_along(tmp_path: Path) -> None:
    tape = await anyio_tape(tmp_path, states.merged())
    with Cinema(tape, at=60) as cinema:
        async with cinema.app.run_test(size=(120, 40)) as pilot:
            await cinema.settle(pilot)
            await cinema.press(pilot, "2", "z")
            for place in (46, 0, 86, 30):
                cinema.control.seek(place)
                await cinema.settle(pilot)
                assert cinema.control.place == place
            await cinema.press(pilot, "z")
            assert len(cinema.race.board.panes) == 5


@pytest.mark.anyio
async def test_a_journal_that_goes_away_is_said(tmp_path: Path) -> None:
    tape = await anyio_tape(tmp_path, states.merged())
    with Cinema(tape) as cinema:
        tape.journal.rename(tmp_path / "elsewhere.db")
        async with cinema.app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            cinema.now += 0.5
            cinema.race.pump()
            while not cinema.control.trouble:
                await pilot.pause(0.01)
                cinema.race.pump()
            assert "cannot" in cinema.bar()


async def anyio_tape(folder: Path, script: states.Script) -> Any:
    from miyabi_tui.replaying.tape import Tape

    await write(folder / "journal.db", script)
    return Tape(folder / "journal.db", RUN)


# --- the command ----------------------------------------------------------------------------------


def test_what_cannot_be_replayed_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay"]) == cli.WRONG_USE
    assert "make one: miyabi demo" in capsys.readouterr().err
    assert not paths.journal_path().exists()
    paths.journal_path().parent.mkdir(parents=True, exist_ok=True)
    tape_at(paths.journal_path(), states.merged())
    for words, said in (
        (["replay", "zz"], "see: miyabi runs"),
        (["replay", "--at", "9999"], "the last one is 86"),
        (["replay", "r1"], "a replay needs a terminal"),
    ):
        assert cli.main(words) == cli.WRONG_USE
        assert said in capsys.readouterr().err


def test_pictures_without_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths.journal_path().parent.mkdir(parents=True, exist_ok=True)
    tape_at(paths.journal_path(), states.merged())
    folder = tmp_path / "pictures"
    assert cli.main(["replay", "r1", "--export-svg", str(folder), "--size", "80x24"]) == cli.WINNER
    names = ["racing-begins", "divergence", "racing", "choosing", "merging", "end"]
    made = [f"{number:02}-{name}.svg" for number, name in enumerate(names, 1)]
    assert sorted(one.name for one in folder.iterdir()) == made
    assert "6 pictures in" in capsys.readouterr().out
    assert "merged" in (folder / "06-end.svg").read_text("utf-8")
    blocked = tmp_path / "file"
    blocked.touch()
    assert cli.main(["replay", "r1", "--export-svg", str(blocked)]) == cli.WRONG_USE


def tape_at(journal: Path, script: states.Script) -> None:
    import anyio

    anyio.run(write, journal, script)


# --- pictures -------------------------------------------------------------------------------------


def test_replay(snap_compare: Any, tmp_path: Path) -> None:
    assert pictured(snap_compare, tape_of(tmp_path, states.merged()), (120, 40), at=60)


def test_divergence(snap_compare: Any, tmp_path: Path) -> None:
    assert pictured(snap_compare, tape_of(tmp_path, states.merged()), (120, 40), "v", at=80)


def test_end(snap_compare: Any, tmp_path: Path) -> None:
    assert pictured(snap_compare, tape_of(tmp_path, states.merged()), (80, 24), "ctrl+end", at=60)


def test_help(snap_compare: Any, tmp_path: Path) -> None:
    tape = tape_of(tmp_path, states.merged())
    assert pictured(snap_compare, tape, (80, 24), "question_mark", at=60)


def test_go_to(snap_compare: Any, tmp_path: Path) -> None:
    tape = tape_of(tmp_path, states.merged())
    assert pictured(snap_compare, tape, (60, 16), "number_sign", *"5x", "enter", at=60)


def pictured(
    snap_compare: Callable[..., bool], tape: Any, size: tuple[int, int], *keys: str, at: int
) -> bool:
    with Cinema(tape, at=at) as cinema:

        async def before(pilot: Any) -> None:
            await cinema.settle(pilot)
            await cinema.press(pilot, *keys)

        return snap_compare(cinema.app, terminal_size=size, run_before=before)
