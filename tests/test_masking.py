"""Secrets are masked: in every disguise, in streams of pieces, in the journal, for the model."""

from __future__ import annotations

import base64
import io
import itertools
import json
import logging
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents.tools import Bash, Read, Toolbox
from miyabi_tui.engine.bus import Bus
from miyabi_tui.engine.disguises import hidden
from miyabi_tui.engine.masked_logs import masked_logs
from miyabi_tui.engine.masking import Masker, StreamMasker
from miyabi_tui.engine.models.base import AssistantMessage, ToolCall, Usage
from miyabi_tui.engine.models.registry import Kind, Provider
from miyabi_tui.engine.sandbox.output import head_tail
from miyabi_tui.engine.scoring.score import Finding
from miyabi_tui.engine.store.journal import open_journal
from miyabi_tui.engine.subscription import BufferedSubscription
from miyabi_tui.engine.worlds import WorldId, default_worlds
from tests import racing

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.engine.sandbox.base import OnOutput

KEY = "sk-ant-api03-Zq9xYw8vUt7sRr6qPo5nMl4kJj3iHg2fEd1cBa0-_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AA"
ODD = 'p"a$s`s\\w<o>r d&42/ü+'
PEM = "-----BEGIN KEY-----\n" + "\n".join(
    base64.b64encode(bytes(range(n, n + 48))).decode() for n in range(0, 200, 20)
)
SHOWN = "•••THE_KEY•••"
A, B = WorldId.ALPHA, WorldId.BETA


@pytest.fixture
def masker() -> Masker:
    return Masker({"THE_KEY": KEY, "ODD_PASSWORD": ODD})


def shell(command: str, secret: str) -> str:
    """What a command of the tricky kind prints."""
    env = {"PATH": os.environ["PATH"], "KEY": secret, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, check=True)
    return done.stdout.decode()


# --- what is a secret ----------------------------------------------------------------------------


def test_secrets_are_found_by_the_names_of_their_variables_and_in_addresses() -> None:
    env = {
        "ANTHROPIC_API_KEY": KEY,
        "gh_token": "ghp_0123456789abcdef",
        "MY_LLM": "a-key-of-2-providers",
        "EDITOR": "a-value-2-see",
        "HTTPS_PROXY": "http://hana:hunter%2F22x@proxy:3128",
        "PIP_EXTRA_INDEX_URL": "https://a0b1c2d3e4f5@pypi.example.org/x https://u:pw1@b.example.org",
        "DATABASE_URL": "postgres://app@db/app",
    }
    assert hidden(env, {"MY_LLM"}) == {
        "ANTHROPIC_API_KEY": KEY,
        "gh_token": "ghp_0123456789abcdef",
        "MY_LLM": "a-key-of-2-providers",
        "HTTPS_PROXY": "hunter%2F22x",
        "PIP_EXTRA_INDEX_URL": "a0b1c2d3e4f5",
        "PIP_EXTRA_INDEX_URL_2": "u:pw1@",
    }


@pytest.mark.parametrize(
    "value",
    [
        *("", "short1", "true", "disabled", "not-set-yet", "CHANGE ME", "Password"),
        *("12345678", "1700000000.5", "2026-11-22", "********", "xxxxxxxxxxxx"),
        *("/tmp/ssh-x1/agent.7", "/home/", "~/.aws/credentials", "secrets/signing-key.pem"),
        *("https://example.org/oauth2/token", "http://169.254.170.2:80/v2"),
    ],
)
def test_what_everybody_may_read_is_no_secret(value: str) -> None:
    assert not hidden({"MY_TOKEN": value})


@pytest.mark.parametrize(
    "value",
    [
        *(KEY, ODD, PEM, "hunter22", "/9j4AAQSkZJRgABAQAA/qT7", "abcdefghijklmnopqrstuvwxyzabcdef"),
        *("0123456789012345678", "https://hooks.example.org/T0/B0/XhYh9a8b7c6d5e4f3g2h1j"),
    ],
)
def test_these_are_secrets(value: str) -> None:
    assert hidden({"MY_TOKEN": value}) == {"MY_TOKEN": value}


# --- disguises -----------------------------------------------------------------------------------

