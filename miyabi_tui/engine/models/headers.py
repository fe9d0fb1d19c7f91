"""What the headers of an answer tell about the account: how long to wait, and its limits."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from miyabi_tui.engine.models.base import LimitsReport

if TYPE_CHECKING:
    from collections.abc import Mapping

_STYLES = ("anthropic-ratelimit-{kind}-{what}", "x-ratelimit-{what}-{kind}")  # the other: OpenAI's
_COUNT = re.compile(r"\d{1,12}")
_LONGEST_RESET = 86_400.0  # a day; anything beyond comes from a broken clock
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|d|h|m|s))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([a-zµ]+)")
_SECONDS = {
    **{"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0},
    **{"ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9},
}
_TRY_AGAIN = re.compile(rf"try again in ({_DURATION.pattern})\b")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (a number or an HTTP date)."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if (seconds := _number(value)) is not None:
        return seconds
    moment = _http_date(value)
    return None if moment is None else _until(moment, headers)


def advised_wait(words: str) -> float | None:
    """Seconds to wait as OpenAI says them in an error's words, "please try again in 1.2s"."""
    found = _TRY_AGAIN.search(words)
    return _duration(found[1]) if found else None


def limits_report(headers: Mapping[str, str]) -> LimitsReport | None:
    """The account's limits in an answer of Anthropic's or OpenAI's kind; None where none is told.

    Anthropic limits input (without what is read from its cache) and output apart as well, and its
    `tokens` is the sum of both, or a workspace's stricter limit: the strictest of these is taken.
    What is not a sensible number is not told.
    """
    told = {name: value for name, value in headers.items() if "-ratelimit-" in name}
    if not told:
        return None
    requests = [_count(told, style, "requests") for style in _STYLES]
    tokens = [_count(told, style, "tokens") for style in _STYLES]
    apart = [_count(told, _STYLES[0], f"{way}-tokens") for way in ("input", "output")]
    tokens.append(sum(limit or 0 for limit in apart) or None)
    resets = [
        _reset(told, headers, style.format(kind=kind, what="{what}"))
        for style in _STYLES
        for kind in ("requests", "tokens", "input-tokens", "output-tokens")
    ]
    report = LimitsReport(
        requests=min((limit for limit in requests if limit), default=None),
        tokens=min((limit for limit in tokens if limit), default=None),
        resets_in=max((seconds for seconds in resets if seconds is not None), default=None),
    )
    return None if report == LimitsReport() else report


def _count(told: Mapping[str, str], style: str, kind: str) -> int | None:
    value = told.get(style.format(kind=kind, what="limit"), "")
    return int(value) or None if _COUNT.fullmatch(value) else None


def _reset(told: Mapping[str, str], headers: Mapping[str, str], name: str) -> float | None:
    """Seconds until there is something again of what is used up, None where there still is."""
    if told.get(name.format(what="remaining")) != "0":
        return None
    value = told.get(name.format(what="reset"), "")
    seconds = _duration(value)
    if seconds is None and (moment := _rfc_3339(value)) is not None:
        seconds = _until(moment, headers)
    return seconds if seconds is not None and seconds <= _LONGEST_RESET else None


def _duration(value: str) -> float | None:
    """Seconds from "6m0s", "120ms" or a plain number of seconds."""
    if _DURATION.fullmatch(value):
        return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(value))
    return _number(value)


def _until(moment: datetime, headers: Mapping[str, str]) -> float:
    """Seconds until `moment` by the server's own clock where it is told, as ours may be wrong."""
    now = _http_date(headers.get("date")) or datetime.now(UTC)
    return max(0.0, (moment - now).total_seconds())


def _rfc_3339(value: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _http_date(value: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):  # the latter for a year that no clock has
        return None
    # "-0000" parses as a naive time; HTTP dates are always UTC.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None
