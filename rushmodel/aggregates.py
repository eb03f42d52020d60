"""Aggregates: ``count()``, ``avg(Article.price)`` and the others that `Model.aggregate` takes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, TypeVar, cast, get_args

from .arithmetic import Arithmetic, Expression, Operand, check_number, read_operand
from .codecs import DATE, DATETIME, INT, NAIVE_UTC, NUMBER, Codec
from .errors import QueryError
from .expressions import Column, Condition, Order
from .relationcolumns import RelationColumn, alias_of, within
from .rows import Key, Row, RowLoader

T = TypeVar("T")
R = TypeVar("R", bound=Row)

Unit: TypeAlias = Literal["year", "quarter", "month", "week", "day", "hour", "minute", "second"]


def count(of: Operand | RelationColumn[Any, Any] | None = None) -> Expression[int]:
    """How many records; of a field, how many different values; of a relation, how many related records."""
    if of is None:
        return Expression({"$count": "*"}, None, True, INT, "count()")
    if isinstance(of, RelationColumn):
        path = (of.spec,)
        return Expression(
            {"$count": alias_of(path)}, of.model, True, INT, f"count({of!r})", frozenset([path])
        )
    return _aggregate("$count", _of_one(of, "count()"), INT)


def sum(of: Operand) -> Expression[float]:
    """The sum; 0 of nothing."""
    operand = _of_one(of, "sum()")
    check_number(operand, "sum()")
    return _aggregate("$sum", operand, operand.codec)


def avg(of: Operand, *, precision: int | None = None) -> Expression[float]:
    """The mean, None of nothing; rounded to ``precision`` digits after the point."""
    operand = _of_one(of, "avg()")
    check_number(operand, "avg()")
    if precision is None:
        return _aggregate("$avg", operand, NUMBER)
    if type(precision) is not int or not 0 <= precision <= 15:
        raise QueryError(f"avg(): precision is a number of digits from 0 to 15, got {precision!r}")
    return _aggregate("$avg", operand, NUMBER, {"$precision": precision})


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
    shown = f"bucket({operand.shown}, {unit!r})"
    return Expression({"$timeBucket": span}, operand.model, False, _MILLISECONDS, shown, operand.paths)


def collect(
    relation: RelationColumn[Any, T],
    row: type[R] | None = None,
    /,
    *,
    where: Condition[T] | None = None,
    order_by: Order[T] | None = None,
    limit: int | None = None,
    **keys: Arithmetic,
) -> Expression[list[Any]]:
    """What is computed of each related record, as a list of rows; for a single record, not of groups.

    ::

        Article.aggregate(title=Article.title, notes=collect(Article.comments, text=Comment.text, limit=3))

    Args:
        row: The class of the rows; a plain `Row` without it.
        where, order_by, limit: Which of the related records, in what order, and how many at most.
        keys: Fields of the related model, what is computed of one record, or `collect` of its relations.

    Raises:
        QueryError: A key that cannot be computed of a single related record.
    """
    target, what = relation.spec.target, f"collect({relation!r})"
    select = read_keys(target, what, keys)
    for name, each in select.items():
        if each.aggregate or each.paths:
            raise QueryError(f"{what}: {name} is {each!r}, which is not of a single {target.__name__}")
    document: dict[str, Any] = {
        "label": relation.spec.label,
        "$relation": {"type": relation.spec.kind, "direction": relation.spec.direction},
        "select": {name: within(each.document, "$self") for name, each in select.items()},
    }
    if where is not None:
        document["where"] = relation.about(where).where
    if order_by is not None:
        if not isinstance(order_by, Order) or not issubclass(target, order_by.model):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise QueryError(f"{what}: order_by is {target.__name__}.field.asc() or .desc()")
        stored = order_by.stored
        document["orderBy"] = {_order_key(stored.property): "desc" if stored.descending else "asc"}
    if limit is not None:
        if type(limit) is not int or limit < 0:
            raise QueryError(f"{what}: limit is a whole number from 0, got {limit!r}")
        document["limit"] = limit
    keys_ = [Key(name, name, each.codec) for name, each in select.items()]
    loader: RowLoader[Any] = RowLoader(row or Row, keys_)

    def load(found: Any) -> list[Any]:
        if not isinstance(found, list):
            raise ValueError(f"expected a list of rows, got {type(found).__name__}")
        return [loader.load(each) for each in cast("list[Mapping[str, Any]]", found)]

    return Expression({"$collect": document}, relation.model, False, Codec("rows", _no_encoding, load), what)


def read_keys(model: type[Any], what: str, keys: Mapping[str, Any]) -> dict[str, Expression[Any]]:
    """The keys of an aggregation as expressions.

    Raises:
        QueryError: One that is no expression, is about another model, or refers to a key that is not there.
    """
    if not keys:
        raise QueryError(f"{what} computes nothing: give it keys, as in total=count()")
    chosen: dict[str, Expression[Any]] = {}
    for name, each in keys.items():
        if not isinstance(each, Arithmetic):
            raise QueryError(
                f"{what}: {name}=...: expected count(), avg(Article.price), a field or what is computed of "
                f"them, got {each!r:.60}"
            )
        chosen[name] = each.expression()
        other = chosen[name].model
        if other is not None and not issubclass(model, other):
            raise QueryError(
                f"{what}: {name}=...: a field of {other.__name__} says nothing about {model.__name__}"
            )
    for name, each in chosen.items():
        for key in _references(each.document):
            if key not in chosen:
                raise QueryError(f"{what}: {name}=...: ref({key!r}) is none of its keys: {', '.join(chosen)}")
    return chosen


def _references(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in cast("dict[str, Any]", document).items():
            if key == "$ref":
                yield value
            elif key != "$collect":  # which has keys of its own
                yield from _references(value)
    elif isinstance(document, list):
        for each in cast("list[Any]", document):
            yield from _references(each)


def _order_key(stored: str) -> str:
    return "__id" if stored == "$id" else stored


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
    return _aggregate(operator, operand, operand.codec)


def _aggregate(
    operator: str, operand: Expression[Any], codec: Codec, options: Mapping[str, Any] = MappingProxyType({})
) -> Expression[Any]:
    shown = f"{operator[1:]}({operand.shown})"
    document = {operator: operand.document, **options}
    return Expression(document, operand.model, True, codec, shown, operand.paths)


def _from_milliseconds(value: Any) -> dt.datetime:
    if type(value) not in (int, float):
        raise ValueError(f"expected milliseconds since 1970, got {value!r:.40}")
    return _EPOCH + dt.timedelta(milliseconds=value)


def _no_encoding(value: Any) -> Any:
    raise ValueError(f"the start of a time span is computed, not stored: {value!r:.40}")


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_MILLISECONDS = Codec("a time span", _no_encoding, _from_milliseconds, ordered=True)
