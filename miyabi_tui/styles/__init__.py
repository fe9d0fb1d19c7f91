"""Style sheets by area, and the themes."""

from pathlib import Path

HERE = Path(__file__).parent
SHEETS = [
    HERE / name
    for name in (
        "board.tcss",
        "dialogs.tcss",
        "reading.tcss",
        "zoom.tcss",
        "replay.tcss",
        "looks.tcss",
        "reaching.tcss",
        "start.tcss",
    )
]
