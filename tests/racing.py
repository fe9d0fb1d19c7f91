"""Races for tests: a tiny real project, turns written on the spot, and the whole engine on them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from miyabi_tui.engine import events as e
from miyabi_tui.engine.engine import Engine
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.models.registry import Kind, Provider
from miyabi_tui.engine.repo.git import open_repository, resolve_commit
from miyabi_tui.engine.request import RunRequest
from miyabi_tui.engine.state import RunState
from miyabi_tui.engine.terms import Governing, Isolation, Sandboxing, Terms
from miyabi_tui.engine.worlds import WorldConfig, WorldId, default_worlds

if TYPE_CHECKING:
    from pathlib import Path

ISSUE = e.Issue("issue-7", "add() subtracts", "`add(2, 3)` gives -1.", 7)
WRONG = "def add(a, b):\n    return a - b\n"
RIGHT = "def add(a, b):\n    return a + b\n"
TEST = "from calc.ops import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
QUICK = "addopts = '-p no:unraisableexception -p no:threadexception'\n"  # five collections less
MORE = "\n\ndef test_add_zero():\n    assert add(0, 0) == 0\n"


def git(repo: Path, *args: str) -> str:
    """Run git for a test."""
    done = subprocess.run(["git", *args], cwd=repo, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def make_project(folder: Path) -> Path:
    """A small package with one red test, committed on `main`."""
    for name, text in {
        "calc/__init__.py": "",
        "calc/ops.py": WRONG,
        "tests/test_ops.py": TEST,
        "pyproject.toml": f"[tool.pytest.ini_options]\ntestpaths = ['tests']\n{QUICK}",
        ".gitignore": "__pycache__/\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@example.org")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "base")
    return folder


Turns = list[list[tuple[str, dict[str, Any]]]]

FIX: Turns = [
    [("edit", {"path": "calc/ops.py", "old": "a - b", "new": "a + b"})],
    [
        ("bash", {"command": f"printf '{MORE}' >> tests/test_ops.py".replace("\n", "\\n")}),
        ("finish", {"summary": "It adds now."}),
    ],
]
UNTESTED: Turns = [
    [("write", {"path": "calc/ops.py", "content": RIGHT})],
    [("finish", {"summary": "Fixed."})],
]
NOTHING: Turns = [[("finish", {"summary": "Nothing to do."})]]
DELETES: Turns = [
    [("bash", {"command": "rm tests/test_ops.py"}), ("finish", {"summary": "No red test left."})]
]
BROKEN: Turns = [
    [("write", {"path": "calc/ops.py", "content": "def add(a, b:\n"})],
    [("finish", {"summary": "Done."})],
]
UNSAFE: Turns = [
    [
        (
            "write",
            {
                "path": "calc/ops.py",
                "content": "import subprocess\n\n\ndef add(a, b):\n"
                '    subprocess.run(f"echo {a}", shell=True)\n    return a + b\n',
            },
        ),
        ("finish", {"summary": "Adds, loudly."}),
    ]
]
SLEEPS: Turns = [
    [("write", {"path": "calc/ops.py", "content": RIGHT})],
    [("bash", {"command": "echo sleeping; exec sleep 600"})],
    [("finish", {"summary": "Slept well."})],
]


def record(folder: Path, turns: dict[WorldId, Turns]) -> Path:
    """Write a recording that the replay provider plays."""
    folder.mkdir(parents=True, exist_ok=True)
    for world, calls in turns.items():
        recorded = [
            {
                "text": "Working.",
                "tool_calls": [{"name": name, "arguments": args} for name, args in turn],
            }
            for turn in calls
        ]
        (folder / f"{world.value.lower()}.json").write_text(json.dumps(recorded))
    return folder


def request_for(repo: Path, recording: Path, **changes: Any) -> RunRequest:
    """A request to race the recorded worlds on `repo`.

    Under the isolation that is everywhere, without waiting for slots, and with the test's own
    folder to be read: isolation and governor have tests of their own.
    """
    names = {path.stem for path in recording.glob("*.json")}
    worlds: tuple[WorldConfig, ...] = tuple(
        world for world in default_worlds("t/t", "t/t") if world.id.value.lower() in names
    )
    terms: dict[str, Any] = {
        "providers": {"t": Provider(Kind.REPLAY, base_url=str(recording))},
        "speed": None,
        "isolation": Isolation.PROCESS,
        "governor": Governing(enabled=False),
        "sandbox": Sandboxing(readable=(str(repo.parent),)),
    }
    terms |= {name: changes.pop(name) for name in Terms.__struct_fields__ if name in changes}
    settings: dict[str, Any] = {
        "issue": ISSUE,
        "repo": repo,
        "base_ref": "main",
        "base_commit": resolve_commit(open_repository(repo), "main"),
        "worlds": worlds,
        "terms": Terms(**terms),
        "recorded": True,
    }
    return RunRequest(**{**settings, **changes})


Act = Callable[[Engine, e.Record, RunState], None]


def race(
    request: RunRequest, journal: Path, act: Act | None = None
) -> tuple[RunState, list[e.Record]]:
    """Run a whole race; `act` sees every record as a person would, and may press keys."""
    return drive(Engine(lambda: (request, open_repository(request.repo)), journal), act)


def resume(
    run_id: str, journal: Path, act: Act | None = None, *, interactive: bool = False
) -> tuple[RunState, list[e.Record]]:
    """Go on with a run to its end; see `race`."""
    return drive(Engine.resuming(run_id, journal, interactive=interactive), act)


def drive(engine: Engine, act: Act | None = None) -> tuple[RunState, list[e.Record]]:
    """Run an engine to its end: the last state, and all that was seen."""
    records: list[e.Record] = []
    state = RunState()
    with engine:
        subscription = engine.subscribe()
        engine.start()
        while not subscription.closed:
            assert subscription.wait(60), "the engine stands still"
            for one in subscription.drain():
                records.append(one)
                state = fold([one], state)
                if act is not None:
                    act(engine, one, state)
    return state, records
