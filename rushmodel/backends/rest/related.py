"""Related records over REST, a page of records at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...port import (
    End,
    FindRelated,
    FindRelationships,
    RecordQuery,
    Related,
    StoredRecord,
    StoredRelationship,
)
from ...wire.graphs import read_related, related_body
from ...wire.routes import FIND_RELATED
from .calls import Exchange
from .ordering import in_order
from .paging import MOST
from .reading import find_all, with_vectors
from .relationships import find_relationships
from .server import Server, ids_condition


def find_related(server: Server, command: FindRelated) -> Exchange[Related]:
    """One request to `rushmodel serve`. To a RushDB server one for the relationships of a thousand records,
    and one for a thousand of the records they lead to; without a direction, two for the relationships.
    """
    ids = list(dict.fromkeys(command.record_ids))
    if not ids:
        return Related([], [])
    if (yield from server.extended()):
        answer = yield from server.ask(
            FIND_RELATED, what=_about(command), body=related_body(command), repeatable=True
        )
        found = read_related(answer.data)
    else:
        found = yield from _find(server, command, ids)
    records = yield from with_vectors(server, found.records, command.vectors)
    return Related(records, found.links)


def _find(server: Server, command: FindRelated, ids: list[str]) -> Exchange[Related]:
    edges: dict[tuple[str, str, str, str], tuple[str, str, Mapping[str, Any]]] = {}
    types = () if command.type is None else (command.type,)
    there = End((command.label,))
    for start in range(0, len(ids), MOST):
        here = End((), ids_condition(ids[start : start + MOST]))
        if command.direction != "in":
            for each in (yield from _relationships(server, here, there, types)):
                edges[(each.source, *_name(each))] = each.source, each.target, each.data
        if command.direction != "out":
            for each in (yield from _relationships(server, there, here, types)):
                edges[(each.target, *_name(each))] = each.target, each.source, each.data
    others = list(dict.fromkeys(other for _, other, _ in edges.values()))
    found: dict[str, StoredRecord] = {}
    for start in range(0, len(others), MOST):
        chosen = ids_condition(others[start : start + MOST])
        where = {"$and": [command.where, chosen]} if command.where else chosen
        for record in (yield from find_all(server, RecordQuery((command.label,), where))):
            found[record.id] = record
    records = in_order(found.values(), command.order)
    places = {record.id: place for place, record in enumerate(records)}
    turns = {record_id: turn for turn, record_id in enumerate(ids)}
    links: list[tuple[str, int, Mapping[str, Any]]] = [
        (record_id, places[other], dict(data)) for record_id, other, data in edges.values() if other in places
    ]
    links.sort(key=lambda link: (turns[link[0]], link[1]))
    return Related(records, links)


def _relationships(
    server: Server, source: End, target: End, types: tuple[str, ...]
) -> Exchange[list[StoredRelationship]]:
    return (yield from find_relationships(server, FindRelationships(source, target, types))).relationships


def _name(edge: StoredRelationship) -> tuple[str, str, str]:
    return edge.source, edge.type, edge.target


def _about(command: FindRelated) -> str:
    return f"finding the {command.label} that {len(command.record_ids)} records are related to"
