"""What a RushDB server does with relationships and `serve` does not: rules R21, R29 and R30."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

OPERATORS = frozenset(
    "$eq $ne $gt $gte $lt $lte $in $nin $contains $startsWith $endsWith $exists $type".split()
    + "$year $month $day $hour $minute $second $millisecond $microsecond $nanosecond".split()
)
LOGIC = frozenset("$and $or $not $nor $xor".split())

Ask = Callable[[str, str, Any], Awaitable[tuple[int, Any]]]
"""Method, path and body of a request in the same transaction; status and document of its answer."""


async def losing(ask: Ask, source: str, body: dict[str, Any]) -> dict[str, Any] | None:
    """The request to attach without the ids that there are not (R21); None where nothing is left of it.

    Relationships of the type that lead the other way are gone then (R29).
    """
    given = body.get("targetIds")
    ids = given if isinstance(given, list) else [given]
    if not all(isinstance(each, str) and each for each in ids):
        return body
    _, found = await ask(
        "POST", "/records/search", {"where": {"$id": {"$in": [source, *ids]}}, "limit": 1000}
    )
    there = {record["__id"] for record in found["data"]}
    targets = [each for each in ids if each in there]
    if source not in there or not targets:
        return None
    others = [each for each in targets if each != source]
    if others:
        inward = str(body.get("direction", "out")).lower() == "in"
        kinds = body.get("type") or "__RUSHDB__RELATION__DEFAULT__"
        opposite = {"targetIds": others, "typeOrTypes": kinds, "direction": "out" if inward else "in"}
        await ask("PUT", f"/relationships/{source}", opposite)
    return {**body, "targetIds": targets}


def without_edges(where: Any) -> Any:
    """A condition without those on relationships, which are passed over (R30)."""
    if isinstance(where, list):
        return [without_edges(each) for each in where]
    if not isinstance(where, dict):
        return where
    read = {key: without_edges(held) for key, held in where.items()}
    path = read.get("$relation")
    if isinstance(path, dict):
        read["$relation"] = {key: held for key, held in path.items() if key != "where"}
    return read


def meets_twice(where: Any) -> bool:
    """Whether two blocks of one label stand in one place (R30)."""
    blocks = list(_blocks(where))
    labels = [label for label, _ in blocks]
    return len(set(labels)) < len(labels) or any(meets_twice(block) for _, block in blocks)


def _blocks(where: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(where, list):
        for each in where:
            yield from _blocks(each)
    elif isinstance(where, dict):
        for key, held in where.items():
            if key in LOGIC:
                yield from _blocks(held)
            elif not key.startswith(("$", "__")) and isinstance(held, dict) and not _asks_property(held):
                yield key, held


def _asks_property(held: Any) -> bool:
    """Whether an object holds what a property is asked."""
    if isinstance(held, list):
        return bool(held) and (_asks_property(held[0]) or not isinstance(held[0], dict))
    if not isinstance(held, dict) or not held:
        return not isinstance(held, dict)
    if not OPERATORS.isdisjoint(held):
        return True
    return held.keys() <= LOGIC and _asks_property(next(iter(held.values())))
