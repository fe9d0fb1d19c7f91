"""The response cache: what is a hit in another worktree, what never is, and what survives."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miyabi_tui.engine.agents import tools
from miyabi_tui.engine.agents.prompting import first_message, system_prompt
from miyabi_tui.engine.events import Issue
from miyabi_tui.engine.models.base import (
    AssistantMessage,
    Message,
    ReasoningDelta,
    Sampling,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolMessage,
    Turn,
    TurnEnd,
    Usage,
    UserMessage,
)
from miyabi_tui.engine.models.cache import open_cache
from miyabi_tui.engine.models.canonical import Ground, Key, Keys, Names
from miyabi_tui.engine.models.recall import Recall
from miyabi_tui.engine.repo.worktrees import FiveWorldsManager
from miyabi_tui.engine.sandbox.environment import world_environment
from miyabi_tui.engine.worlds import Effort, WorldId, default_worlds
from tests.places import bare

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.repositories import Repository

pytestmark = pytest.mark.anyio
EXAMPLES = settings(max_examples=40, derandomize=True, database=None, deadline=None)
FIRST, SECOND = (
    Ground(Path(f"/r/.miyabi/worktrees/world-Alpha/issue-1/do-it-{run}"), "c0ffee", ports)
    for run, ports in (("1a2b", range(20_000, 20_020)), ("3c4d", range(21_000, 21_020)))
)


def turn(*messages: Message, world: WorldId = WorldId.ALPHA, **changed: Any) -> Turn:
    given: dict[str, Any] = {
        "world": world,
        "system": "Work.",
        "messages": messages or (UserMessage("Go."),),
        "tools": tools.specifications(),
        "temperature": 0.3,
        "effort": Effort.LOW,
    }
    return Turn(**(given | changed))


def sampling(turn: Turn) -> Sampling:
    return Sampling("claude", effort=turn.effort.value)


def key(ground: Ground, turn: Turn, model: str = "anthropic/claude") -> Key:
    return Keys(ground, Names(ground)).key(model, sampling(turn), turn)


def said(text: str, name: str = "bash") -> tuple[Message, ...]:
    """A conversation that ends with what a tool said."""
    call = ToolCall("id", name, "{}")
    return UserMessage("Go."), AssistantMessage(tool_calls=(call,)), ToolMessage("id", text)


def answer(text: str = "Yes.", *commands: str, stop_reason: str = "tool_use") -> TurnEnd:
    calls = tuple(
        ToolCall(f"toolu_{number}", "bash", json.dumps({"command": command}))
        for number, command in enumerate(commands)
    )
    return TurnEnd(AssistantMessage(text, "Hm.", calls), Usage(10, 5), stop_reason, 0.25)


# --- the key --------------------------------------------------------------------------------------

COMMANDS = (
    "pwd; ls -la; cat .git",
    "git status; git branch --show-current; git log -1 --format='%h %cr'",
    "python -m pytest test_it.py",
    "python -c 'print(object(), flush=True); import os; print(\"pid\", os.getpid())'; date",
    "mktemp -d; time sleep 0.01; python -c 'import datetime; print(datetime.datetime.now())'",
    "echo serving on http://localhost:$PORT, MIYABI_PORT_FIRST=$MIYABI_PORT_FIRST",
    "python -m unittest test_it.py; python -c \"open('/nowhere')\"",
    "for n in $(seq 3000); do echo line $n; done",
)


async def conversation(
    repo: Repository, run: str, lean: Path, temporary: str, ports: range
) -> tuple[Ground, tuple[Turn, ...]]:
    """What a world asks its model in a run: each turn of it, with what its commands really said."""
    world, issue = default_worlds("a/b", "a/c")[0], Issue("issue-7", "Do it", "Do it well.")
    manager = FiveWorldsManager(repo.opened(), repo.head, issue.key, f"do-it-{run}")
    worktree = await manager.spawn_world(world.id)
    environment = world_environment(
        world.id, path_first=[lean.parent], ports=ports, base={**os.environ, "TMPDIR": temporary}
    )
    box = tools.Toolbox(worktree.path, bare(environment))
    history: tuple[Message, ...] = (UserMessage(first_message(issue)),)
    turns = []
    for number, command in enumerate(COMMANDS):
        turns.append(turn(*history, system=system_prompt(world, worktree.path)))
        call = ToolCall(f"toolu_{run}_{number}", "bash", json.dumps({"command": command}))
        result = await box.run(tools.parse(call), lambda channel, text: None)
        spoken = AssistantMessage(f"Now {worktree.path}.", "", (call,))
        history = (*history, spoken, ToolMessage(call.id, result.text, result.is_error))
    turns.append(turn(*history, system=system_prompt(world, worktree.path)))
    return Ground(worktree.path, repo.head, ports), tuple(turns)


async def test_a_race_repeated_on_the_same_commit_asks_the_same(
    repository: Callable[..., Repository], lean: Path, tmp_path: Path
) -> None:
    body = "def test_it(tmp_path):\n    print(tmp_path, object())\n    assert tmp_path == 1\n"
    repo = repository({"test_it.py": body, "a.py": "A = 1\n"})

    one, first = await conversation(repo, "1a2b", lean, str(tmp_path), range(20_000, 20_020))
    two, second = await conversation(repo, "3c4d", lean, str(tmp_path), range(23_460, 23_480))

    said = [message.text for message in first[-1].messages if isinstance(message, ToolMessage)]
    assert all(words in "\n".join(said) for words in ("1 failed in", "real\t0m", "left out"))
    for before, after in zip(first, second, strict=True):
        assert key(one, before).canonical == key(two, after).canonical, after.messages[-1]
    assert key(one, first[-1]).exact != key(two, second[-1]).exact


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("== 1 passed in 0.12s ==", "= 1 passed in 10.34s ="),
        ("3 passed in 61.20s (0:01:01)", "3 passed in 62.90s (0:01:02)"),
        ("  ✓ adds (2 ms)", "  ✓ adds (13 ms)"),
        ("ok  \tpkg/x\t0.005s", "ok  \tpkg/x\t0.117s"),
        ("Time:        1.234 s", "Time:        0.9 s"),
        ("real\t0m0.012s", "real\t1m2.345s"),
        ("at 2026-11-22T22:02:12.5Z", "at 2026-11-23T01:59:59.125Z"),
        ("[22:02:25] compiling", "[09:15:01] compiling"),
        ("c0ffee 3 hours ago", "c0ffee 1 day ago"),
        ("<Entry object at 0x7f31c2a4b9d0>", "<Entry object at 0x7fa0c2a4b111>"),
        ("/tmp/pytest-of-jo/pytest-7/test_it0", "/tmp/pytest-of-jo/pytest-12/test_it0"),
        ("/tmp/tmpab12cd_9/x", "/tmp/tmpzzzzzzzz/x"),
        ("started, pid 4711", "started, pid 12"),
        ("==4711== Invalid read", "==4712== Invalid read"),
        ("http://127.0.0.1:40123/", "http://127.0.0.1:51234/"),
        ("-rw-r--r-- 1 jo jo 12 Nov 22 22:02 a.py", "-rw-r--r-- 1 jo jo 12 Nov 23  09:15 a.py"),
        ("drwxr-xr-x 3 jo jo 60 Nov 22 22:02 ..", "drwxr-xr-x 9 jo jo 180 Nov 22 22:02 .."),
        ("a\nb\n… 120 characters left out …\nc\nd", "a\nbb\n… 118 characters left out …\nc\nd"),
    ],
)
def test_noise_in_a_commands_output_does_not_count(one: str, other: str) -> None:
    assert key(FIRST, turn(*said(one))) != key(FIRST, turn(*said(other)))
    assert key(FIRST, turn(*said(one))).canonical == key(SECOND, turn(*said(other))).canonical
    # As a file shows it, it is what is worked on.
    assert (
        key(FIRST, turn(*said(one, "read"))).canonical
        != key(FIRST, turn(*said(other, "read"))).canonical
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1 passed in 0.12s", "2 passed in 0.12s"),
        ("[exit code 0]", "[exit code 1]"),
        ("[ended after 120 s: the time limit]", "[ended after 60 s: the time limit]"),
        ("timeout = 5s", "timeout = 7s"),
        ("total 1.50", "total 1.75"),
        ("due 2026-11-22", "due 2026-11-23"),
        ("worked 01:30 of 08:00", "worked 02:30 of 08:00"),
        ("MASK = 0xff00ff", "MASK = 0xff00fe"),
        ("version 3.11.7", "version 3.12.1"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8001/"),
        ("-rw-r--r-- 1 jo jo 12 Nov 22 22:02 a.py", "-rw-r--r-- 1 jo jo 13 Nov 22 22:02 a.py"),
        ("/tmp/tmpl/a", "/tmp/tmpl/b"),
        ("cut in 2 pieces", "cut in 3 pieces"),
    ],
)
def test_what_is_no_noise_counts(one: str, other: str) -> None:
    assert key(FIRST, turn(*said(one))).canonical != key(FIRST, turn(*said(other))).canonical


@EXAMPLES
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(["{} left", "n={}", "[{}]"]))
def test_a_number_by_itself_always_counts(one: int, other: int, form: str) -> None:
    keys = {key(FIRST, turn(*said(form.format(n)))).canonical for n in (one, other)}

    assert len(keys) == len({one, other})


@pytest.mark.parametrize(
    "other",
    [
        turn(world=WorldId.BETA),
        turn(system="Work hard."),
        turn(UserMessage("Go on.")),
        turn(UserMessage("Wait 5s in 2 seconds.")),
        turn(UserMessage("Wait 5s in 3 seconds.")),
        turn(effort=Effort.HIGH),
        turn(max_tokens=8_000),
        turn(tools=()),
        turn(*said("")),
    ],
)
def test_every_part_of_a_request_counts(other: Turn) -> None:
    asked = key(FIRST, turn()).canonical

    assert key(FIRST, other).canonical != asked
    assert key(FIRST, turn(temperature=1.0, step=9)).canonical == asked  # neither is sent
    assert key(FIRST, turn(), "anthropic/other").canonical != asked
    for ground in (Ground(FIRST.worktree, "f00"), Ground(FIRST.worktree, "c0ffee", salt="2")):
        assert key(ground, turn()).canonical != asked


def test_a_growing_conversation_has_the_same_keys_as_a_whole_one() -> None:
    keys, messages = Keys(FIRST, Names(FIRST)), said("1 passed in 0.1s") * 3
    for count in (*range(1, 10), 4, 9):  # also after going back
        asked = turn(*messages[:count])
        assert keys.key("anthropic/claude", sampling(asked), asked) == key(FIRST, asked)


# --- answers in another worktree ------------------------------------------------------------------

TEXTS = st.lists(
    st.sampled_from([str(FIRST.worktree), FIRST.worktree.name, "localhost:20007", "cd ", '"', "é"])
    | st.text(max_size=8),
    max_size=8,
).map("".join)


@EXAMPLES
@given(TEXTS)
def test_names_come_back_as_they_were_and_never_in_another_worktree(text: str) -> None:
    names, others = Names(FIRST), Names(SECOND)
    raw = json.dumps({"command": text}, ensure_ascii=False)

    assert names.settled(names.lifted(text)) == text
    assert names.settled(names.lifted(raw), as_json=True) == raw
    moved = others.settled(names.lifted(raw), as_json=True)
    assert FIRST.worktree.name not in moved
    expected = text.replace(FIRST.worktree.name, SECOND.worktree.name)
    assert json.loads(moved)["command"] == expected.replace("localhost:20007", "localhost:21007")


@pytest.mark.parametrize("folder", ["/r", "/my repo", '/o"dd', "/jürgen"])
@pytest.mark.parametrize("form", ["{}", "{!r}", "json", "shell"])
async def test_a_hit_works_in_the_present_worktree(tmp_path: Path, folder: str, form: str) -> None:
    def ground(run: str) -> Ground:
        return Ground(Path(f"{folder}/.miyabi/worktrees/world-Alpha/issue-1/do-it-{run}"), "c0")

    def spelled(one: Ground) -> str:
        path = str(one.worktree)
        if form == "shell":
            return "cd " + path.replace(" ", "\\ ")
        return f"cd {json.dumps(path)}" if form == "json" else f"cd {form.format(path)}"

    one, two = ground("1a2b"), ground("3c4d")
    async with open_cache(tmp_path / "cache.db") as cache:
        await Recall(cache, one, "a/b", sampling).keep(
            turn(), answer(f"In {one.worktree}.", spelled(one))
        )
        found = await Recall(cache, two, "a/b", sampling).find(turn())

    assert found is not None
    assert found.message.text == f"In {two.worktree}."
    assert json.loads(found.message.tool_calls[0].arguments) == {"command": spelled(two)}
    assert found.message.tool_calls[0].id == "toolu_0"
    assert (found.cached, found.cost_usd, found.usage) == (True, 0.0, Usage(10, 5))


async def test_a_worktree_is_known_by_its_real_path_too(tmp_path: Path) -> None:
    """Commands see it so where the repository is behind a symbolic link."""
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    one, two = (tmp_path / "link" / f"do-it-{run}" for run in ("1a2b", "3c4d"))
    first, second = (turn(*said(f"{tmp_path}/disk/{path.name}/a.py")) for path in (one, two))
    async with open_cache(tmp_path / "cache.db") as cache:
        await Recall(cache, Ground(one), "a/b", sampling).keep(
            first, answer("Yes.", f"cd {tmp_path}/disk/{one.name}")
        )
        found = await Recall(cache, Ground(two), "a/b", sampling).find(second)

    assert found is not None
    assert json.loads(found.message.tool_calls[0].arguments) == {"command": f"cd {two}"}


THINKING = {"type": "thinking", "thinking": f"See {FIRST.worktree}", "signature": "sig"}
SPOKEN = {"type": "text", "text": f"In {FIRST.worktree}."}


@pytest.mark.parametrize(
    "signed",
    [THINKING, {"type": "reasoning", "summary": [], "encrypted_content": "x"}],
)
async def test_signed_items_come_back_to_their_own_conversation_alone(
    tmp_path: Path, signed: dict[str, Any]
) -> None:
    native = (signed, SPOKEN)
    end = TurnEnd(AssistantMessage(SPOKEN["text"], native=native), Usage(1, 1), "end_turn")
    here, there = (turn(system=f"In {one.worktree}") for one in (FIRST, SECOND))
    async with open_cache(tmp_path / "cache.db") as cache:
        await Recall(cache, FIRST, "a/b", sampling).keep(here, end)
        same = await Recall(cache, FIRST, "a/b", sampling).find(here)
        moved = await Recall(cache, SECOND, "a/b", sampling).find(there)

    assert same is not None and same.message == end.message
    assert moved is not None and moved.message.native == ()
    assert moved.message.text == f"In {SECOND.worktree}."
    # The history goes on being the same, with its items or without.
    after = (
        turn(*one.messages, m, UserMessage("On."))
        for one, m in ((here, same.message), (here, moved.message))
    )
    assert len({key(FIRST, one).canonical for one in after}) == 2
    assert key(FIRST, turn(same.message)).canonical == key(SECOND, turn(moved.message)).canonical


async def test_unsigned_items_move_with_the_worktree(tmp_path: Path) -> None:
    arguments = json.dumps({"command": f'cd "{FIRST.worktree}"'})
    called = {"id": "c", "type": "function", "function": {"name": "bash", "arguments": arguments}}
    item = {"role": "assistant", "content": SPOKEN["text"], "tool_calls": [called]}
    end = TurnEnd(AssistantMessage("Yes.", native=(item,)), Usage(1, 1), "stop")
    async with open_cache(tmp_path / "cache.db") as cache:
        await Recall(cache, FIRST, "a/b", sampling).keep(turn(), end)
        found = await Recall(cache, SECOND, "a/b", sampling).find(turn())

    assert found is not None
    text = json.dumps(found.message.native)
    assert str(FIRST.worktree) not in text and text.count(str(SECOND.worktree)) == 2


# --- what is kept ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end",
    [
        *(
            answer(stop_reason=reason)
            for reason in (
                "max_tokens length max_output_tokens incomplete refusal content_filter "
                "pause_turn model_context_window_exceeded failed cancelled"
            ).split()
        ),
        answer(""),
        TurnEnd(AssistantMessage("", "Only thoughts."), Usage(1, 1), "end_turn"),
        TurnEnd(AssistantMessage("", "", (ToolCall("c", "bash", '{"comm'),)), Usage(), "tool_use"),
        TurnEnd(
            AssistantMessage(
                "No.", native=({"type": "message", "content": [{"type": "refusal"}]},)
            ),
            Usage(1, 1),
            "completed",
        ),
        answer("a placeholder by itself: ⟦miyabi:worktree⟧"),
        answer("half a pair: \ud83d"),
    ],
)
async def test_a_turn_that_is_not_whole_is_not_kept(tmp_path: Path, end: TurnEnd) -> None:
    async with open_cache(tmp_path / "cache.db") as cache:
        recall = Recall(cache, FIRST, "a/b", sampling)
        await recall.keep(turn(), end)
        assert await recall.find(turn()) is None
        assert (cache.hits, cache.misses, cache.trouble) == (0, 1, "")


@pytest.mark.parametrize("reason", ["end_turn", "tool_use", "completed", "stop", "tool_calls"])
async def test_a_whole_turn_is_kept_also_with_estimated_usage(tmp_path: Path, reason: str) -> None:
    end = TurnEnd(AssistantMessage("Yes."), Usage(1, 1, estimated=True), reason, None)
    async with open_cache(tmp_path / "cache.db") as cache:
        recall = Recall(cache, FIRST, "a/b", sampling)
        await recall.keep(turn(), end)
        assert await recall.find(turn()) is not None


async def test_a_hit_streams_like_a_turn_and_lets_others_run(tmp_path: Path) -> None:
    words, command = "One word after another. " * 20, "echo " + "x" * 200
    async with open_cache(tmp_path / "cache.db") as cache:
        recall = Recall(cache, FIRST, "a/b", sampling)
        await recall.keep(turn(), answer(words, command, "true"))
        found = await recall.find(turn())
    assert found is not None
    others = 0

    async def other() -> None:
        nonlocal others
        while True:
            await anyio.lowlevel.checkpoint()
            others += 1

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        items = [item async for item in recall.replayed(found)]
        group.cancel_scope.cancel()

    *deltas, end = items
    assert "".join(one.text for one in deltas if isinstance(one, TextDelta)) == words
    assert "".join(one.text for one in deltas if isinstance(one, ReasoningDelta)) == "Hm."
    calls = [one for one in deltas if isinstance(one, ToolCallDelta)]
    assert "".join(one.text for one in calls if one.call_id == "toolu_0") == json.dumps(
        {"command": command}
    )
    assert {one.name for one in calls} == {"bash"} and len(deltas) > 10
    assert isinstance(end, TurnEnd) and end.cached and end.cost_usd == 0.0
    assert others > len(deltas) // 2


# --- the file -------------------------------------------------------------------------------------


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


async def test_answers_survive_and_are_shared(tmp_path: Path) -> None:
    path = tmp_path / "state" / "cache.db"
    async with open_cache(path) as one, open_cache(path) as other:
        await one.put("k", b"answer")
        assert await other.get("k") == b"answer"  # another engine's, at once
        assert await other.get("x") is None
        assert (other.hits, other.misses, other.hit_rate) == (1, 1, 0.5)
    async with open_cache(path) as later:
        assert await later.get("k") == b"answer"
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("again", [False, True])
async def test_the_least_used_goes_first(tmp_path: Path, again: bool) -> None:
    """Within one engine, and after a restart, whose memory is empty."""
    path, clock = tmp_path / "cache.db", Clock()
    async with open_cache(path, entries=3, clock=clock) as cache:
        for name in "abc":
            await cache.put(name, name.encode())
        assert await cache.get("a")  # used, so b is the one to go
        if not again:
            await cache.put("d", b"d")
            assert [bool(await cache.get(name)) for name in "abcd"] == [True, False, True, True]
    if again:
        async with open_cache(path, entries=3, clock=clock) as cache:
            await cache.put("d", b"d")
    async with open_cache(path, entries=3, clock=clock) as cache:
        assert [bool(await cache.get(name)) for name in "abcd"] == [True, False, True, True]


async def test_an_answer_is_valid_for_seven_days(tmp_path: Path) -> None:
    path, clock = tmp_path / "cache.db", Clock()
    async with open_cache(path, clock=clock) as cache:
        await cache.put("k", b"answer")
        clock.now += 7 * 86_400 - 1
        assert await cache.get("k") == b"answer"  # being used makes it no younger
        async with open_cache(path, clock=clock) as other:
            assert await other.get("k") == b"answer"
            clock.now += 1
            assert await other.get("k") is None
        assert await cache.get("k") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"this is no database, but a text of some length" * 100,
        lambda data: data[:100] + b"\xff" * (len(data) - 100),
        lambda data: data[: len(data) // 2],
    ],
)
async def test_a_damaged_file_begins_anew(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "cache.db"
    async with open_cache(path) as cache:
        for number in range(50):
            await cache.put(str(number), b"x" * 2_000)
    path.write_bytes(damage(path.read_bytes()))

    async with open_cache(path) as cache:
        assert "damaged" in cache.trouble and str(path) in cache.trouble
        assert await cache.get("1") is None
        await cache.put("1", b"new")
    async with open_cache(path) as cache:
        assert (await cache.get("1"), cache.trouble) == (b"new", "")


async def test_damage_while_it_is_open_leaves_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    async with open_cache(path) as cache:
        with closing(sqlite3.connect(path)) as db:
            db.execute("DROP TABLE answers_1")
        await cache.put("k", b"answer")
        assert "is not used" in cache.trouble
        assert await cache.get("k") == b"answer"


@pytest.mark.parametrize("obstacle", ["folder", "other", "below a file"])
async def test_a_file_that_cannot_be_used_is_done_without(tmp_path: Path, obstacle: str) -> None:
    path = tmp_path / "cache.db"
    match obstacle:
        case "folder":
            path.mkdir()
        case "other":  # never made ours, nor removed
            with closing(sqlite3.connect(path)) as db:
                db.execute("CREATE TABLE precious (x)")
        case _:
            path.write_text("mine")
            path /= "cache.db"
    before = path.read_bytes() if obstacle == "other" else b""

    async with open_cache(path) as cache:
        assert re.search(r"the response cache .* is not used: ", cache.trouble)
        await cache.put("k", b"answer")
        assert await cache.get("k") == b"answer"
    assert obstacle != "other" or path.read_bytes() == before


async def test_what_cannot_be_read_is_asked_again(tmp_path: Path) -> None:
    path, asked = tmp_path / "cache.db", key(FIRST, turn(), "a/b").canonical
    async with open_cache(path) as cache:
        await cache.put(asked, b'{"message": 3}')
        recall = Recall(cache, FIRST, "a/b", sampling)
        assert await recall.find(turn()) is None
        assert (cache.hits, cache.misses) == (0, 1)
        await recall.keep(turn(), answer())
        assert await recall.find(turn()) is not None
