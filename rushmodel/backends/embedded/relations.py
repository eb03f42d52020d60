"""What a condition says of the relationships it goes along: ``$relation``, ``$cycle``, ``$alias``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from ...errors import QueryError
from ...port import DEFAULT_RELATIONSHIP_NAMES
from .operands import integer, is_object, listed, text, wrong

Direction: TypeAlias = Literal["in", "out"]

OPEN_HOPS: Final = 10
"""The longest path where no maximum is given (query.md, "Traversal")."""

MOST_HOPS: Final = 100
"""The longest path that can be asked for: past it a condition takes longer than anybody waits."""


class Relation(NamedTuple):
    """Paths of ``least`` to ``most`` relationships, no relationship twice on a path, records as they come.

    ``type`` None is any. ``direction`` is seen from the record that the condition is about, None
    is either, at every step anew. ``where`` holds for the properties of every relationship (R30).
    """

    type: str | None = None
    direction: Direction | None = None
    least: int = 1
    most: int = 1
    where: Mapping[Any, Any] = {}

    @property
    def types(self) -> tuple[str, ...]:
        """The names under which such relationships are stored; the type of imports has two (R19)."""
        return () if self.type is None else stored_types(self.type)


def stored_types(type: str) -> tuple[str, ...]:
    """The names under which relationships of a type may be stored."""
    return DEFAULT_RELATIONSHIP_NAMES if type in DEFAULT_RELATIONSHIP_NAMES else (type,)


def read_relation(value: object, place: str) -> Relation:
    """A block's ``$relation``: a type, or an object. `QueryError` on anything else, by its place."""
    if isinstance(value, str):
        return Relation(_type(value, place))
    if not is_object(value):
        raise wrong(place, "a relationship type or an object", value)
    return _read(value, place, least=1)


def read_cycle(value: object, place: str) -> Relation:
    """A ``$cycle``: what a ``$relation`` says, but for ``hops``, which must be there and begin at 2 (R30)."""
    if not is_object(value):
        raise wrong(place, 'an object, as in {"type": "T", "hops": {"min": 2, "max": 6}}', value)
    if "hops" not in value:
        raise QueryError(f'{place} needs hops, as in {{"type": "T", "hops": {{"min": 2, "max": 6}}}}')
    return _read(value, place, least=2)


def check_alias(value: object, place: str) -> None:
    """`QueryError` unless it can be an alias: ``$`` and a name. It is for ``select``; no condition."""
    if not _ALIAS(text(value, place)):
        raise wrong(place, "$ and a name, as in $author", value)


def _read(value: Mapping[Any, Any], place: str, *, least: int) -> Relation:
    for key in value:
        if key not in _KEYS:
            raise QueryError(f"{place}: unknown key {key!r}; known here: {listed(_KEYS)}")
    direction = value.get("direction")
    if direction not in (None, "in", "out") or ("direction" in value and direction is None):
        raise wrong(f"{place}.direction", "in or out", direction)
    where = value.get("where", {})
    if not is_object(where):
        raise wrong(f"{place}.where", "an object", where)
    kind = _type(value["type"], f"{place}.type") if "type" in value else None
    hops = _hops(value["hops"], f"{place}.hops", least) if "hops" in value else (1, 1)
    return Relation(kind, direction, *hops, where)


def _hops(value: object, place: str, least: int) -> tuple[int, int]:
    if not is_object(value):
        exactly = integer(value, place, least, MOST_HOPS)
        return exactly, exactly
    if not value or value.keys() - {"min", "max"}:
        raise wrong(place, "a number, or an object of min and max", value)
    first = integer(value.get("min", 1), f"{place}.min", least, MOST_HOPS)
    if "max" in value:
        return first, integer(value["max"], f"{place}.max", first, MOST_HOPS)
    if first > OPEN_HOPS:
        raise QueryError(f"{place}.min: {first} needs a max as well; without one it is {OPEN_HOPS}")
    return first, OPEN_HOPS


def _type(value: object, place: str) -> str:
    if not text(value, place):
        raise wrong(place, "a relationship type", value)
    return str(value)


_KEYS = ("type", "direction", "hops", "where")
_ALIAS = re.compile(r"\$[^\s$.]+").fullmatch
