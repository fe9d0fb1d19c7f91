"""What typed words do: each is a command of the engine, after a question where it is grave.

Whether something can be done, and why not, is said by the same rules as on the screen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine import events as e
from miyabi_tui.engine.control import Fork
from miyabi_tui.engine.errors import MiyabiError
from miyabi_tui.engine.state import WorldStatus, step_name
from miyabi_tui.linear_aside import SteppingAside
from miyabi_tui.linear_pages import Pages
from miyabi_tui.linear_words import ALL, help_lines, status_lines, world_of, worlds_named

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.state import RunState, WorldState
    from miyabi_tui.linear_questions import Questions

YES = ("yes", "y")
UNKNOWN = "There is no such command"


class Steering:
    """Does what a line says. `left`: the person has left a run that goes on elsewhere."""

    def __init__(self, control: Control, questions: Questions, *, terminal: bool = False) -> None:
        from miyabi_tui.screens.undoing import Undo

        self.left = False
        self._control = control
        self._questions = questions
        self._undo = Undo()
        pages, aside = Pages(control), SteppingAside(control, terminal=terminal)
        self._pending: tuple[tuple[str, ...], Callable[[RunState], str]] | None = None
        self._on_run: dict[str, Callable[[RunState, str], list[str]]] = {
            "help": lambda _run, _rest: help_lines(),
            "status": lambda run, _rest: status_lines(run),
            "questions": lambda run, _rest: self._questions.listed(run),
            "answer": self._answer,
            "merge": self._merge,
            "undo": lambda run, _rest: [self._undo.undo(run, self._control)[0]],
            "issue": lambda run, _rest: [run.issue.title, run.issue.text],
            "quit": self._quit,
            "compare": pages.compare,
            "events": pages.events,
        }
        self._on_world: dict[str, Callable[[RunState, WorldState, str], list[str]]] = {
            "pause": self._pause,
            "go": self._go,
            "kill": self._kill,
            "tell": self._tell,
            "winner": self._winner,
            "steps": self._steps,
            "back": self._back,
            "fork": self._fork,
            "diff": self._diff,
            "output": self._output,
            "path": self._path,
            "score": pages.score,
            "tests": pages.tests,
            "cost": pages.cost,
            "edit": aside.edit,
            "shell": aside.shell,
        }

    def do(self, line: str, run: RunState) -> list[str]:
        """Do it; what to say."""
        verb, _, rest = line.strip().partition(" ")
        verb, rest = verb.lower(), rest.strip()
        if self._pending is not None:
            (agrees, act), self._pending = self._pending, None
            if line.strip().lower() in agrees:
                return [act(run)]
            if verb in ("no", "n"):
                return ["Nothing is done."]
        verb = {"?": "help", "exit": "quit", "q": "quit", "continue": "go"}.get(verb, verb)
        if verb in self._on_run:
            return self._on_run[verb](run, rest)
        if verb not in self._on_world:
            return [f"{UNKNOWN}: {verb}. help lists them."]
        name, _, rest = rest.partition(" ")
        if verb == "tell" and name.lower() == ALL:
            return self._tell_all(run, rest.strip())
        world = world_of(name, run)
        if world is None:
            return [f"Which world? {verb} and one of: {worlds_named(run)}"]
        return self._on_world[verb](run, world, rest.strip())

    def your_turn(self, run: RunState) -> str:
        """What the person may say when the run waits for them."""
        return (
            f"It is your turn: merge takes {run.winner} into {run.target}; "
            f"diff {run.winner}, winner with another name, undo, or quit."
        )

    def _ask(
        self,
        text: str,
        said: str,
        act: Callable[[RunState], str],
        run: RunState,
        agrees: tuple[str, ...] = YES,
    ) -> list[str]:
        """Ask, unless the answer was typed behind the command."""
        if said.lower() in agrees:
            return [act(run)]
        self._pending = (agrees, act)
        return [f"{text} {agrees[0]} or no?"]

    # --- on the run -------------------------------------------------------------------------------

    def _answer(self, run: RunState, rest: str) -> list[str]:
        number, _, amount = rest.partition(" ")
        return [self._questions.answer(number, amount.strip(), run)]

    def _merge(self, run: RunState, _rest: str) -> list[str]:
        from miyabi_tui.screens.refusals import why_not_merge

        if refusal := why_not_merge(run):
            return [refusal.replace("with w", "with winner")]
        self._control.merge()
        return [f"Merging {run.winner}."]

    def _quit(self, run: RunState, rest: str) -> list[str]:
        if self._control.attached:
            self.left = True
            return ["You leave; the race goes on."]
        if run.finished:
            return []

        def leave(_run: RunState) -> str:
            self._control.stop()
            return "Ending."

        at_work = sum(not world.ended for world in run.worlds)
        if run.winner:
            text = f"{run.winner} is not merged yet; miyabi merge {run.run_id} does that later."
        else:
            text = (
                f"{at_work} at work end now; miyabi resume {run.run_id} goes on where they stood."
            )
        return self._ask(f"Nothing is lost. {text} Leave?", rest, leave, run)

    def _tell_all(self, run: RunState, text: str) -> list[str]:
        from miyabi_tui.screens.refusals import at_work, why_not_tell_all

        if refusal := why_not_tell_all(run) or ("" if text else "Say what, behind it."):
            return [refusal]
        for world in at_work(run):
            self._control.tell(world, text)
        return []  # it is in the journal, and so in the lines

    # --- on a world -------------------------------------------------------------------------------

    def _pause(self, run: RunState, world: WorldState, _rest: str) -> list[str]:
        from miyabi_tui.screens.refusals import why_not_pause
        from miyabi_tui.screens.undoing import Paused

        if world.status is WorldStatus.PAUSED:
            return [f"{world.id} is paused already: go {world.id.lower()} lets it go on."]
        if refusal := why_not_pause(run, world):
            return [refusal]
        self._undo.did(Paused(world.id))
        self._control.pause(world.id)
        return []

    def _go(self, run: RunState, world: WorldState, _rest: str) -> list[str]:
        if world.status is not WorldStatus.PAUSED or run.finished:
            return [f"{world.id} is not paused."]
        self._undo.forget_pause(world.id)
        self._control.proceed(world.id)
        return []

    def _kill(self, run: RunState, world: WorldState, rest: str) -> list[str]:
        from miyabi_tui.screens.refusals import why_not_kill
        from miyabi_tui.screens.undoing import Killed

        if refusal := why_not_kill(run, world):
            return [refusal]

        def kill(now: RunState) -> str:
            if why := why_not_kill(now, now.world(world.id)):
                return why
            self._undo.did(Killed.of([now.world(world.id)]))
            self._control.kill(world.id)
            return f"{world.id} is being ended; undo brings it back."

        text = f"Kill {world.id}? Its processes end and it gets no score; its files stay."
        return self._ask(text, rest, kill, run)

    def _tell(self, run: RunState, world: WorldState, text: str) -> list[str]:
        from miyabi_tui.screens.refusals import why_not_tell

        if refusal := why_not_tell(run, world) or ("" if text else "Say what, behind its name."):
            return [refusal]
        self._control.tell(world.id, text)
        return []

    def _winner(self, run: RunState, world: WorldState, rest: str) -> list[str]:
        from miyabi_tui.engine.safety import blocking
        from miyabi_tui.screens.pick import consequences
        from miyabi_tui.screens.refusals import LOOK_AGAIN, why_not_pick
        from miyabi_tui.screens.undoing import Picked

        if refusal := why_not_pick(run, world):
            return [refusal]
        means = consequences(run, world)

        def pick(now: RunState) -> str:
            chosen = now.world(world.id)
            if why := why_not_pick(now, chosen):
                return why
            if consequences(now, chosen) != means:
                return LOOK_AGAIN
            self._undo.did(Picked.of(now, world.id))
            self._control.pick(world.id)
            return f"{world.id} is your choice; undo takes that back."

        found = [f"  {finding}" for finding in blocking(world)]
        # With findings that block it, it has to be taken by its name, as on the screen.
        agrees = (world.id.value.lower(),) if found else YES
        text = "\n".join([*found, *means, f"Make {world.id} the winner?"])
        return self._ask(text, rest, pick, run, agrees)

    def _steps(self, _run: RunState, world: WorldState, _rest: str) -> list[str]:
        lines = [
            f"{step_name(one.step)}: {one.doing}{f', {one.tests}' if one.tests else ''}"
            for one in world.checkpoints
        ]
        return lines or [f"{world.id} has no checkpoint yet."]

    def _back(self, run: RunState, world: WorldState, rest: str) -> list[str]:
        number, _, said = rest.partition(" ")
        if refusal := self._why_no_step(run, world, number):
            return [refusal]
        fork = Fork(source=world.id, step=int(number))

        def back(_now: RunState) -> str:
            self._control.fork(fork)
            return f"{world.id} goes back to {step_name(fork.step)}."

        text = f"{world.id} goes on from {step_name(fork.step)}; what came after is archived."
        return self._ask(f"{text} Take it back?", said.strip(), back, run)

    def _fork(self, run: RunState, world: WorldState, rest: str) -> list[str]:
        from miyabi_tui.screens.refusals import why_no_room

        number, _, added = rest.partition(" ")
        if refusal := self._why_no_step(run, world, number) or why_no_room(run):
            return [refusal]
        self._control.fork(Fork(source=world.id, step=int(number), extra=True, added=added))
        return []

    def _why_no_step(self, run: RunState, world: WorldState, number: str) -> str:
        from miyabi_tui.screens.refusals import why_not_go_back

        if refusal := why_not_go_back(run, world):
            return refusal
        steps = [str(one.step) for one in world.checkpoints]
        if number in steps:
            return ""
        return f"{world.id} has checkpoints after the steps {', '.join(steps)}; name one of them."

    def _diff(self, _run: RunState, world: WorldState, _rest: str) -> list[str]:
        try:
            return [self._control.diff(world.id) or f"{world.id} has changed nothing."]
        except MiyabiError as error:
            return [f"{world.id}'s diff cannot be read: {error}"]

    def _output(self, _run: RunState, world: WorldState, _rest: str) -> list[str]:
        from miyabi_tui.screens.copying import LOOKED_AT, last_output

        try:
            records = self._control.records(world=world.id, newest=LOOKED_AT)
        except MiyabiError as error:
            return [f"{world.id}'s output cannot be read: {error}"]
        outputs = [one.event for one in records if isinstance(one.event, e.Output)]
        return [last_output(outputs).rstrip() or f"{world.id} has no output yet."]

    def _path(self, _run: RunState, world: WorldState, _rest: str) -> list[str]:
        where = self._control.worktree(world.id)
        return [
            f"{where} on {world.config.branch}" if where else f"{world.id} has no worktree yet."
        ]
