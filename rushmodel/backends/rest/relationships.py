"""Relationships found over REST, and made or taken away between all records that belong together."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import CapabilityError
from ...port import (
    DEFAULT_RELATIONSHIP,
    DEFAULT_RELATIONSHIP_NAMES,
    End,
    FindRelationships,
    FoundRelationships,
    JoinRecords,
    RecordQuery,
    StoredRelationship,
    Where,
)
from ...value import Value
from ...wire.relationships import join_body, read_relationships, relationships_body
from ...wire.routes import CREATE_RELATIONSHIPS, DELETE_RELATIONSHIPS, FIND_RELATIONSHIPS
from .asking import queries_for
from .calls import Exchange
from .paging import MOST
from .server import Server


def find_relationships(server: Server, command: FindRelationships) -> Exchange[FoundRelationships]:
    """In pages where there are many; a server has no snapshot of them.

    A RushDB server is asked for one type at a time, and for what it would misread in several searches:
    what these find comes one after the other.
    """
    searches = yield from _searches(server, command)
    if len(searches) == 1:
        return (yield from _pages(server, searches[0], command.limit, command.offset))
    found: dict[tuple[str, str, str], StoredRelationship] = {}
    for search in searches:
        for each in (yield from _pages(server, search, None, 0)).relationships:
            found.setdefault((each.source, each.type, each.target), each)
    all_found = list(found.values())
    end = None if command.limit is None else command.offset + command.limit
    return FoundRelationships(all_found[command.offset : end], len(all_found))


def join_records(server: Server, command: JoinRecords) -> Exchange[int]:
    """A server does not tell how many: they are counted before and after.

    Raises:
        CapabilityError: On a RushDB server, where a relationship the other way round would be lost (R29).
    """
    source, target = command.source, command.target
    if command.direction == "in":
        source, target = target, source
    types = () if command.type is None else (command.type,)
    if not command.remove:
        types = types or (DEFAULT_RELATIONSHIP,)
        if not (yield from server.extended()):
            opposite = FindRelationships(target, source, types, limit=1)
            for each in (yield from find_relationships(server, opposite)).relationships:
                if each.source != each.target:
                    raise only_one_way(each)
    asked = FindRelationships(source, target, types, limit=1)
    before = (yield from find_relationships(server, asked)).total
    yield from server.ask(
        DELETE_RELATIONSHIPS if command.remove else CREATE_RELATIONSHIPS,
        what=f"{'removing' if command.remove else 'making'} relationships {command.type or 'of any type'}",
        body=join_body(command),
        repeatable=True,
    )
    after = (yield from find_relationships(server, asked)).total
    return max(0, before - after if command.remove else after - before)


def only_one_way(other: StoredRelationship) -> CapabilityError:
    """The error where a server would lose a relationship for one in the other direction (R29)."""
    return CapabilityError(
        f"a RushDB server keeps one {other.type} between two records, in one direction: that of"
        f" {other.source} to {other.target} would be lost. Take it away first, or use two types",
        source=other.source,
        target=other.target,
        type=other.type,
    )


def same_type(one: str, other: str) -> bool:
    """Whether two names mean one type: the default one has two."""
    return one == other or (one in DEFAULT_RELATIONSHIP_NAMES and other in DEFAULT_RELATIONSHIP_NAMES)


class _Search(Value):
    """One search that a server answers rightly."""

    source: End
    target: End
    types: tuple[str, ...]
    where: Where


def _searches(server: Server, command: FindRelationships) -> Exchange[list[_Search]]:
    if (yield from server.extended()):
        return [_Search(command.source, command.target, command.types, command.where)]
    sources = yield from _ends(server, command.source)
    targets = yield from _ends(server, command.target)
    conditions = [each.where for each in (yield from queries_for(server, RecordQuery((), command.where)))]
    kinds: list[tuple[str, ...]] = [(each,) for each in dict.fromkeys(command.types)] or [()]
    return [
        _Search(source, target, types, where)
        for source in sources
        for target in targets
        for types in kinds
        for where in conditions
    ]


def _ends(server: Server, end: End) -> Exchange[Sequence[End]]:
    queries = yield from queries_for(server, RecordQuery(end.labels, end.where))
    return [End(each.labels, each.where) for each in queries]


def _pages(server: Server, search: _Search, limit: int | None, offset: int) -> Exchange[FoundRelationships]:
    found: list[StoredRelationship] = []
    while True:
        size = MOST if limit is None else min(MOST, limit - len(found))
        body = relationships_body(
            search.source,
            search.target,
            search.types,
            search.where,
            limit=max(size, 1),
            skip=offset + len(found),
        )
        what = f"finding relationships {', '.join(search.types) or 'of any type'}"
        answer = yield from server.ask(FIND_RELATIONSHIPS, what=what, body=body, repeatable=True)
        if size <= 0:
            return FoundRelationships(found, answer.total)
        page = read_relationships(answer.data)
        found += page
        if len(page) < size or len(found) == limit:
            return FoundRelationships(found, answer.total)
