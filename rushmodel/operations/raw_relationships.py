"""Relationships as RushDB's client makes, finds and takes them away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

from ..errors import PropertyError, QueryError
from ..flow import Operation, ask
from ..names import LABEL, property_name_error
from ..port import (
    DEFAULT_RELATIONSHIP,
    DEFAULT_RELATIONSHIP_NAMES,
    Direction,
    End,
    FindRelationships,
    FoundRelationships,
    JoinRecords,
    Link,
    LinkRecords,
    StoredValue,
    Unlink,
    Where,
)
from .raw_documents import Document, shown
from .raw_queries import MOST_RECORDS, read_selection
from .raw_values import entries, read_value

ATTACH_KEYS = ("type", "direction", "properties")
DETACH_KEYS = ("typeOrTypes", "direction")
FIND_KEYS = ("source", "target", "where", "limit", "skip")
JOIN_KEYS = ("source", "target", "type", "direction", "properties", "manyToMany")

DEFAULT_LIMIT = 100

_DIRECTIONS: tuple[Literal["in", "out", "IN", "OUT"], ...] = ("in", "out", "IN", "OUT")
_RESERVED = ("type",)
"""Names that a relationship's own properties cannot have (R27)."""


def attach(source: str, targets: Sequence[str], options: object) -> Operation[int]:
    """Make a relationship between a record and each of others, unless it is there; how many were written.

    ``options``: ``type``; ``direction``, "out" (default) or "in"; ``properties``, which take the place of
    those of a relationship that is there (R21).

    Raises:
        NotFound: One of the records is not there.
        QueryError, PropertyError: An option that is none; a property that a relationship cannot have.
        CapabilityError: A server would lose a relationship the other way round (R29).
    """
    given = Document("attach()", {} if options is None else options, ATTACH_KEYS, QueryError)
    kind = _read_type(given, "type") or DEFAULT_RELATIONSHIP
    data = read_properties(given.get("properties"))
    inward = _read_direction(given) == "in"
    links = [Link(*((each, source) if inward else (source, each)), kind, data) for each in targets]
    if not links:
        return 0
    return (yield from ask(LinkRecords(links)))


def detach(source: str, targets: Sequence[str], options: object) -> Operation[int]:
    """Take the relationships between a record and each of others away; unknown ids have none.

    ``options``: ``typeOrTypes``, a type or several (default: any); ``direction`` (default: either).
    """
    given = Document("detach()", {} if options is None else options, DETACH_KEYS, QueryError)
    kinds: object = given.get("typeOrTypes")
    types = _texts([kinds] if isinstance(kinds, str) else kinds)
    if kinds is not None and not types:
        raise given.wrong("typeOrTypes", "a type, or a list of types, none of them empty")
    unlink = Unlink(
        source,
        tuple(map(_stored_type, types or ())),
        _read_direction(given),
        others=tuple(targets),
    )
    if not targets:
        return 0
    return (yield from ask(LinkRecords(unlinks=[unlink])))


def find_relationships(search_query: object, pagination: object = None) -> Operation[FoundRelationships]:
    """Relationships by what they are and by their ends: 100, or ``limit`` of them, newest first.

    ``where`` is about the relationship: its ``type`` and its own properties; ``source`` and ``target``
    take ``labels`` and ``where`` of the records. ``pagination``: a ``limit`` and ``skip`` that count more.
    """
    what = "relationships.find()"
    query = Document(what, {} if search_query is None else search_query, FIND_KEYS, QueryError)
    page = Document(
        f"{what} pagination", {} if pagination is None else pagination, ("limit", "skip"), QueryError
    )
    types, where = _read_edges(query)
    if types is None:
        return FoundRelationships([], 0)
    limit = page if "limit" in page else query
    skip = page if "skip" in page else query
    return (
        yield from ask(
            FindRelationships(
                _read_end(query, "source"),
                _read_end(query, "target"),
                types,
                where,
                limit=limit.count("limit", DEFAULT_LIMIT, 1, MOST_RECORDS),
                offset=skip.count("skip", 0, 0),
            )
        )
    )


