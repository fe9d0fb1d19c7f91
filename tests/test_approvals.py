"""Approve once: which commands are asked about, who waits, what is remembered and for how long."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents.tools import Bash, Toolbox
from miyabi_tui.engine.approval_rules import Ruling, Verdict, judge, matches
from miyabi_tui.engine.approvals import (
    ALWAYS,
    CHOICES,
    NEVER,
    NO,
    ONCE,
    RUN,
    Clerk,
    question_id,
    whole,
)
from miyabi_tui.engine.bus import Bus
from miyabi_tui.engine.fold import apply
from miyabi_tui.engine.masking import Masker
from miyabi_tui.engine.questions import Questions
from miyabi_tui.engine.shell import commands
from miyabi_tui.engine.shell_scanner import Unclear
from miyabi_tui.engine.state import RunState
from miyabi_tui.engine.store.journal import open_journal
from miyabi_tui.engine.subscription import BufferedSubscription
from miyabi_tui.engine.terms import Approvals
from miyabi_tui.engine.worlds import FIVE, WorldId, default_worlds
from miyabi_tui.screens.commands import COMMANDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from pathlib import Path

A, B, C, D, E = FIVE
PUSH = "git push origin main"
RULES = Approvals()


# --- reading scripts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("a && b c; d | e || f & g\nh", ["a", "b c", "d", "e", "f", "g", "h"]),
        ("echo 'a; b' \"c && d\" e\\;f # g; h", ["echo a; b c && d e;f"]),
        ("X=1 a >out 2>&1 <in b &>both", ["X=1 a b"]),
        ("git \\\n  push", ["git push"]),
        ("(a; b) && { c; }", ["a", "b", "{ c", "}"]),
        (
            "echo $(a \"$(b 'c)')\") `d \\`e\\``",
            ["b c)", "a $(…)", "e", "d $(…)", "echo $(…) $(…)"],
        ),
        ('x=${y:-$(a)} b "${z:-"}"$(c)}"', ["a", "c", "x=${y:-$(…)} b ${z:-}$(…)}"]),
        ("diff <(a) >(b)", ["a", "b", "diff <(…) >(…)"]),
        ("echo $((1<<2)) $((3*(4+5))); a", ["echo $(…) $(…)", "a"]),
        ("((i=1<<2)); a\nb", ["a", "b"]),
        ("$( (a) | b)", ["a", "b", "$(…)"]),
        ("cat <<E; a\nb\n$(c)\nE\nd", ["cat", "c", "a", "d"]),
        ("cat <<-'E' | bash\n\t$(b)\n\tE\nd", ["cat", "bash", "d"]),
        ("cat <<E $(\na\n)\nb\nE\nc", ["a", "cat $(…)", "c"]),
        ("case $x in a) b;; (c) d;; esac; e", ["case $x in a", "b", "c", "d", "esac", "e"]),
        ("echo $(if case x in a) b;; esac; then c; fi) d", None),
        ("f() { a; }; function g { b; }", ["f", "{ a", "}", "function g { b", "}"]),
        ("$'\\x73udo' $'it\\'s' $\"a\"", ["sudo it's a"]),
        ('echo "$\'"; a; echo "\'"', ["echo $'", "a", "echo '"]),
        ("cat <<< 'a b' c", ["cat c"]),
        ("git push $( (a); b) --force", ["a", "b", "git push $(…) --force"]),
        ("", []),
        ("echo 'a", "unclear"),
        ('echo "$(a', "unclear"),
        ("echo `a", "unclear"),
        ("${a", "unclear"),
        ("${a%'b'}", "unclear"),
        ("a\0b", "unclear"),
        ("$(" * 50 + ")" * 50, "unclear"),
    ],
)
def test_what_a_script_would_run(script: str, found: list[str] | str | None) -> None:
    try:
        words = [" ".join(one) for one in commands(script)]
    except Unclear:
        assert found == "unclear"
        return
    if found is None:
        assert {"b", "then c"} <= set(words)
        assert any(one.startswith("echo $(…) d") for one in words)
    else:
        assert words == found


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([*"ab '\"`$(){}<>|&;\\\n#", "$(", "<<E", "E\n", "(("]), max_size=25)
)
def test_no_script_is_too_strange(parts: list[str]) -> None:
    try:
        found = commands("".join(parts))
    except Unclear:
        return
    assert all(found)


LONG = {
    "a": "(" * 30_000,
    "b": "((" + "(a" * 5_000,
    "c": "$((" * 10_000,
    "d": "`" * 30_001,
    "e": "${a:-" * 9_000,
    "f": "find -exec " * 4_500,
    "g": "sudo " * 9_000,
}


@pytest.mark.parametrize("script", LONG.values(), ids=LONG.keys())
def test_no_script_takes_long(script: str) -> None:
    judge(RULES, script)


# --- the rules -----------------------------------------------------------------------------------


def asked(command: str, rules: Approvals = RULES) -> list[tuple[str, str]]:
    """Patterns and commands that are asked about."""
    rulings = judge(rules, command)
    assert all(one.verdict is Verdict.ASK for one in rulings)
    return [(one.pattern, one.command) for one in rulings]


@pytest.mark.parametrize(
    ("command", "pattern"),
    [
        ("sudo ls", "sudo *"),
        ("sudo", "sudo *"),
        ("cd /x && sudo ls", "sudo *"),
        ("/usr/bin/sudo ls", "sudo *"),
        ("\\sudo ls", "sudo *"),
        ('"su"do ls', "sudo *"),
        ("DEBUG=1 sudo ls", "sudo *"),
        ("env -i -u X A=1 sudo ls", "sudo *"),
        ("env -S 'sudo ls'", "sudo *"),
        ("nohup nice -n 5 time -f %e sudo ls &", "sudo *"),
        ("exec sudo ls", "sudo *"),
        ("command sudo ls", "sudo *"),
        ("timeout -k 5 --signal KILL 10 sudo ls", "sudo *"),
        ("bash -c 'a; sudo ls'", "sudo *"),
        ("sh -eo pipefail -lc 'sudo ls'", "sudo *"),
        ("env bash -c \"eval 'sudo ls'\"", "sudo *"),
        ("find . -name x -exec sudo rm {} ';'", "sudo *"),
        ("echo x | xargs -n 1 sudo rm", "sudo *"),
        ("if true; then sudo ls; fi", "sudo *"),
        ("f() { sudo ls; }; f", "sudo *"),
        ("echo $(sudo ls)", "sudo *"),
        ("cat <<E\n`sudo ls`\nE", "sudo *"),
        ("git push", "git push*"),
        ("git -C /x -c a.b=c --no-pager push origin", "git push*"),
        ("python -m twine upload dist/*", "twine upload*"),
        ("uv run --with x twine upload dist/*", "twine upload*"),
        ("tar c . | ssh host tar x", "ssh *"),
        # not known before it runs, or not to be read, but it says so
        ("X=sudo; $X ls", "sudo *"),
        ("echo sudo ls | sh", "sudo *"),
        ("bash <<< 'sudo ls'", "sudo *"),
        ("sudo 'ls", "sudo *"),
        ("{git,push}", "git push*"),
    ],
)
def test_these_are_asked_about(command: str, pattern: str) -> None:
    assert [one for one, _ in asked(command)] == [pattern]
    assert judge(Approvals(deny=RULES.ask, ask=()), command)


@pytest.mark.parametrize(
    "command",
    [
        *("ls", "git pull", "grep -rn sudo .", "echo 'sudo ls'", "git commit -m 'docker push'"),
        *("command -v sudo docker", "cat sudo", "./sudo.sh", "ls # sudo", "pytest tests/ssh"),
        *(
            "[ -d docker ] && ls",
            "$PYTHON -m pytest tests/ssh",
            "cat <<'E'\nsudo ls\nE",
            "curl x|sh",
        ),
        *("bash run.sh docker", "timeout 5 grep ssh x", "echo it's", "", "git log --grep=push"),
    ],
)
def test_these_are_not(command: str) -> None:
    assert not judge(RULES, command)


def test_deny_is_above_ask_and_nothing_else_is_in_the_way() -> None:
    rules = Approvals(ask=("git push*",), deny=("git push *--force*", "curl *"), allow=("*",))
    assert asked("git push; ls", rules) == [("git push*", "git push")]
    (ruling,) = judge(rules, "git push && git push origin --force")
    assert (ruling.verdict, ruling.pattern) == (Verdict.DENY, "git push *--force*")
    (ruling,) = judge(rules, "sh -c 'env curl x'")
    assert ruling.verdict is Verdict.DENY
    assert not judge(Approvals(ask=("sudo *",), allow=("echo * | sh",)), "echo sudo ls | sh")
    assert asked("a && b", Approvals(ask=("a && *",))) == [("a && *", "a && b")]


@pytest.mark.parametrize(
    "script",
    [
        "curl x\necho 'not closed, after a line that runs",
        "git push $( (a); b) --force",
        'bash -c "echo \\"$(env A=1 curl x)\\""',
        "sudo -u me sh -c 'true | curl x'",
        "a <(curl x)",
    ],
)
def test_deny_sees_through_all_that_is_around_it(script: str) -> None:
    rules = Approvals(deny=("git push *--force*", "curl *"))
    assert [one.verdict for one in judge(rules, script)] == [Verdict.DENY]


def test_each_command_is_asked_about_once() -> None:
    assert asked("sudo ls && git push; sudo ls") == [
        ("sudo *", "sudo ls"),
        ("git push*", "git push"),
    ]
    assert asked("sudo git push") == [("sudo *", "sudo git push")]


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("a*", "a", True),
        ("*a*b*", "xxaxxbxx", True),
        ("*a*b", "b a", False),
        ("a?c", "abc", True),
        ("ab*ba", "aba", False),
        ("a.c", "abc", False),
        ("[a]*", "[a]\nb", True),
        ("*", "", True),
        ("*a" * 30, "a" * 5_000, True),
        ("*a" * 30 + "b", "a" * 5_000, False),
    ],
)
def test_patterns(pattern: str, text: str, fits: bool) -> None:
    assert matches(pattern, text) is fits


def test_worlds_that_want_the_same_are_asked_about_together() -> None:
    def key(world: WorldId, command: str) -> str:
        (ruling,) = judge(RULES, command)
        return question_id(world, ruling)

    assert key(A, "cd /w/Alpha; git push") == key(B, "git   push 2>&1 | tail -3")
    assert key(A, "git push o world-Alpha-x") == key(B, "git push o world-Beta-x")
    assert key(A, "git push o Alphabet") != key(B, "git push o Betabet")
    different = [
        *("git push a b", "git push 'a b'", "X=1 git push a b", "git push $X", "git push $Y"),
        *("git push $(a)", "git push $(b)", "git push <a", "git push >a", "sudo git push a b"),
    ]
    assert len({key(A, one) for one in different}) == len(different)


def test_no_key_of_the_board_answers() -> None:
    board = {key for one in COMMANDS for key in one.keys.split(",")} | set("123456789hl")
    assert not board & {choice.key for choice in CHOICES}
    assert len({choice.key for choice in CHOICES}) == len(CHOICES) == 5


def test_a_command_is_shown_whole_but_never_as_codes() -> None:
    assert whole(" a\x1b[31m\tb\u202ec\nd ") == "a\\x1b[31m\\tb\\u202ec\nd"
    assert whole("\n".join(map(str, range(40)))).split("\n")[5:8] == [
        "5",
        "… 28 more lines …",
        "34",
    ]
    assert len(whole("x" * 9_000)) < 1_100


# --- the clerk -----------------------------------------------------------------------------------


class Desk:
    """A run in memory with a clerk, and a person."""

    def __init__(
        self,
        *,
        rules: Approvals = RULES,
        interactive: bool = True,
        path: Path | None = None,
        records: list[e.Record] | None = None,
    ) -> None:
        self.journal: list[e.Record] = []
        self.state = RunState()
        self.questions = Questions(self, interactive=interactive)
        self.waits: list[tuple[WorldId, str]] = []
        self.results: dict[WorldId, str] = {}
        self.changed = anyio.Event()
        for record in records or ():
            self._take(record.event)
        if records:
            self._take(e.RunResumed(away_seconds=1.0, worlds=FIVE))
        else:
            self._take(started())
        self.clerk = Clerk(
            self,
            self.questions,
            rules,
            repo="/repo",
            path=path,
            on_wait=self._wait,
            clock=lambda: 7.0,
        )

    def _take(self, event: e.AnyEvent) -> None:
        self.journal.append(e.Record(self.state.seq + 1, 100.0, event))
        self.state = apply(self.state, self.journal[-1])
        self.changed.set()

    def _wait(self, world: WorldId, reason: str) -> None:
        self.waits.append((world, reason))
        self.changed.set()

    def post(self, event: e.AnyEvent) -> None:
        self._take(event)

    async def emit(self, event: e.AnyEvent) -> None:
        self._take(event)

    async def records(self) -> list[e.Record]:
        return self.journal

    @property
    def notices(self) -> list[str]:
        return [one.text for one in self.state.notices]

    @property
    def asked(self) -> list[e.QuestionAsked]:
        return [one.event for one in self.journal if isinstance(one.event, e.QuestionAsked)]

    async def want(self, world: WorldId, command: str = PUSH) -> None:
        self.results[world] = await self.clerk.allowed(world, command)

    async def until(self, waiting: int) -> e.QuestionAsked:
        """Until so many worlds wait for an answer; to which question."""
        with anyio.fail_after(5):
            while sum(1 if reason else -1 for _, reason in self.waits) != waiting:
                self.changed = anyio.Event()
                await self.changed.wait()
            await anyio.lowlevel.checkpoint()
        (question,) = self.state.questions
        return question

    async def answered(self, choice: str, *worlds: WorldId, command: str = PUSH) -> list[str]:
        """The worlds want it, and the person chooses; what they are told."""
        async with anyio.create_task_group() as group:
            for world in worlds:
                group.start_soon(self.want, world, command)
            question = await self.until(len(worlds))
            assert self.questions.answer(question.id, choice)
        return [self.results[world] for world in worlds]

    async def at_once(self, world: WorldId, command: str = PUSH) -> str:
        """What the world is told, which nobody is asked about."""
        with anyio.fail_after(5):
            return await self.clerk.allowed(world, command)


def started() -> e.RunStarted:
    return e.RunStarted(
        run_id="r",
        issue=e.Issue("issue-7", "title", "text", 7),
        repo="/repo",
        base_ref="main",
        base_commit="base",
        target="main",
        task="task",
        worlds=default_worlds("m/m", "m/m"),
        merge=e.MergePolicy.ASK,
    )


@pytest.mark.anyio
async def test_five_worlds_are_one_question() -> None:
    desk = Desk()
    assert await desk.answered(ONCE, *FIVE) == [""] * 5
    (question,) = desk.asked
    assert (question.kind, question.world, question.until) == (e.QuestionKind.APPROVAL, None, None)
    # each is looked at in a thread of its own, so that any of them can be the first
    assert question.title in [f"{world} wants to run {PUSH}" for world in FIVE]
    assert question.text.endswith(f"The rule is: git push*\n\n{PUSH}")
    assert {reason for _, reason in desk.waits} == {f"approval: {PUSH}", ""}
    assert not desk.state.questions
    # once is once
    assert await desk.answered(ONCE, B) == [""]
    assert len(desk.asked) == 2


@pytest.mark.anyio
async def test_answers_hold_for_as_long_as_they_say() -> None:
    refused = f"Not allowed here: `{PUSH}`: the person said no"
    more = ". Nothing of the command was run; go on without it."
    for choice, told in ((RUN, ""), (ALWAYS, ""), (NEVER, f"{refused} for the whole run{more}")):
        desk = Desk()
        assert await desk.answered(choice, A, B) == [told, told], choice
        assert await desk.at_once(C, f"cd x && {PUSH}") == told, choice
        assert await desk.answered(NO, C, command="git push --tags") != [""]
        # and after the run was interrupted
        later = Desk(records=desk.journal)
        assert await later.at_once(D) == told, choice
    desk = Desk()
    assert await desk.answered(NO, A) == [f"{refused}{more}"]
    assert await desk.answered(ONCE, A) == [""]


@pytest.mark.anyio
async def test_what_is_not_asked_about_never_waits() -> None:
    desk = Desk(rules=Approvals(deny=("rm -rf *",)))
    assert await desk.at_once(A, "ls && pytest") == ""
    told = await desk.at_once(A, "ls; rm -rf x")
    assert told.startswith("Not allowed here: `rm -rf x`: a rule forbids it.")
    await desk.at_once(B, "rm -rf x")
    (notice,) = desk.notices
    assert "Alpha may not run `rm -rf x`: 'rm -rf *' in [approvals] deny" in notice
    assert not desk.asked
    assert not desk.waits


@pytest.mark.anyio
async def test_where_nobody_is_there_it_is_refused_at_once() -> None:
    desk = Desk(interactive=False)
    for world in FIVE:
        told = await desk.at_once(world)
        assert told.startswith(f"Not allowed here: `{PUSH}`: it has to be approved, and nobody")
    (notice,) = desk.notices  # one for all of them
    assert "'git push*' in [approvals] ask of the settings" in notice
    assert not desk.waits


@pytest.mark.anyio
async def test_every_command_of_a_script_has_to_be_allowed() -> None:
    desk = Desk()
    script = f"{PUSH} && ssh host ls"
    async with anyio.create_task_group() as group:
        group.start_soon(desk.want, A, script)
        for choice in (ONCE, NO):
            question = await desk.until(1)
            assert script in question.text
            desk.questions.answer(question.id, choice)
            while question in desk.state.questions:
                await anyio.lowlevel.checkpoint()
    assert desk.results[A].startswith("Not allowed here: `ssh host ls`")


@pytest.mark.anyio
async def test_a_world_that_is_ended_waits_no_more_and_the_others_do() -> None:
    desk = Desk()
    async with anyio.create_task_group() as group:
        scope = anyio.CancelScope()

        async def doomed() -> None:
            with scope:
                await desk.want(A)

        group.start_soon(doomed)
        await desk.until(1)
        group.start_soon(desk.want, B)
        await desk.until(2)
        scope.cancel()
        question = await desk.until(1)
        desk.questions.answer(question.id, RUN)
    assert desk.results == {B: ""}
    assert await desk.at_once(A) == ""


# --- always --------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_always_is_kept_for_the_repository_and_only_there(tmp_path: Path) -> None:
    path = tmp_path / "state" / "approvals.json"
    desk = Desk(path=path)
    assert await desk.answered(ALWAYS, *FIVE) == [""] * 5
    assert await desk.answered(ALWAYS, A, command="ssh host") == [""]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = json.loads(path.read_text())["always"]["/repo"]
    assert [(one["pattern"], one["command"]) for one in kept] == [
        ("git push*", PUSH),
        ("ssh *", "ssh host"),
    ]
    other_run = Desk(path=path, interactive=False)
    assert await other_run.at_once(B) == ""
    elsewhere = Desk(path=path, interactive=False)
    elsewhere.clerk = Clerk(elsewhere, elsewhere.questions, RULES, repo="/other", path=path)
    assert await elsewhere.at_once(B) != ""


@pytest.mark.anyio
async def test_a_run_that_is_under_way_sees_what_another_was_told(tmp_path: Path) -> None:
    path = tmp_path / "approvals.json"
    first, second = Desk(path=path), Desk(path=path)
    assert await first.answered(NO, A) != [""]
    await second.answered(ALWAYS, A)
    assert await first.at_once(B) == ""


@pytest.mark.anyio
@pytest.mark.parametrize("damage", [b"{", b"\xff\0", b'{"always": 7}', b"[" * 100_000, "mode"])
async def test_a_file_that_cannot_be_trusted_allows_nothing(
    tmp_path: Path, damage: bytes | str
) -> None:
    path = tmp_path / "approvals.json"
    await Desk(path=path).answered(ALWAYS, A)
    if isinstance(damage, bytes):
        path.write_bytes(damage)
    else:
        os.chmod(path, 0o666)
    desk = Desk(path=path)
    assert await desk.answered(ALWAYS, B, C) == ["", ""]
    (notice,) = desk.notices
    assert notice.startswith(f"{path} is not used: ")
    assert (tmp_path / "approvals.json.damaged").exists()
    assert await Desk(path=path, interactive=False).at_once(D) == ""


@pytest.mark.anyio
async def test_what_cannot_be_kept_holds_for_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    desk = Desk(path=tmp_path / "file" / "approvals.json")
    assert await desk.answered(ALWAYS, A) == [""]
    assert await desk.at_once(B) == ""
    assert "the approval holds for this run only" in desk.notices[-1]


# --- in its surroundings -------------------------------------------------------------------------


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    async with open_journal(tmp_path / "miyabi.db") as journal:
        bus = Bus("r", journal, masker=Masker({"THE_KEY": "a-key-2-be-hidden"}))
        async with anyio.create_task_group() as group:
            group.start_soon(bus.run)
            await bus.emit(started())
            yield bus
            bus.close()


def holding(folder: Path, needle: bytes) -> list[str]:
    """The files in which it stands."""
    return [one.name for one in folder.iterdir() if needle in one.read_bytes()]


@pytest.mark.anyio
async def test_a_command_with_a_secret_can_be_approved(bus: Bus, tmp_path: Path) -> None:
    """Events are masked; the id of a question must reach us as it was sent."""
    questions = Questions(bus, interactive=True)
    path = tmp_path / "approvals.json"
    clerk = Clerk(bus, questions, RULES, repo="/r", path=path, mask=bus.masker.mask)
    told: list[str] = []
    heard = BufferedSubscription()
    bus.subscribe(heard)

    async def want() -> None:
        told.append(await clerk.allowed(A, "git push https://u:a-key-2-be-hidden@host/x"))

    async with anyio.create_task_group() as group:
        group.start_soon(want)
        await anyio.to_thread.run_sync(heard.wait, 5)
        (question,) = bus.state.questions
        assert "•••THE_KEY•••" in question.text
        assert questions.answer(question.id, ALWAYS)
    assert told == [""]
    await bus.flush()
    assert not holding(tmp_path, b"a-key-2")


class Runs:
    """A sandbox that notes what it runs."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def exec(self, argv: tuple[str, ...], **_: object) -> object:
        from miyabi_tui.engine.sandbox.base import ExecResult

        self.ran.append(argv[-1])
        return ExecResult(0, "ok", 0.1)


@pytest.mark.anyio
async def test_a_tool_call_waits_and_a_refusal_is_an_answer(tmp_path: Path) -> None:
    desk, sandbox = Desk(), Runs()

    def approve(command: str) -> Awaitable[str]:
        return desk.clerk.allowed(A, command)

    box = Toolbox(tmp_path, sandbox, approve=approve)  # type: ignore[arg-type]
    results = []

    async def call(command: str) -> None:
        results.append(await box.run(Bash(command), lambda channel, text: None))

    await call("ls")
    for choice in (NO, ONCE):
        async with anyio.create_task_group() as group:
            group.start_soon(call, PUSH)
            question = await desk.until(1)
            assert sandbox.ran == ["ls"]
            desk.questions.answer(question.id, choice)
    assert [(one.is_error, one.text.split(":")[0]) for one in results] == [
        (False, "ok\n[exit code 0]"),
        (True, "Not allowed here"),
        (False, "ok\n[exit code 0]"),
    ]
    assert sandbox.ran == ["ls", PUSH]


def test_a_ruling_says_what_it_is_about() -> None:
    assert judge(RULES, "ls; git push $X") == (
        Ruling(Verdict.ASK, "git push*", "git push '$X'", "ls; git push $X"),
    )
