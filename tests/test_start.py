"""`miyabi` without words: the list, the form of a new race, what it may cost."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from textual.widgets import Input, OptionList, Static, TextArea

from miyabi_tui import cli, estimating, paths, starting
from miyabi_tui.config import Settings
from miyabi_tui.engine.costs.past import WorldCost
from miyabi_tui.engine.store.rows import RunRow
from miyabi_tui.engine.worlds import FIVE, WorldId
from miyabi_tui.screens.start import StartApp
from miyabi_tui.screens.start_race import NewRace
from miyabi_tui.starting import Facts
from miyabi_tui.widgets.keyline import KeyLine
from tests import (
    racing,
    snapshot_support,  # noqa: F401
)
from tests.desk import press, shown
from tests.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from textual.pilot import Pilot

pytestmark = pytest.mark.anyio

MODEL, OTHER = "anthropic/claude-sonnet-5-5", "anthropic/claude-opus-5-5"
REPO = "/home/mika/ledger"


def row(run_id: str, status: str, title: str, **more: Any) -> RunRow:
    """A run as the journal lists it."""
    values: dict[str, Any] = {
        "run_id": run_id,
        "issue_number": None,
        "issue_key": "issue-x",
        "title": title,
        "status": status,
        "started_at": 1_700_000_000.0,
        "completed_at": None,
        "total_cost_usd": 0.42,
        "winner": None,
        "score": None,
        "repo": REPO,
        "branch": None,
    }
    return RunRow(**{**values, **more})


def cost(usd: float, model: str = MODEL, run: str = "r1", world: str = "Alpha") -> WorldCost:
    """What a past world has cost."""
    return WorldCost(run_id=run, world=world, model=model, repo=REPO, cost_usd=usd)


COSTS = tuple(
    cost(usd, model, run, world)
    for run, some in (("r1", (0.05, 0.08, 0.11)), ("r2", (0.09, 0.2, 0.31)))
    for usd, world, model in zip(some, FIVE[2:], (MODEL, MODEL, OTHER), strict=True)
)
SET = Settings(model=MODEL, alternative_model=OTHER)
BARE = Facts(repo=REPO, branch="main", settings=SET)
FULL = Facts(
    repo=REPO,
    branch="main",
    dirty=2,
    settings=SET,
    going=(row("9f00aa11", "running", "Rounding of the totals", total_cost_usd=0.1),),
    open_ones=(row("1a2b3c4d", "interrupted", "Quoted fields with commas are split in two"),),
    past=(
        row("77e1d0b2", "merged", "[b]No[/b] markup \x1b[31mhere", winner="Beta", issue_number=270),
        row("5500aa77", "no_winner", "Make it faster", total_cost_usd=1.5),
        row("5500aa78", "selected", "日本語の見出しは広い" * 8, winner="Epsilon"),
    ),
    costs=COSTS,
)


class Begun:
    """A start screen over facts; `said` is what was checked, `refusal` what comes of it."""

    def __init__(self, facts: Facts) -> None:
        self.said: list[list[str]] = []
        self.refusal = ""
        self.toasts: list[str] = []
        self.app = StartApp(lambda: facts, self.why_wrong)
        self.app.notify = self._toast  # type: ignore[method-assign]

    def why_wrong(self, words: Sequence[str]) -> str:
        self.said.append([*words])
        return self.refusal

    def _toast(self, message: str, **_: Any) -> None:
        self.toasts.append(message)

    async def ready(self, pilot: Pilot[int]) -> None:
        """Wait until the facts are there."""
        while self.app.start._facts is None:
            await pilot.pause(0.01)
        await pilot.pause()

    async def play(self, *keys: str) -> list[str]:
        """Press these; what is then to be done."""
        async with self.app.run_test(size=(100, 30)) as pilot:
            await self.ready(pilot)
            await press(pilot, *keys)
            await pilot.pause()
        return self.app.chosen


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("d", ["demo"]),
        ("t", ["demo", "--tour"]),
        ("down enter", ["demo"]),
        ("down down down enter", ["attach", "9f00aa11"]),
        ("end up up up enter", ["resume", "1a2b3c4d"]),
        ("end r", ["replay", "5500aa78"]),
        ("j j j j j r", ["replay", "77e1d0b2"]),
        ("q", []),
        ("escape", []),
        ("ctrl+c", []),
        ("n escape escape", []),
        ("n ctrl+c", []),
        ("end enter r", ["replay", "5500aa78"]),
        ("end enter escape d", ["demo"]),
    ],
)
async def test_what_is_chosen(
    keys: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIYABI_STATE_DIR", str(tmp_path))
    assert await Begun(FULL).play(*keys.split()) == words


async def test_a_new_race_by_keys_alone() -> None:
    begun = Begun(FULL)
    keys = ["n", *"Fix", "space", *"it", "enter", *"-x", "tab", "tab", *"270", "tab", *"a/b", "tab"]
    keys += ["tab", "space", "right", "right", "space", "tab", "right", "tab", *"2.5", "ctrl+s"]
    words = await begun.play(*keys)
    assert words == [
        *("run", "--merge", "auto", "--worlds", "beta,delta,epsilon"),
        *("--model=a/b", "--issue-number=270", "--budget=2.5"),
        *("--", "Fix it\n-x"),
    ]
    assert begun.said == [words]
    args = cli.parser().parse_args(words)
    assert (args.issue, args.worlds, args.budget) == ("Fix it\n-x", "beta,delta,epsilon", 2.5)


async def test_what_is_wrong_is_said_before_the_form_is_left() -> None:
    begun = Begun(FULL)
    begun.refusal = "ANTHROPIC_API_KEY is not set"
    async with begun.app.run_test(size=(100, 30)) as pilot:
        await begun.ready(pilot)
        await press(pilot, "n", "ctrl+s")
        assert begun.toasts[-1].startswith("Say what is to be done")
        await press(pilot, *"Fix", "ctrl+s")
        while len(begun.toasts) < 2:
            await pilot.pause(0.01)
        assert begun.toasts[-1] == begun.refusal
        form = begun.app.screen
        assert isinstance(form, NewRace)
        form.query_one("#budget", Input).value = "much"
        await press(pilot, "ctrl+s")
        assert "amount of US dollars" in begun.toasts[-1]
        await press(pilot, "escape", "n")  # and what was typed is there again
        assert begun.app.screen.query_one("#issue", TextArea).text == "Fix"
    assert begun.app.chosen == []


async def test_the_issue_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "issue.md").write_text("# Broken\n\nAll of it.\n")
    begun = Begun(Facts(repo=str(tmp_path), branch="main"))
    async with begun.app.run_test(size=(100, 30)) as pilot:
        await begun.ready(pilot)
        await press(pilot, "n", "tab", *"gone.md", "enter")
        while not begun.toasts:
            await pilot.pause(0.01)
        assert begun.toasts[-1] == "gone.md cannot be read: No such file or directory"
        field = begun.app.screen.query_one("#file", Input)
        field.value = "issue.md"
        await press(pilot, "enter")
        while not begun.app.screen.query_one("#issue", TextArea).text:
            await pilot.pause(0.01)
        assert begun.app.screen.query_one("#issue", TextArea).text == "# Broken\n\nAll of it.\n"


async def test_what_it_may_cost_follows_the_form() -> None:
    begun = Begun(FULL)
    async with begun.app.run_test(size=(100, 30)) as pilot:
        await begun.ready(pilot)
        await press(pilot, "n")
        form = begun.app.screen
        before = str(form.query_one("#estimate", Static).content)
        assert before.startswith("≈ $0.55 for 5 worlds, between $0.31 and $1.11, by 6 past")
        form.query_one("#budget", Input).value = "0.10"
        form.query_one("#model", Input).value = "openai/x"
        await pilot.pause()
        after = str(form.query_one("#estimate", Static).content)
        assert "with other models" in after and "more than the budget" in after


async def test_a_repository_that_cannot_be_read_says_so() -> None:
    begun = Begun(Facts(repo=REPO, trouble="miyabi.toml:3: no such setting"))
    async with begun.app.run_test(size=(60, 16)) as pilot:
        await begun.ready(pilot)
        assert "miyabi.toml:3" in str(begun.app.start.query_one("#start-head", Static).content)
        await press(pilot, "n")
        assert begun.toasts == ["miyabi.toml:3: no such setting"]


async def test_the_footer_goes_with_the_row() -> None:
    begun = Begun(FULL)
    async with begun.app.run_test(size=(100, 30)) as pilot:
        await begun.ready(pilot)
        footer = begun.app.start.query_one(KeyLine)
        assert "enter choose" in shown(footer)
        begun.app.start.query_one(OptionList).highlighted = 4
        await pilot.pause()
        assert "enter watch it" in shown(footer)
        await press(pilot, "down")
        assert "enter go on with it" in shown(footer) and "r replay" in shown(footer)


# --- the estimate ---------------------------------------------------------------------------------


def test_an_estimate_goes_by_what_is_most_alike() -> None:
    past = [cost(0.1), cost(0.3, run="r2"), cost(9.0, "x/y", "r3"), cost(0.2, run="r4")]
    found = estimating.estimate(past, REPO, [MODEL, MODEL])
    assert found is not None
    assert (found.middle_usd, found.least_usd, found.most_usd) == pytest.approx((0.4, 0.2, 0.6))
    assert (found.worlds, found.runs, found.alike) == (3, 3, estimating.HERE)
    elsewhere = estimating.estimate(past, "/other", [MODEL])
    assert elsewhere is not None and elsewhere.alike == estimating.ELSEWHERE
    other = estimating.estimate(past, REPO, ["new/model"])
    assert other is not None and (other.most_usd, other.alike) == (9.0, estimating.OTHERS)
    assert estimating.in_words(None, 5) == estimating.NONE_YET
    assert estimating.estimate([], REPO, [MODEL]) is None


# --- the real thing -------------------------------------------------------------------------------


def test_the_facts_of_a_real_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = racing.make_project(tmp_path / "project")
    monkeypatch.setenv("MIYABI_STATE_DIR", str(tmp_path / "state"))
    (repo / "new.txt").touch()
    empty = starting.gather(repo)
    assert (empty.branch, empty.dirty, empty.past, empty.trouble) == ("main", 1, (), "")
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.FIX})
    racing.race(racing.request_for(repo, recording), paths.journal_path())
    full = starting.gather(repo)
    assert [one.status for one in full.past] == ["selected"]
    assert (full.going, full.open_ones, full.costs) == ((), (), ())  # recorded: nothing was billed
    assert "is not in a git repository" in starting.gather(tmp_path).trouble


def test_words_are_checked_as_run_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = racing.make_project(tmp_path / "project")
    monkeypatch.chdir(repo)
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    parser = cli.parser()
    assert "ANTHROPIC_API_KEY is not set" in starting.why_wrong(parser, ["run", "--", "x"])
    assert starting.why_wrong(parser, ["run", "--budget=x", "--", "x"])
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.FIX})
    assert starting.why_wrong(parser, ["run", f"--model=replay/{recording}", "--", "x"]) == ""


def test_without_a_terminal_or_a_repository_the_help_and_a_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([]) == cli.WRONG_USE
    assert "not on a terminal" in capsys.readouterr().out
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert cli.main([]) == cli.WRONG_USE
    assert "no git repository here" in capsys.readouterr().out


def test_a_race_from_the_start_screen_in_a_real_terminal(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    turns = dict.fromkeys(FIVE, racing.NOTHING) | {WorldId.ALPHA: racing.FIX}
    recording = racing.record(tmp_path / "turns", turns)
    env: dict[str, Any] = {
        "MIYABI_STATE_DIR": str(tmp_path / "state"),
        "MIYABI_MODEL": f"replay/{recording}",
    }
    with Terminal("-m", "miyabi_tui", cwd=repo, **env) as terminal:
        terminal.until("No run of this repository yet")
        terminal.press("n")
        terminal.until("A new race")
        terminal.press("add() subtracts")
        terminal.until("add() subtracts")
        terminal.press("\x13")
        terminal.until("merge Alpha", timeout=80)
        terminal.press("m")
        terminal.until("merged into miyabi/issue-add-subtracts")
        terminal.press("q")
        assert terminal.end() == 0
    with Terminal("-m", "miyabi_tui", cwd=repo, **env) as terminal:
        terminal.until("Past runs")
        terminal.press("q")
        assert terminal.end() == 0


# --- pictures -------------------------------------------------------------------------------------

SIZES = [(80, 24)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", ["list", "form"])
def test_pictures(snap_compare: Callable[..., bool], name: str, size: tuple[int, int]) -> None:
    begun = Begun(FULL)

    async def before(pilot: Pilot[int]) -> None:
        await begun.ready(pilot)
        await press(pilot, *(["n", *"Totals"] if name == "form" else ["down"] * 4))

    assert snap_compare(begun.app, run_before=before, terminal_size=size)


def test_an_empty_start(snap_compare: Callable[..., bool]) -> None:
    begun = Begun(BARE)
    assert snap_compare(begun.app, run_before=begun.ready, terminal_size=(80, 24))