TRICKS = (
    'printf %s "$KEY"',
    "env",
    "export -p",
    'printf %s "$KEY" | base64',
    'printf "x=%s" "$KEY" | base64',
    'printf "xy%s-z" "$KEY" | base64 -w0',
    'echo "$KEY" | base64 | tr +/ -_',
    'printf %s "$KEY" | od -An -v -tx1',
    "python3 -c \"import os; print(os.environb[b'KEY'].hex().upper())\"",
    'printf %s "$KEY" | fold -w 7',
    'printf %s "$KEY" | sed "s/./& /g"',
    'python3 -c "import os, json; print(json.dumps(dict(os.environ)))"',
    "python3 -c \"import os, html; print(html.escape(os.environ['KEY']))\"",
    "python3 -c \"import os, urllib.parse as u; print(u.quote_plus(os.environ['KEY']))\"",
)


@pytest.mark.parametrize("command", TRICKS)
def test_every_common_disguise_is_seen_through(command: str) -> None:
    for secret in (KEY, ODD):
        printed = shell(command, secret)
        masked = Masker({"THE_KEY": secret}).mask(printed)
        assert SHOWN in masked, printed
        rest = masked.replace(SHOWN, "")
        # At most some bits at both ends of base64 are left.
        assert not any(secret[at : at + 6] in rest for at in range(len(secret) - 5))
        assert masked.count("\n") == printed.count("\n")


def test_a_key_of_many_lines_is_hidden_whole_by_the_line_and_encoded() -> None:
    masker = Masker({"PEM": PEM})
    lines = PEM.splitlines()
    forms = [PEM, lines[3], json.dumps(PEM), base64.encodebytes(PEM.encode()).decode()]
    for form in (*forms, quote(PEM)):
        masked = masker.mask(f"a {form} z")
        assert "•••PEM•••" in masked
        assert not any(line in masked for line in lines[1:])
        assert masked.count("\n") == form.count("\n")


def test_what_is_no_secret_stays_as_it_is(masker: Masker) -> None:
    for text in ("", "sk-ant-api03-", KEY[1:], f"{KEY[:30]}\n{KEY[40:]}", "pass word", "ü" * 200):
        assert masker.mask(text) == text
    assert Masker().mask(KEY) == KEY
    assert not Masker()


def test_the_longer_secret_is_meant_where_two_begin_alike() -> None:
    masker = Masker({"SHORT": "abcdefgh12", "LONG": "abcdefgh1234567890"})
    assert masker.mask("abcdefgh1234567890 abcdefgh12!") == "•••LONG••• •••SHORT•••!"


def test_a_secret_that_was_cut_is_masked_where_it_was_cut(masker: Masker) -> None:
    for room in range(60, 200, 7):
        cut = head_tail(f"{'a' * 33}{KEY}{'b' * 200}{KEY}{'c' * 21}", room)
        masked = masker.mask(cut)
        assert not any(
            KEY[at : at + 50] in masked.replace("\n", "") for at in range(len(KEY) - 50)
        ), cut
        assert "characters left out" in masked
    assert masker.mask(f"so {KEY[:60]}") == f"so {SHOWN}"


# --- streams -------------------------------------------------------------------------------------

