"""The issue on the screen: as it was written, and nothing of it obeyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.widgets.issue_view import IssueView
from tests import board_states as states
from tests.test_diff_screen import pressing
from tests.test_timeline import app

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.app import MiyabiApp

ISSUE = """\
## What happens

A row like `"東京, JP",2` is split in **two** at the comma \x1b[31mwithin\x1b[0m the quotes.

```python
def split_row(line: str) -> list[str]:
    return line.split(",")  # knows no quotes
```

> It worked in 0.3, says [the log](http://logs.example/?q=[@click=app.quit]).

1. Rows with quotes keep their commas.
2. Rows without any stay as they are, however long the sentence about them in the issue may be, \
which has to be wrapped at words.
"""


def with_issue(text: str = ISSUE) -> MiyabiApp:
    script = states.hard(states.racing())
    first = script.records[0]
    assert isinstance(first.event, e.RunStarted)
    issue = replace(first.event.issue, text=text)
    script.records[0] = replace(first, event=replace(first.event, issue=issue))
    return app(script)


def test_issue(snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(with_issue(), run_before=pressing("i"), terminal_size=(120, 40))


@pytest.mark.anyio
async def test_the_issue_is_shown_as_written_and_copied() -> None:
    async with with_issue().run_test(size=(80, 24)) as pilot:
        await pressing("i")(pilot)
        view = pilot.app.screen.query_one(IssueView)
        told = [strip.text for strip in view.render_lines(view.size.region)]
        assert any("␛[31mwithin␛[0m" in row for row in told)
        assert all(len(row) <= view.size.width for row in told if row.isascii())
        await pressing("y", "escape")(pilot)
        assert pilot.app.clipboard.startswith(
            "Quoted fields with commas are split in two\n\n## What"
        )


@pytest.mark.anyio
async def test_before_the_race_there_is_nothing_to_read() -> None:
    made = app(states.Script())
    said: list[str] = []
    made.notify = lambda message, **_: said.append(message)  # type: ignore[method-assign]
    async with made.run_test(size=(80, 24)) as pilot:
        await pressing("i", "t")(pilot)
        assert pilot.app.screen is made.race
    assert len(said) == 2
