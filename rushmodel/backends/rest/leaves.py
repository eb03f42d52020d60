"""What a property, an id or a label can be asked, with the negation a server has for it.

On lists any element counts for a positive comparison, and ``$ne`` and ``$nin`` mean none of them
(R20): these two are the negations of equality and membership for every value. ``$lte`` is that of
``$gt`` only where no list is. Text operators, ``$type``, whole lists and the components of
datetimes have none.
"""

from __future__ import annotations

import enum
import math
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeGuard, TypeVar

from ...errors import QueryError
from .normal import ALWAYS, NEVER, Document, Form, Labels, Leaf, all_of, any_of

T = TypeVar("T")

LOGICAL: Final = frozenset(("$and", "$or", "$not", "$nor", "$xor"))
COMPONENTS: Final = frozenset(
    ("$year", "$month", "$day", "$hour", "$minute", "$second", "$millisecond", "$microsecond", "$nanosecond")
)
_OPPOSITE: Final = {"$gt": "$lte", "$gte": "$lt", "$lt": "$gte", "$lte": "$gt"}
_TEXTUAL: Final = frozenset(("$contains", "$startsWith", "$endsWith"))
_IDENTITY: Final = frozenset(("$eq", "$ne", "$in", "$nin"))
COMPARISONS: Final = frozenset(("$exists", "$type")) | _IDENTITY | _TEXTUAL | _OPPOSITE.keys()
_TYPES: Final = ("string", "number", "boolean", "datetime")


class Fit(enum.IntEnum):
    """Where a part of a document can be sent as it was written."""

    REWRITE = 0
    TOP = 1  # it holds a $not: where neither a list nor another $not stands around it
    ANYWHERE = 2


class Read(NamedTuple):
    """A condition: the records of which it is true, and those of which it is false."""

    holds: Form
    fails: Form
    fit: Fit

    def turned(self, fit: Fit) -> Read:
        return Read(self.fails, self.holds, fit)


def leaf(yes: Document, no: Document | None) -> Read:
    return Read(Leaf(yes, no), Leaf(no, yes), Fit.ANYWHERE)


def every(reads: Sequence[Read], fit: Fit = Fit.ANYWHERE) -> Read:
    """All of them; to be sent as written if ``fit`` and each of them allow it."""
    if not reads:
        return Read(ALWAYS, NEVER, Fit.REWRITE)
    if len(reads) == 1:
        return reads[0] if fit >= reads[0].fit else reads[0]._replace(fit=fit)
    fit = min(fit, *(read.fit for read in reads))
    return Read(all_of(read.holds for read in reads), any_of(read.fails for read in reads), fit)


def odd(reads: Sequence[Read], documents: Sequence[Document] | None, fit: Fit) -> Read:
    """An odd number of them. ``documents`` are theirs, if each can be sent as it was written.

    They go in pairs: what a server makes of an ``$xor`` of three is nowhere seen, and pairs of
    pairs keep the form small.
    """
    if documents is not None and len(documents) > 1:
        pairs = _paired(documents, lambda one, other: {"$xor": [one, other]})
        return leaf(pairs, None)._replace(fit=fit if len(documents) == 2 else Fit.REWRITE)
    return _paired(reads, _one_of_two)._replace(fit=fit)


