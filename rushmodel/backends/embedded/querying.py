"""Finding records: a query as one SQL statement a label, and the labels' answers put together."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ...errors import QueryError
from ...port import (
    CountRecords,
    FindPage,
    FindRecords,
    FoundPage,
    Order,
    RecordQuery,
    StoredRecord,
    Unmade,
    Where,
)
from .filters import Filter, compile_where
from .records import Projection, RawRow
from .scopes import NOWHERE, Scope
from .unmade import with_unmade

if TYPE_CHECKING:
    from .names import Table
    from .session import Session

BY_ID = "$id"

_ID = "r.id"
_RELATED = (
    "t.row IN (SELECT e.target FROM records o JOIN edges e ON e.source = o.row WHERE o.id = ?"
    " UNION ALL SELECT e.source FROM records o JOIN edges e ON e.target = o.row WHERE o.id = ?)"
)
_NO_LIMIT = -1
_LARGEST = 2**62


class Selection(NamedTuple):
    """One label's part of a query: its statement gives a projection's columns, the row and the order keys."""

    table: Table
    projection: Projection
    sql: str
    params: tuple[object, ...]


FoundRow: TypeAlias = "tuple[RawRow, Selection]"


def find_records(session: Session, command: FindRecords) -> list[StoredRecord]:
    query = command.query
    tables = tables_of(session, query)
    if len(tables) != 1:
        return build_records(found_rows(session, query))
    if query.limit is None and not query.offset and not query.order:
        # Rows lie almost in the order of their ids: one pass sorts them here, SQLite would build a tree.
        table, found = tables[0], filter_of(session, tables[0], query.where, query.related_to, query.unmade)
        projection = Projection(session, table, query.properties, query.vectors)
        rows = session.execute(
            f"SELECT {projection.columns} FROM {projection.source} WHERE {found.sql}", found.params
        ).fetchall()
        rows.sort(key=itemgetter(projection.id_at))
        return projection.build(rows)
    selection = selection_of(session, tables[0], query, query.limit, query.offset)
    return selection.projection.build(session.execute(selection.sql, selection.params))


def count_records(session: Session, command: CountRecords) -> int:
    count = 0
    for table in tables_of(session, command.query):
        query = command.query
        found = filter_of(session, table, query.where, query.related_to, query.unmade)
        statement = f"SELECT count(*) FROM {source_of(table, found)} WHERE {found.sql}"
        count += session.execute(statement, found.params).fetchone()[0]
    return count


def find_page(session: Session, command: FindPage) -> FoundPage:
    query = command.query
    found = find_records(session, FindRecords(query))
    if (query.limit is None or len(found) < query.limit) and (found or not query.offset):
        return FoundPage(found, query.offset + len(found))  # only the last page is not full
    return FoundPage(found, count_records(session, CountRecords(query)))


def found_rows(session: Session, query: RecordQuery) -> Iterator[FoundRow]:
    """What a query finds, in order, fetched as it is taken."""
    tables = tables_of(session, query)
    if len(tables) == 1:
        return _rows_of(session, selection_of(session, tables[0], query, query.limit, query.offset))
    # Every label may hold all of the page, so each gives that much, sorted.
    most = None if query.limit is None else query.limit + query.offset
    selections = [selection_of(session, table, query, most, 0) for table in tables]
    keys = full_order(query.order)
    descending = [key.descending for key in keys]

    def place(found: FoundRow) -> tuple[Any, ...]:
        raw, selection = found
        values = zip(raw[selection.projection.width + 1 :], descending, strict=True)
        return tuple(_Reversed(_rank(value)) if down else _rank(value) for value, down in values)

    merged = heapq.merge(*(_rows_of(session, selection) for selection in selections), key=place)
    return islice(merged, query.offset, most)


def build_records(found: Iterable[FoundRow]) -> list[StoredRecord]:
    """The records of found rows, in their order."""
    return [
        record
        for selection, run in groupby(found, key=itemgetter(1))
        for record in selection.projection.build(raw for raw, _ in run)
    ]


def rows_by_table(session: Session, query: RecordQuery) -> list[tuple[Table, list[tuple[int, str | None]]]]:
    """Row and ``texts`` of each record that a query finds, in no order, for each label that has any."""
    rows: dict[str, list[tuple[int, str | None]]] = {}
    if query.limit is None and not query.offset:
        for table in tables_of(session, query):
            found = filter_of(session, table, query.where, query.related_to, query.unmade)
            statement = f"SELECT t.row, t.texts FROM {source_of(table, found)} WHERE {found.sql}"
            rows[table.label] = session.execute(statement, found.params).fetchall()
    else:
        bare = query.replaced(properties=(), vectors=())
        for raw, selection in found_rows(session, bare):
            texts, row = raw[selection.projection.texts_at], raw[selection.projection.width]
            rows.setdefault(selection.table.label, []).append((row, texts))
    return [(table, rows[table.label]) for table in tables_of(session, query) if rows.get(table.label)]


def matching_rows(session: Session, table: Table, query: RecordQuery) -> Iterator[tuple[int]]:
    """The rows of all records of a label that match, in no order; the query's page does not count."""
    found = filter_of(session, table, query.where, query.related_to, query.unmade)
    return session.execute(f"SELECT t.row FROM {source_of(table, found)} WHERE {found.sql}", found.params)


