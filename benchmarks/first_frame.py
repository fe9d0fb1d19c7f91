"""First painted frame of `miyabi demo` in a terminal against a bare Textual app: ≤ 1.5 ×.

Also, without a bound, the time until all five panes are there: by then the engine runs.
"""

from __future__ import annotations

import tempfile

from benchmarks.common import PYTHON, compare, first_frame_seconds, verdict

BARE = """
from textual.app import App, ComposeResult
from textual.widgets import Static

class Bare(App):
    def compose(self) -> ComposeResult:
        yield Static("PAINTED")

Bare().run()
"""


def main() -> bool:
    """Measure; whether the bound is kept."""
    with tempfile.TemporaryDirectory() as state:
        env = {"MIYABI_STATE_DIR": state}
        demo = [PYTHON, "-m", "miyabi_tui", "demo"]
        found = compare(
            9,
            bare=lambda: first_frame_seconds([PYTHON, "-c", BARE], b"PAINTED", env),
            demo=lambda: first_frame_seconds(demo, b"quit", env),
            panes=lambda: first_frame_seconds(demo, b"Epsilon", env),
        )
    print(", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in found.items()))
    return verdict("first frame of miyabi demo ÷ bare app", found["demo"] / found["bare"], 1.5)


if __name__ == "__main__":
    raise SystemExit(not main())
