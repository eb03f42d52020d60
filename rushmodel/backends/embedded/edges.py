"""How a relationship lies in the file: its type is an interned name, its properties are one JSON object.

A text among the properties that looks like a datetime is text: relationships have no marks (R14).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

from ...errors import PropertyError
from ...port import DEFAULT_RELATIONSHIP, DEFAULT_RELATIONSHIP_NAMES, StoredValue
from .damage import parsed
from .names import check_name
from .relations import stored_types
from .values import pack

if TYPE_CHECKING:
    from .session import Session

RESERVED: Final = "type"
"""What no property of a relationship is called (R27): conditions mean its type by that."""


def check_type(type: str) -> None:
    """`PropertyError` unless a relationship can have that type (R27)."""
    if not isinstance(type, str) or not _TYPE(type):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PropertyError(
            "a relationship type is letters, digits and _, and begins with no digit, as in WROTE or by_1,"
            f" not {type!r:.60}",
            property=RESERVED,
            given=type,
            status=_STATUS,
        )


def intern_type(session: Session, type: str) -> int:
    """The number of a type that is about to be stored; `PropertyError` unless it can be one."""
    check_type(type)
    return session.names.intern(DEFAULT_RELATIONSHIP if type in DEFAULT_RELATIONSHIP_NAMES else type)


def condition_on_type(session: Session, types: Iterable[str], column: str) -> str | None:
    """SQL for relationships of one of the types, none meaning any; None where no relationship has one."""
    names = [name for type in types for name in stored_types(type)]
    if not names:
        return "1"
    numbers = [number for number in map(session.names.number, names) if number is not None]
    return f"{column} IN ({', '.join(map(str, numbers))})" if numbers else None


def shown_type(session: Session, number: int) -> str:
    """A type as servers show it."""
    name = session.names.name(number)
    return DEFAULT_RELATIONSHIP_NAMES[-1] if name in DEFAULT_RELATIONSHIP_NAMES else name


def pack_properties(type: str, data: Mapping[str, StoredValue]) -> str | None:
    """The cell of a relationship's properties; `PropertyError` names the one that cannot be stored."""
    for name, value in data.items():
        try:
            check_name(name)
            if name == RESERVED:
                raise PropertyError("that is a reserved relationship property name")
            pack(value)
        except PropertyError as error:
            raise PropertyError(
                f"{name!r:.120} of the relationship {type} cannot be stored: {error}",
                property=name,
                type=type,
                status=_STATUS,
            ) from None
    return orjson.dumps(data, default=float).decode() if data else None


def unpack_properties(cell: str | None) -> dict[str, Any]:
    """The properties in a cell."""
    return {} if cell is None else parsed(cell)


_STATUS = 400  # what a server answers (trace 14), where records' properties get another
_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z").match
