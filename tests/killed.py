"""An engine in a process of its own that is killed with -9 at a given event.

`python -m tests.killed JOURNAL REPO RECORDING KIND RUN` begins a race of the recording, or resumes
RUN where it is not empty, and kills itself as soon as it sees a new event of that kind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from miyabi_tui.engine import events as e
from miyabi_tui.engine.engine import Engine
from miyabi_tui.engine.repo.git import open_repository
from tests import racing

ROOT = Path(__file__).parent.parent


def kill_at(kind: str, journal: Path, repo: Path, recording: Path, run: str = "") -> str:
    """Drive the run until that event, and be killed; the run's id."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.killed"),
            *(str(journal), str(repo), str(recording), kind, run),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, (kind, done.returncode, done.stderr[-2000:])
    return done.stdout.strip()


def last_seq(journal: Path, run: str) -> int:
    """The number of the run's last event in the journal."""
    with contextlib.closing(sqlite3.connect(journal)) as db:
        ((seq,),) = db.execute("SELECT max(seq) FROM events WHERE run_id = ?", (run,))
    return int(seq)


def main(journal: Path, repo: Path, recording: Path, kind: str, run: str) -> None:
    """See the module."""
    request = racing.request_for(repo, recording, merge=e.MergePolicy.AUTO)
    known = last_seq(journal, run) if run else 0
    engine = (
        Engine.resuming(run, journal, interactive=False)
        if run
        else Engine(lambda: (request, open_repository(request.repo)), journal)
    )
    sys.stdout.write(engine.run_id)
    sys.stdout.flush()

    def kill(engine: Engine, record: e.Record, state: object) -> None:
        if record.seq > known and type(record.event).__name__ == kind:
            os.kill(os.getpid(), signal.SIGKILL)

    state, _ = racing.drive(engine, kill)
    sys.exit(f"it came to its end without {kind}: {state.status} {state.reason}")


if __name__ == "__main__":
    places = [Path(one) for one in sys.argv[1:4]]
    main(places[0], places[1], places[2], *sys.argv[4:])
