"""The operators of the query language, and what an object of a query document is by its keys."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

from ...errors import QueryError
from .operands import is_list, is_object, listed

LOGICAL: Final = frozenset(("$and", "$or", "$not", "$nor", "$xor"))
RANGES: Final[Mapping[str, str]] = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
TEXTUAL: Final = frozenset(("$contains", "$startsWith", "$endsWith"))
IDENTITY: Final = frozenset(("$eq", "$ne", "$in", "$nin"))
COMPARISONS: Final = frozenset(("$exists", "$type")) | IDENTITY | TEXTUAL | set(RANGES)
COMPONENTS: Final = (
    "$year",
    "$month",
    "$day",
    "$hour",
    "$minute",
    "$second",
    "$millisecond",
    "$microsecond",
    "$nanosecond",
)
"""Of a datetime, from the coarsest on."""


class Kind(enum.Enum):
    """What an object under a name is."""

    ASKED = enum.auto()  # operators: what the property of that name is asked
    MOMENT = enum.auto()  # the components of a datetime that the property is to be
    BLOCK = enum.auto()  # the conditions of a related record of that label: a traversal


def kind_of(value: Mapping[Any, Any], place: str) -> Kind:
    """Tell the three apart; `QueryError` for an object that is two of them at once.

    ``{"$not": X}`` and its like say nothing by themselves: what they hold
    decides, and it is a block as soon as any part of it is one.
    """
    kind = kind_by_keys(value, place)
    if kind is not None:
        return kind
    pending: list[Any] = list(value.values())
    while pending:
        part = pending.pop()
        if is_list(part):
            pending.extend(part)
        elif is_object(part):
            kind = kind_by_keys(part, place)
            if kind is Kind.BLOCK:
                return kind
            if kind is None:
                pending.extend(part.values())
    return Kind.ASKED


def kind_by_keys(value: Mapping[Any, Any], place: str) -> Kind | None:
    """The kind that the keys tell; None where they are logical operators alone."""
    operators = {key for key in value if str(key).startswith("$")} - _OF_BLOCKS
    names = value.keys() - operators
    asked = operators - LOGICAL
    if names and asked & _OF_PROPERTIES:
        raise QueryError(
            f"{place} mixes operators ({listed(asked)}) with names ({listed(names)}): "
            "an object is either what a property is asked, or the conditions of a related record"
        )
    if names or not value:
        return Kind.BLOCK
    if asked & _COMPONENTS:
        if operators - _COMPONENTS:
            raise QueryError(
                f"{place} mixes the components of a datetime ({listed(operators & _COMPONENTS)}) with other"
                f" operators ({listed(operators - _COMPONENTS)}): give the datetime to one of them"
            )
        return Kind.MOMENT
    return Kind.ASKED if asked else None


_OF_BLOCKS = frozenset(("$relation", "$alias", "$cycle", "$id"))
_COMPONENTS = frozenset(COMPONENTS)
_OF_PROPERTIES = COMPARISONS | _COMPONENTS
