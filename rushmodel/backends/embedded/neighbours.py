"""`FindRelated`: for many records at once, the records one relationship away from each."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

import orjson

from ...port import FindRelated, RecordQuery, Related, StoredRecord
from .edges import condition_on_type, unpack_properties
from .querying import filter_of, full_order, order_of, source_of, tables_of
from .records import Projection, find_places
from .traversals import sides

if TYPE_CHECKING:
    from .names import Table
    from .session import Session

_Edge: TypeAlias = "tuple[int, int, int, str | None]"
"""Place among the records asked for, row of the related one, the relationship's id and properties."""


def find_related(session: Session, command: FindRelated) -> Related:
    """A handful of statements, however many the records; each related record is built once."""
    tables = tables_of(session, RecordQuery((command.label,), command.where, command.order))
    typed = condition_on_type(session, () if command.type is None else (command.type,), "e.type")
    if not tables or typed is None:
        return Related([], [])
    places = find_places(session, command.record_ids)
    asked = [record_id for record_id in dict.fromkeys(command.record_ids) if record_id in places]
    rows = [places[record_id][0] for record_id in asked]
    edges = _edges(session, command, tables[0], typed, rows)
    records, ranks = _records(session, command, tables[0], list({row for _, row, _, _ in edges}))
    # A relationship's id decides before its properties are compared, which could not be.
    links = sorted((place, ranks[row], edge, data) for place, row, edge, data in edges)
    return Related(records, [(asked[place], rank, unpack_properties(data)) for place, rank, _, data in links])


def _edges(session: Session, command: FindRelated, table: Table, typed: str, rows: list[int]) -> list[_Edge]:
    found = filter_of(session, table, command.where)
    edges: list[_Edge] = []
    for here, there in sides(command.direction):
        # From the records asked for along an index: SQLite has no statistics to know that they are few.
        sql = (
            f"SELECT a.key, e.{there}, e.id, e.data FROM json_each(?) a CROSS JOIN edges e"
            f" CROSS JOIN {source_of(table, found)} WHERE e.{here} = a.value AND {typed}"
            f" AND t.row = e.{there} AND {found.sql}"
        )
        if command.direction is None and here == "target":
            sql += " AND e.source <> e.target"  # seen from its other end already
        edges += session.execute(sql, (_json(rows), *found.params))
    return edges


def _records(
    session: Session, command: FindRelated, table: Table, rows: list[int]
) -> tuple[list[StoredRecord], dict[int, int]]:
    """The records of these rows in the command's order, and the place of each by its row."""
    projection = Projection(session, table, vectors=command.vectors)
    sql = (
        f"SELECT {projection.columns}, t.row FROM json_each(?) a CROSS JOIN {projection.source}"
        " WHERE t.row = a.value"
    )
    if command.order:
        _, order = order_of(table, full_order(command.order))
        sql += f" ORDER BY {', '.join(order)}"
    raw = session.execute(sql, (_json(rows),)).fetchall()
    if not command.order:
        raw.sort(key=itemgetter(projection.id_at))
    return projection.build(raw), {row[projection.width]: rank for rank, row in enumerate(raw)}


def _json(rows: list[int]) -> str:
    """One parameter for any number of rows, for ``json_each``."""
    return orjson.dumps(rows).decode()
