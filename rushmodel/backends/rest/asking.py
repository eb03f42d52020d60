"""Conditions about related records, as a real server has to be asked them.

A server fails at two blocks of related records of one label in one place (R30), and has no form for the
negation of a block that holds a negation itself (R25). Such a block is asked by itself, and the ids of
the records that it is true of stand in its place. So every condition can be asked, with a request or
two for each such block.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from ...errors import CapabilityError
from ...port import RecordQuery
from .calls import Exchange
from .conditions import ABOUT_BLOCKS, EDGES, Plain, is_block, server_queries
from .leaves import LOGICAL, is_list, is_object
from .paging import Pages
from .server import Server, ids_condition

MOST_IDS: Final = 10_000
"""Records whose ids are sent in place of a condition."""

_Object: TypeAlias = "Mapping[str, Any]"


def queries_for(server: Server, query: RecordQuery) -> Exchange[tuple[Plain, ...]]:
    """As `server_queries`, of any condition; `rushmodel serve` takes one about related records as it is.

    Raises:
        QueryError: What is no condition.
        CapabilityError: A condition on relationships themselves, which a RushDB server passes over;
            labels excluded where none are given; more than 10,000 records whose ids would be sent.
    """
    if not is_object(query.where) or next(_blocks(query.where), None) is None:
        return server_queries(query)
    if (yield from server.extended()):
        return (Plain(query.labels, dict(query.where), query.related_to),)
    try:
        queries = server_queries(query)
    except CapabilityError as error:
        if getattr(error, "missing", None) == EDGES:
            raise
    else:
        if not _repeats(query.where) and not any(_is_doubtful(each.where) for each in queries):
            return queries
    where = yield from _settled(server, query.labels, query.where)
    return server_queries(query.replaced(where=where))


def query_as_written(server: Server, query: RecordQuery) -> Exchange[Plain]:
    """The one query that asks for the same with every alias in its place, as ``select`` needs it.

    Raises:
        QueryError, CapabilityError: As `queries_for`, or there is no such query.
    """
    if (yield from server.extended()):
        return Plain(query.labels, dict(query.where), query.related_to)
    queries = server_queries(query)
    if len(queries) != 1 or _repeats(query.where) or _is_doubtful(queries[0].where):
        raise CapabilityError(
            "where: a RushDB server cannot be asked this together with select: it takes one condition on"
            " related records of a label, and no negation inside a list (R25, R30)"
        )
    return queries[0]


def _settled(server: Server, labels: tuple[str, ...], where: _Object) -> Exchange[dict[str, Any]]:
    """The condition with ids for what a server cannot be asked."""
    counts = Counter(label for label, _ in _blocks(where))
    settled: dict[str, dict[str, Any]] = {}
    for label, block in _blocks(where):
        name = _name(label, block)
        if name in settled:
            continue
        about = {key: block[key] for key in ABOUT_BLOCKS if key in block}
        content = {key: held for key, held in block.items() if key not in ABOUT_BLOCKS}
        if not _is_positive(content) or _repeats(content):
            inner = yield from _settled(server, (label,), content)
            content = ids_condition((yield from _ids(server, (label,), inner)))
        document = {label: {**about, **content}}
        if counts[label] > 1:
            document = ids_condition((yield from _ids(server, labels, document)))
        settled[name] = document
    return _replaced(where, settled)


def _ids(server: Server, labels: tuple[str, ...], where: dict[str, Any]) -> Exchange[list[str]]:
    """The ids of the records of the labels that a condition holds for, which a server can be asked."""
    found: dict[str, None] = {}
    for plain in server_queries(RecordQuery(labels, where)):
        records = yield from Pages(plain, (), MOST_IDS + 1, 0).rest(server)
        found.update((record.id, None) for record in records)
        if len(found) > MOST_IDS:
            raise CapabilityError(
                f"where: a RushDB server would have to be sent the ids of more than {MOST_IDS:,} records for"
                " this condition on related records: narrow it, or ask in several queries"
            )
    return list(found)


def _repeats(where: object) -> bool:
    """Whether two blocks of one label meet somewhere."""
    blocks = list(_blocks(where))
    return len({label for label, _ in blocks}) < len(blocks) or any(_repeats(block) for _, block in blocks)


def _is_doubtful(where: object) -> bool:
    """Whether a block in it has a ``$not`` of nothing but logic, which could be about a property as well."""
    return any(
        all(key in LOGICAL for key in block.get("$not", ("",))) or _is_doubtful(block)
        for _, block in _blocks(where)
    )


def _is_positive(value: object) -> bool:
    """Whether nothing in it is negated, ``$xor`` included, which is said with negations."""
    if is_list(value):
        return all(map(_is_positive, value))
    return not is_object(value) or (_NEGATIONS.isdisjoint(value) and all(map(_is_positive, value.values())))


_NEGATIONS: Final = frozenset(("$not", "$nor", "$xor"))


def _blocks(where: object) -> Iterator[tuple[str, _Object]]:
    """The blocks about related records of one place: not those inside of blocks."""
    if is_list(where):
        for part in where:
            yield from _blocks(part)
    elif is_object(where):
        for key, held in where.items():
            if key in LOGICAL:
                yield from _blocks(held)
            elif _is_block_at(key, held):
                yield key, held


def _is_block_at(key: str, held: object) -> bool:
    return not str(key).startswith(("$", "__")) and is_object(held) and is_block(held)


def _name(label: str, block: _Object) -> str:
    """What tells one block of a condition from another."""
    return repr((label, block))


def _replaced(where: _Object, settled: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The condition with other documents for its blocks."""
    parts: list[dict[str, Any]] = []
    for key, held in where.items():
        if key in LOGICAL:
            parts.append({key: _replaced_in_logic(key, held, settled)})
        elif _is_block_at(key, held):
            parts.append(settled[_name(key, held)])
        else:
            parts.append({key: held})
    merged: dict[str, Any] = {}
    for part in parts:
        if not merged.keys().isdisjoint(part):
            return {"$and": parts}
        merged |= part
    return merged


def _replaced_in_logic(operator: str, operand: object, settled: Mapping[str, dict[str, Any]]) -> object:
    if is_list(operand):
        return [_replaced(part, settled) if is_object(part) else part for part in operand]
    if not is_object(operand):
        return operand
    if operator == "$not":
        return _replaced(operand, settled)
    # Each entry is a condition of its own, which two with the same key could not be.
    return [_replaced({key: held}, settled) for key, held in operand.items()]
