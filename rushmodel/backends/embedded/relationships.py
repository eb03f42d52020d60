"""`FindRelationships`: relationships by their ends, their type and their properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...port import FindRelationships, FoundRelationships, StoredRelationship
from .edges import condition_on_type, shown_type, unpack_properties
from .ends import records_of
from .filters import compile_where
from .leaves import Column
from .querying import page_of
from .scopes import relationship

if TYPE_CHECKING:
    from .session import Session


def find_relationships(session: Session, command: FindRelationships) -> FoundRelationships:
    """Newest first: one that got other properties stays in its place."""
    paged, page = page_of(command.limit, command.offset)
    matching = _matching(session, command)
    if matching is None:
        return FoundRelationships([], 0)
    name = session.names.name
    found = [
        StoredRelationship(
            source,
            name(source_label),
            shown_type(session, kind),
            target,
            name(target_label),
            unpack_properties(data),
        )
        for source, source_label, kind, target, target_label, data in session.execute(
            f"SELECT s.id, s.label, x.type, t.id, t.label, x.data FROM {matching.source}"
            " JOIN records s ON s.row = x.source JOIN records t ON t.row = x.target"
            f" WHERE {matching.sql} ORDER BY x.id DESC{paged}",
            (*matching.params, *page),
        )
    ]
    if (command.limit is None or len(found) < command.limit) and (found or not command.offset):
        return FoundRelationships(found, command.offset + len(found))  # only the last page is not full
    count = f"SELECT count(*) FROM {matching.source} WHERE {matching.sql}"
    return FoundRelationships(found, session.execute(count, matching.params).fetchone()[0])


class _Matching(NamedTuple):
    """What FROM names and WHERE says of the relationships ``x``, and the values for both, in order."""

    source: str
    sql: str
    params: tuple[object, ...]


def _matching(session: Session, command: FindRelationships) -> _Matching | None:
    """None where there can be no such relationship. `QueryError`."""
    columns: dict[str, Column] = {}
    where = compile_where(command.where, relationship(columns), session.names)
    conditions, params = list[str](), list[object]()
    nothing = False
    for end, column in ((command.source, "x.source"), (command.target, "x.target")):
        if end.labels or end.where:
            records = records_of(session, end)
            if records is None:
                nothing = True
            else:
                conditions.append(f"{column} IN ({records.sql})")
                params += records.params
    typed = condition_on_type(session, command.types, "x.type")
    if nothing or typed is None:
        return None
    cells = "".join(f", rush_cell(y.data, ?) AS p{column.name_id:d}" for column in columns.values())
    source = (
        f"(SELECT y.id, y.source, y.target, y.type, y.data{cells} FROM edges y) x" if cells else "edges x"
    )
    sql = " AND ".join([typed, *conditions, where.sql])
    return _Matching(source, sql, (*columns, *params, *where.params))