def _paired(items: Sequence[T], pair: Callable[[T, T], T]) -> T:
    while len(items) > 1:
        rest = items[len(items) // 2 * 2 :]
        items = [pair(one, other) for one, other in zip(items[::2], items[1::2], strict=False)]
        items += rest
    return items[0]


def _one_of_two(one: Read, other: Read) -> Read:
    return Read(
        any_of((all_of((one.holds, other.fails)), all_of((one.fails, other.holds)))),
        any_of((all_of((one.holds, other.holds)), all_of((one.fails, other.fails)))),
        Fit.REWRITE,
    )


# -- comparisons ------------------------------------------------------------------


def equal(name: str, value: object, place: str) -> Read:
    """A literal: a value, a whole list, the components of a datetime; None for an absent property."""
    if value is None:
        return leaf({name: None}, {name: {"$exists": True}})
    if _is_components(value, place):
        return leaf({name: value}, None)
    if is_list(value):
        _scalars(value, place)
        return leaf({name: value}, None)
    _scalar(value, place)
    return leaf({name: value}, {name: {"$ne": value}})


def compare(name: str, operator: str, operand: object, place: str, never_list: bool) -> Read:
    """One operator of a property, of which ``never_list`` says that it holds no lists."""
    if operator not in COMPARISONS:
        raise unknown(operator, place, COMPARISONS | LOGICAL)
    if operator in ("$eq", "$ne"):
        read = equal(name, operand, place)
        # Null, lists and components are seen as literals only.
        fit = Fit.ANYWHERE if isinstance(operand, (str, int, float)) else Fit.REWRITE
        return read.turned(fit) if operator == "$ne" else read._replace(fit=fit)
    if operator in ("$in", "$nin"):
        read = _within(name, operand, place)
        return read if operator == "$in" else read.turned(read.fit)
    written = {name: {operator: operand}}
    if operator == "$exists":
        if not isinstance(operand, bool):
            raise wrong(place, "true or false", operand)
        return leaf(written, {name: {operator: not operand}})
    if operator in _OPPOSITE:
        if _is_components(operand, place):
            return leaf(written, None)
        if isinstance(operand, bool) or not isinstance(operand, (str, int, float)):
            raise wrong(place, "a number or text", operand)
        _scalar(operand, place)
        return leaf(written, {name: {_OPPOSITE[operator]: operand}} if never_list else None)
    if operator in _TEXTUAL:
        text(operand, place)
    elif operand not in _TYPES:
        raise wrong(place, f"one of {', '.join(_TYPES)}", operand)
    return leaf(written, None)


def _within(name: str, values: object, place: str) -> Read:
    if not is_list(values):
        raise wrong(place, "a list of values", values)
    _scalars(values, place)
    if not values:
        # Never true, and false only where the property is there.
        there = Leaf({name: {"$exists": True}}, {name: {"$exists": False}})
        return Read(NEVER, there, Fit.REWRITE)
    return leaf({name: {"$in": values}}, {name: {"$nin": values}})


def identity(key: str, value: object, place: str) -> Read:
    """Equality and membership of the record's id (R26), which is always there."""
    reads: list[Read] = []
    for positive, names, single in _names(value, place):
        if single:
            read = leaf({"$id": names[0]}, {"$id": {"$ne": names[0]}})
        elif names:
            read = leaf({"$id": {"$in": names}}, {"$id": {"$nin": names}})
        else:
            read = Read(NEVER, ALWAYS, Fit.REWRITE)
        reads.append(read if positive else read.turned(read.fit))
    return every(reads, Fit.ANYWHERE if key == "$id" and len(reads) == 1 else Fit.REWRITE)


def label_is(value: object, place: str) -> Read:
    """Equality and membership of the record's label, which no server looks for in ``where`` (R26)."""
    reads: list[Read] = []
    for positive, names, _ in _names(value, place):
        labels = Labels(frozenset(names), positive)
        reads.append(Read(labels, labels.turned, Fit.REWRITE))
    return every(reads)


def _names(value: object, place: str) -> list[tuple[bool, list[str], bool]]:
    """Of each operator: whether it is positive, its texts, and whether it takes a single one."""
    operators: Mapping[Any, Any] = value if is_object(value) else {"$eq": value}
    if not operators:
        raise wrong(place, f"text or one of {listed(_IDENTITY)}", value)
    found: list[tuple[bool, list[str], bool]] = []
    for operator, operand in operators.items():
        at = f"{place}.{operator}"
        if operator not in _IDENTITY:
            raise unknown(operator, at, _IDENTITY)
        single = operator in ("$eq", "$ne")
        if not single and not is_list(operand):
            raise wrong(at, "a list of texts", operand)
        names = [text(name, at) for name in ([operand] if single else operand)]
        found.append((operator in ("$eq", "$in"), names, single))
    return found


# -- operands ---------------------------------------------------------------------


def is_object(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    return isinstance(value, (list, tuple))


def text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise wrong(place, "text", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise QueryError(f"{place}: the text holds a lone surrogate, which no stored text does") from None
    return value


def _scalar(value: object, place: str) -> None:
    """JSON would write what is not finite as null, which asks for something else."""
    if isinstance(value, str):
        text(value, place)
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise QueryError(f"{place}: expected an integer of at most 64 bits, got {value}")
    elif not isinstance(value, float) or not math.isfinite(value):
        raise wrong(place, "text, a finite number, true or false", value)


def _scalars(values: Sequence[object], place: str) -> None:
    for value in values:
        _scalar(value, place)


def _is_components(value: object, place: str) -> bool:
    """Whether it is a datetime by its parts; QueryError if one of these is no integer."""
    if not (is_object(value) and value and value.keys() <= COMPONENTS):
        return False
    for name, number in value.items():
        if isinstance(number, bool) or not isinstance(number, int):
            raise wrong(f"{place}.{name}", "an integer", number)
    return True


def wrong(place: str, expected: str, given: object) -> QueryError:
    return QueryError(f"{place}: expected {expected}, got {reprlib.repr(given)}")


def unknown(operator: object, place: str, known: Iterable[str]) -> QueryError:
    return QueryError(f"{place}: unknown operator {operator!r}; known here: {listed(known)}")


def listed(names: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, names)))
