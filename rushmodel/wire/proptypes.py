"""The types RushDB tells property values apart by: ``__proptypes`` (R14)."""

from __future__ import annotations

import re
from calendar import monthrange
from typing import Literal, TypeAlias

from ..port import StoredValue

ValueType: TypeAlias = Literal["string", "number", "boolean", "datetime"]
"""A list has the type of its elements (trace 10)."""


def value_type(value: StoredValue) -> ValueType:
    """The type RushDB infers (R14); an empty list counts as string (trace 10).

    Text that looks like a datetime and was given as a string is the caller's to know
    (`StoredRecord.texts`).
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


_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
_ZONE = r"(?:Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)"
_DATETIME = re.compile(
    rf"(?!0000)(\d{{4}})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(?:T{_CLOCK}(?:\.\d{{1,9}})?{_ZONE})?",
    re.ASCII,
).fullmatch
