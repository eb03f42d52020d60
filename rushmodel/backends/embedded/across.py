"""Conditions across relationships: blocks of related records, and ``$cycle``.

Such a condition is true or false, never NULL. It becomes ``row IN (...)``, so that
SQLite works out once which records those are, from the related ones on: what
conditions a block has they bear on them, and the paths lead back from few. How
paths become SQL is said in `traversals`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from ...errors import QueryError
from .leaves import Column
from .relations import Relation, check_alias, read_cycle, read_relation
from .scopes import Graph, Scope, Totals, related, relationship
from .terms import ALWAYS, NEVER, Sense, Term
from .traversals import CYCLE_DEPTH, NEIGHBOUR_DEPTH, ROOM, has_neighbour, lies_on_cycle, sources, uses

Read: TypeAlias = "Callable[[Scope, list[Term] | None, object, str, int], tuple[Term, int]]"
"""Reads a document about that scope, at that place and level: when it holds, and how many blocks it has.

What the document needs in a WITH it adds to the list; None: it makes a WITH of its own.
"""

Tables: TypeAlias = "list[Term] | None"


class Across:
    """What one document says of other records.

    ``tables`` is the WITH list that a condition adds to; None where there is none yet, so that
    it makes one. All within a block share one: SQLite's parser could not take a WITH in a WITH
    in a WITH.
    """

    def __init__(self, scope: Scope, graph: Graph, totals: Totals, tables: Tables, read: Read) -> None:
        self._scope = scope
        self._graph = graph
        self._totals = totals
        self._tables = tables
        self._read = read
        self.blocks = 0
        """How many conditions SQLite has to read, each as often as it does."""

    def block(self, label: str, block: Mapping[Any, Any], place: str, sense: Sense, level: int) -> Term:
        """Whether a record of that label is related for which the rest of the block is true."""
        if self._scope.label is None:
            raise QueryError(f"{place}: a relationship is asked for its properties; nothing is related to it")
        relation = Relation()
        if "$relation" in block:
            relation = read_relation(block["$relation"], f"{place}.$relation")
        if "$alias" in block:
            check_alias(block["$alias"], f"{place}.$alias")
        rest = {key: value for key, value in block.items() if key not in OF_BLOCKS}
        number, table, tables = self._totals.number(), self._graph.table(label), list[Term]()
        edges = self.edges(number, relation, f"{place}.$relation.where", level)
        condition, blocks = self._read(related(label, table, number), tables, rest, place, level)
        same = label == self._scope.label
        self.blocks += uses(relation, same=same) * (1 + blocks)
        if table is None or edges is None:
            return ALWAYS if sense is Sense.FAILS else NEVER
        tables.append(edges)
        if not rest and relation.most == 1:
            # With nothing asked of the related records there may be a great many: look from this one.
            there = has_neighbour(number, relation, table.sql, self._scope.row)
            return self._asked_from_here(tables, there, NEIGHBOUR_DEPTH, sense)
        matching = (
            f"m{number}(row) AS (SELECT t{number}.row FROM {table.sql} t{number} WHERE {condition.sql})"
        )
        tables += [Term(matching, condition.params, condition.depth), *sources(number, relation, same=same)]
        word, found = "NOT IN" if sense is Sense.FAILS else "IN", f"SELECT row FROM s{number}"
        if self._tables is not None:
            self._tables += tables
            return Term(f"({self._scope.row} {word} ({found}))")
        given = _with(tables)
        return Term(f"({self._scope.row} {word} ({given.sql} {found}))", given.params, given.depth)

    def cycle(self, value: object, place: str, sense: Sense, level: int) -> Term:
        """Whether a path leads from the record back to it."""
        if self._scope.label is None:
            raise QueryError(f"{place}: a relationship is asked for its properties; it lies on no cycle")
        relation = read_cycle(value, place)
        number = self._totals.number()
        edges = self.edges(number, relation, f"{place}.where", level)
        self.blocks += 1
        if edges is None:
            return ALWAYS if sense is Sense.FAILS else NEVER
        there = lies_on_cycle(number, relation, self._scope.row)
        return self._asked_from_here([edges], there, CYCLE_DEPTH, sense)

    def _asked_from_here(self, tables: list[Term], condition: str, depth: int, sense: Sense) -> Term:
        """A condition on this record that reads tables of its own."""
        no = "NOT " if sense is Sense.FAILS else ""
        if self._tables is not None:
            self._tables += tables
            return Term(f"({no}({condition}))", depth=depth)
        given = _with(tables)
        sql = f"({no}EXISTS ({given.sql} SELECT 1 WHERE {condition}))"
        return Term(sql, given.params, max(given.depth, ROOM + depth))

    def edges(self, number: int, relation: Relation, place: str, level: int) -> Term | None:
        """The table ``e<number>`` of the relationships that count; None if there can be none."""
        columns: dict[str, Column] = {}
        where, _ = self._read(relationship(columns), None, relation.where, place, level)
        known = [name for name in map(self._graph.number, relation.types) if name is not None]
        if relation.types and not known:
            return None
        typed = f" WHERE x.type IN ({', '.join(f'{name:d}' for name in known)})" if known else ""
        # SQLite puts the conditions to where the table is used, next to those that an index serves.
        head = f"e{number}(id, source, target) AS NOT MATERIALIZED (SELECT x.id, x.source, x.target FROM "
        if not relation.where:
            return Term(f"{head}edges x{typed})")
        cells = "".join(f", rush_cell(x.data, ?) AS p{of.name_id:d}" for of in columns.values())
        inner = f"(SELECT x.id, x.source, x.target{cells} FROM edges x{typed}) x"
        return Term(f"{head}{inner} WHERE {where.sql})", (*columns, *where.params), where.depth)


OF_BLOCKS: Final = ("$relation", "$alias")
"""Keys that a block has beside its conditions."""


def _with(tables: list[Term]) -> Term:
    params = tuple(param for table in tables for param in table.params)
    depth = ROOM + max(table.depth for table in tables)
    return Term(f"WITH RECURSIVE {', '.join(table.sql for table in tables)}", params, depth)
