"""The records that a statement is about, joined along their relationships, and what is computed of each.

Every node is a table in a WITH, ``n<n>``: the root's (or whatever stands at the top) has the columns
``row``, ``texts``, ``place`` and those properties that are spoken of, the others ``a`` (the row above),
``row``, ``texts`` and properties. Properties go by the number of their name, values are bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from ...errors import QueryError
from .filters import Filter, compile_relationships, compile_where
from .leaves import Column, lists
from .querying import source_of
from .scopes import related
from .select_expressions import Aggregate, Arithmetic, Bucket, Constant, Expression, Ref, Row
from .select_nodes import Node
from .select_pairs import pairs
from .terms import Term
from .values import FALSE, TRUE

if TYPE_CHECKING:
    from .names import Table
    from .session import Session

MOST_TABLES: Final = 400
"""SQLite unites at most 500 selections."""

_FIRST = 1_000
"""What is added to a node's number, so that its tables are told from those within conditions."""


class Top(NamedTuple):
    """The records at the top of a statement: those of one table that a filter leaves, or listed rows.

    ``rows`` are of any of the tables; their order is the ``place`` of each.
    """

    node: Node
    tables: tuple[Table, ...]
    filter: Filter | None
    rows: Sequence[int] | None


class Join:
    """What one statement joins: expressions are made first, then `source` with what they speak of."""

    def __init__(self, session: Session, top: Top) -> None:
        self._session = session
        self._top = top
        self._used: dict[Node, dict[int, Column]] = {}

    def cell(self, expression: Expression) -> Term:
        """What a record has, as a cell; numbers that compare equal are one."""
        if isinstance(expression, Ref):
            return Term(self._property(expression))
        if isinstance(expression, Row):
            return Term(f"{_name(expression.node)}.row")
        if isinstance(expression, Constant):
            value = expression.value
            return Term("?", ((TRUE if value else FALSE) if isinstance(value, bool) else value,))
        if isinstance(expression, Bucket):
            column = self._column(expression.of)
            if column is None:
                return Term("NULL")
            texts = f"{_name(expression.of.node)}.texts"
            call = f"rush_bucket(CAST({column.sql} AS BLOB), {texts}, {column.name_id:d}, ?, ?)"
            # Only text is looked at: a number as a blob could look like a datetime, too.
            return Term(
                f"CASE WHEN typeof({column.sql}) = 'text' THEN {call} END", (expression.unit, expression.size)
            )
        return self._arithmetic(expression)

    def number(self, expression: Expression) -> Term:
        """As `cell`; NULL where it is no number."""
        cell = self.cell(expression)
        if isinstance(expression, Ref) and cell.sql != "NULL":
            return Term(f"CASE WHEN {cell.sql} < '' THEN {cell.sql} END")
        return cell

    def operand(self, aggregate: Aggregate) -> Term:
        """What an aggregate takes of each record."""
        assert aggregate.of is not None
        if aggregate.function in ("$sum", "$avg"):
            return self.number(aggregate.of)
        cell = self.cell(aggregate.of)
        if aggregate.function == "$count" or not isinstance(aggregate.of, Ref):
            return cell
        column = self._column(aggregate.of)
        if column is None or not column.lists:
            return cell
        return Term(f"CASE WHEN {lists(column.sql)} THEN NULL ELSE {column.sql} END")

    def source(self, nodes: Iterable[Node]) -> tuple[Term, str]:
        """The WITH for these nodes and those above them, and what stands behind FROM."""
        needed = {each.number: each for node in nodes for each in node.up_to(self._top.node)}
        ordered = [needed[number] for number in sorted(needed)]  # parents have been made first
        tables = [self._top_table(), *(term for node in ordered for term in self._node_tables(node))]
        sql = f"WITH RECURSIVE {', '.join(table.sql for table in tables)}"
        joins = [_name(self._top.node)]
        for node in ordered:
            assert node.parent is not None
            joins.append(f"JOIN {_name(node)} ON {_name(node)}.a = {_name(node.parent)}.row")
        return Term(sql, tuple(param for table in tables for param in table.params)), " ".join(joins)

    def _property(self, ref: Ref) -> str:
        name = _name(ref.node)
        if ref.name == "__id":
            return f"(SELECT id FROM records WHERE row = {name}.row)"
        if ref.name == "__label":
            return f"(SELECT l.name FROM records i JOIN names l ON l.id = i.label WHERE i.row = {name}.row)"
        column = self._column(ref)
        if column is None:
            return "NULL"
        return f"rush_like({column.sql})" if column.lists else column.sql

    def _column(self, ref: Ref) -> Column | None:
        """The property's column of the node's table; None where no record has it."""
        found = [table.columns[ref.name] for table in self._tables(ref.node) if ref.name in table.columns]
        if not found:
            return None
        number = found[0].name_id
        column = Column(f"{_name(ref.node)}.p{number:d}", any(each.lists for each in found), number)
        self._used.setdefault(ref.node, {})[number] = column
        return column

    def _tables(self, node: Node) -> tuple[Table, ...]:
        if node is self._top.node:
            return self._top.tables
        table = self._session.names.table(node.label)
        return () if table is None else (table,)

    def _arithmetic(self, expression: Expression) -> Term:
        assert isinstance(expression, Arithmetic)
        left, right = self.number(expression.left), self.number(expression.right)
        params = left.params + right.params
        if expression.operator == "$divide":
            return Term(f"(1.0 * {left.sql} / {right.sql})", params)  # by zero: NULL
        return Term(f"({left.sql} {_SIGNS[expression.operator]} {right.sql})", params)

    def _top_table(self) -> Term:
        top, used = self._top, sorted(self._used.get(self._top.node, ()))
        head = f"{_name(top.node)}(row, texts, place{''.join(f', p{number:d}' for number in used)}) AS "
        if top.rows is not None:
            if len(top.tables) > MOST_TABLES:
                raise QueryError(
                    f"records of {len(top.tables)} labels match, and at most {MOST_TABLES} can: name labels"
                )
            packed = orjson.dumps(top.rows).decode()
            selections = [
                f"SELECT t.row, t.texts, j.key{_cells(table, used, 't')}"
                f" FROM json_each(?) j CROSS JOIN {table.sql} t ON t.row = j.value"
                for table in top.tables
            ]
            if selections:
                return Term(f"{head}({' UNION ALL '.join(selections)})", (packed,) * len(selections))
        elif top.tables:
            (table,), found = top.tables, top.filter
            assert found is not None
            sql = (
                f"{head}(SELECT t.row, t.texts, NULL{_cells(table, used, 't')}"
                f" FROM {source_of(table, found)} WHERE {found.sql})"
            )
            return Term(sql, found.params)
        return Term(f"{head}(SELECT NULL, NULL, NULL{', NULL' * len(used)} WHERE 0)")

    def _node_tables(self, node: Node) -> list[Term]:
        number, used, names = _FIRST + node.number, sorted(self._used.get(node, ())), self._session.names
        columns = "".join(f", p{each:d}" for each in used)
        head = f"{_name(node)}(a, row, texts{columns}) AS "
        table = names.table(node.label)
        edges = compile_relationships(node.relation, node.place, number, names)
        if table is None or edges is None:
            return [Term(f"{head}(SELECT NULL, NULL, NULL{', NULL' * len(used)} WHERE 0)")]
        assert node.parent is not None
        top = node.parent is self._top.node
        parents = f"SELECT {'' if top else 'DISTINCT '}row FROM {_name(node.parent)}"
        same = node.label in {each.label for each in self._tables(node.parent)}
        found = compile_where(node.where, related(node.label, table, number), names)
        sql = (
            f"{head}(SELECT s.a, t{number}.row, t{number}.texts{_cells(table, used, f't{number}')}"
            f" FROM s{number} s CROSS JOIN {table.sql} t{number} ON t{number}.row = s.b WHERE {found.sql})"
        )
        made = map(Term, pairs(number, node.relation, parents, same=same))
        return [edges, *made, Term(sql, found.params)]


def _name(node: Node) -> str:
    return f"n{node.number:d}"


def _cells(table: Table, numbers: Iterable[int], alias: str) -> str:
    there = {column.name_id for column in table.columns.values()}
    return "".join(f", {alias}.p{number:d}" if number in there else ", NULL" for number in numbers)


_SIGNS: Final = {"$add": "+", "$subtract": "-", "$multiply": "*"}
