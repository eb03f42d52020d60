"""What to ask a RushDB server for so that some relationships are there, and others are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson

from ...errors import PropertyError
from ...names import LABEL
from ...port import (
    Direction,
    End,
    FindRelationships,
    Link,
    StoredRelationship,
    StoredValue,
    Unlink,
)
from ...wire.bodies import Body
from ...wire.relationships import attach_body, detach_body
from ...wire.routes import ATTACH, DETACH, Route
from .calls import Exchange
from .paging import MOST
from .relationships import find_relationships, only_one_way, same_type
from .server import Server, ids_condition

_LINKS_A_QUERY = 500


class Steps(NamedTuple):
    """Requests about relationships, each with the record it is about; how many they make or change."""

    calls: list[tuple[Route, str, Body]]
    links: int


def planned(
    server: Server, links: Sequence[Link], unlinks: Sequence[Unlink], new: frozenset[str]
) -> Exchange[Steps]:
    """The requests that do it; ``new`` records have no relationships yet. All ends are ids.

    Raises:
        PropertyError: A type that is none, or a property that has a name of a relationship's own.
        CapabilityError: A link would take the place of the one the other way round (R29).
    """
    for place, link in enumerate(links):
        _check(link, place)
    old = [each for each in unlinks if each.record not in new]
    calls = yield from _detaching(server, old)
    wanted = _last_of_each(links)
    stored = yield from _between(server, [link for link in wanted if not {link.source, link.target} & new])
    stored = [each for each in stored if not any(_covers(unlink, each) for unlink in old)]
    _check_one_way(wanted, stored)
    there = {(each.source, each.target, _name(each.type)) for each in stored}
    missing = [link for link in wanted if link.data is not None or _key(link) not in there]
    return Steps(calls + list(_attaching(missing)), len(missing))


def take(server: Server, steps: Steps) -> Exchange[None]:
    """Make the requests."""
    for route, record_id, body in steps.calls:
        verb = "making" if route == ATTACH else "taking away"
        what = f"{verb} relationships {body.get('type', '')} of {record_id}".replace("  ", " ")
        yield from server.ask(route, record_id, what=what, body=body, repeatable=True)


def _check(link: Link, place: int) -> None:
    """`PropertyError` for what a server fails at, or refuses (R27)."""
    if not LABEL.match(link.type):
        raise PropertyError(
            "a relationship type is letters, digits and _ and begins with no digit, as in WROTE,"
            f" not {link.type!r:.60}",
            property="type",
            given=link.type,
            link=place,
        )
    if link.data is not None and "type" in link.data:
        raise PropertyError(
            f"{link.type}: 'type' is a reserved relationship property name",
            property="type",
            type=link.type,
            link=place,
        )


def _last_of_each(links: Sequence[Link]) -> list[Link]:
    """Each relationship once; of several for one the last that gives properties counts."""
    wanted: dict[tuple[str, str, str], Link] = {}
    for link in links:
        key = _key(link)
        if link.data is not None or key not in wanted:
            wanted[key] = link
    return list(wanted.values())


def _key(link: Link) -> tuple[str, str, str]:
    return str(link.source), str(link.target), _name(link.type)


def _name(type: str) -> str:
    return "" if same_type(type, "RUSHDB_DEFAULT_RELATION") else type


def _between(server: Server, links: Sequence[Link]) -> Exchange[list[StoredRelationship]]:
    """The relationships of the types that there are between the ends of the links, either way."""
    by_type: dict[str, list[Link]] = {}
    for link in links:
        by_type.setdefault(link.type, []).append(link)
    found: list[StoredRelationship] = []
    for kind, of_type in by_type.items():
        for start in range(0, len(of_type), _LINKS_A_QUERY):
            part = of_type[start : start + _LINKS_A_QUERY]
            ends = {str(end): None for link in part for end in (link.source, link.target)}
            either = End((), ids_condition(list(ends)))
            command = FindRelationships(either, either, (kind,))
            found += (yield from find_relationships(server, command)).relationships
    return found


def _check_one_way(links: Sequence[Link], stored: Iterable[StoredRelationship]) -> None:
    """Refuse a link that would take the place of the one the other way round (R29)."""
    ways: dict[tuple[str, str, str], StoredRelationship] = {}
    for each in stored:
        ways[each.source, each.target, _name(each.type)] = each
    for link in links:
        source, target, kind = _key(link)
        opposite = ways.get((target, source, kind))
        if opposite is not None and source != target:
            raise only_one_way(opposite)
        ways.setdefault((source, target, kind), StoredRelationship(source, "", link.type, target, ""))


def _detaching(server: Server, unlinks: Sequence[Unlink]) -> Exchange[list[tuple[Route, str, Body]]]:
    calls: list[tuple[Route, str, Body]] = []
    others: dict[int, dict[str, None]] = {}
    groups: dict[tuple[tuple[str, ...], Direction | None, str | None], list[int]] = {}
    for place, unlink in enumerate(unlinks):
        if unlink.others is None or unlink.label is not None:
            groups.setdefault((unlink.types, unlink.direction, unlink.label), []).append(place)
        else:
            others[place] = dict.fromkeys(unlink.others)
    for (types, direction, label), places in groups.items():
        for start in range(0, len(places), _LINKS_A_QUERY):
            part = places[start : start + _LINKS_A_QUERY]
            records = End((), ids_condition([str(unlinks[place].record) for place in part]))
            there = End((label,)) if label is not None else End()
            found: list[StoredRelationship] = []
            if direction != "in":
                found += yield from _found(server, records, there, types)
            if direction != "out":
                found += yield from _found(server, there, records, types)
            for place in part:
                others[place] = dict.fromkeys(_others(unlinks[place], found))
    for place, unlink in enumerate(unlinks):
        targets = [each for each in others[place] if each not in unlink.keep]
        for start in range(0, len(targets), MOST):
            body = detach_body(targets[start : start + MOST], unlink.types, unlink.direction)
            calls.append((DETACH, str(unlink.record), body))
    return calls


def _found(
    server: Server, source: End, target: End, types: tuple[str, ...]
) -> Exchange[list[StoredRelationship]]:
    return (yield from find_relationships(server, FindRelationships(source, target, types))).relationships


def _others(unlink: Unlink, found: Iterable[StoredRelationship]) -> Iterable[str]:
    """The records at the other ends of those that an unlink is about."""
    for each in found:
        if _covers(unlink, each):
            yield each.target if each.source == unlink.record else each.source


def _covers(unlink: Unlink, edge: StoredRelationship) -> bool:
    """Whether an unlink takes a relationship away."""
    if unlink.types and not any(same_type(kind, edge.type) for kind in unlink.types):
        return False
    ways: list[tuple[str, str]] = []
    if edge.source == unlink.record and unlink.direction != "in":
        ways.append((edge.target, edge.target_label))
    if edge.target == unlink.record and unlink.direction != "out":
        ways.append((edge.source, edge.source_label))
    return any(
        (unlink.others is None or other in unlink.others)
        and other not in unlink.keep
        and unlink.label in (None, label)
        for other, label in ways
    )


def _attaching(links: Sequence[Link]) -> Iterable[tuple[Route, str, Body]]:
    """As few requests as there can be: by source or by target, whichever of a type are fewer."""
    by_type: dict[tuple[str, bytes | None], list[Link]] = {}
    for link in links:
        by_type.setdefault((link.type, _properties(link.data)), []).append(link)
    for (kind, _), of_type in by_type.items():
        sources = {link.source for link in of_type}
        targets = {link.target for link in of_type}
        direction: Direction = "out" if len(sources) <= len(targets) else "in"
        by_record: dict[str, list[str]] = {}
        for link in of_type:
            ends = str(link.source), str(link.target)
            record, other = ends if direction == "out" else ends[::-1]
            by_record.setdefault(record, []).append(other)
        for record, ids in by_record.items():
            for start in range(0, len(ids), MOST):
                yield ATTACH, record, attach_body(ids[start : start + MOST], kind, direction, of_type[0].data)


def _properties(data: Mapping[str, StoredValue] | None) -> bytes | None:
    return None if data is None else orjson.dumps(dict(data), option=orjson.OPT_SORT_KEYS)
