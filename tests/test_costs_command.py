"""`miyabi costs`: what a person, a program and a narrow terminal get to see."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from rich.cells import cell_len

from miyabi_tui import cli, paths
from miyabi_tui.engine.costs.entries import Call, Caps, Go, Status
from miyabi_tui.engine.costs.ledger import Ledger, ledger_path, open_ledger
from miyabi_tui.engine.costs.report import By
from miyabi_tui.engine.models.base import Usage
from miyabi_tui.engine.store.lock import driving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.repositories import Repository

NOVEMBER = datetime(2025, 11, 5, 12).timestamp()
CLAUDE, LOCAL = "anthropic/claude-sonnet-5-5", "local/qwen3-coder"
USAGE = Usage(120_000, 4_500, 90_000)


class Story:
    """A ledger of some days: every call is given as it was billed."""

    def __init__(self, ledger: Ledger, clock: list[float]) -> None:
        self.ledger = ledger
        self.clock = clock

    async def paid(
        self, cost: float | None, usage: Usage = USAGE, *, day: int = 5, **changes: Any
    ) -> None:
        id = await self.open(day=day, **changes)
        await self.ledger.settle(id, usage, cost)

    async def open(self, *, day: int = 5, **changes: Any) -> int:
        self.clock[0] = NOVEMBER + (day - 5) * 86_400
        verdict = await self.ledger.begin(
            call(**changes), worst_usd=None, floor_usd=None, caps=Caps()
        )
        assert isinstance(verdict, Go)
        return verdict.id


def call(**changes: Any) -> Call:
    plain = {
        "run_id": "1a2b3c",
        "repo": "/work/tally",
        "issue_key": "issue-270",
        "title": "Durations like 1h30 are read as 1h 3m",
        "world": "Alpha",
        "step": 1,
        "model": CLAUDE,
    }
    return Call(**{**plain, **changes})


async def a_month(story: Story) -> None:
    await story.paid(1.25)
    await story.paid(0.5, world="Beta", day=6)
    await story.ledger.cached(call(world="Beta"), USAGE)
    await story.paid(None, Usage(800, 20), model=LOCAL, day=6)
    cut_off = await story.open(
        run_id="9f8e7d", issue_key="issue-7", title="日本語の題名です", day=7
    )
    await story.ledger.note(cut_off, Usage(1_000, 10), 0.25)
    await story.ledger.discard(cut_off)
    await story.paid(4.0, run_id="0c0c0c", day=-10)  # in October


def tell(write: Callable[[Story], Any] = a_month) -> None:
    async def main() -> None:
        clock = [NOVEMBER]
        async with open_ledger(paths.journal_path(), clock=lambda: clock[0]) as ledger:
            await write(Story(ledger, clock))

    anyio.run(main)


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In no repository, and with no terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def costs(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*words: str) -> str:
        assert cli.main(["costs", *words]) == 0
        said = capsys.readouterr()
        assert said.err == ""
        return said.out.rstrip("\n")

    return run


IN_NOVEMBER = ("--month", "2025-11")


def test_nothing_was_spent_yet(costs: Callable[..., str]) -> None:
    assert costs().startswith("nothing has been spent yet")
    assert "miyabi run" in costs("--all")
    assert json.loads(costs("--json"))["rows"] == []
    assert not ledger_path(paths.journal_path()).exists(), "a look leaves no file"


def test_nothing_was_spent_in_that_month(costs: Callable[..., str]) -> None:
    tell()

    assert (
        costs("--month", "2020-02") == "nothing was spent in 2020-02; see all: miyabi costs --all"
    )


def test_a_month_by_model(costs: Callable[..., str]) -> None:
    tell()

    assert costs(*IN_NOVEMBER).splitlines() == [
        "model                        calls   input  output  cached  hits       cost",
        "anthropic/claude-sonnet-5-5      3  241.0k    9.0k  180.0k   33%   ≈$2.0000",
        "local/qwen3-coder                1     800      20       0    0%    unknown",
        "total                            4  241.8k    9.0k  180.0k   25%  ≈$2.0000+",
        "",
        "≈ with estimates: calls in progress, cut off, or without a bill of their own",
        "+ 1 call without a known price: set it under [prices] in miyabi.toml",
        "hits: 1 of 4 turns came from the cache, for nothing",
        "2025-11: ≈$2.0000+ of $1,000.00 (0.2%)",
    ]


def test_the_present_month_is_shown_unless_told_otherwise(costs: Callable[..., str]) -> None:
    async def now(story: Story) -> None:
        story.clock[0] = time.time()
        await story.ledger.cached(call(), USAGE)

    tell()
    tell(now)

    assert costs().splitlines()[-1] == f"{time.strftime('%Y-%m')}: $0.0000 of $1,000.00 (0.0%)"
    assert costs("--all").splitlines()[-1] == "in all: ≈$6.0000+"


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("day", ["2025-11-05", "2025-11-06", "2025-11-07"]),
        ("world", ["Alpha", "Beta"]),
        ("repo", ["/work/tally"]),
        ("run", ["9f8e7d  日本語の題名です", "1a2b3c  Durations like 1h30 are read as 1h 3m"]),
        (
            "issue",
            ["issue-270  Durations like 1h30 are read as 1h 3m", "issue-7  日本語の題名です"],
        ),
    ],
)
def test_other_views(by: str, names: list[str], costs: Callable[..., str]) -> None:
    tell()
    head, *rows = costs("--by", by, *IN_NOVEMBER).partition("\n\n")[0].splitlines()

    assert head.startswith(by)
    assert [row.startswith(name) for row, name in zip(rows, names, strict=False)] == [True] * len(
        names
    )
    assert len({cell_len(row) for row in (head, *rows)}) == 1, "columns stay in line"


def test_issues_of_two_repositories_are_told_apart(costs: Callable[..., str]) -> None:
    async def two(story: Story) -> None:
        await story.paid(1.0)
        await story.paid(2.0, repo="/work/other", title="the other one")

    tell(two)
    said = costs("--by", "issue", *IN_NOVEMBER)

    assert "other issue-270  the other one" in said
    assert "tally issue-270  Durations" in said


@pytest.mark.parametrize("by", list(By))
@pytest.mark.parametrize("width", [24, 40, 60])
def test_a_narrow_terminal_gets_less_but_nothing_broken(
    by: str, width: int, costs: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell()
    monkeypatch.setenv("COLUMNS", str(width))
    lines = costs("--by", by, *IN_NOVEMBER).splitlines()

    assert max(map(cell_len, lines)) <= width
    assert lines[0].endswith("cost")
    assert "$" in lines[1]
    assert "2025-11: ≈$2.0000+ of" in " ".join(lines)


def test_a_title_cannot_act_on_the_terminal(costs: Callable[..., str]) -> None:
    async def hostile(story: Story) -> None:
        await story.paid(1.0, title="\x1b[2Jgone\nand \x07more")

    tell(hostile)
    said = costs("--by", "run", *IN_NOVEMBER)

    assert "\x1b" not in said and "\x07" not in said
    assert "1a2b3c   [2Jgone and  more" in said


def test_json_has_everything(costs: Callable[..., str]) -> None:
    tell()
    told = json.loads(costs("--by", "model", "--json", *IN_NOVEMBER))

    assert (told["by"], told["month"], told["month_usd"]) == ("model", "2025-11", 1000.0)
    assert told["rows"][0] == {
        "key": CLAUDE,
        "repo": "",
        "title": "",
        "calls": 3,
        "input_tokens": 241_000,
        "output_tokens": 9_010,
        "cached_tokens": 180_000,
        "cost_usd": 2.0,
        "estimated": True,
        "unknown": 0,
        "answers": 3,
        "hits": 1,
        "hit_rate": pytest.approx(1 / 3),
    }
    assert (told["rows"][1]["cost_usd"], told["rows"][1]["unknown"]) == (0.0, 1)
    assert (told["total"]["calls"], told["total"]["cost_usd"]) == (4, 2.0)
    assert json.loads(costs("--all", "--json"))["month"] is None


@pytest.mark.parametrize(
    ("settings", "last"),
    [
        ("[budgets]\nmonth_usd = 10\n", "2025-11: ≈$2.0000+ of $10.00 (20.0%)"),
        ("[budgets]\nmonth_usd = 0\n", "2025-11: ≈$2.0000+"),
        ("this is not TOML", "2025-11: ≈$2.0000+"),
    ],
)
def test_the_budget_is_the_one_of_this_repository(
    settings: str,
    last: str,
    costs: Callable[..., str],
    repository: Callable[..., Repository],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell()
    monkeypatch.chdir(repository({"miyabi.toml": settings}).path)

    assert costs(*IN_NOVEMBER).splitlines()[-1] == last


def test_it_can_be_asked_for_while_a_run_goes_on(costs: Callable[..., str]) -> None:
    async def in_progress(story: Story) -> None:
        id = await story.open()
        await story.ledger.note(id, USAGE, 0.75)
        said = await anyio.to_thread.run_sync(costs, *IN_NOVEMBER)
        await story.ledger.settle(id, USAGE, 0.5, Status.FINISHED)
        assert said.splitlines()[-1].startswith("2025-11: ≈$0.7500 of")

    with driving(paths.journal_path(), "1a2b3c"):
        tell(in_progress)
    assert costs(*IN_NOVEMBER).splitlines()[-1].startswith("2025-11: $0.5000 of")


def test_a_ledger_that_was_damaged_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    tell()
    ledger_path(paths.journal_path()).write_bytes(b"no database at all" * 500)

    assert cli.main(["costs", "--all"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("miyabi: the ledger of costs was damaged: it is kept as ")
    assert said.out.startswith("nothing has been spent yet")


@pytest.mark.parametrize(
    "words",
    [
        ("--month", "2025-13"),
        ("--month", "26-1"),
        ("--month", "2025-1x"),
        ("--month", "-"),
        ("--by", "colour"),
        ("--all", "--month", "2025-11"),
    ],
)
def test_wrong_use_is_exit_2(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["costs", *words])

    assert caught.value.code == 2
    assert "error: argument --" in capsys.readouterr().err


def test_every_view_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for by in By:
        assert cli.main(["costs", "--by", by]) == 0
    with pytest.raises(SystemExit):
        cli.main(["costs", "--help"])
    assert "one line for each of these" in capsys.readouterr().out
