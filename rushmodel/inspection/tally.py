"""`Tally`: which values each property of some records has, and so which type a field for it needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias, cast

from ..origins import is_origin_property
from ..wire.proptypes import looks_like_datetime

ValueKind: TypeAlias = Literal["str", "datetime", "date", "int", "float", "bool", "other"]
"""``datetime`` and ``date`` are texts that the store takes for one; ``other`` what no field can hold."""

_NUMBERS: frozenset[ValueKind] = frozenset(("int", "float"))
_TEXTS: frozenset[ValueKind] = frozenset(("str", "datetime", "date"))
_FINGERPRINT = re.compile(r"f32-[0-9a-f]{16}").fullmatch
_LENGTH_OF_DATE = 10
_MICROSECONDS = re.compile(r"T.{8}\.\d{7}").search
"""More digits than a datetime of Python has: it would not come back as it was."""


class Seen:
    """The values of one property."""

    __slots__ = ("are_fingerprints", "are_origins", "kinds", "list_kinds", "lists", "records")

    def __init__(self) -> None:
        self.records = 0
        self.lists = 0
        self.kinds: set[ValueKind] = set()
        self.list_kinds: set[ValueKind] = set()
        self.are_origins = True
        self.are_fingerprints = True

    @property
    def is_text(self) -> bool:
        """Whether all values are texts, no lists."""
        return not self.lists and self.kinds <= _TEXTS

    @property
    def type(self) -> str | None:
        """The annotation that holds every value; None: there is none."""
        if not self.lists:
            return _common(self.kinds)
        if self.lists < self.records:
            return None
        item = _common(self.list_kinds) if self.list_kinds else "str"
        return None if item is None else f"list[{item}]"


class Tally:
    """The values of records of one label, or of relationships of one type."""

    def __init__(self) -> None:
        self.records = 0
        self.properties: dict[str, Seen] = {}

    def add(self, data: Mapping[str, Any], texts: Iterable[str] = ()) -> None:
        """Count one; ``texts`` are the names of properties that are texts whatever they look like."""
        self.records += 1
        for name, value in data.items():
            if value is None:
                continue
            seen = self.properties.get(name)
            if seen is None:
                seen = self.properties[name] = Seen()
            seen.records += 1
            if isinstance(value, list):
                seen.lists += 1
                seen.are_origins = seen.are_fingerprints = False
                seen.list_kinds.update(_kind(item, name in texts) for item in cast("list[object]", value))
            else:
                seen.kinds.add(_kind(value, name in texts))
                if seen.are_origins and not is_origin_property(name, value):
                    seen.are_origins = False
                if seen.are_fingerprints and not (isinstance(value, str) and _FINGERPRINT(value)):
                    seen.are_fingerprints = False


def _kind(value: object, is_marked: bool) -> ValueKind:
    if isinstance(value, str):
        if is_marked or not looks_like_datetime(value):
            return "str"
        if len(value) == _LENGTH_OF_DATE:
            return "date"
        return "str" if _MICROSECONDS(value) else "datetime"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    return "float" if isinstance(value, float) else "other"


def _common(kinds: set[ValueKind]) -> str | None:
    """The type that holds values of all these kinds."""
    if len(kinds) == 1:
        (kind,) = kinds
        return None if kind == "other" else kind
    if kinds <= _NUMBERS:
        return "float"
    return "str" if kinds <= _TEXTS else None
