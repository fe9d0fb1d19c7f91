"""Approve once: a command that a rule wants approved is asked about once, for all worlds.

The answer holds for this time, for the run (also after it is resumed), or always in the repository.
"""

from __future__ import annotations

import functools
import hashlib
import re
import time
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.to_thread

from miyabi_tui.engine import events as e
from miyabi_tui.engine.approval_book import Allowed, ApprovalBook, Unusable
from miyabi_tui.engine.approval_rules import Ruling, Verdict, judge
from miyabi_tui.engine.publisher import RunPublisher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from miyabi_tui.engine.questions import Questions
    from miyabi_tui.engine.terms import Approvals
    from miyabi_tui.engine.worlds import WorldId

    OnWait = Callable[[WorldId, str], None]

ONCE, RUN, ALWAYS, NO, NEVER = "once", "run", "always", "no", "never"
# No key of the board: whoever presses one there as a question comes up must not answer it.
CHOICES = (
    e.Choice("g", ONCE, "this time, for all that wait for it"),
    e.Choice("v", RUN, "in this run, for every world"),
    e.Choice("e", ALWAYS, "in every run in this repository"),
    e.Choice("n", NO, "not this time"),
    e.Choice("x", NEVER, "not in this run"),
)
IN_A_LINE, LINES, CHARACTERS = 60, 12, 1_000


class Run(RunPublisher, Protocol):
    """The part of the bus that is needed here."""

    async def records(self) -> list[e.Record]:
        """All that happened so far but for the streams' text."""
        ...


def recall(records: Iterable[e.Record]) -> dict[str, str]:
    """The answers in a journal that hold for the run, by the id of their question."""
    asked: set[str] = set()
    kept: dict[str, str] = {}
    for record in records:
        match record.event:
            case e.QuestionAsked(id=key, kind=e.QuestionKind.APPROVAL):
                asked.add(key)
            case e.QuestionAnswered(id=key, choice=choice, by_person=True) if key in asked:
                if choice in (RUN, ALWAYS, NEVER):
                    kept[key] = choice
    return kept


