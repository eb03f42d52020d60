"""What is worked out once the store has given what it has: arithmetic of aggregates, keys of keys, order."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from ...wire.proptypes import looks_like_datetime
from .select_expressions import Arithmetic, Constant, Expression, Key
from .values import FALSE, TRUE, unpack

T = TypeVar("T")

Given: TypeAlias = Sequence[Any]
Done: TypeAlias = "dict[str, Any]"
Compute: TypeAlias = "Callable[[Given, Done], Any]"
"""A value out of what was read for a row, and the keys that are worked out already."""


def computed(expression: Expression, places: Mapping[Expression, int]) -> Compute:
    """How an expression is worked out; ``places`` says where in a row the parts stand that were read."""
    if expression in places:
        place = places[expression]
        return lambda given, done: given[place]
    if isinstance(expression, Constant):
        value = expression.value
        cell = (TRUE if value else FALSE) if isinstance(value, bool) else value
        return lambda given, done: cell
    if isinstance(expression, Key):
        name = expression.name
        return lambda given, done: done[name]
    assert isinstance(expression, Arithmetic)
    left, right = computed(expression.left, places), computed(expression.right, places)
    apply = _OPERATORS[expression.operator]

    def compute(given: Given, done: Done) -> Any:
        one, other = left(given, done), right(given, done)
        # Nothing but numbers: 1 and True are different values.
        if type(one) not in _NUMBERS or type(other) not in _NUMBERS:
            return None
        return finite(apply(one, other))

    return compute


def worked_out(
    select: Mapping[str, Expression], leaves: Sequence[Expression]
) -> Callable[[Sequence[Any]], dict[str, Any]]:
    """What makes a row's keys from the leaves' values; the keys are in an order that allows it."""
    places = {leaf: place for place, leaf in enumerate(leaves)}
    computes: list[tuple[str, Compute]] = [(name, computed(each, places)) for name, each in select.items()]

    def work(given: Sequence[Any]) -> dict[str, Any]:
        done: dict[str, Any] = {}
        for name, compute in computes:
            done[name] = compute(given, done)
        return done

    return work


def shown(done: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The keys that have a value, as an answer gives them (R31)."""
    return {
        name: unpack(value) if type(value) is bytes else value
        for name in names
        if (value := done[name]) is not None
    }


def sort(
    rows: Iterable[T], order: Sequence[tuple[str, bool]], done: Mapping[T, Mapping[str, Any]]
) -> list[T]:
    """The rows by the keys that were worked out for them; ties stay as they are."""
    ordered = list(rows)
    for name, descending in reversed(order):
        ordered.sort(key=lambda row: rank(done[row][name]), reverse=descending)
    return ordered


def finite(value: Any) -> Any:
    """The value; None for a number past all others, which no answer can hold, and no integer past 64 bits."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    return float(value) if type(value) is int and not -(2**63) <= value < 2**63 else value


def rank(value: Any) -> tuple[int, Any]:
    """Compares values as they are ordered: numbers, text, lists, false, true, then what is absent (R16)."""
    if value is None:
        return 3, 0
    if isinstance(value, str):
        # By code point, ...00Z would come after ...00.5Z.
        return 1, f"{value[:-1]}\x01" if value.endswith("Z") and looks_like_datetime(value) else value
    if isinstance(value, list):  # what was collected, which may hold whole records: by its text
        return 2, json.dumps(value).encode()
    return (2, value) if isinstance(value, bytes) else (0, value)


def _divide(one: float, other: float) -> float | None:
    return float(one) / float(other) if other else None


_NUMBERS: Final = (int, float)
_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "$add": operator.add,
    "$subtract": operator.sub,
    "$multiply": operator.mul,
    "$divide": _divide,
}
