"""Log records without secrets, whoever writes them."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miyabi_tui.engine.masking import Masker

_FORMATTER = logging.Formatter()


class LogMask(logging.Filter):
    """For handlers: masks the message, the traceback and what else a record carries as text."""

    def __init__(self, masker: Masker) -> None:
        super().__init__()
        self._masker = masker

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record; it is never left out."""
        if not self._masker:
            return True
        mask = self._masker.mask
        message = record.getMessage()
        if (masked := mask(message)) != message:
            record.msg, record.args = masked, None
        if record.exc_info:
            trace = record.exc_text or _FORMATTER.formatException(record.exc_info)
            if (masked := mask(trace)) != trace:
                record.exc_text, record.exc_info = masked, None
        for name, value in list(vars(record).items()):
            if type(value) is str:
                setattr(record, name, mask(value))
        return True


@contextmanager
def masked_logs(masker: Masker) -> Iterator[None]:
    """Mask whatever the handlers that there are now get to write."""
    mask, last = LogMask(masker), logging.lastResort
    handlers = [*logging.getLogger().handlers, *logging.getLogger("miyabi_tui").handlers]
    handlers += [last] if last is not None else []
    for handler in handlers:
        handler.addFilter(mask)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(mask)
