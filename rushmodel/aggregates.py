"""Aggregates: ``count()``, ``avg(Article.price)`` and the others that `Model.aggregate` takes."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from .arithmetic import Arithmetic, Expression, Operand, check_number, read_operand
from .codecs import DATE, DATETIME, INT, NAIVE_UTC, NUMBER, Codec
from .errors import QueryError
from .expressions import Column

T = TypeVar("T")

Unit: TypeAlias = Literal["year", "quarter", "month", "week", "day", "hour", "minute", "second"]


def count(of: Operand | None = None) -> Expression[int]:
    """How many records; with an argument, how many different values of it."""
    if of is None:
        return Expression({"$count": "*"}, None, True, INT, "count()")
    operand = _of_one(of, "count()")
    return Expression({"$count": operand.document}, operand.model, True, INT, f"count({operand.shown})")


def sum(of: Operand) -> Expression[float]:
    """The sum; 0 of nothing."""
    operand = _of_one(of, "sum()")
    check_number(operand, "sum()")
    return Expression({"$sum": operand.document}, operand.model, True, operand.codec, f"sum({operand.shown})")


def avg(of: Operand, *, precision: int | None = None) -> Expression[float]:
    """The mean, None of nothing; rounded to ``precision`` digits after the point."""
    operand = _of_one(of, "avg()")
    check_number(operand, "avg()")
    document: dict[str, Any] = {"$avg": operand.document}
    if precision is not None:
        if type(precision) is not int or not 0 <= precision <= 15:
            raise QueryError(f"avg(): precision is a number of digits from 0 to 15, got {precision!r}")
        document["$precision"] = precision
    return Expression(document, operand.model, True, NUMBER, f"avg({operand.shown})")


def min(of: Column[Any, T] | Expression[T]) -> Expression[T]:
    """The least value, None of nothing."""
    return _extreme("$min", of)


def max(of: Column[Any, T] | Expression[T]) -> Expression[T]:
    """The greatest value, None of nothing."""
    return _extreme("$max", of)


def bucket(of: Column[Any, Any], unit: Unit, *, size: int = 1) -> Expression[dt.datetime]:
    """The start of the time span that a datetime lies in, in UTC: of its day, week (from Monday), month ...

    ``size``: of so many of them together, as in ``bucket(Article.at, "month", size=3)``.
    """
    operand = _of_one(of, "bucket()")
    if operand.codec not in (DATETIME, NAIVE_UTC, DATE):
        raise QueryError(f"bucket() is for datetimes, and {operand.shown} is {operand.codec.name}")
    if unit not in get_args(Unit):
        raise QueryError(f"bucket(): the unit is one of {', '.join(get_args(Unit))}, got {unit!r}")
    if type(size) is not int or size < 1:
        raise QueryError(f"bucket(): size is a whole number from 1, got {size!r}")
    span: dict[str, Any] = {"field": operand.document, "unit": unit}
    if size > 1:
        span |= {"unit": f"{unit}s", "size": size}
    return Expression(
        {"$timeBucket": span}, operand.model, False, _MILLISECONDS, f"bucket({operand.shown}, {unit!r})"
    )


def ref(key: str) -> Expression[float]:
    """What another key of the same aggregation gives, to compute with: ``ref("total") / ref("n")``."""
    if not isinstance(key, str) or not key:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise QueryError(f"ref() takes a key of the aggregation, got {key!r}")
    return Expression({"$ref": key}, None, None, NUMBER, f"ref({key!r})")


def _of_one(of: object, what: str) -> Expression[Any]:
    if not isinstance(of, Arithmetic):
        raise QueryError(f"{what} takes a field such as Article.year or an expression, got {of!r:.60}")
    operand = read_operand(of, what)
    if operand.aggregate is not False:
        raise QueryError(f"{what} takes what single records have, and {operand.shown} is of many")
    return operand


def _extreme(operator: str, of: Column[Any, T] | Expression[T]) -> Expression[T]:
    what = f"{operator[1:]}()"
    operand = _of_one(of, what)
    if not operand.codec.ordered:
        raise QueryError(f"{what}: values of {operand.codec.name} have no order, so {operand.shown} has none")
    return Expression(
        {operator: operand.document}, operand.model, True, operand.codec, f"{what[:-1]}{operand.shown})"
    )


def _from_milliseconds(value: Any) -> dt.datetime:
    if type(value) not in (int, float):
        raise ValueError(f"expected milliseconds since 1970, got {value!r:.40}")
    return _EPOCH + dt.timedelta(milliseconds=value)


def _no_encoding(value: Any) -> Any:
    raise ValueError(f"the start of a time span is computed, not stored: {value!r:.40}")


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_MILLISECONDS = Codec("a time span", _no_encoding, _from_milliseconds, ordered=True)