class Clerk:
    """Says of each command whether it may run, and asks the person where the rules want that.

    `repo` and `path` are where answers for always are kept, and for what; without a path they are
    not. `mask` hides secrets in what is kept. `on_wait` is told of a world that waits, and why,
    and then with no reason that it does not any more.
    """

    def __init__(
        self,
        run: Run,
        questions: Questions,
        rules: Approvals,
        *,
        repo: str = "",
        path: Path | None = None,
        mask: Callable[[str], str] = str,
        on_wait: OnWait = lambda world, reason: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._run = run
        self._questions = questions
        self._rules = rules
        self._repo = repo
        self._book = ApprovalBook(path) if path else None
        self._mask = mask
        self._on_wait = on_wait
        self._clock = clock
        self._answers: dict[str, str] = {}
        self._recalled = False
        self._noticed: set[str] = set()

    async def allowed(self, world: WorldId, command: str) -> str:
        """Why `command` may not run, in words for the model; empty where it may.

        Waits for the person where a rule says so.

        Raises:
            StoreError: the journal cannot be read.
        """
        for ruling in await anyio.to_thread.run_sync(judge, self._rules, command):
            if refusal := await self._refusal(world, ruling, command):
                return refusal
        return ""

    async def _refusal(self, world: WorldId, ruling: Ruling, command: str) -> str:
        short = line(self._mask(ruling.command))
        if ruling.verdict is Verdict.DENY:
            why = f"{ruling.pattern!r} in [approvals] deny of the settings forbids it"
            self._notice(ruling.command, f"{world} may not run `{short}`: {why}", world)
            return _refused(short, "a rule forbids it")
        key = question_id(world, ruling)
        allowed = await self._always(key)
        await self._recall()
        answer = self._answers.get(key, ALWAYS if allowed else "")
        if not answer:
            if not self._questions.interactive:
                why = f"{ruling.pattern!r} in [approvals] ask of the settings wants it approved"
                text = f"{world} may not run `{short}`: {why}, and nobody is there to do so"
                self._notice(key, text, world)
                return _refused(short, "it has to be approved, and nobody is there to do so")
            answer = await self._ask(world, key, ruling, command)
        if answer in (ONCE, RUN, ALWAYS):
            return ""
        return _refused(short, "the person said no" + " for the whole run" * (answer == NEVER))

    async def _ask(self, world: WorldId, key: str, ruling: Ruling, command: str) -> str:
        """The person's word, which all get that wait for it."""
        short = line(self._mask(ruling.command))
        self._on_wait(world, f"approval: {short}")
        try:
            answer = await self._questions.ask(
                kind=e.QuestionKind.APPROVAL,
                key=key,
                title=f"{world} wants to run {short}",
                text=f"Whoever wants the same waits too. The rule is: {ruling.pattern}\n\n"
                f"{whole(self._mask(command))}",
                choices=CHOICES,
                default=NO,
            )
        finally:
            self._on_wait(world, "")
        choice = answer.choice
        if choice in (RUN, ALWAYS, NEVER):
            known = key in self._answers
            self._answers[key] = choice
            if choice == ALWAYS and not known:
                await self._keep(key, ruling)
        return choice

    # --- what was said before ---------------------------------------------------------------------

    async def _recall(self) -> None:
        if self._run.state.resumed and not self._recalled:
            self._answers = recall(await self._run.records()) | self._answers
        self._recalled = True

    async def _always(self, key: str) -> bool:
        """Whether it was allowed for always, by now, in any run."""
        if self._book is None:
            return False
        try:
            return key in await anyio.to_thread.run_sync(self._book.keys, self._repo)
        except Unusable as error:
            self._notice("book", f"{self._book.path} is not used: {error}")
            return False

    async def _keep(self, key: str, ruling: Ruling) -> None:
        """Keep it in the file; the run goes on with it whether or not that can be written."""
        if self._book is None:
            return
        command = whole(self._mask(ruling.command))
        add = functools.partial(
            self._book.add, self._repo, Allowed(key, ruling.pattern, command, self._clock())
        )
        try:
            await anyio.to_thread.run_sync(add)
        except OSError as error:
            self._notice("kept", f"the approval holds for this run only: {error}")

    def _notice(self, about: str, text: str, world: WorldId | None = None) -> None:
        if about not in self._noticed:
            self._noticed.add(about)
            self._run.post(e.Notice(level=e.Level.WARNING, text=text, world=world))


def question_id(world: WorldId, ruling: Ruling) -> str:
    """The id of the question, the same for all worlds whose command differs in their name only.

    Commands may hold secrets, and ids must stay as they are: so it is a hash.
    """
    wanted = f"{ruling.pattern}\0{ruling.command}\0{ruling.around}"
    same = re.sub(rf"(?<![A-Za-z]){re.escape(str(world))}(?![A-Za-z])", "*", wanted)
    digest = hashlib.sha256(same.encode("utf-8", "surrogatepass"))
    return f"approval:{digest.hexdigest()[:20]}"


def _refused(short: str, why: str) -> str:
    return f"Not allowed here: `{short}`: {why}. Nothing of the command was run; go on without it."


def visible(text: str) -> str:
    """The text with each character that is none for the eye as its code."""
    return "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode()
        for one in text
    )


def line(command: str) -> str:
    """The command in few words."""
    text = visible(" ".join(command.split()))
    return text if len(text) <= IN_A_LINE else f"{text[: IN_A_LINE - 2]} …"


def whole(command: str) -> str:
    """The command as a person has to see it: its end too, if it is long."""
    text = visible(command.strip())
    lines = text.splitlines()
    if len(lines) > LINES:
        half, gone = LINES // 2, len(lines) - LINES
        text = "\n".join([*lines[:half], f"… {gone} more lines …", *lines[-half:]])
    if len(text) > CHARACTERS:
        half, gone = CHARACTERS // 2, len(text) - CHARACTERS
        text = f"{text[:half]}\n… {gone} more characters …\n{text[-half:]}"
    return text
