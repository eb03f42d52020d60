"""Levels: the rows of an answer, and within them the items of each collection.

A level is some records at the top, and rows that are told apart by keys: one for each record, or one
for each combination of what they are grouped by. For a level there is one statement for what its own
records have, one for the aggregates of each set of nodes, and one for each collection: never one a row.
A collection's items are the records at the top of the next level.

An aggregate counts each record once in a row (each combination of records, where it speaks of several
nodes), however many paths lead from the row to it; so does a collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from ...errors import QueryError
from ...wire.documents import record_document
from ...wire.proptypes import looks_like_datetime
from .querying import filter_of, source_of
from .records import Projection, read_rows
from .select_expressions import (
    Aggregate,
    Arithmetic,
    Bucket,
    Collection,
    Expression,
    Ref,
    Row,
    nodes_of,
    property_of,
)
from .select_joins import Top
from .select_nodes import Node
from .select_reading import MOST_RECORDS
from .select_values import finite, shown, sort, worked_out
from .terms import Term

if TYPE_CHECKING:
    from .select_asking import Asker

T = TypeVar("T")

RowKey: TypeAlias = "tuple[Any, ...]"
"""What tells a row of a level from the others: its record's row, or the cells it is grouped by."""


class Level:
    """Rows over the records at ``top``; ``groups`` None: one for each of them."""

    def __init__(self, asker: Asker, top: Top, groups: Sequence[Expression] | None = None) -> None:
        self._asker = asker
        self._top = top
        self._keys: tuple[Expression, ...] = (Row(top.node),) if groups is None else tuple(groups)
        self._grouped = groups is not None

    def leaves(self, expressions: Iterable[Expression]) -> list[Expression]:
        """What has to be read, so that the expressions can be worked out."""
        found: dict[Expression, None] = {}
        pending = list(expressions)[::-1]
        while pending:
            each = pending.pop()
            if isinstance(each, Arithmetic) and not (self._grouped and each in self._keys):
                pending += [each.right, each.left]
            elif isinstance(each, (Arithmetic, Ref, Bucket, Aggregate, Collection)):
                found[each] = None
        return list(found)

    def read(self, leaves: Sequence[Expression], *, places: bool = False) -> dict[RowKey, list[Any]]:
        """The rows by their keys, with the value of each leaf.

        With ``places`` the first place of the records in a group comes last. Without groups there is a
        row for every record if these are listed, or one of the leaves is a property of theirs.
        """
        empty = [_NOTHING.get(leaf.function) if isinstance(leaf, Aggregate) else None for leaf in leaves]
        empty += [None] * places
        rows = _Rows(empty)
        if not self._grouped:
            rows.add((row,) for row in self._top.rows or ())
        elif not self._keys:
            rows.add([()])  # of everything together there is one row, even of nothing
        at = {leaf: place for place, leaf in enumerate(leaves)}
        own = [leaf for leaf in leaves if self._is_own(leaf)]
        if own:
            for key, values in self._read_own(own):
                rows.fill(key, [at[leaf] for leaf in own], values)
        for nodes, members in self._sets(leaves, places).items():
            first = places and nodes == frozenset({self._top.node})
            where = [at[leaf] for leaf in members] + [len(leaves)] * first
            for key, values in self._read_set(nodes, members, first):
                rows.fill(key, where, values)
        keyed = {at[leaf]: self._keys.index(leaf) for leaf in leaves if leaf in self._keys}
        for key, row in rows.items():
            for place, of in keyed.items():
                row[place] = key[of]
        for leaf in leaves:
            if isinstance(leaf, Collection):
                lists = self._collect(leaf)
                for key, row in rows.items():
                    row[at[leaf]] = lists.get(key, [])
        return rows

    def _sets(self, leaves: Sequence[Expression], places: bool) -> dict[frozenset[Node], list[Expression]]:
        """What is read by one statement each: what is about the same nodes."""
        sets: dict[frozenset[Node], list[Expression]] = {}
        top = frozenset({self._top.node})
        if self._grouped and places:
            sets[top] = []
        for leaf in leaves:
            if isinstance(leaf, Aggregate) or (
                isinstance(leaf, (Ref, Bucket)) and leaf not in self._keys and not self._is_own(leaf)
            ):
                sets.setdefault(frozenset(nodes_of(leaf)) or top, []).append(leaf)
        if self._grouped and self._keys and not sets:
            sets[top] = []
        return sets

    def _is_own(self, leaf: Expression) -> bool:
        """Whether each row has just one value of it: a property of its record."""
        return not self._grouped and isinstance(leaf, (Ref, Bucket)) and nodes_of(leaf) == {self._top.node}

    def _read_own(self, leaves: Sequence[Expression]) -> Iterator[tuple[RowKey, Sequence[Any]]]:
        join = self._asker.join(self._top)
        cells = [join.cell(leaf) for leaf in (*self._keys, *leaves)]
        head, tables = join.source(())
        sql = f"{head.sql} SELECT {', '.join(cell.sql for cell in cells)} FROM {tables}"
        params = (*head.params, *(param for cell in cells for param in cell.params))
        for row in self._asker.ask(sql, params):
            yield row[:1], row[1:]

    def _read_set(
        self, nodes: frozenset[Node], leaves: Sequence[Expression], first: bool
    ) -> Iterator[tuple[RowKey, Sequence[Any]]]:
        """Aggregates over the same nodes, and properties of them of which a row may have one only.

        With ``first``, the first place of the records follows.
        """
        join, top = self._asker.join(self._top), self._top.node
        columns = [(f"k{n}", join.cell(key)) for n, key in enumerate(self._keys)]
        keys, outer = [name for name, _ in columns], list[str]()
        for n, leaf in enumerate(leaves):
            if not isinstance(leaf, Aggregate):
                columns.append((f"v{n}", join.cell(leaf)))
                outer += [f"min(v{n})", f"max(v{n})"]
                continue
            if leaf.of is not None:
                columns.append((f"v{n}", join.operand(leaf)))
            outer.append(_aggregate(leaf, f"v{n}"))
        if first:
            columns.append(("place", Term(f"n{top.number}.place")))
            outer.append("min(place)")
        spoken = nodes.union(*map(nodes_of, self._keys))
        head, tables = join.source(spoken)
        # Along the nodes between those that tell the rows apart, several paths may lead to one record.
        told = nodes | {key.node for key in self._keys if isinstance(key, Row)}
        distinct = not told >= {top, *(each for node in spoken for each in node.up_to(top))}
        if distinct or not columns:
            columns += [(f"r{node.number}", Term(f"n{node.number}.row")) for node in nodes]
        inner = ", ".join(f"{cell.sql} AS {name}" for name, cell in columns)
        sql = (
            f"{head.sql} SELECT {', '.join([*keys, *outer])}"
            f" FROM (SELECT {'DISTINCT ' if distinct else ''}{inner} FROM {tables})"
            f"{' GROUP BY ' if keys else ''}{', '.join(keys)}"
        )
        params = (*head.params, *(param for _, cell in columns for param in cell.params))
        for row in self._asker.ask(sql, params):
            yield row[: len(keys)], _values(leaves, row[len(keys) :])

    def _collect(self, collection: Collection) -> dict[RowKey, list[Any]]:
        """The items of each row that has any."""
        asker, node = self._asker, collection.node
        table = asker.session.names.table(node.label)
        if table is None:
            return {}
        order = known_order(collection)
        found = list(self._items(collection, order))
        lists: dict[RowKey, list[Any]] = {}
        for *key, row in found:
            lists.setdefault(tuple(key), []).append(row)
        rows = list(dict.fromkeys(row[-1] for row in found))
        if collection.select is None:
            projection = Projection(asker.session, table)
            records = read_rows(asker.session, table, projection, rows)
            return {key: [record_document(records[row]) for row in of] for key, of in lists.items()}
        # What is not of the items themselves would need the rows around them; `SelectReader` refuses it.
        level = Level(asker, Top(node, (table,), None, rows))
        names = [] if order is not None else [name for name, _ in collection.order]
        others = {name: property_of(node, name) for name in names if name not in collection.select}
        select = {**collection.select, **others}
        leaves = level.leaves(select.values())
        work = worked_out(select, leaves)
        done = {key[0]: work(values) for key, values in level.read(leaves).items()}
        if order is None:
            lists = {key: _cut(collection, sort(of, collection.order, done)) for key, of in lists.items()}
        label = {"__label": node.label}
        return {key: [shown(done[row], collection.select) | label for row in of] for key, of in lists.items()}

    def _items(
        self, collection: Collection, order: Sequence[tuple[Ref, bool]] | None
    ) -> Iterable[tuple[Any, ...]]:
        """The key of a row and the row of an item, for every item, in order, and cut if there is an order."""
        join, node = self._asker.join(self._top), collection.node
        columns = [(f"k{n}", join.cell(key)) for n, key in enumerate(self._keys)]
        keys, by = [name for name, _ in columns], list[str]()
        columns.append(("item", join.cell(Row(node))))
        for n, (ref, descending) in enumerate(order or ()):
            columns.append((f"o{n}", join.cell(ref)))
            by.append(f"{_sortable(f'o{n}')} {'DESC NULLS FIRST' if descending else 'ASC NULLS LAST'}")
        by.append("(SELECT id FROM records WHERE row = item)")
        head, tables = join.source({node}.union(*map(nodes_of, self._keys)))
        params = [*head.params, *(param for _, cell in columns for param in cell.params)]
        inner = ", ".join(f"{cell.sql} AS {name}" for name, cell in columns)
        items = f"SELECT DISTINCT {inner} FROM {tables}"
        if collection.where:
            table = self._asker.session.names.table(node.label)
            assert table is not None
            found = filter_of(self._asker.session, table, collection.where)
            rows = f"SELECT t.row FROM {source_of(table, found)} WHERE {found.sql}"
            items += f" WHERE n{node.number}.row IN ({rows})"
            params += found.params
        given = ", ".join([*keys, "item"])
        if order is None or (collection.limit is None and not collection.offset):
            sql = f"{head.sql} SELECT {given} FROM ({items}) ORDER BY {', '.join(by)}"
            return self._asker.ask(sql, params)
        partition = f"PARTITION BY {', '.join(keys)} " if keys else ""
        last = MOST_RECORDS if collection.limit is None else collection.limit + collection.offset
        sql = (
            f"{head.sql} SELECT {given} FROM (SELECT {given}, row_number() OVER"
            f" ({partition}ORDER BY {', '.join(by)}) AS place FROM ({items}))"
            " WHERE place > ? AND place <= ? ORDER BY place"
        )
        return self._asker.ask(sql, [*params, collection.offset, last])


