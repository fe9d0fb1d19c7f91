"""kill -9 of the engine at random moments of races: steps bought twice 0, work lost 0.

Five worlds race through the official SDK against a local server that counts what is asked of it.
An engine is killed up to four times in a race; then the race may end, and everything is compared
with a race that nobody disturbed. `python -m benchmarks.kills [KILLS]`, 100 unless told.
"""

from __future__ import annotations

import collections
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import NO_BYTECODE, verdict
from miyabi_tui.engine.sandbox.marks import marked
from tests import racing
from tests.wire_server import Answer, Say, WireRequest, WireServer

KILLS = 100
KILLS_A_RACE = 4
SEED = 270

NOTES = "for n in 1 2 3 4 5 6; do echo line $n >> notes.txt; sleep 0.05; done"
TURNS: dict[str, racing.Turns] = {
    "Alpha": [[("bash", {"command": NOTES})], *racing.UNTESTED],
    "Beta": [
        [("bash", {"command": f"{NOTES}; git add -A; git commit -qm 'my notes'"})],
        [("bash", {"command": "git rm -q notes.txt; sleep 0.1; git commit -qm 'no notes'"})],
        *racing.FIX,
    ],
    "Gamma": [[("bash", {"command": "mkdir -p 日本語; echo é > 日本語/x.txt"})], *racing.FIX],
    "Delta": [*racing.NOTHING],
    "Epsilon": [[("bash", {"command": NOTES})], *racing.BROKEN],
}


def answer(request: WireRequest) -> Answer:
    """The turns as written, streamed at some length so that kills meet them too."""
    turn = TURNS[request.world][request.assistant_turns]
    return Say(text="I look at it. " * 10, tool_calls=turn, delay=0.004)


