"""Relationships as RushDB's REST speaks of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from ..errors import ServerError
from ..port import (
    DEFAULT_RELATIONSHIP,
    Direction,
    End,
    JoinRecords,
    StoredRelationship,
    StoredValue,
    Where,
)
from .bodies import Body
from .documents import Document


def relationship_document(relationship: StoredRelationship) -> Document:
    """A relationship in an answer; it always leads out of its source (trace 14)."""
    return {
        "sourceId": relationship.source,
        "sourceLabel": relationship.source_label,
        "type": relationship.type,
        "targetId": relationship.target,
        "targetLabel": relationship.target_label,
        "properties": dict(relationship.data),
        "direction": "out",
    }


def read_relationships(documents: object) -> list[StoredRelationship]:
    """The relationships of a list of documents; `ServerError` where it is none."""
    if not isinstance(documents, list):
        raise ServerError(
            f"the server's answer has a {type(documents).__name__} where relationships should be", sent=True
        )
    return [_read(each) for each in cast("list[object]", documents)]


def attach_body(
    targets: Sequence[str], type: str, direction: Direction, data: Mapping[str, StoredValue] | None
) -> Body:
    """Relationships between one record and others."""
    body: Body = {"targetIds": list(targets), "direction": direction}
    if type != DEFAULT_RELATIONSHIP:
        body["type"] = type
    if data is not None:
        body["properties"] = data
    return body


def detach_body(targets: Sequence[str], types: Iterable[str], direction: Direction | None) -> Body:
    """Relationships of one record to take away; without types of any, without direction either way."""
    body: Body = {"targetIds": list(targets)}
    if types:
        body["typeOrTypes"] = list(types)
    if direction is not None:
        body["direction"] = direction
    return body


def relationships_body(
    source: End, target: End, types: Sequence[str], where: Where, *, limit: int, skip: int
) -> Body:
    """A search for relationships: their ends, and what they are themselves; of several types for `serve`."""
    body: Body = {"limit": limit, "skip": skip}
    for name, end in (("source", source), ("target", target)):
        if end.labels or end.where:
            body[name] = _end_body(end)
    if types or where:
        kind = {"type": types[0] if len(types) == 1 else {"$in": list(types)}} if types else {}
        body["where"] = {**kind, **where}
    return body


def join_body(command: JoinRecords) -> Body:
    """Relationships between all records that have the same value, or between all."""
    body: Body = {"direction": command.direction}
    for name, end, key in (
        ("source", command.source, command.source_key),
        ("target", command.target, command.target_key),
    ):
        body[name] = {"label": end.labels[0]}
        if key is not None:
            body[name]["key"] = key
        if end.where:
            body[name]["where"] = end.where
    if command.type not in (None, DEFAULT_RELATIONSHIP):
        body["type"] = command.type
    if command.data is not None:
        body["properties"] = command.data
    if command.source_key is None:
        body["manyToMany"] = True
    return body


def _end_body(end: End) -> Body:
    body: Body = {}
    if end.labels:
        body["labels"] = list(end.labels)
    if end.where:
        body["where"] = end.where
    return body


def _read(document: object) -> StoredRelationship:
    try:
        given = cast("Mapping[str, Any]", document)
        kind = given["type"]
        ends = given["sourceId"], given["sourceLabel"], given["targetId"], given["targetLabel"]
        if not all(isinstance(each, str) for each in (*ends, kind)):
            raise TypeError("an id, a label or the type is no text")
        return StoredRelationship(
            ends[0],
            ends[1],
            kind,
            ends[2],
            ends[3],
            dict(given.get("properties") or {}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ServerError(
            f"the server's answer has a relationship that is none: {error}", sent=True
        ) from error