class _Rows(dict[RowKey, "list[Any]"]):
    """Rows by their keys; what nothing was read for is as in ``empty``."""

    def __init__(self, empty: list[Any]) -> None:
        super().__init__()
        self._empty = empty

    def __missing__(self, key: RowKey) -> list[Any]:
        row = self[key] = self._empty.copy()
        return row

    def add(self, keys: Iterable[RowKey]) -> None:
        for key in keys:
            self[key] = self._empty.copy()

    def fill(self, key: RowKey, places: Sequence[int], values: Sequence[Any]) -> None:
        row = self[key]
        for place, value in zip(places, values, strict=True):
            row[place] = value


def known_order(collection: Collection) -> list[tuple[Ref, bool]] | None:
    """The properties that items are ordered by; None where a key has to be worked out for that."""
    order: list[tuple[Ref, bool]] = []
    for name, descending in collection.order:
        given = (collection.select or {}).get(name, property_of(collection.node, name))
        if not isinstance(given, Ref) or given.node is not collection.node:
            return None
        order.append((given, descending))
    return order


def _cut(collection: Collection, items: list[Any]) -> list[Any]:
    end = None if collection.limit is None else collection.offset + collection.limit
    return items[collection.offset : end]


def _values(leaves: Sequence[Expression], cells: Sequence[Any]) -> list[Any]:
    values: list[Any] = []
    given = iter(cells)
    for leaf in leaves:
        value = next(given)
        if isinstance(leaf, Aggregate):
            values.append(_given(leaf, value))
            continue
        if value != next(given):
            ref = leaf.of if isinstance(leaf, Bucket) else leaf
            assert isinstance(ref, Ref)
            raise QueryError(
                f'select: "{ref.shown}" has several values in one row: take $min, $max or another aggregate'
                " of it, $collect them, or group by it"
            )
        values.append(value)
    return [*values, *given]