def join(params: object, *, remove: bool) -> Operation[int]:
    """Make relationships between records with equal values, or with ``manyToMany`` between all; or remove.

    ``source`` and ``target`` are ``{"label", "key"?, "where"?}``. With ``manyToMany`` both need a
    ``where`` and no ``key``, else both need a ``key`` (trace 14).

    Raises:
        QueryError: By key.
    """
    what = f"relationships.{'delete_many' if remove else 'create_many'}()"
    keys = tuple(key for key in JOIN_KEYS if not (remove and key == "properties"))
    given = Document(what, params, keys, QueryError)
    everything = given.flag("manyToMany", False)
    source, source_key = _read_side(given, "source", what)
    target, target_key = _read_side(given, "target", what)
    if everything:
        for name, end, key in (("source", source, source_key), ("target", target, target_key)):
            if not end.where or key is not None:
                raise given.wrong(name, "with manyToMany a label and a where that is not empty, and no key")
    elif source_key is None or target_key is None:
        raise QueryError(
            f"{what}: source.key and target.key are required unless manyToMany=true",
            key="source" if source_key is None else "target",
        )
    kind = _read_type(given, "type")
    if kind is None and not remove:
        kind = DEFAULT_RELATIONSHIP
    direction = _read_direction(given) or "out"
    data = read_properties(given.get("properties")) if not remove else None
    return (
        yield from ask(JoinRecords(source, target, source_key, target_key, kind, direction, remove, data))
    )


def read_properties(given: object) -> dict[str, StoredValue] | None:
    """What a relationship itself says; None where nothing was given.

    Raises:
        PropertyError: A reserved name, or a value that is no text, number, boolean or list of one of them.
    """
    if given is None:
        return None
    data: dict[str, StoredValue] = {}
    for name, value in entries(given, "properties"):
        if name in _RESERVED:
            raise PropertyError(
                f"{name!r} is a reserved relationship property name", property=name, place="properties"
            )
        if isinstance(name, str) and property_name_error(name) is None and _is_nested(value):
            raise PropertyError(
                f"Unsupported relationship property {shown(name)}, got {shown(value)}."
                " Use primitive values or homogeneous primitive arrays.",
                property=name,
                place="properties",
            )
        if value is not None:
            data[name] = read_value(name, value, "properties")
    return data


def check_type(kind: str, what: str) -> None:
    """`QueryError` for a type that a server fails at (R27)."""
    if not LABEL.match(kind):
        raise QueryError(
            f"{what}: expected a relationship type of letters, digits and _ that does not begin with a digit,"
            f" got {shown(kind)}",
            key="type",
        )


def _read_type(given: Document, key: str) -> str | None:
    if given.get(key) is None:
        return None
    kind = _stored_type(given.text(key))
    check_type(kind, key)
    return kind


def _stored_type(kind: str) -> str:
    return DEFAULT_RELATIONSHIP if kind in DEFAULT_RELATIONSHIP_NAMES else kind


def _read_direction(given: Document) -> Direction | None:
    """Servers take capitals, too (trace 14)."""
    direction = given.choice("direction", _DIRECTIONS)
    if direction is None:
        return None
    return "in" if direction in ("in", "IN") else "out"


def _read_end(query: Document, name: str) -> End:
    given = query.get(name)
    if given is None:
        return End()
    return End(
        *read_selection(Document(f"relationships.find() {name}", given, ("labels", "where"), QueryError))
    )


def _read_edges(query: Document) -> tuple[tuple[str, ...] | None, Where]:
    """Types and condition of ``where``; None types where none can be meant."""
    where = dict(query.mapping("where"))
    if "type" not in where:
        return (), where
    kind: object = where.pop("type")
    if isinstance(kind, str) and kind:
        return (_stored_type(kind),), where
    named = cast("Mapping[str, object]", kind) if isinstance(kind, Mapping) else dict[str, object]()
    types = _texts(named.get("$in")) if len(named) == 1 else None
    if types is None:
        raise query.wrong(
            "where", "as type a text that is not empty, or {'$in': [texts]}", cast("object", kind)
        )
    return tuple(map(_stored_type, types)) or None, where


def _read_side(given: Document, name: str, what: str) -> tuple[End, str | None]:
    side = Document(f"{what} {name}", given.get(name), ("label", "key", "where"), QueryError)
    key = side.text("key") if "key" in side else None
    return End((side.text("label"),), side.mapping("where")), key


def _texts(value: object) -> list[str] | None:
    """The texts of a list, none of them empty; None where it is no such list."""
    if not isinstance(value, (list, tuple)):
        return None
    texts = [each for each in cast("Sequence[object]", value) if isinstance(each, str) and each]
    return texts if len(texts) == len(cast("Sequence[object]", value)) else None


def _is_nested(value: object) -> bool:
    return isinstance(value, Mapping)
