"""The terminal's driver: hears what the terminal says of itself, and writes only signs it has."""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Any

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.events import CursorPosition
from textual.message import Message

from miyabi_tui import splash
from miyabi_tui.sparing import Sparing
from miyabi_tui.terminal_ground import EXPECTED, Answer, Ear
from miyabi_tui.thin import Thinner
from miyabi_tui.widgets.signs import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from miyabi_tui.job import JobApp

SCHEME_ON, SCHEME_OFF = "\x1b[?2031h", "\x1b[?2031l"  # tell when dark and light change
# Right-to-left text stays in the order in which it is written: no terminal may turn a row around.
ORDER_OURS, ORDER_THEIRS = "\x1b[8l", "\x1b[8h"
OWED, OWED_AT_FIRST = 2.0, 0.3  # seconds that an answer may take; of one that never answered
HELD = 0.05  # seconds after which a lone escape is a key


class TerminalAnswered(Message):
    """The terminal said something of itself."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class HearingParser(XTermParser):
    """Keys and mouse as ever; the terminal's answers are messages, not keys."""

    def __init__(self, debug: bool = False, typed: str = "") -> None:
        super().__init__(debug)
        self._ear = Ear()
        self._typed = typed
        self._until = time.monotonic() + EXPECTED
        self._fed_at = 0.0

    def feed(self, data: str) -> Iterable[Message]:
        """What was typed, before and now."""
        self._fed_at = time.monotonic()
        typed, self._typed = self._typed, ""
        rest, answers = self._ear.hear(typed + data, expecting=self._fed_at < self._until)
        for answer in answers:
            yield TerminalAnswered(answer)
        if rest:  # nothing would mean the end to Textual
            yield from super().feed(rest)

    def tick(self) -> Iterable[Message]:
        """What was typed before the screen was there, and what is no answer after all."""
        if self._typed:
            yield from self.feed("")
        if time.monotonic() - self._fed_at > HELD and (held := self._ear.let_go()):
            yield from super().feed(held)
        yield from super().tick()


class Outlet:
    """Standard error, as Textual writes to it: a terminal that has gone takes everything.

    Else the thread that writes would end, and whoever writes then wait for it for ever.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Write, if there is anybody to read it."""
        with contextlib.suppress(OSError, ValueError):
            self._file.write(text)

    def flush(self) -> None:
        """Send what was written."""
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()

    def fileno(self) -> int:
        """The file's number."""
        return self._file.fileno()


class ScreenDriver(LinuxDriver):
    """Textual's, with ears."""

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, **options)
        self._file: Any = Outlet(self._file)
        self._unicode = bool(app.look.unicode)
        self._paced: JobApp = app
        self._question = app.question
        self._written = 0
        self._frame: list[str] | None = None  # of a frame under way, what is written so far
        self._there = False
        self._owed = 0  # questions that the terminal has not answered
        # GNU screen's terminals erase to the ground of their own, not to the pen's
        self._thinner = Thinner(erases=not os.environ.get("TERM", "").startswith("screen"))
        self._sparing = Sparing(self._thinner)

    def write(self, data: str) -> None:
        """Write to the terminal, in ASCII where it has nothing else; nothing to somebody else's."""
        # the other screen a second time would blank it
        if self._writer_thread is None or (self._there and data == splash.OTHER_SCREEN):
            return
        pacer = self._paced.pacer
        slow = pacer.dear or pacer.rate is None
        shown = self._sparing.spare(data if self._unicode else plain(data), slow=slow)
        self._written += len(shown) if shown.isascii() else len(shown.encode("utf-8", "replace"))
        if self._frame is None:
            super().write(shown)
        else:
            self._frame.append(shown)

    @contextlib.contextmanager
    def one_write(self) -> Iterator[None]:
        """All that is written meanwhile goes to the terminal at once."""
        if self._frame is not None:
            yield
            return
        self._frame = []
        try:
            yield
        finally:
            whole, self._frame = "".join(self._frame), None
            if whole and self._writer_thread is not None:
                super().write(whole)

    def written(self) -> int:
        """How many bytes were written since the last call."""
        written, self._written = self._written, 0
        return written

    def ask(self, question: str) -> None:
        """Ask the terminal where its cursor is, which counts as nothing written."""
        self._owed += 1
        self.write(question)
        self._written = 0

    def forget_picture(self) -> None:
        """What stands on the terminal is not known any more: all of it is written next time."""
        self._sparing.forget()

    @property
    def waiting(self) -> int:
        """How many writes wait for the terminal to read."""
        return self._writer_thread._queue.qsize() if self._writer_thread is not None else 0

    def start_application_mode(self) -> None:
        """Take the terminal; it was quiet since the question, and is given back as before that."""
        self._thinner.forget()
        self._sparing.forget()
        self._there = splash.taken()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self._there = False
        if self._question.settings is not None and self.attrs_before is not None:
            self.attrs_before = self._question.settings
        self.write(SCHEME_ON + ORDER_OURS)
        self._loop.call_soon_threadsafe(self._paced.terminal_is_back)

    def stop_application_mode(self) -> None:
        """Give the terminal back, unless it is already."""
        if self._writer_thread is None:
            return
        self.write(SCHEME_OFF + ORDER_THEIRS)
        self.begin_anew()
        super().stop_application_mode()

    def disable_input(self) -> None:
        """Hear what the terminal owes, and then nothing: the shell would take it for typed."""
        if self._writer_thread is None:
            return
        self._disable_mouse_support()
        until = time.monotonic() + (OWED if self._paced.pacer.answers else OWED_AT_FIRST)
        while self._owed and self._key_thread is not None and self._key_thread.is_alive():
            if time.monotonic() > until:
                break
            time.sleep(0.005)
        self._owed = 0
        super().disable_input()

    def begin_anew(self) -> None:
        """What is written next finds the terminal with any pen and owes nothing to what was."""
        self._sparing.forget()
        super().write(self._thinner.forget())

    def close(self) -> None:
        """Write what waits; nothing more is written from here on."""
        super().close()
        self._writer_thread = None

    def _sigtstp_application(self, *_: object) -> None:
        """Somebody else asks us to stop: as if ctrl+z had been pressed."""
        self._loop.call_soon_threadsafe(self._app.call_later, self._paced.action_stop_job)

    def _sigcont_application(self, *_: object) -> None:
        """We go on; where we had stopped in order, who stopped us takes the terminal back."""
        if self._auto_restart and self._writer_thread is not None:
            self._loop.call_soon_threadsafe(self._app.call_later, self._paced.retake_terminal)

    def run_input_thread(self) -> None:
        """Wait for input and dispatch it, as Textual does, by our parser."""
        typed = self._question.typed.decode("utf-8", "replace")
        self._question.typed = b""
        parser = HearingParser(self._debug, typed)
        decode = getincrementaldecoder("utf-8")("replace").decode
        selector = selectors.SelectSelector()
        selector.register(self.fileno, selectors.EVENT_READ)
        try:
            while not self.exit_event.is_set():
                if selector.select(0.1):
                    data = decode(os.read(self.fileno, 4096))
                    if not data:  # nobody types any more
                        self._loop.call_soon_threadsafe(self._app.exit)
                        break
                    self._process(parser.feed(data))
                self._process(parser.tick())
        finally:
            selector.close()
            self._owed = 0  # nobody answers any more

    def _process(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if isinstance(message, CursorPosition):
                self._owed = max(0, self._owed - 1)
                self._loop.call_soon_threadsafe(self._paced.frame_seen, time.monotonic())
            else:
                self.process_message(message)
