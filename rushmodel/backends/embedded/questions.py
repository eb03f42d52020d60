"""What an operator asks of a property, once its operand is known to be fit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeGuard

from .leaves import (
    Column,
    Leaf,
    absent,
    compare,
    equal,
    equal_list,
    prefix,
    present,
    text_test,
    typed,
    within,
)
from .moments import compare_moment, equal_moments, read_moment
from .operands import is_list, is_object, scalar, scalars, text, unknown, wrong
from .operators import COMPARISONS, COMPONENTS, LOGICAL, RANGES, TEXTUAL
from .terms import Sense, Term, combined


def read_question(operator: str, operand: object, place: str, texts: str) -> Leaf:
    """The leaf of a comparison. ``texts`` names what tells strings from datetimes (R14)."""
    if operator not in COMPARISONS:
        raise unknown(operator, place, COMPARISONS | LOGICAL)
    if operator == "$eq":
        if is_list(operand):
            return partial(equal_list, scalars(operand, place))
        if _is_moment(operand):
            return partial(equal_moments, [read_moment(operand, place)], texts)
        return absent if operand is None else partial(equal, scalar(operand, place))
    if operator == "$in":
        if not is_list(operand):
            raise wrong(place, "a list of values", operand)
        moments = [read_moment(value, place) for value in operand if _is_moment(value)]
        others = partial(within, scalars([value for value in operand if not _is_moment(value)], place))
        return partial(_either, others, partial(equal_moments, moments, texts)) if moments else others
    if operator == "$exists":
        if not isinstance(operand, bool):
            raise wrong(place, "true or false", operand)
        return present if operand else absent
    if operator == "$type":
        if operand not in _TYPES:
            raise wrong(place, f"one of {', '.join(_TYPES)}", operand)
        return partial(typed, str(operand), texts)
    if operator in TEXTUAL:
        wanted = text(operand, place)
        if operator == "$contains":
            return partial(text_test, "contains", wanted.casefold())
        return partial(text_test, "ends", wanted) if operator == "$endsWith" else partial(prefix, wanted)
    if _is_moment(operand):
        return partial(compare_moment, RANGES[operator], read_moment(operand, place), texts)
    if isinstance(operand, bool) or not isinstance(operand, (str, int, float)):
        raise wrong(place, "a number, text, or a datetime by components", operand)
    return partial(compare, RANGES[operator], scalar(operand, place))


_TYPES = ("string", "number", "boolean", "datetime")


def _is_moment(operand: object) -> TypeGuard[Mapping[Any, Any]]:
    return is_object(operand) and any(key in COMPONENTS for key in operand)


def _either(one: Leaf, other: Leaf, column: Column) -> tuple[Term, Term]:
    (holds, fails), (also_holds, also_fails) = one(column), other(column)
    return (
        combined([holds, also_holds], "OR", Sense.HOLDS),
        combined([fails, also_fails], "AND", Sense.HOLDS),
    )
