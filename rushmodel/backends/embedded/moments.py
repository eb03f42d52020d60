"""Datetimes given by components, and properties compared with them.

Components name a moment in UTC, as they do on a server: ``{"$year": 2024,
"$month": 3}`` is 2024-03-01T00:00:00Z, not all of March. Stored datetimes are
texts, in any of the forms of R14. A condition here compares the moments, so
that ``...00Z``, ``...00.000Z`` and the same moment in another zone are equal;
a text that is no datetime, or was given as a string (R14), is neither earlier
nor later than a moment, and unequal to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

import orjson

from ...errors import QueryError
from ...wire.proptypes import looks_like_datetime
from .leaves import Column, lists, marks
from .operands import integer, listed, unknown
from .operators import COMPONENTS
from .terms import Term


class Moment(NamedTuple):
    """A moment in UTC.

    ``key`` sorts as moments do: 21 digits, nanoseconds since the year 0. Every text of this
    moment, whatever its zone, is at least ``low`` and less than ``high`` by code point; so is
    no text of a moment that is more than three days away.
    """

    key: str
    low: str
    high: str


def read_moment(components: Mapping[Any, Any], place: str) -> Moment:
    """The moment that components name; `QueryError` on what names none.

    Components may be left out from the finest on. A fraction of a second is the sum of what is
    given of ``$millisecond``, ``$microsecond`` and ``$nanosecond``, each within the next coarser one.
    """
    for key in components:
        if key not in COMPONENTS:
            raise unknown(key, f"{place}.{key}", COMPONENTS)
    given = [name in components for name in _WHOLE]
    count = given.index(False) if False in given else len(given)
    beyond = [name for name in components if COMPONENTS.index(name) > count < len(given)]
    if beyond:
        raise QueryError(
            f"{place} gives {listed(beyond)} and not {COMPONENTS[count]}: only the finest components can"
            " be left out"
        )
    if not count:
        raise QueryError(f"{place}: the components of a datetime begin with $year")
    numbers = [
        integer(components[name], f"{place}.{name}", least, most) if name in components else least
        for name, (least, most) in _WHOLE.items()
    ]
    year, month, day, hour, minute, second = numbers
    try:
        whole = date(year, month, day)
    except ValueError:
        raise QueryError(f"{place}: there is no day {year:04}-{month:02}-{day:02}") from None
    nanoseconds, most = 0, _SECOND - 1
    for name, unit in _FRACTIONS.items():
        if name in components:
            nanoseconds += unit * integer(components[name], f"{place}.{name}", 0, most // unit)
            most = unit - 1
    seconds = ((whole.toordinal() * 24 + hour) * 60 + minute) * 60 + second
    return Moment(_key(seconds, nanoseconds), *_bounds(whole))


def equal_moments(moments: Sequence[Moment], texts: str, column: Column) -> tuple[Term, Term]:
    """Is one of the moments."""
    c, keys = column.sql, tuple(moment.key for moment in moments)
    low, high = min(moment.low for moment in moments), max(moment.high for moment in moments)
    # NULL, where the text is no datetime, is turned into what no moment is: it is unequal, not unknown.
    holds = f"{c} >= ? AND {c} < ? AND ifnull({_moment(column, texts)}, '') IN ({marks(keys)})"
    params: tuple[object, ...] = (low, high, *keys)
    if column.lists:
        call = f"ifnull(rush_any_moment({c}, {texts}, {column.name_id:d}, ?), 0)"
        holds = f"({holds}) OR ({lists(c)} AND {call})"
        params = (*params, orjson.dumps(keys))
    return Term(f"({holds})", params), Term(f"({c} IS NOT NULL AND NOT ({holds}))", params)


def compare_moment(operator: str, moment: Moment, texts: str, column: Column) -> tuple[Term, Term]:
    """Comes before or after the moment."""
    # Any element of a list counts (R20): after the moment if the latest is, not after it if even that is not.
    extreme = "latest" if operator.startswith(">") else "earliest"
    call = f"rush_{extreme}({column.sql}, {texts}, {column.name_id:d})"
    return (
        _compare(operator, moment, texts, column, call),
        _compare(_OPPOSITE[operator], moment, texts, column, call),
    )


def moment_key(text: str) -> str:
    """The `Moment.key` of a text that looks like a datetime; without a clock it is midnight UTC."""
    seconds, nanoseconds = date.fromisoformat(text[:10]).toordinal() * 86_400, 0
    if len(text) > 10:
        seconds += int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
        clock = text[19:]
        if clock.startswith("."):
            fraction = clock[1:].split("Z")[0].split("+")[0].split("-")[0]
            nanoseconds = int(fraction.ljust(9, "0"))
            clock = clock[1 + len(fraction) :]
        if clock != "Z":
            offset = int(clock[1:3]) * 3600 + int(clock[-2:]) * 60
            seconds += offset if clock[0] == "-" else -offset
    return _key(seconds, nanoseconds)


def list_keys(elements: Sequence[Any]) -> list[str] | None:
    """The keys of a list of datetimes; None for a list of anything else, which an empty one is not."""
    if all(isinstance(element, str) and looks_like_datetime(element) for element in elements):
        return [moment_key(element) for element in elements]
    return None


EARLIEST: Final = ""
LATEST: Final = ":"
"""Before the key of every moment, and after it: the latest and the earliest of no moments."""


def _compare(operator: str, moment: Moment, texts: str, column: Column, extreme: str) -> Term:
    c, down = column.sql, operator.startswith("<")
    bounds = f"{c} >= '0' AND {c} < ?" if down else f"{c} >= ? AND {c} < ':'"
    holds = f"{bounds} AND {_moment(column, texts)} {operator} ?"
    params: tuple[object, ...] = (moment.high if down else moment.low, moment.key)
    if column.lists:
        holds = f"({holds}) OR ({lists(c)} AND {extreme} {operator} ?)"
        params = (*params, moment.key)
    return Term(f"({holds})", params)


def _moment(column: Column, texts: str) -> str:
    return f"rush_moment(CAST({column.sql} AS BLOB), {texts}, {column.name_id:d})"


def _bounds(day: date) -> tuple[str, str]:
    """An offset is less than a day: the local date is that day, or the one before or after it."""
    low = "0" if day == date.min else (day - timedelta(days=1)).isoformat()
    high = ":" if day > date.max - timedelta(days=2) else (day + timedelta(days=2)).isoformat()
    return low, high


def _key(seconds: int, nanoseconds: int) -> str:
    return f"{seconds:012}{nanoseconds:09}"


_SECOND: Final = 10**9
_WHOLE: Final = {
    "$year": (1, 9999),
    "$month": (1, 12),
    "$day": (1, 31),
    "$hour": (0, 23),
    "$minute": (0, 59),
    "$second": (0, 59),
}
_FRACTIONS: Final = {"$millisecond": 10**6, "$microsecond": 10**3, "$nanosecond": 1}
_OPPOSITE: Final = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}
