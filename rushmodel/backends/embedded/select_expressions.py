"""Expressions: what ``select`` computes, as values.

An expression is of single records (references, buckets, literals, arithmetic of such), or of rows:
aggregates and collections of what stands behind a row, other keys, arithmetic of such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from ...errors import QueryError
from ...value import Value
from .select_nodes import Node

Function: TypeAlias = Literal["$sum", "$avg", "$min", "$max", "$count"]
Operator: TypeAlias = Literal["$add", "$subtract", "$multiply", "$divide"]

MOST_PARTS = 1_000
"""Of what a group's key becomes, once the keys it refers to are put in."""


class Constant(Value):
    """A number, true or false."""

    value: int | float | bool


class Ref(Value):
    """A property of a node's records, or ``__id`` or ``__label``; ``shown`` is how the document says it."""

    node: Node
    name: str
    shown: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and self.node is other.node and self.name == other.name

    def __hash__(self) -> int:
        return hash((self.node, self.name))


def property_of(node: Node, name: str) -> Ref:
    """What a key of an order names, where it is none of ``select``: a property, or ``$id``."""
    return Ref(node, "__id" if name == "$id" else name, name)


class Bucket(Value):
    """The start of the span of time in which a property lies, in milliseconds since 1970."""

    of: Ref
    unit: str
    size: int


class Arithmetic(Value):
    """What two numbers give; no value where one is missing or no number, or the divisor is 0."""

    operator: Operator
    left: Expression
    right: Expression


class Aggregate(Value):
    """An aggregate over records: each is counted once, however many paths lead to it.

    ``of`` is what of each record (of each combination, where it speaks of several nodes); None
    counts the records of ``node`` themselves.
    """

    function: Function
    of: Expression | None
    node: Node
    precision: int | None = None


class Key(Value):
    """Another key of the same ``select``."""

    name: str


class Row(Value):
    """The row of a node's record in its table: what tells one record from another."""

    node: Node


class Collection(Value, eq=False):
    """Records of a node that belong to a row, as a list.

    ``where`` is asked of them on top of what the node asks. ``order`` are (key, descending), a key
    of ``select`` or a property. ``select`` None: whole records.
    """

    node: Node
    where: Mapping[str, Any]
    select: dict[str, Expression] | None
    order: tuple[tuple[str, bool], ...]
    limit: int | None
    offset: int
    place: str


Expression: TypeAlias = "Constant | Ref | Bucket | Arithmetic | Aggregate | Key | Row | Collection"


def parts(expression: Expression) -> Iterator[Expression]:
    """The expression and what it is made of; not what a collection's items are."""
    pending = [expression]
    while pending:
        each = pending.pop()
        yield each
        if isinstance(each, Arithmetic):
            pending += [each.left, each.right]
        elif isinstance(each, Aggregate) and each.of is not None:
            pending.append(each.of)


def nodes_of(expression: Expression) -> set[Node]:
    """The nodes that an expression speaks of."""
    found = set[Node]()
    for part in parts(expression):
        if isinstance(part, Ref):
            found.add(part.node)
        elif isinstance(part, Bucket):
            found.add(part.of.node)
        elif isinstance(part, (Row, Collection)) or (isinstance(part, Aggregate) and part.of is None):
            found.add(part.node)
    return found


def is_of_records(expression: Expression, select: Mapping[str, Expression]) -> bool:
    """Whether it has a value for each record, so that records can be grouped by it."""
    seen = set[str]()
    pending = [expression]
    while pending:
        for part in parts(pending.pop()):
            if isinstance(part, (Aggregate, Collection)):
                return False
            if isinstance(part, Key) and part.name not in seen:
                seen.add(part.name)
                pending.append(select[part.name])
    return True


def with_references(select: Mapping[str, Expression], names: Sequence[str]) -> set[str]:
    """The keys, and those that have to be worked out for them."""
    needed, pending = set[str](), list(names)
    while pending:
        name = pending.pop()
        if name not in needed:
            needed.add(name)
            pending += [part.name for part in parts(select[name]) if isinstance(part, Key)]
    return needed


def put_in(expression: Expression, select: Mapping[str, Expression], place: str) -> Expression:
    """The expression with what keys stand for in their place."""
    left = MOST_PARTS

    def replaced(each: Expression) -> Expression:
        nonlocal left
        left -= 1
        if left < 0:
            raise QueryError(f"{place} refers to other keys that make it larger than {MOST_PARTS:,} parts")
        if isinstance(each, Key):
            return replaced(select[each.name])
        if isinstance(each, Arithmetic):
            return each.replaced(left=replaced(each.left), right=replaced(each.right))
        return each

    return replaced(expression)


def in_turn(select: Mapping[str, Expression], place: str) -> list[str]:
    """The keys in an order in which each comes after those it refers to.

    `QueryError` on a reference to a key that is not there, and where keys refer to one another in a circle.
    """
    references = {
        name: [part.name for part in parts(expression) if isinstance(part, Key)]
        for name, expression in select.items()
    }
    for name, others in references.items():
        for other in others:
            if other not in select:
                raise QueryError(
                    f'{place}.{name}: $ref "{other}" is no key of the same select; there are'
                    f" {', '.join(sorted(select))}"
                )
    order: dict[str, None] = {}
    while len(order) < len(select):
        ready = [name for name in select if name not in order and all(at in order for at in references[name])]
        if not ready:
            circle = ", ".join(sorted(name for name in select if name not in order))
            raise QueryError(f"{place}: $ref leads in a circle: {circle} cannot be worked out")
        order.update(dict.fromkeys(ready))
    return list(order)