def tables_of(session: Session, query: RecordQuery) -> list[Table]:
    """The tables of the labels asked for, or of all; `QueryError` on a query that cannot be meant."""
    _check(query)
    if query.labels:
        asked = [session.names.table(label) for label in dict.fromkeys(query.labels)]
        tables = [table for table in asked if table is not None]
    else:
        tables = session.names.tables()
    if not tables:
        # Where there is nothing to find, what is no condition is still none.
        compile_where(query.where, NOWHERE, session.names)
    return tables


def filter_of(
    session: Session,
    table: Table,
    where: Where,
    related_to: str | None = None,
    unmade: tuple[Unmade, ...] = (),
) -> Filter:
    """The condition over a label's table ``t``, and over the ids' table ``r`` where it asks for ids."""
    scope = Scope(table.label, table.columns.get, "t.row", "t.texts", _ID)
    found = with_unmade(session, table, compile_where(where, scope, session.names), unmade)
    if related_to is None:
        return found
    # An id that is not there has no relationships, so nothing is related to it (trace 12).
    return Filter(f"{_RELATED} AND {found.sql}", (related_to, related_to, *found.params))


def source_of(table: Table, found: Filter) -> str:
    """What FROM names, so that the condition can stand in WHERE."""
    # Names never are part of the SQL, so this finds the id's column and nothing else.
    join = " JOIN records r ON r.row = t.row" if _ID in found.sql else ""
    return f"{table.sql} t{join}"


def order_of(table: Table, keys: Iterable[Order]) -> tuple[list[str], list[str]]:
    """The expressions over ``t`` and ``r`` that records are ordered by, and what ORDER BY says of them."""
    columns, order = list[str](), list[str]()
    for key in keys:
        column = table.columns.get(key.property)
        sql = _ID if key.property == BY_ID else column.sql if column else "NULL"
        if key.moments is not False and column:
            moment = f"rtrim({sql}, 'Z')"  # by code point, ...00Z would come after ...00.5Z
            looks = f"{sql} >= '0' AND {sql} < ':' AND rush_datetime(CAST({sql} AS BLOB), NULL, 0)"
            sql = moment if key.moments else f"CASE WHEN {looks} THEN {moment} ELSE {sql} END"
        columns.append(sql)
        if sql != "NULL":
            # R16: an absent value comes last ascending and first descending.
            order.append(f"{sql} DESC NULLS FIRST" if key.descending else f"{sql} ASC NULLS LAST")
    return columns, order


def full_order(order: tuple[Order, ...]) -> tuple[Order, ...]:
    """The order of a query in full: ids are unique, so the key that is the id is the last."""
    for at, key in enumerate(order):
        if key.property == BY_ID:
            return order[: at + 1]
    return (*order, Order(BY_ID))


def page_of(limit: int | None, offset: int) -> tuple[str, tuple[int, ...]]:
    """``LIMIT ? OFFSET ?`` and what it binds, or nothing. `QueryError`."""
    for name, value in (("limit", limit), ("offset", offset)):
        if value is not None and (not isinstance(value, int) or value < 0):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise QueryError(f"{name} is a number of records, 0 or more, not {value!r}")
    if limit is None and not offset:
        return "", ()
    return " LIMIT ? OFFSET ?", (_NO_LIMIT if limit is None else min(limit, _LARGEST), min(offset, _LARGEST))


def selection_of(
    session: Session, table: Table, query: RecordQuery, limit: int | None, offset: int
) -> Selection:
    """One label's part of a query, for so many of its records."""
    projection = Projection(session, table, query.properties, query.vectors)
    found = filter_of(session, table, query.where, query.related_to, query.unmade)
    keys, order = order_of(table, full_order(query.order))
    paged, page = page_of(limit, offset)
    statement = (
        f"SELECT {projection.columns}, t.row, {', '.join(keys)} FROM {projection.source} WHERE {found.sql}"
        f" ORDER BY {', '.join(order)}{paged}"
    )
    return Selection(table, projection, statement, (*found.params, *page))


def _rows_of(session: Session, selection: Selection) -> Iterator[FoundRow]:
    return ((raw, selection) for raw in session.execute(selection.sql, selection.params))


def _check(query: RecordQuery) -> None:
    page_of(query.limit, query.offset)
    for key in query.order:
        if key.property.startswith("$") and key.property != BY_ID:
            raise QueryError(f"records are ordered by a property or by {BY_ID}, not by {key.property!r}")


def _rank(cell: Any) -> tuple[int, Any]:
    """Compares as SQLite compares cells, with absent ones last."""
    if cell is None:
        return 3, 0
    if isinstance(cell, str):
        return 1, cell
    return (2, cell) if isinstance(cell, bytes) else (0, cell)


class _Reversed(NamedTuple):
    rank: tuple[int, Any]

    def __lt__(self, other: Any) -> bool:
        return bool(other.rank < self.rank)
