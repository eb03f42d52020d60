"""The functions that compiled filters call from SQL.

SQLite's own text, JSON and LIKE functions stop at NUL or fold ASCII only, so text
is looked into here; it arrives as a blob, since it may hold NUL. SQLite may call a
function before the comparison that guards it, so each answers None for a cell that
is not its kind.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeGuard

import orjson

from ...origins import is_unmade
from ...wire.proptypes import looks_like_datetime, value_type
from .moments import EARLIEST, LATEST, list_keys, moment_key
from .select_buckets import bucket_start
from .values import LARGEST_INTEGER, Cell, pack


def register(connection: sqlite3.Connection) -> None:
    """Give a connection the functions that compiled filters call."""
    functions: dict[str, tuple[int, Callable[..., Cell | None]]] = {
        "rush_contains": (2, _contains),
        "rush_ends": (2, _ends),
        "rush_datetime": (3, _datetime),
        "rush_list_type": (3, _list_type),
        "rush_list_is": (2, _list_is),
        "rush_moment": (3, _moment_of),
        "rush_latest": (3, _latest),
        "rush_earliest": (3, _earliest),
        "rush_any_moment": (4, _any_moment),
        "rush_cell": (2, _cell),
        "rush_bucket": (5, _bucket),
        "rush_like": (1, _like),
        "rush_unmade": (3, _unmade),
        **{f"rush_any_{name}": (2, function) for name, function in _ANY.items()},
    }
    for name, (arguments, function) in functions.items():
        connection.create_function(name, arguments, function, deterministic=True)


def _contains(text: object, needle: bytes) -> bool | None:
    if not isinstance(text, bytes):
        return None
    return needle in (text.lower() if text.isascii() else text.decode().casefold().encode())


def _ends(text: object, suffix: bytes) -> bool | None:
    return text.endswith(suffix) if isinstance(text, bytes) else None


def _datetime(text: object, texts: str | None, name_id: int) -> bool | None:
    if not isinstance(text, bytes):
        return None
    return looks_like_datetime(text.decode()) and not _is_listed(texts, name_id)


def _moment_of(text: object, texts: str | None, name_id: int) -> str | None:
    return moment_key(text.decode()) if isinstance(text, bytes) and _datetime(text, texts, name_id) else None


def _latest(cell: object, texts: str | None, name_id: int) -> str | None:
    keys = _moments(cell, texts, name_id)
    return None if keys is None else max(keys, default=EARLIEST)


def _earliest(cell: object, texts: str | None, name_id: int) -> str | None:
    keys = _moments(cell, texts, name_id)
    return None if keys is None else min(keys, default=LATEST)


def _any_moment(cell: object, texts: str | None, name_id: int, packed: bytes) -> bool | None:
    keys = _moments(cell, texts, name_id)
    return None if keys is None else not _values(packed).isdisjoint(map(_key, keys))


def _moments(cell: object, texts: str | None, name_id: int) -> list[str] | None:
    """The keys of a list of datetimes; None for any other cell."""
    if not _is_list_cell(cell):
        return None
    elements = orjson.loads(cell)
    return None if elements and _is_listed(texts, name_id) else list_keys(elements)


def _unmade(text: object, origin: object, maker: str) -> bool | None:
    return is_unmade(text, origin, maker) if isinstance(text, bytes) else None


def _cell(data: str | None, name: str) -> Cell | None:
    """A property of a relationship, as a column would hold it: ``edges.data`` is one JSON object."""
    value = None if data is None else orjson.loads(data).get(name)
    return None if value is None else pack(value)


def _bucket(text: object, texts: str | None, name_id: int, unit: str, size: int) -> int | None:
    if not isinstance(text, bytes) or _is_listed(texts, name_id):
        return None
    return bucket_start(text.decode(), unit, size)


def _like(cell: Cell | None) -> Cell | None:
    """The same cell for lists that are equal: JSON writes 1 and 1.0 differently."""
    if not _is_list_cell(cell) or (b"." not in cell and b"e" not in cell):
        return cell
    elements = orjson.loads(cell)
    if not isinstance(elements[0], (int, float)) or isinstance(elements[0], bool):
        return cell
    return orjson.dumps(
        [int(each) if abs(each) <= LARGEST_INTEGER and each == int(each) else each for each in elements]
    )


def _list_type(cell: object, texts: str | None, name_id: int) -> str | None:
    if not _is_list_cell(cell):
        return None
    kind = value_type(orjson.loads(cell))
    return "string" if kind == "datetime" and _is_listed(texts, name_id) else kind


def _list_is(cell: object, wanted: bytes) -> bool | None:
    if not _is_list_cell(cell):
        return None
    return list(map(_key, orjson.loads(cell))) == list(map(_key, orjson.loads(wanted)))


def _key(value: object) -> tuple[bool, object]:
    """Python holds True and 1 for equal; RushDB does not."""
    return isinstance(value, bool), value


def _is_list_cell(cell: object) -> TypeGuard[bytes]:
    return isinstance(cell, bytes) and cell.startswith(b"[")


def _is_listed(texts: str | None, name_id: int) -> bool:
    return texts is not None and name_id in orjson.loads(texts)


def _of_elements(
    test: Callable[[list[Any], Any], bool], otherwise: bool | None
) -> Callable[[object, bytes], bool | None]:
    """A function that tests a list against a value of its elements' type; ``otherwise`` answers for others.

    A list holds values of one type (R15), so its first element speaks for all.
    """

    def function(cell: object, packed: bytes) -> bool | None:
        if not _is_list_cell(cell):
            return None
        elements, value = orjson.loads(cell), orjson.loads(packed)
        if not elements:
            return False
        return test(elements, value) if _KINDS[type(elements[0])] is _KINDS[type(value)] else otherwise

    return function


def _moment(text: str) -> str:
    """Text that sorts as the moment does: without its zone, no fraction comes before any fraction."""
    return text[:-1] if text.endswith("Z") and looks_like_datetime(text) else text


def _any_in(cell: object, packed: bytes) -> bool | None:
    return not _values(packed).isdisjoint(map(_key, orjson.loads(cell))) if _is_list_cell(cell) else None


@lru_cache(maxsize=8)
def _values(packed: bytes) -> frozenset[tuple[bool, object]]:
    """The operand of ``$in``, which is the same row after row."""
    return frozenset(map(_key, orjson.loads(packed)))


_KINDS: Final[dict[type, str]] = {str: "text", bool: "boolean", int: "number", float: "number"}
_ANY: Final[dict[str, Callable[[object, bytes], bool | None]]] = {
    "in": _any_in,
    "eq": _of_elements(lambda elements, value: value in elements, False),
    "gt": _of_elements(lambda elements, value: max(elements) > value, None),
    "gte": _of_elements(lambda elements, value: max(elements) >= value, None),
    "lt": _of_elements(lambda elements, value: min(elements) < value, None),
    "lte": _of_elements(lambda elements, value: min(elements) <= value, None),
    "moment_gt": _of_elements(lambda moments, than: max(map(_moment, moments)) > _moment(than), None),
    "moment_gte": _of_elements(lambda moments, than: max(map(_moment, moments)) >= _moment(than), None),
    "moment_lt": _of_elements(lambda moments, than: min(map(_moment, moments)) < _moment(than), None),
    "moment_lte": _of_elements(lambda moments, than: min(map(_moment, moments)) <= _moment(than), None),
    "contains": _of_elements(lambda elements, part: any(part in text.casefold() for text in elements), None),
    "starts": _of_elements(lambda elements, part: any(text.startswith(part) for text in elements), None),
    "ends": _of_elements(lambda elements, part: any(text.endswith(part) for text in elements), None),
}
