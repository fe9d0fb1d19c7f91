"""Starting: the splash ≤ 2 × bare Python, the first answered key ≤ 1.3 × a bare Textual app's.

Both from the start of the process, in a terminal; the first frame of `miyabi demo` ≤ 1.5 × the bare
app's. Also, without a bound, the time until the help is open, and until all five panes are there:
by then the engine runs.
"""

from __future__ import annotations

import tempfile

from benchmarks.common import PYTHON, compare, first_frame_seconds, run_seconds, verdict

BARE = """
from textual.app import App, ComposeResult
from textual.widgets import Static

class Bare(App):
    BINDINGS = [("2", "say", "Say")]

    def compose(self) -> ComposeResult:
        yield Static("PAINTED")

    def action_say(self) -> None:
        self.query_one(Static).update("ANSWERED")

Bare().run()
"""
SPLASH = b"m i y a b i"
# What a key answers when there is no race yet, as little as the bare app's: M is the mouse.
MOUSE, SAYS = b"M", b"terminal's: select text"
HELP = b"Freeze"  # in what ? opens


def main() -> bool:
    """Measure; whether the bounds are kept."""
    with tempfile.TemporaryDirectory() as state:
        env = {"MIYABI_STATE_DIR": state}
        bare = [PYTHON, "-c", BARE]
        demo = [PYTHON, "-m", "miyabi_tui", "demo"]
        found = compare(
            9,
            python=lambda: run_seconds([PYTHON, "-c", "pass"]),
            splash=lambda: first_frame_seconds(demo, SPLASH, env),
            bare=lambda: first_frame_seconds(bare, b"PAINTED", env),
            demo=lambda: first_frame_seconds(demo, b"quit", env),
            bare_key=lambda: first_frame_seconds(bare, b"PAINTED", env, b"2", b"ANSWERED"),
            demo_key=lambda: first_frame_seconds(demo, b"quit", env, MOUSE, SAYS),
            help=lambda: first_frame_seconds(demo, b"quit", env, b"?", HELP),
            panes=lambda: first_frame_seconds(demo, b"5 Epsilon", env),
        )
    print(", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in found.items()))
    return all(
        [
            verdict("splash of miyabi demo ÷ bare Python", found["splash"] / found["python"], 2),
            verdict("first frame of miyabi demo ÷ bare app", found["demo"] / found["bare"], 1.5),
            verdict("first answered key ÷ bare app's", found["demo_key"] / found["bare_key"], 1.3),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(not main())
