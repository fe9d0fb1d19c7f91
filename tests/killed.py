"""An engine in a process of its own that is killed with -9 at a given event.

`python -m tests.killed JOURNAL REPO RECORDING KIND RUN [unwatched]` begins a race of the recording,
or resumes RUN where it is not empty, and kills itself as soon as a new event of that kind is
written: in the engine's own thread, which does nothing in between.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from miyabi_tui.engine import events as e
from miyabi_tui.engine.engine import Engine
from miyabi_tui.engine.repo.git import open_repository
from miyabi_tui.engine.sandbox import marks
from miyabi_tui.engine.subscription import BufferedSubscription
from tests import racing

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
UNWATCHED = "unwatched"


def kill_at(
    kind: str, journal: Path, repo: Path, recording: Path, run: str = "", *, watched: bool = True
) -> str:
    """Drive the run until that event, and be killed; the run's id.

    Unless it is `watched`, whoever would tidy up after it is gone as well.
    """
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.killed"),
            *(str(journal), str(repo), str(recording), kind, run),
            *(() if watched else (UNWATCHED,)),
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


def killing(kind: str, known: int) -> Callable[[BufferedSubscription, list[e.Record]], None]:
    """Takes records as a subscription does, unless one is new and of that kind."""
    put = BufferedSubscription.put

    def take(subscription: BufferedSubscription, records: list[e.Record]) -> None:
        if any(one.seq > known and type(one.event).__name__ == kind for one in records):
            os.kill(os.getpid(), signal.SIGKILL)
        put(subscription, records)

    return take


def main(journal: Path, repo: Path, recording: Path, kind: str, run: str, watch: str = "") -> None:
    """See the module."""
    if watch == UNWATCHED:
        mock.patch.object(marks, "watched", contextlib.nullcontext).start()
    request = racing.request_for(repo, recording, merge=e.MergePolicy.AUTO)
    known = last_seq(journal, run) if run else 0
    engine = (
        Engine.resuming(run, journal, interactive=False)
        if run
        else Engine(lambda: (request, open_repository(request.repo)), journal)
    )
    sys.stdout.write(engine.run_id)
    sys.stdout.flush()
    with mock.patch.object(BufferedSubscription, "put", killing(kind, known)):
        state, _ = racing.drive(engine)
    sys.exit(f"it came to its end without {kind}: {state.status} {state.reason}")


if __name__ == "__main__":
    places = [Path(one) for one in sys.argv[1:4]]
    main(places[0], places[1], places[2], *sys.argv[4:])
