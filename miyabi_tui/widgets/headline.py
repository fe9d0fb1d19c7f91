"""The head line: which issue, where the run stands, how long, how much, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from miyabi_tui.engine import safety
from miyabi_tui.engine.events import Level
from miyabi_tui.engine.state import RunState
from miyabi_tui.widgets.asking import (
    breaker,
    budget,
    complexity,
    fallback,
    headline,
    spent,
    warnings,
)
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.rows import ReadyRows, Span, row
from miyabi_tui.widgets.words import clock, outcome, phase, seconds
from miyabi_tui.widgets.wrap import cells

if TYPE_CHECKING:
    from textual import events
    from textual.strip import Strip

RECORDED = "recorded turns — nothing is billed"
RECORDED_SHORT = "recorded, not billed"
INFO_SECONDS = 10
LEAST_ISSUE = 12
BROAD, WIDE = 100, 150
RESUMED = "resumed  "


class HeadLine(ReadyRows):
    """Two rows over the board."""

    GROUND = "panel"

    def __init__(self) -> None:
        super().__init__(id="headline")
        self._run = RunState()
        self._now = 0.0
        self._line = ""

    class Asked(Message):
        """The person clicked on an open question."""

        def __init__(self, headline: HeadLine) -> None:
            super().__init__()
            self.headline = headline

        @property
        def control(self) -> HeadLine:
            """The head line."""
            return self.headline

    def show(self, run: RunState, now: float, line: str = "") -> None:
        """Show another state, or another second; `line` says how slow the terminal's line is."""
        self._run, self._now, self._line = run, now, line
        self.remake()

    def make(self, width: int, height: int) -> list[Strip]:
        """Issue and progress; below, the outcome or the latest news."""
        run = self._run
        right = self._progress(run, width)
        if self._line:
            right = [(f"{self._line}  ", "warn"), *right]
        issue = self._issue(run)
        for extra in self._slots(run, width):
            if sum(cells(text) for text, _ in (*issue, extra, *right)) + 3 <= width:
                right = [extra, *right]
        whole = sum(cells(text) for text, _ in (*issue, *right))
        if run.resumed and not run.finished and whole + len(RESUMED) + 3 <= width:
            right = [(RESUMED, "accent"), *right]
        room = sum(cells(text) for text, _ in right)
        first = row(width, issue, right, self.ink, keep=max(8, width - room - 3))
        said = self._said(run, width)
        # that nothing is billed is said before any news, but not before what the person must know
        ended = bool(outcome(run)[0] or run.questions)
        least = cells(said[0]) if ended else min(cells(said[0]), width // 2 - 6)
        tag = RECORDED if least + len(RECORDED) + 4 <= width else RECORDED_SHORT
        fits = not ended or least + len(tag) + 3 <= width
        recorded: list[Span] = [(tag, "warn")] if run.recorded and fits else []
        return [first, row(width, [said], recorded, self.ink, keep=8)]

    def _issue(self, run: RunState) -> list[Span]:
        if not run.run_id:
            return [("miyabi", "strong"), ("  one issue, five worlds, one winner", "dim")]
        number = f"#{run.issue.number} " if run.issue.number is not None else ""
        return [(number, "accent"), (one_line(run.issue.title), "strong")]

    def _progress(self, run: RunState, width: int) -> list[Span]:
        if not run.run_id and not run.finished:
            return [("starting", "dim")]
        stands = phase(run)
        cost, limit = spent(run), budget(run)
        spans = [
            (str(stands), stands.ink),
            (f"  {clock(run.elapsed(self._now))}", "text"),
            (f"  {cost}", "strong" if limit is None or limit.ink == "dim" else limit.ink),
        ]
        whole = sum(cells(text) for text, _ in spans) + cells(str(limit)) + LEAST_ISSUE
        if limit is not None and whole <= width:
            spans.append((str(limit), limit.ink))
        return spans

    def _slots(self, run: RunState, width: int) -> list[Span]:
        """How much heavy work may run, in few words: unless that is said below, or goes without."""
        if run.slots is None or run.finished:
            return []
        scarce = safety.is_scarce(run.slots)
        below = [run.questions, outcome(run)[0], run.breakers, warnings(run)]
        if not any(below) if scarce else width < WIDE:
            return []
        return [(f"{safety.slots_short(run.slots)}  ", "warn" if scarce else "faint")]

    def _said(self, run: RunState, width: int) -> Span:
        if run.questions and not run.finished:
            return headline(run, self._now, width - 2), "warn"
        ended = outcome(run)
        if ended[0]:
            return ended
        pressing = [*(breaker(one, self._now) for one in run.breakers), *warnings(run)]
        if run.slots is not None and safety.is_scarce(run.slots):
            pressing.append(one_line(safety.slots(run.slots, short=width < BROAD)))
        if pressing:
            return " · ".join(pressing), "warn"
        fresh = run.elapsed(self._now) < INFO_SECONDS
        notices = [one for one in run.notices if fresh or one.level is not Level.INFO]
        notices.sort(key=lambda one: one.level is not Level.INFO)  # a warning outlasts later news
        if notices:
            notice = notices[-1]
            inks = {Level.INFO: "dim", Level.WARNING: "warn", Level.ERROR: "bad"}
            return one_line(notice.text), inks[notice.level]
        if run.tried:
            return fallback(run), "accent"
        if run.base is not None:
            base = run.base
            hard = complexity(run, 1)
            return (
                f"base {run.base_commit[:7]}: {base.tests_passed} of {base.tests_known} tests pass,"
                f" {base.lint_findings + base.security_findings} findings,"
                f" {seconds(base.seconds)}{hard and f' · task {hard}'}",
                "dim",
            )
        return complexity(run) or one_line(run.repo), "faint"

    def on_click(self, event: events.Click) -> None:
        """A click while something is asked is its answer key."""
        if self._run.questions:
            event.stop()
            self.post_message(self.Asked(self))
