"""Operands of a query document: what each may be, and the errors that name their place."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard

from ...errors import QueryError
from .values import well_formed


def is_object(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    return isinstance(value, (list, tuple))


def scalar(value: object, place: str) -> str | int | float | bool:
    if isinstance(value, str):
        return text(value, place)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise QueryError(f"{place}: expected an integer of at most 64 bits, got {value}")
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise wrong(place, "text, a finite number, true or false", value)


def scalars(values: Sequence[object], place: str) -> list[str | int | float | bool]:
    return [scalar(value, place) for value in values]


def text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise wrong(place, "text", value)
    if not well_formed(value):
        raise QueryError(f"{place}: the text holds a lone surrogate, which no stored text does")
    return value


def integer(value: object, place: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise wrong(place, f"an integer from {least} to {most:,}", value)
    return value


def wrong(place: str, expected: str, given: object) -> QueryError:
    return QueryError(f"{place}: expected {expected}, got {reprlib.repr(given)}")


def unknown(operator: object, place: str, known: Iterable[str]) -> QueryError:
    return QueryError(f"{place}: unknown operator {operator!r}; known here: {listed(known)}")


def listed(names: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, names)))
