"""How a property value lies in its column of the file (format 1).

NULL is an absent property, INTEGER and REAL are numbers, TEXT is a string or a
datetime in ISO form. A BLOB is JSON: ``true``, ``false`` or a list. SQLite
sorts numbers before text before blobs, and a JSON list begins with ``[``,
which comes before the ``f`` and ``t`` of the booleans: every kind of value is
one range of an index on the column.
"""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias, cast

import orjson

from ...errors import PropertyError
from ...port import StoredValue
from .damage import parsed

Cell: TypeAlias = int | float | str | bytes
"""What a column holds where the property is there."""

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
    """The value in a cell; `DamagedFile`. Only blobs need it: other cells are their own value."""
    if type(cell) is bytes:
        return cast("StoredValue", parsed(cell))
    return cast("int | float | str", cell)


def well_formed(text: str) -> bool:
    """Whether the text can be written as UTF-8: it has no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