def _aggregate(aggregate: Aggregate, v: str) -> str:
    function, precision = aggregate.function, aggregate.precision
    if function == "$count":
        return "count(*)" if aggregate.of is None else f"count(DISTINCT {v})"
    if function == "$sum":
        return f"coalesce(sum({v}), 0)"
    if function == "$avg":
        return f"avg({v})" if precision is None else f"round(avg({v}), {precision:d})"
    return f"{function[1:]}({_sortable(v) if isinstance(aggregate.of, Ref) else v})"


def _sortable(v: str) -> str:
    """A cell that sorts as the moment does, if it is one: by code point, ...00Z comes after ...00.5Z.

    A ``Z`` at the end becomes the character 1, which comes before the point. Builtins only, since this
    is for each of the rows; text that holds NUL, at which they stop, is longer as a blob.
    """
    return (
        f"CASE WHEN {v} GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]*Z'"
        f" AND length({v}) = length(CAST({v} AS BLOB)) AND typeof({v}) = 'text'"
        f" THEN substr({v}, 1, length({v}) - 1) || char(1) ELSE {v} END"
    )


def _given(aggregate: Aggregate, value: Any) -> Any:
    """The value of an aggregate out of its cell."""
    if type(value) is str and value.endswith("\x01") and looks_like_datetime(f"{value[:-1]}Z"):
        return f"{value[:-1]}Z"
    return finite(value)


_NOTHING: Final = {"$sum": 0, "$count": 0}
"""Aggregates that have a value even of nothing."""
