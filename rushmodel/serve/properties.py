"""A record as a list of ``{"name", "type", "value"}``, the other form that RushDB takes (traces 05, 10)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

from ..operations.raw_documents import shown
from ..wire.proptypes import looks_like_datetime
from .refusals import Refusal


def read_properties(given: object) -> tuple[dict[str, Any], frozenset[str]]:
    """The properties as ``data`` would have them, and the names of those that are strings.

    A value is one of its type, or a list of such; with ``valueSeparator`` it is a text that holds several.

    Raises:
        Refusal: 400, by place: what is no such list, an unknown type, a value of another type.
    """
    if not isinstance(given, list):
        raise Refusal(400, "data: expected an object of properties, got nothing")
    data: dict[str, Any] = {}
    texts: set[str] = set()
    for index, each in enumerate(cast("list[object]", given)):
        place = f"properties.{index}"
        if not isinstance(each, Mapping):
            raise Refusal(400, f"{place}: expected an object with name, type and value, got {shown(each)}")
        entry = cast("Mapping[str, Any]", each)
        name, kind = entry.get("name"), entry.get("type")
        if not isinstance(name, str):
            raise Refusal(400, f"{place}.name: expected a text, got {shown(name)}")
        if not isinstance(kind, str) or kind not in _FITS:
            raise Refusal(400, f"{place}.type: expected one of {', '.join(_FITS)}, got {shown(kind)}")
        data[name] = _read_value(entry, kind, place)
        if kind == "string":
            texts.add(name)
    return data, frozenset(texts)


def _read_value(entry: Mapping[str, Any], kind: str, place: str) -> Any:
    value, separator = entry.get("value"), entry.get("valueSeparator")
    if separator is not None:
        if not isinstance(value, str) or not isinstance(separator, str) or not separator:
            raise Refusal(400, f"{place}.value: with a valueSeparator both are texts that are not empty")
        value = [_READ[kind](part) for part in value.split(separator)]
    items: list[Any] = value if isinstance(value, list) else [value]
    for item in items:
        if item is not None and not _FITS[kind](item):
            raise Refusal(400, f"{place}.value: expected a {kind}, got {shown(item)}")
    return cast("Any", value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _read_number(text: str) -> object:
    try:
        number = float(text)
    except ValueError:
        return text  # and a text is no number, which the caller says
    return int(number) if math.isfinite(number) and number.is_integer() else number


def _read_flag(text: str) -> object:
    return {"true": True, "false": False}.get(text, text)


_FITS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "datetime": lambda value: isinstance(value, str) and looks_like_datetime(value),
}

_READ: dict[str, Callable[[str], object]] = {
    "string": str,
    "number": _read_number,
    "boolean": _read_flag,
    "datetime": str,
}