class Race:
    """One race in a repository of its own, driven by the command as a person would."""

    def __init__(self, folder: Path, server: WireServer) -> None:
        self.repo = racing.make_project(folder / "project")
        self.state = folder / "state"
        self.server = server
        self.run = ""
        self.found: list[tuple[str, frozenset[tuple[str, str]]]] = []

    def drive(self, kill_after: float | None) -> bool:
        """Begin or resume it; whether it was killed before it came to its end."""
        command = ["resume", self.run] if self.run else ["run", "add() subtracts"]
        if not self.run:
            model = "anthropic/test-model"
            command += ["--issue-number", "7", "--merge", "auto", "--model", model]
            command += ["--alternative-model", model]
        env = {
            "MIYABI_STATE_DIR": str(self.state),
            "ANTHROPIC_API_KEY": "sk-test",
            "ANTHROPIC_BASE_URL": self.server.url,
        }
        base = {key: value for key, value in os.environ.items() if key != NO_BYTECODE}
        process = subprocess.Popen(
            [sys.executable, "-m", "miyabi_tui", *command, "--headless"],
            cwd=self.repo,
            env=base | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            said, _ = process.communicate(timeout=kill_after)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            self.run = self.run or self._value("SELECT id FROM execution_runs")
            return True
        if process.returncode != 0:
            raise SystemExit(f"exit {process.returncode}: {said[-3000:]}")
        self.run = self.run or self._value("SELECT id FROM execution_runs")
        return False

    @property
    def merged(self) -> bool:
        """Whether it is over."""
        return self._value("SELECT status FROM execution_runs") == "merged"

    def _rows(self, query: str) -> list[Any]:
        if not (self.state / "miyabi.db").exists():
            return []
        with contextlib.closing(sqlite3.connect(self.state / "miyabi.db", timeout=10)) as db:
            try:
                return db.execute(query).fetchall()
            except sqlite3.OperationalError:  # killed before its tables were made
                return []

    def _value(self, query: str) -> str:
        rows = self._rows(query)
        return str(rows[0][0]) if rows else ""

    def bought(self) -> set[tuple[str, int]]:
        """The turns that the journal has."""
        query = (
            "SELECT json_extract(body, '$.world'), json_extract(body, '$.step') FROM events"
            " WHERE kind = 'turn_finished'"
        )
        return {(world, step) for world, step in self._rows(query)}

    def note_what_is_there(self) -> None:
        """Remember what every worktree holds, to look for it later."""
        for path in self.repo.glob(".miyabi/worktrees/world-*/*/*"):
            if (path / "calc").is_dir():
                self.found.append((str(path.relative_to(self.repo)), _files(path)))

    def lost(self) -> list[str]:
        """What was there at a kill and is in no commit that miyabi keeps, nor in its worktree."""
        commits = racing.git(self.repo, "rev-list", "--all").split()
        kept = {_tree(self.repo, commit) for commit in commits}
        return [where for where, files in self.found if files not in kept]

    def troubles(self) -> list[str]:
        """What is damaged or left behind."""
        found = []
        fsck = racing.git(self.repo, "fsck", "--full", "--no-dangling")
        if fsck:
            found.append(f"fsck: {fsck}")
        if self._value("PRAGMA integrity_check") != "ok":
            found.append("the journal is damaged")
        if left := marked(f"{self.run}-"):
            found.append(f"processes left: {left}")
        merges = racing.git(
            self.repo, "log", "--branches", "--format=%H", f"--grep=Miyabi-Run: {self.run}"
        )
        if len(merges.split()) != 1:
            found.append(f"merged {len(merges.split())} times")
        return found

    def outcome(self) -> list[Any]:
        """Winner, scores, and what each world came to."""
        worlds = self._rows(
            "SELECT world_id, status, evaluation_score FROM world_executions ORDER BY world_id"
        )
        trees = [
            racing.git(self.repo, "rev-parse", f"{name}^{{tree}}")
            for name in racing.git(
                self.repo, "for-each-ref", "--format=%(refname)", "refs/heads/world-*"
            ).split()
        ]
        return [self._rows("SELECT winning_world_id, status FROM execution_runs"), worlds, trees]


def _files(folder: Path) -> frozenset[tuple[str, str]]:
    listing = racing.git(
        folder, "ls-files", "--cached", "--others", "--exclude-standard", "-z"
    ).split("\0")
    names = sorted({name for name in listing if name and (folder / name).is_file()})
    hashes = racing.git(folder, "hash-object", "--", *names).split()
    return frozenset(zip(names, hashes, strict=True))


_trees: dict[str, frozenset[tuple[str, str]]] = {}


def _tree(repo: Path, commit: str) -> frozenset[tuple[str, str]]:
    if commit not in _trees:
        entries = racing.git(repo, "ls-tree", "-r", "-z", commit).split("\0")
        _trees[commit] = frozenset(
            (entry.partition("\t")[2], entry.split()[2]) for entry in entries if entry
        )
    return _trees[commit]


def main(kills: int = KILLS) -> bool:
    """Kill, resume and compare; whether nothing was lost or bought twice."""
    chance = random.Random(SEED)
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as scratch, WireServer(answer) as server:
        started = time.perf_counter()
        undisturbed = Race(Path(scratch, "undisturbed"), server)
        undisturbed.drive(None)
        seconds, expected = time.perf_counter() - started, undisturbed.outcome()
        print(f"undisturbed: {seconds:.1f} s, {len(server.requests)} turns, {expected[0]}")
        while counts["kills"] < kills:
            counts["races"] += 1
            server.requests.clear()
            race = Race(Path(scratch, f"race-{counts['races']}"), server)
            for left in reversed(range(min(KILLS_A_RACE, kills - counts["kills"]) + 1)):
                bought, asked = race.bought(), len(server.requests)
                # A race that goes on is shorter by what it had done.
                counts["kills"] += race.drive(chance.uniform(0.3, seconds * 0.7) if left else None)
                again = [(one.world, one.assistant_turns + 1) for one in server.requests[asked:]]
                counts["bought twice"] += sum(one in bought for one in again)
                if race.merged:
                    break
                race.note_what_is_there()
            turns = sum(map(len, TURNS.values()))
            counts["cut off in mid-turn, so asked again"] += len(server.requests) - turns
            for trouble in race.troubles():
                counts["troubles"] += 1
                print(f"race {counts['races']} ({race.repo}): {trouble}")
            for where in race.lost():
                counts["work lost"] += 1
                print(f"race {counts['races']}: lost what was in {where}")
            if race.outcome() != expected:
                counts["other outcome"] += 1
                print(f"race {counts['races']}: {race.outcome()}")
    print(", ".join(f"{name}: {count}" for name, count in counts.items()))
    kept = True
    for wrong in ("bought twice", "work lost", "other outcome", "troubles"):
        kept &= verdict(f"{wrong} over {counts['kills']} kills", counts[wrong], 0)
    return kept


if __name__ == "__main__":
    raise SystemExit(not main(*map(int, sys.argv[1:2])))
