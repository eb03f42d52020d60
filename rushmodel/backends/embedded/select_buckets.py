"""Spans of time: where the day, week, month ... begins in which a datetime lies, in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Final

from ...wire.proptypes import looks_like_datetime
from .moments import moment_key

UNITS: Final = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
SIZED: Final = frozenset(f"{unit}s" for unit in UNITS)
"""With a size: spans of several."""


@lru_cache(maxsize=4096)
def bucket_start(text: str, unit: str, size: int) -> int | None:
    """Milliseconds from 1970-01-01T00:00Z to the start of the span; None for text that is no datetime (R31).

    Weeks begin on Mondays. Spans of several months, quarters or years are counted from the year 0, so
    that they begin with years that their size divides; of several seconds to days from 1970, and of
    weeks from the Monday before it.
    """
    if not looks_like_datetime(text):
        return None
    seconds = int(moment_key(text)[:-9]) - _EPOCH * _DAY
    if unit in _MONTHS:
        months = _MONTHS[unit] * size
        year, month = _month_of(seconds // _DAY + _EPOCH)
        start = (year * 12 + month) // months * months
        return (_ordinal(*divmod(start, 12)) - _EPOCH) * _DAY * 1000
    shift = _MONDAY if unit == "week" else 0
    span = _SECONDS[unit] * size
    return ((seconds - shift) // span * span + shift) * 1000


_DAY: Final = 86_400
_EPOCH: Final = date(1970, 1, 1).toordinal()
_MONDAY: Final = -3 * _DAY
_SECONDS: Final[Mapping[str, int]] = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": _DAY,
    "week": 7 * _DAY,
}
_MONTHS: Final[Mapping[str, int]] = {"month": 1, "quarter": 3, "year": 12}


def _month_of(ordinal: int) -> tuple[int, int]:
    """Year and month, from 0, of a day; a zone may lead a day out of the years that dates have."""
    if ordinal < 1:
        return 0, 11
    if ordinal > date.max.toordinal():
        return 10_000, 0
    day = date.fromordinal(ordinal)
    return day.year, day.month - 1


def _ordinal(year: int, month: int) -> int:
    """The first day of a month, from 0, also in the years 0 and 10,000."""
    if 1 <= year <= 9999:
        return date(year, month + 1, 1).toordinal()
    # The calendar comes round every 400 years.
    whole, rest = divmod(year, 400)
    return date(rest + 400, month + 1, 1).toordinal() + (whole - 1) * _CENTURIES


_CENTURIES: Final = date(801, 1, 1).toordinal() - date(401, 1, 1).toordinal()
"""The days of 400 years."""
