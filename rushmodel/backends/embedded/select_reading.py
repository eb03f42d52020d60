"""Reading ``select``, ``groupBy`` and ``$collect``: from documents to expressions.

`QueryError` on whatever is none, by its place: an unknown operator, alias or key (R31).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from ...errors import QueryError
from .filters import compile_where
from .operands import integer, is_list, is_object, listed, text, unknown, wrong
from .relations import Relation, read_relation
from .scopes import NOWHERE, Graph
from .select_buckets import SIZED, UNITS
from .select_expressions import (
    Aggregate,
    Arithmetic,
    Bucket,
    Collection,
    Constant,
    Expression,
    Function,
    Key,
    Operator,
    Ref,
    Row,
    in_turn,
    parts,
)
from .select_nodes import ROOT, SELF, Node, Nodes

MOST_KEYS: Final = 500
DEEPEST_EXPRESSION: Final = 16
"""SQLite's parser has a fixed stack, and an expression may stand in a condition's company."""
DEEPEST_COLLECTION: Final = 64
MOST_RECORDS: Final = 2**62


class SelectReader:
    """Reads the expressions of one query."""

    def __init__(self, graph: Graph, where: Mapping[str, Any]) -> None:
        self._graph = graph
        compile_where(where, NOWHERE, graph)
        self.nodes = Nodes(where)

    def select(
        self, document: object, place: str, item: Node | None = None, level: int = 0
    ) -> dict[str, Expression]:
        """The keys of a ``select``; of the items of a collection, where ``item`` is what they are."""
        if not is_object(document):
            raise wrong(place, "an object of keys and expressions", document)
        if len(document) > MOST_KEYS:
            raise QueryError(f"{place} has {len(document):,} keys; at most {MOST_KEYS} are possible")
        found: dict[str, Expression] = {}
        for key, value in document.items():
            name = text(key, f"{place}: a key")
            if not name or name.startswith("$"):
                raise QueryError(f"{place}: a key is a text that does not begin with $, got {name!r:.60}")
            found[name] = _Reader(self, item, level).expression(value, f"{place}.{name}")
        return {name: found[name] for name in in_turn(found, place)}

    def reference(self, given: str, place: str, item: Node | None = None) -> Ref:
        """A property of some node: ``$record.year``."""
        alias, dot, name = given.partition(".")
        if not dot or not name:
            raise QueryError(f"{place}: expected a property, as in {alias}.name, got {given!r:.80}")
        if name.startswith("$") or (name.startswith("__") and name not in ("__id", "__label")):
            raise QueryError(
                f"{place}: there is no property {name!r:.80}; the store's own are __id and __label"
            )
        return Ref(self.node(alias, given, place, item), name, given)

    def node(self, alias: str, given: str, place: str, item: Node | None) -> Node:
        """The node of an alias; within a collection one that hangs on its items."""
        if alias == SELF and item is not None:
            return item
        if alias == ROOT:
            node = self.nodes.root
        elif alias in self.nodes.aliases:
            node = self.nodes.aliases[alias]
        elif alias in self.nodes.refused:
            raise QueryError(f'{place}: "{given}" cannot use {alias}: {self.nodes.refused[alias]}')
        else:
            raise QueryError(
                f'{place}: unknown alias "{alias}" in "{given}": declare it with $alias in the block of a'
                f" related record, or say {ROOT} for the record itself"
            )
        if item is not None and not node.is_within(item):
            raise QueryError(
                f'{place}: "{given}": a $collect speaks of its own records, {SELF}, and of what is'
                f" related to them; {alias} belongs to the row around it"
            )
        return node

    def collection(self, given: object, place: str, item: Node | None, level: int) -> Collection:
        if level >= DEEPEST_COLLECTION:
            raise QueryError(f"{place}: $collect nests deeper than {DEEPEST_COLLECTION} levels")
        if not is_object(given):
            raise wrong(place, 'an object, as in {"label": "Comment"} or {"from": "$comment"}', given)
        for key in given:
            if key not in _COLLECT:
                raise QueryError(f"{place}: unknown key {key!r:.80}; known here: {listed(_COLLECT)}")
        if ("from" in given) == ("label" in given):
            raise QueryError(
                f"{place}: expected either from (an alias) or label, got {listed(given) or 'neither'}"
            )
        where: Mapping[str, Any] = given.get("where", {})
        compile_where(where, NOWHERE, self._graph)
        if "from" in given:
            if "$relation" in given:
                raise QueryError(f"{place}.$relation: the block of {given['from']} says how it is related")
            alias = text(given["from"], f"{place}.from")
            node = self.node(alias, alias, f"{place}.from", item)
            if node is item or node is self.nodes.root:
                raise QueryError(f"{place}.from: {alias} is the record around it, and not related to itself")
        else:
            label = text(given["label"], f"{place}.label")
            relation = Relation()
            if "$relation" in given:
                relation = read_relation(given["$relation"], f"{place}.$relation")
            node = self.nodes.add(item or self.nodes.root, label, relation, where, place)
            where = {}
        select = None
        if "select" in given:
            select = self.select(given["select"], f"{place}.select", node, level + 1)
        limit, offset = (
            integer(given[key], f"{place}.{key}", 0, MOST_RECORDS) if key in given else None
            for key in ("limit", "skip")
        )
        order = _order(given.get("orderBy", "asc"), f"{place}.orderBy")
        return Collection(node, where, select, order, limit, offset or 0, place)


class _Reader:
    """Reads one expression."""

    def __init__(self, reader: SelectReader, item: Node | None, level: int) -> None:
        self._reader = reader
        self._item = item
        self._level = level

    def expression(self, given: object, place: str, depth: int = 0) -> Expression:
        if depth > DEEPEST_EXPRESSION:
            raise QueryError(f"{place}: an expression nests deeper than {DEEPEST_EXPRESSION} levels")
        if isinstance(given, str):
            if not given.startswith("$"):
                raise QueryError(
                    f"{place}: expected a reference, as in $record.{given or 'name'}, or a number,"
                    f" got the text {given!r:.80}"
                )
            return self._reader.reference(text(given, place), place, self._item)
        if isinstance(given, (int, float)):
            if not isinstance(given, bool) and not (math.isfinite(given) and abs(given) < 2**63):
                raise wrong(place, "a finite number of at most 64 bits", given)
            return Constant(given)
        if not is_object(given):
            raise wrong(place, "a reference, a number, true, false or an operator", given)
        operators = [key for key in given if key != "$precision"]
        if len(operators) != 1:
            raise QueryError(f"{place}: expected one operator, got {listed(operators) or 'none'}")
        (operator,) = operators
        at = f"{place}.{operator}"
        if "$precision" in given and operator != "$avg":
            raise QueryError(f"{place}.$precision: it goes with $avg, not with {operator}")
        if operator in _READ:
            return _READ[operator](self, given, at, depth)
        raise unknown(operator, at, (*_READ, "$precision"))

    def _aggregate(self, given: Mapping[Any, Any], place: str, depth: int) -> Expression:
        function = cast("Function", place.rpartition(".")[2])
        value, root = given[function], self._reader.nodes.root
        precision = None
        if "$precision" in given:
            precision = integer(given["$precision"], f"{place}.$precision", 0, 15)
        if function == "$count" and isinstance(value, str):
            if value == "*":
                if self._item is not None:
                    raise QueryError(f"{place}: in a $collect, say what to count: an alias")
                return Aggregate(function, None, root)
            if "." not in value:
                return Aggregate(function, None, self._reader.node(value, value, place, self._item))
        of = self.expression(value, place, depth + 1)
        for part in parts(of):
            if isinstance(part, (Aggregate, Key, Collection)):
                raise QueryError(f"{place}: an aggregate is of what single records have, got {value!r:.80}")
        if function in ("$sum", "$avg"):
            _check_number(of, place)
        return Aggregate(function, of, self._item or root, precision)

    def _arithmetic(self, given: Mapping[Any, Any], place: str, depth: int) -> Expression:
        operator = cast("Operator", place.rpartition(".")[2])
        operands = given[operator]
        if not is_list(operands) or len(operands) != 2:
            raise wrong(place, "a list of two numbers", operands)
        left, right = (self.expression(each, f"{place}[{n}]", depth + 1) for n, each in enumerate(operands))
        for n, each in enumerate((left, right)):
            _check_number(each, f"{place}[{n}]")
        return Arithmetic(operator, left, right)

    def _key(self, given: Mapping[Any, Any], place: str, depth: int) -> Expression:
        return Key(text(given["$ref"], place))

    def _collection(self, given: Mapping[Any, Any], place: str, depth: int) -> Expression:
        if depth:
            raise QueryError(f"{place}: a list of records is a key of its own, no operand")
        return self._reader.collection(given["$collect"], place, self._item, self._level)

    def _bucket(self, given: Mapping[Any, Any], place: str, depth: int) -> Expression:
        value = given["$timeBucket"]
        if not is_object(value) or not {"field", "unit"} <= value.keys() <= {"field", "unit", "size"}:
            raise wrong(place, 'an object, as in {"field": "$record.at", "unit": "day"}', value)
        field = text(value["field"], f"{place}.field")
        if not field.startswith("$"):
            raise QueryError(f"{place}.field: expected a property, as in $record.{field}, got {field!r:.80}")
        unit = value["unit"]
        if unit in UNITS:
            if "size" in value:
                raise QueryError(f"{place}.size: several of a unit are written in plural: {unit}s")
            size = 1
        elif unit in SIZED:
            if "size" not in value:
                raise QueryError(f"{place}: {unit} needs a size; for one, the unit is {unit[:-1]}")
            unit, size = unit[:-1], integer(value["size"], f"{place}.size", 1, 1_000_000)
        else:
            raise wrong(f"{place}.unit", f"one of {', '.join(UNITS)}, or in plural with a size", unit)
        return Bucket(self._reader.reference(field, f"{place}.field", self._item), unit, size)


def _check_number(expression: Expression, place: str) -> None:
    if isinstance(expression, Constant) and isinstance(expression.value, bool):
        raise wrong(place, "a number", expression.value)
    if isinstance(expression, (Collection, Row)):
        raise QueryError(f"{place}: expected a number, got a list of records")
    if isinstance(expression, Ref) and expression.name in ("__id", "__label"):
        raise QueryError(f"{place}: expected a number, and {expression.shown} is a text")


def _order(given: object, place: str) -> tuple[tuple[str, bool], ...]:
    entries = given if is_object(given) else {"$id": given}
    order: list[tuple[str, bool]] = []
    for name, direction in entries.items():
        if direction not in ("asc", "desc"):
            raise wrong(place, '"asc", "desc" or {key: "asc" | "desc"}', direction)
        order.append((check_order_key(name, place), direction == "desc"))
    return tuple(order)


def check_order_key(name: object, place: str) -> str:
    """A key to order by, ``$id`` for the id; `QueryError`."""
    key = "$id" if name == "__id" else text(name, place)
    if (key.startswith("$") and key != "$id") or key.startswith("__"):
        raise QueryError(f"{place}: rows are ordered by a key, a property or $id, not by {key!r:.80}")
    return key


_COLLECT: Final = ("from", "label", "$relation", "where", "select", "orderBy", "limit", "skip")
_READ: Final[dict[Any, Callable[[_Reader, Mapping[Any, Any], str, int], Expression]]] = {
    **dict.fromkeys(("$sum", "$avg", "$min", "$max", "$count"), _Reader._aggregate),  # pyright: ignore[reportPrivateUsage]
    **dict.fromkeys(("$add", "$subtract", "$multiply", "$divide"), _Reader._arithmetic),  # pyright: ignore[reportPrivateUsage]
    "$ref": _Reader._key,  # pyright: ignore[reportPrivateUsage]
    "$collect": _Reader._collection,  # pyright: ignore[reportPrivateUsage]
    "$timeBucket": _Reader._bucket,  # pyright: ignore[reportPrivateUsage]
}
