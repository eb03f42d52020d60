"""`FindRows`: the rows of a query with ``select``.

1. The documents are read (`select_reading`), so that whatever is wrong with them is said whether or
   not there are records.
2. Without groups, and without an order by something that is to be worked out, the page of root records
   is read as `FindRecords` would; what belongs to them is read for these records only.
3. Ordered by a key of ``select``: that is read for all the root records; then as in 2 for those of the page.
4. With groups: one statement for each set of nodes that aggregates are about, grouped by SQLite; order
   and page are of its answer.

What is read for a row, and how many statements that takes, is said in `select_levels`; what is worked
out of it, here and not in SQL, in `select_values`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import QueryError
from ...port import CountRecords, FindRows, FoundRows, Order, RecordQuery, RowQuery
from ...wire.documents import record_document
from .querying import (
    BY_ID,
    FoundRow,
    build_records,
    count_records,
    filter_of,
    found_rows,
    selection_of,
    source_of,
    tables_of,
)
from .records import Projection, read_rows
from .select_asking import Asker
from .select_expressions import (
    Collection,
    Ref,
    property_of,
    with_references,
)
from .select_groups import Groups, read_groups
from .select_joins import Top
from .select_levels import Level, RowKey
from .select_reading import SelectReader, check_order_key
from .select_values import rank, shown, sort, worked_out

if TYPE_CHECKING:
    from ...port import StoredRecord
    from .names import Table
    from .session import Session

T = TypeVar("T")


def find_rows(session: Session, command: FindRows) -> FoundRows:
    return RowFinder(Asker(session), command.query).rows()


class RowFinder:
    """One query, read and checked. `QueryError`."""

    def __init__(self, asker: Asker, query: RowQuery) -> None:
        self._asker = asker
        self._session = asker.session
        self._query = query
        reader = SelectReader(asker.session.names, query.where)
        self._root = reader.nodes.root
        self._select = reader.select(query.select, "select")
        self._order = [(check_order_key(name, "orderBy"), descending) for name, descending in query.order]
        self._groups = read_groups(reader, self._select, query.group_by) if query.group_by else None
        page = (query.limit, query.offset)
        self._roots = RecordQuery(query.labels, query.where, (), *page, related_to=query.related_to)
        self._tables = tuple(tables_of(self._session, self._roots))

    def rows(self) -> FoundRows:
        if self._groups is not None:
            return self._grouped(self._groups)
        order = self._known_order()
        if order is None:
            return self._late()
        query = self._roots.replaced(order=order)
        found = self._found(query)
        records = build_records(found)
        rows = [raw[selection.projection.width] for raw, selection in found]
        limit, offset = query.limit, query.offset
        if (limit is None or len(found) < limit) and (found or not offset):
            total = offset + len(found)  # only the last page is not full
        else:
            total = self._total()
        return FoundRows(self._filled(rows, records), total)

    # -- a row for each root record

    def _known_order(self) -> tuple[Order, ...] | None:
        """The properties that root records are ordered by; None where keys have to be worked out for that."""
        order: list[Order] = []
        for name, descending in self._order:
            given = self._select.get(name)
            if isinstance(given, Collection):
                raise QueryError(f"orderBy: {name} is a list of records, which has no order")
            if isinstance(given, Ref) and given.node is self._root and given.name != "__label":
                name = BY_ID if given.name == "__id" else given.name
            elif given is not None:
                return None
            order.append(_order(name, descending))
        return tuple(order)

    def _late(self) -> FoundRows:
        """Ordered by what is worked out for all the root records."""
        needed = with_references(self._select, [name for name, _ in self._order if name in self._select])
        others = [name for name, _ in self._order if name not in needed] + [BY_ID]
        sought = {name: self._select[name] for name in self._select if name in needed}
        sought |= {name: property_of(self._root, name) for name in others}
        level = Level(self._asker, self._everything())
        leaves = level.leaves(sought.values())
        work = worked_out(sought, leaves)
        done = {key[0]: work(values) for key, values in level.read(leaves).items()}
        ordered = sort(done, [*self._order, (BY_ID, False)], done)
        page = _cut(ordered, self._query)
        records: dict[int, StoredRecord] = {}
        for table in self._tables:
            records |= read_rows(self._session, table, Projection(self._session, table), page)
        return FoundRows(self._filled(page, [records[row] for row in page]), len(done))

    def _filled(self, rows: Sequence[int], records: Sequence[StoredRecord]) -> list[dict[str, Any]]:
        """The documents of root records, with the keys of ``select``."""
        level = Level(self._asker, Top(self._root, self._with_rows(records), None, rows))
        leaves = level.leaves(self._select.values())
        values = level.read(leaves)
        work = worked_out(self._select, leaves)
        documents: list[dict[str, Any]] = []
        for row, record in zip(rows, records, strict=True):
            done = work(values[(row,)])
            document = record_document(record)
            for name in done:
                document.pop(name, None)  # it is not the record's property that has the name here
            documents.append(document | shown(done, self._select))
        return documents

    def _with_rows(self, records: Sequence[StoredRecord]) -> tuple[Table, ...]:
        labels = {record.label for record in records}
        explains = self._asker.plans is not None
        return tuple(table for table in self._tables if table.label in labels or explains)

    # -- a row for each group

    def _grouped(self, groups: Groups) -> FoundRows:
        late = groups.is_order_of_rows(self._order, self._select)
        query, places = self._query, bool(self._order) and not late
        cut_roots = query.cut_roots and not late and not (query.limit is None and not query.offset)
        if places or cut_roots:
            page = {} if cut_roots else {"limit": None, "offset": 0}
            order = tuple(_order(name, descending) for name, descending in self._order if places)
            found = self._found(self._roots.replaced(order=order, properties=(), **page))
            top = Top(self._root, self._tables, None, [raw[of.projection.width] for raw, of in found])
        else:
            top = self._everything()
        level = Level(self._asker, top, list(groups.keys.values()))
        leaves = level.leaves(groups.worked.values())
        work = worked_out(groups.worked, leaves)
        done: dict[RowKey, dict[str, Any]] = {}
        first: dict[RowKey, int] = {}
        for key, values in level.read(leaves, places=places).items():
            done[key] = work(values) | dict(zip(groups.keys, key, strict=True))
            first[key] = values[-1] if places else 0
        # Ties are told apart by what is grouped by.
        ordered = sorted(done, key=lambda key: (first[key], [*map(rank, key)]))
        if late:
            ordered = sort(ordered, self._order, done)
        page_of_rows = ordered if cut_roots else _cut(ordered, query)
        total = self._total()
        return FoundRows([shown(done[key], groups.names) for key in page_of_rows], total)

    # -- root records

    def _total(self) -> int:
        explains = self._asker.plans is not None
        return 0 if explains else count_records(self._session, CountRecords(self._roots))

    def _everything(self) -> Top:
        """All the root records; those of several labels by their rows."""
        tables, query = self._tables, self._roots
        filters = [
            filter_of(self._session, table, query.where, query.related_to, query.unmade) for table in tables
        ]
        if len(tables) == 1:
            return Top(self._root, tables, filters[0], None)
        rows: list[int] = []
        matching: list[Table] = []
        for table, found in zip(tables, filters, strict=True):
            sql = f"SELECT t.row FROM {source_of(table, found)} WHERE {found.sql}"
            of_table = [row for (row,) in self._asker.ask(sql, found.params)]
            if of_table or self._asker.plans is not None:
                matching.append(table)
                rows += of_table
        return Top(self._root, tuple(matching), None, rows)

    def _found(self, query: RecordQuery) -> list[FoundRow]:
        if self._asker.plans is None:
            return list(found_rows(self._session, query))
        for table in self._tables:
            selection = selection_of(self._session, table, query, query.limit, query.offset)
            self._asker.ask(selection.sql, selection.params)
        return []


def _order(name: str, descending: bool) -> Order:
    return Order(name, descending, False if name == BY_ID else None)


def _cut(rows: list[T], query: RowQuery) -> list[T]:
    end = None if query.limit is None else query.offset + query.limit
    return rows[query.offset : end]
