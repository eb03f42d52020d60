"""`Refused` and `Judge`: which failures of a server are worth another try, and when."""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from ..backends.rest.calls import Deadline
from ..errors import EmbedderError

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 8.0
JITTER: Final = 0.25
"""Seconds. Pauses double from the first to the longest, each with up to a jitter more."""

RETRIED: Final = frozenset({408, 409, 429})
"""Statuses that another try may change, besides those from 500: embeddings may be asked for twice."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


class Refused(Exception):
    """A try that failed: the error for the caller, unless another try is worth while.

    ``wait``: the seconds for which the server wants to be left alone.
    """

    def __init__(self, error: EmbedderError, wait: float | None = None) -> None:
        super().__init__(error, wait)
        self.error = error
        self.wait = wait

    def __repr__(self) -> str:  # what stamina writes to the log
        return repr(self.error)


class Judge:
    """Decides after each failure of a request: no, yes, or in how many seconds; stamina's hook."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._failures = 0

    def __call__(self, error: Exception) -> bool | float:
        if not isinstance(error, Refused) or not error.error.retryable:
            return False
        self._failures += 1
        # Waiting must not outlive the deadline: the caller hears of the failure at once.
        if error.wait is None:
            longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures, 10)) + JITTER
            return self._deadline.allows(longest)
        wait = error.wait + random.uniform(0.01, JITTER)  # not all the batches at the same moment
        return wait if self._deadline.allows(wait) else False


def pause_asked(headers: Mapping[bytes, bytes]) -> float | None:
    """The seconds a server wants to be left alone, by its headers (names in lower case), or None.

    ``retry-after-ms``, ``retry-after`` (seconds or a date), or else the longest of the
    ``x-ratelimit-reset-*`` ("1s", "6m0s", "20ms") whose ``x-ratelimit-remaining-*`` is 0.
    """
    told = {name.decode("latin-1"): value.decode("latin-1").strip() for name, value in headers.items()}
    milliseconds = _number(told.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = told.get("retry-after")
    seconds = _number(asked)
    if seconds is None and asked is not None:
        seconds = _until(asked, told.get("date"))
    if seconds is not None:
        return seconds
    spent = [name for name in ("requests", "tokens") if told.get(f"x-ratelimit-remaining-{name}") == "0"]
    resets = [_duration(told.get(f"x-ratelimit-reset-{name}", "")) for name in spent]
    return max((each for each in resets if each is not None), default=None)


def _number(text: str | None) -> float | None:
    """A number of at least 0; None where it is none."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _until(moment: str, now: str | None) -> float | None:
    """The seconds until an HTTP date, by the server's own clock where it gave one."""
    try:
        then = parsedate_to_datetime(moment).timestamp()
        since = time.time() if now is None else parsedate_to_datetime(now).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, then - since)


def _duration(text: str) -> float | None:
    """``6m0s`` in seconds; a number alone is one of seconds."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return _number(text)
    return float(sum(float(number) * _UNITS[unit] for number, unit in parts))
