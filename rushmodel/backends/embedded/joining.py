"""`JoinRecords`: relationships between all records that belong together, made or taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import QueryError
from ...port import DEFAULT_RELATIONSHIP, JoinRecords
from .edges import check_type, condition_on_type, intern_type, pack_properties
from .ends import Records, records_of
from .leaves import lists

if TYPE_CHECKING:
    from .session import Session


def join_records(session: Session, command: JoinRecords) -> int:
    """How many were made or got other properties, or were taken away.

    Under keys, values are equal as whole: a list is equal to the same list, not to an element.
    """
    if (command.source_key is None) != (command.target_key is None):
        raise QueryError(
            "source and target are joined by a key each, or without any:"
            f" got {command.source_key!r} and {command.target_key!r}"
        )
    first = records_of(session, command.source, command.source_key)
    second = records_of(session, command.target, command.target_key)
    if command.remove:
        return _remove(session, command, first, second)
    # What cannot be stored is an error, whether there are records or not.
    type = DEFAULT_RELATIONSHIP if command.type is None else command.type
    check_type(type)
    data, there = None, "NOTHING"
    if command.data is not None:
        data = pack_properties(type, command.data)
        there = "UPDATE SET data = excluded.data WHERE data IS NOT excluded.data"
    if first is None or second is None:
        return 0
    kind = intern_type(session, type)
    ends = "a.row, b.row" if command.direction == "out" else "b.row, a.row"
    return session.execute(
        f"INSERT INTO edges (source, target, type, data) SELECT {ends}, {kind:d}, ?"
        f" FROM ({first.sql}) a JOIN ({second.sql}) b WHERE {_equal(command, first, second)}"
        f" ON CONFLICT (source, target, type) DO {there}",
        (data, *first.params, *second.params),
    ).rowcount


def _remove(session: Session, command: JoinRecords, first: Records | None, second: Records | None) -> int:
    typed = condition_on_type(session, () if command.type is None else (command.type,), "e.type")
    if first is None or second is None or typed is None:
        return 0
    here, there = ("source", "target") if command.direction == "out" else ("target", "source")
    # From the end with a condition, as the fewer: left to itself SQLite walks over all relationships.
    parts = [(f"({first.sql}) a", first.params), (f"({second.sql}) b", second.params)]
    if command.target.where and not command.source.where:
        parts.reverse()
    (begin, bound), (end, rest) = parts
    return session.execute(
        f"DELETE FROM edges WHERE id IN (SELECT e.id FROM {begin} CROSS JOIN edges e CROSS JOIN {end}"
        f" WHERE e.{here} = a.row AND e.{there} = b.row AND {typed} AND {_equal(command, first, second)})",
        (*bound, *rest),
    ).rowcount


def _equal(command: JoinRecords, first: Records, second: Records) -> str:
    if command.source_key is None:
        return "1"
    if not (first.lists and second.lists):
        return "a.cell = b.cell"
    # JSON writes 1 and 1.0 differently, and they are equal.
    both = f"{lists('a.cell')} AND {lists('b.cell')} AND rush_list_is(a.cell, b.cell)"
    return f"(a.cell = b.cell OR ({both}))"
