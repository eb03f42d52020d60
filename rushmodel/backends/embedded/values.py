"""How a property value lies in its column of the file (format 1).

NULL is an absent property, INTEGER and REAL are numbers, TEXT is a string or a
datetime in ISO form. A BLOB is JSON: ``true``, ``false`` or a list. SQLite
sorts numbers before text before blobs, and a JSON list begins with ``[``,
which comes before the ``f`` and ``t`` of the booleans: every kind of value is
one range of an index on the column.
"""

from __future__ import annotations

import math
import re
from calendar import monthrange
from typing import Final, Literal, TypeAlias, cast

import orjson

from ...errors import PropertyError
from ...port import StoredValue

Cell: TypeAlias = int | float | str | bytes
"""What a column holds where the property is there."""

ValueType: TypeAlias = Literal["string", "number", "boolean", "datetime"]
"""The types RushDB knows; a list has the type of its elements (trace 10, ``__proptypes``)."""

TRUE: Final = b"true"
FALSE: Final = b"false"
LARGEST_INTEGER: Final = 2**53


def pack(value: object) -> Cell:
    """The cell that holds a stored value; `unpack` gives back an equal value of the same type.

    Raises:
        PropertyError: NaN and infinity, integers past 2**53, lone surrogates, lists that mix
            types (R15), and whatever is no `StoredValue`: the file could not give them back.
    """
    if isinstance(value, list):
        elements = cast("list[object]", value)
        types = {_scalar_type(element) for element in elements}
        if len(types) > 1:
            raise PropertyError(f"a list holds values of one type, got {' and '.join(sorted(types))}")
        return orjson.dumps(elements, default=float)  # subclasses of float, which orjson does not know
    kind = _scalar_type(value)
    if kind == "boolean":
        return TRUE if value else FALSE
    return cast("int | float | str", value)


def unpack(cell: Cell) -> StoredValue:
    """The value in a cell. Only blobs need it: other cells are their own value."""
    if type(cell) is bytes:
        return cast("StoredValue", orjson.loads(cell))
    return cast("int | float | str", cell)


def value_type(value: StoredValue) -> ValueType:
    """The type RushDB infers (R14); an empty list counts as string (trace 10).

    Text that looks like a datetime and was given as a string is known by the
    row's ``texts`` alone, so that is the caller's to look at.
    """
    if isinstance(value, list):
        types: set[ValueType] = {value_type(element) for element in value}
        return types.pop() if len(types) == 1 else "string"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "datetime" if looks_like_datetime(value) else "string"
    return "number"


def looks_like_datetime(text: str) -> bool:
    """Whether a server takes the text for a datetime (R14, trace 10).

    ``YYYY-MM-DD``, alone or with ``T``, time down to the second, an optional
    fraction of up to nine digits, and ``Z`` or an offset (``+05:30``, and
    ``+0530`` too); the day must exist.
    """
    found = _DATETIME(text)
    if found is None:
        return False
    year, month, day = map(int, found.groups())
    return day <= 28 or day <= monthrange(year, month)[1]


def well_formed(text: str) -> bool:
    """Whether the text can be written as UTF-8: it has no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
_ZONE = r"(?:Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)"
_DATETIME = re.compile(
    rf"(?!0000)(\d{{4}})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(?:T{_CLOCK}(?:\.\d{{1,9}})?{_ZONE})?",
    re.ASCII,
).fullmatch


def _scalar_type(value: object) -> Literal["string", "number", "boolean"]:
    """The type of a value that can be stored alone or in a list; PropertyError for any other."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        if not well_formed(value):
            raise PropertyError("the text holds a lone surrogate, which UTF-8 cannot carry")
        return "string"
    if isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise PropertyError(f"integers go from -2**53 to 2**53, got one of {value.bit_length()} bits")
        return "number"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise PropertyError(f"numbers are finite, got {value}")
        return "number"
    raise PropertyError(
        f"a property is text, a number, a boolean or a list of them, got {type(value).__name__}"
    )