HIDES = Masker({"THE_KEY": KEY, "SHORT": "abcabcabd9", "LONG": "abcabcabd9abcabcabd10"})
BITS = st.sampled_from(
    [
        *(KEY, KEY[:40], KEY[40:], "abcabcabd9", "abcabcabd10", "abcabc", "abd9", "sk-", "a", "\n"),
        *(" ", "\n\n\n", "\r\n", KEY.encode().hex(), base64.encodebytes(KEY.encode()).decode()),
        *("plain words", "=", base64.b64encode(b"x" + KEY.encode()).decode()),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(BITS, max_size=8), st.lists(st.integers(0, 400), max_size=12))
def test_however_a_stream_is_split_it_is_masked_as_the_whole(
    bits: list[str], cuts: list[int]
) -> None:
    whole = "".join(bits)
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    stream = StreamMasker(HIDES)
    pieces = [stream.feed(whole[a:b]) for a, b in itertools.pairwise(places)]
    joined = "".join([*pieces, stream.flush()])
    assert joined == HIDES.mask(whole)
    assert KEY not in joined.replace("\n", "").replace(" ", "")
    assert "abcabcabd9" not in joined


def test_a_stream_by_single_characters(masker: Masker) -> None:
    text = f"begin {KEY}\n{base64.encodebytes(KEY.encode()).decode()} end s"
    stream = StreamMasker(masker)
    pieces = [stream.feed(one) for one in text]
    assert stream.flush() == "s"
    assert "".join(pieces) + "s" == masker.mask(text)


def test_what_can_be_shown_is_shown_at_once(masker: Masker) -> None:
    stream = StreamMasker(masker)
    assert stream.feed("50 % done\r") == "50 % done\r"
    assert stream.feed("as s") == "as "
    assert stream.feed("o") == "so"
    assert StreamMasker(Masker()).feed("as s") == "as s"


def test_text_without_secrets_costs_little() -> None:
    masker = Masker({f"KEY_{n}": f"{n:02}{KEY[: 60 + n]}" for n in range(10)})
    text = "INFO tests/test_ledger.py::test_quoted_comma PASSED [ 12%]\n" * 1_000
    began = time.process_time()
    assert masker.split(text) == (text, "")
    assert time.process_time() - began < 0.1  # it takes about a millisecond


# --- the bus and the journal ---------------------------------------------------------------------


def output(text: str, channel: e.Channel = e.Channel.STDOUT, call: str = "c1") -> e.Output:
    return e.Output(world=A, channel=channel, text=text, call_id=call)


async def told(path: Path, masker: Masker, *events: e.AnyEvent) -> list[e.AnyEvent]:
    """Send events through a bus into a journal; what was delivered."""
    heard = BufferedSubscription()
    async with open_journal(path) as journal:
        bus = Bus("r1", journal, clock=lambda: 100.0, masker=masker)
        bus.subscribe(heard)
        async with anyio.create_task_group() as group:
            group.start_soon(bus.run)
            for event in (started("nothing"), *events):
                await bus.emit(event)
            assert not holds(path.parent, KEY), "while it is open"
            bus.close()
    return [record.event for record in heard.drain()][1:]


def holds(folder: Path, *needles: str) -> list[Path]:
    """The files in which one of these stands."""
    files = [one for one in folder.rglob("*") if one.is_file()]
    return [one for one in files if any(needle.encode() in one.read_bytes() for needle in needles)]


def started(issue_text: str) -> e.RunStarted:
    return e.RunStarted(
        run_id="r1",
        issue=e.Issue("issue-7", "a title", issue_text, 7),
        repo="/repo",
        base_ref="main",
        base_commit="abc",
        target="t",
        task="task",
        worlds=default_worlds("p/m", "p/n"),
        merge=e.MergePolicy.AUTO,
    )


@pytest.mark.anyio
async def test_no_event_takes_a_secret_into_the_journal(tmp_path: Path, masker: Masker) -> None:
    message = AssistantMessage(
        text=f"The key is {KEY}.",
        tool_calls=(ToolCall("c1", "bash", json.dumps({"command": f"echo '{ODD}'"})),),
        native=({"type": "text", "parts": [KEY, 7, None]},),
    )
    wrapped = base64.encodebytes(f"KEY={KEY}".encode()).decode()
    events = await told(
        tmp_path / "state" / "miyabi.db",
        masker,
        started(f"It says\n{KEY[:20]}\n{KEY[20:]}"),
        e.TurnFinished(
            world=A,
            step=1,
            message=message,
            usage=Usage(1, 1),
            cost_usd=None,
            stop_reason="",
            seconds=1.0,
        ),
        e.Notice(level=e.Level.INFO, text=f"\\{wrapped}\udce9"),
        e.WorldFailed(world=A, title="401", cause=f"bad key {KEY}"),
    )
    run, turn, notice, failed = events
    assert isinstance(run, e.RunStarted)
    assert run.issue.text == f"It says\n{SHOWN}\n"
    assert run.worlds == default_worlds("p/m", "p/n")
    assert isinstance(turn, e.TurnFinished)
    assert turn.message.text == f"The key is {SHOWN}."
    assert turn.message.tool_calls[0].arguments == '{"command": "echo \'•••ODD_PASSWORD•••\'"}'
    assert turn.message.native == ({"type": "text", "parts": [SHOWN, 7, None]},)
    assert isinstance(notice, e.Notice)
    assert SHOWN in notice.text
    assert isinstance(failed, e.WorldFailed)
    assert failed.cause == f"bad key {SHOWN}"
    assert not holds(tmp_path, KEY, KEY[:30], KEY[20:60], wrapped[10:60])


@pytest.mark.anyio
async def test_a_secret_in_two_pieces_never_shows(tmp_path: Path, masker: Masker) -> None:
    events = await told(
        tmp_path / "miyabi.db",
        masker,
        output(f"out {KEY[:30]}"),
        output("err\n", e.Channel.STDERR),
        e.Gauges(worlds=()),
        e.WorldPaused(world=A),
        e.Notice(level=e.Level.INFO, text="between", world=A),
        output(f"{KEY[30:]} and s"),
        e.ToolStarted(world=B, step=1, call_id="x", name="bash", summary="another world's"),
        e.ToolFinished(
            world=A, step=1, call_id="c1", name="bash", text="", is_error=False, seconds=1.0
        ),
        output("it is", e.Channel.TEXT, ""),
        output("{", e.Channel.CALL, "c2"),
        output(KEY[:50], e.Channel.NOTE, ""),
    )
    pieces = [(one.channel, one.text) for one in events if isinstance(one, e.Output)]
    out, err = e.Channel.STDOUT, e.Channel.STDERR
    assert pieces == [
        (out, "out "),
        (err, "err\n"),
        (out, f"{SHOWN} and "),
        (out, "s"),
        (e.Channel.TEXT, "it i"),
        (e.Channel.TEXT, "s"),
        (e.Channel.CALL, "{"),
        (e.Channel.NOTE, SHOWN),
    ]
    finished = next(n for n, one in enumerate(events) if isinstance(one, e.ToolFinished))
    assert events[finished - 1] == output("s")
    assert not holds(tmp_path, KEY[:30], KEY[30:])


@pytest.mark.anyio
async def test_what_is_held_back_comes_before_the_run_ends(tmp_path: Path, masker: Masker) -> None:
    over = e.RunFinished(status=e.RunStatus.INTERRUPTED)
    assert await told(tmp_path / "1.db", masker, output("s"), over) == [output("s"), over]
    assert await told(tmp_path / "2.db", masker, output("s")) == [output("s")]
    assert await told(tmp_path / "3.db", Masker(), output("s")) == [output("s")]


# --- logs ----------------------------------------------------------------------------------------


def test_logs_hold_no_secret(masker: Masker) -> None:
    written = io.StringIO()
    handler, log = logging.StreamHandler(written), logging.getLogger("miyabi_tui.test_masking")
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with masked_logs(masker):
            log.error("bad key %s", KEY, stack_info=True, extra={"header": KEY})
            try:
                raise ValueError(f"refused: {KEY}")
            except ValueError:
                log.exception("it failed")
            log.error("100 % fine")
        assert KEY not in written.getvalue()
        assert f"bad key {SHOWN}" in written.getvalue()
        assert f"ValueError: refused: {SHOWN}" in written.getvalue()
        assert "100 % fine" in written.getvalue()
        log.error("afterwards %s", KEY)
        assert KEY in written.getvalue()
    finally:
        root.removeHandler(handler)


# --- the model -----------------------------------------------------------------------------------


class Prints:
    """A sandbox in which every command prints the same."""

    def __init__(self, text: str) -> None:
        self.text = text

    async def exec(self, *_: Any, keep: int, **__: Any) -> Any:
        from miyabi_tui.engine.sandbox.base import ExecResult

        return ExecResult(0, head_tail(self.text, keep), 0.1)


def ignore(channel: e.Channel, text: str) -> None:
    """Nobody looks."""


@pytest.mark.anyio
async def test_the_model_reads_no_secret(tmp_path: Path, masker: Masker) -> None:
    (tmp_path / "key.txt").write_text(f"one\n{KEY[:9]}\n{KEY[9:]}\nfour {'x' * 1_960}{KEY}\n")
    box = Toolbox(tmp_path, Prints(f"KEY={KEY}\n"), mask=masker.mask)  # type: ignore[arg-type]
    quiet: OnOutput = ignore
    assert (await box.run(Bash("env"), quiet)).text == f"KEY={SHOWN}\n[exit code 0]"
    read = (await box.run(Read("key.txt"), quiet)).text
    assert read.startswith(f"    1  one\n    2  {SHOWN}\n    3  \n    4  four xxx")
    assert f"x{SHOWN}" in read
    missing = await box.run(Read(KEY), quiet)
    assert missing.text == f"Error: {SHOWN}: No such file or directory"
    long = Toolbox(tmp_path, Prints("a" * 4_950 + KEY + "b" * 9_000), mask=masker.mask)  # type: ignore[arg-type]
    assert KEY[:40] not in (await long.run(Bash("env"), quiet)).text


LOOKS: racing.Turns = [
    [
        (
            "bash",
            {"command": "env | sort; cat hidden.txt; base64 hidden.txt; od -An -v -tx1 hidden.txt"},
        ),
        ("read", {"path": "hidden.txt"}),
    ],
    [
        ("bash", {"command": "tr '\\0' '\\n' < /proc/$PPID/environ; echo seen: $?"}),
        ("bash", {"command": "tr '\\0' '\\n' < /proc/$PPID/environ | grep ZZ | base64"}),
        ("bash", {"command": "for f in /proc/[0-9]*/environ; do cat $f; done 2>&1 | grep -a ZZ"}),
    ],
]  # and no more: a world that fails need not be measured


def test_a_race_tells_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in a file of the project, and one in a variable that only the settings name."""
    monkeypatch.setenv("OTHER_API_KEY", KEY)
    monkeypatch.setenv("MY_LLM", KEY[::-1])
    repo = racing.make_project(tmp_path / "project")
    (repo / "hidden.txt").write_text(f"{KEY} {KEY[::-1]}\n")
    racing.git(repo, "add", "-A")
    racing.git(repo, "commit", "-q", "-m", "a key")
    turns = racing.record(tmp_path / "turns", {A: LOOKS})
    providers = {
        "t": Provider(Kind.REPLAY, base_url=str(turns)),
        "u": Provider(Kind.OPENAI_CHAT, base_url="http://127.0.0.1:1", key_variable="MY_LLM"),
    }
    request = racing.request_for(repo, turns, providers=providers)
    state_folder = tmp_path / "state"
    state, records = racing.race(request, state_folder / "miyabi.db")
    assert state.status is not e.RunStatus.FAILED
    seen = b"".join(e.encode(record.event) for record in records).decode()
    assert seen.count("•••OTHER_API_KEY•••") >= 6
    assert "•••MY_LLM•••" in seen
    results = [one.event for one in records if isinstance(one.event, e.ToolFinished)]
    assert results
    for needle in (KEY, KEY[::-1], base64.b64encode(KEY.encode()).decode()[:60]):
        assert needle not in seen.replace("\\n", "")
        assert not holds(state_folder, needle)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_engines_own_environment_is_of_no_use(tmp_path: Path) -> None:
    """The whole program, with the key in its environment: nothing that it writes has it."""
    repo = racing.make_project(tmp_path / "project")
    turns = racing.record(tmp_path / "turns", {A: LOOKS})
    env = {**os.environ, "ZZ_API_KEY": KEY, "MIYABI_STATE_DIR": str(tmp_path / "state")}
    (repo / "miyabi.toml").write_text('isolation = "process"\n')
    command = [sys.executable, "-m", "miyabi_tui", "run", "fix it", "--model", f"replay/{turns}"]
    done = subprocess.run(
        [*command, "--worlds", "alpha", "--json", "--repo", str(repo)],
        env=env,
        cwd=repo,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert '"type":"run_finished"' in done.stdout, done.stderr
    told = done.stdout + done.stderr
    for needle in (KEY, KEY[:40], base64.b64encode(f"ZZ_API_KEY={KEY}".encode()).decode()[20:80]):
        assert needle not in told.replace("\\n", "")
        assert not holds(tmp_path / "state", needle)
    if '"isolation":"process"' in told:  # the others show no process of ours, and so no variable
        assert "ZZ_API_KEY" in told or "environ: Permission denied" in told


def test_a_finding_keeps_its_kind(masker: Masker) -> None:
    """Structures inside of events are rebuilt as what they are."""
    from miyabi_tui.engine.masked_events import mask_all

    finding = Finding("a.py", 7, "B105", KEY)
    masked = mask_all({"a": (finding, 1.5, e.Level.INFO)}, masker.mask)
    assert isinstance(masked["a"][0], Finding)
    assert masked["a"][0].message == SHOWN
    assert masked["a"][1:] == (1.5, e.Level.INFO)
    untouched = started("nothing in here")
    assert mask_all(untouched, masker.mask) is untouched
