"""What the person says to a world, or to all at work: one line that grows, over the board."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static, TextArea

from miyabi_tui.screens.dialog import HEIGHTS, WIDTHS
from miyabi_tui.screens.refusals import at_work, why_not_tell, why_not_tell_all
from miyabi_tui.screens.veiled import Veiled

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult

    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.worlds import WorldId

REFRESH_SECONDS = 0.25
KEYS = "enter sends · ctrl+j new line · esc keeps the draft"
KEYS_SHORT = "enter · ctrl+j · esc"


class SayArea(TextArea):
    """Text in which enter sends; a pasted newline stays one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "Send", show=False, priority=True),
        Binding("ctrl+j,shift+enter,alt+enter", "newline", "New line", show=False),
    ]

    class Sent(Message):
        """Enter was pressed."""

        def __init__(self, area: SayArea) -> None:
            super().__init__()
            self.area = area

        @property
        def control(self) -> SayArea:
            """The text."""
            return self.area

    def action_send(self) -> None:
        """Send it."""
        self.post_message(self.Sent(self))

    def action_newline(self) -> None:
        """Begin another line."""
        self.insert("\n")

    async def on_paste(self, event: events.Paste) -> None:
        """Terminals send a pasted newline as a return."""
        event.text = plain_newlines(event.text)


class TellScreen(Veiled[str]):
    """Closes with what was said, empty for nothing; the draft is kept by whoever opened it.

    `world` is None for all worlds at work.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Keep", show=False)]
    VERTICAL_BREAKPOINTS = HEIGHTS
    HORIZONTAL_BREAKPOINTS = WIDTHS
    AUTO_FOCUS = "SayArea"

    def __init__(
        self,
        world: WorldId | None,
        run: Callable[[], RunState],
        draft: str,
        keep: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._world = world
        self._run = run
        self._draft = draft
        self._keep = keep

    def compose(self) -> ComposeResult:
        """To whom, the text, the keys."""
        with Vertical(id="tell"):
            yield Static(id="tell-to", markup=False)
            yield SayArea(
                self._draft, compact=True, highlight_cursor_line=False, show_line_numbers=False
            )
            yield Static(id="tell-keys", markup=False)

    def on_mount(self) -> None:
        """Go on where the draft ended."""
        area = self.query_one(SayArea)
        area.move_cursor(area.document.end)
        self.refresh_now()
        self.set_interval(REFRESH_SECONDS, self.refresh_now)

    def refresh_now(self) -> None:
        """Say who will hear it, or why nobody will."""
        run = self._run()
        refusal = self._refusal(run)
        names = self._world or ", ".join(at_work(run))
        said = Content.styled(f"» to {names}", "bold $ink-strong") + Content.styled(
            " · joins with the next turn", "$ink-dim"
        )
        self.query_one("#tell-to", Static).update(
            Content.styled(refusal, "$ink-warn") if refusal else said
        )
        keys = KEYS if self.size.width > len(KEYS) + 4 else KEYS_SHORT
        self.query_one("#tell-keys", Static).update(Content.styled(keys, "$ink-dim"))

    def _refusal(self, run: RunState) -> str:
        if self._world is None:
            return why_not_tell_all(run)
        return why_not_tell(run, run.world(self._world))

    @on(TextArea.Changed)
    def _changed(self, message: TextArea.Changed) -> None:
        message.stop()
        self._keep(message.text_area.text)

    @on(SayArea.Sent)
    def _sent(self, message: SayArea.Sent) -> None:
        """Send it, if somebody will read it; else the words stay."""
        message.stop()
        text = plain_newlines(message.area.text).strip()
        refusal = self._refusal(self._run())
        if text and refusal:
            self.app.notify(refusal, severity="warning", timeout=4, markup=False)
            return
        self._keep("")
        self.dismiss(text)

    def action_leave(self) -> None:
        """Say nothing yet; the draft stays for the next time."""
        self.dismiss("")


def plain_newlines(text: str) -> str:
    """The text with every kind of line end as a newline."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
