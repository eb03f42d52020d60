"""Nodes: the records that a query with ``select`` speaks of, and how they hang on one another.

The root records are one node. Every block of a related record is another one below the record
that it is about, and so are the records that a ``$collect`` finds by their label. An alias is the
name of a node.

The blocks of a condition must all be true, each of one related record at least. So for every path of
nodes that leads down from the root, the records that stand on it together are found along that path
alone: blocks beside it cannot take any away. That is why a statement only joins the nodes that it
speaks of, and those above them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any, Final

from ...errors import QueryError
from .across import OF_BLOCKS
from .operands import is_list, is_object
from .operators import LOGICAL, Kind, kind_of
from .relations import Relation, check_alias, read_relation

ROOT: Final = "$record"
SELF: Final = "$self"


class Node:
    """Records of one label that are related to those of ``parent``; for the root, those that are found.

    ``where`` is what they are asked, ``place`` where the document says so.
    """

    __slots__ = ("label", "number", "parent", "place", "relation", "where")

    def __init__(
        self,
        number: int,
        parent: Node | None,
        label: str,
        relation: Relation,
        where: Mapping[Any, Any],
        place: str,
    ) -> None:
        self.number = number
        self.parent = parent
        self.label = label
        self.relation = relation
        self.where = where
        self.place = place

    def up_to(self, top: Node) -> Iterator[Node]:
        """The nodes from this one to ``top``, without it."""
        node: Node | None = self
        while node is not None and node is not top:
            yield node
            node = node.parent

    def is_within(self, top: Node) -> bool:
        node: Node | None = self
        while node is not None and node is not top:
            node = node.parent
        return node is top


class Nodes:
    """The nodes of one query, and the aliases that its conditions declare."""

    def __init__(self, where: Mapping[str, Any]) -> None:
        self._numbers = count()
        self.root = Node(next(self._numbers), None, "", Relation(), where, "where")
        self.aliases: dict[str, Node] = {}
        self.refused: dict[str, str] = {}
        """Aliases that cannot be spoken of, and why."""
        self.read(where, self.root, "where")

    def add(self, parent: Node, label: str, relation: Relation, where: Mapping[Any, Any], place: str) -> Node:
        return Node(next(self._numbers), parent, label, relation, where, place)

    def read(self, where: Mapping[Any, Any], node: Node, place: str) -> None:
        """Take up the aliases of a condition about a node; it has been compiled, so it is one."""
        for key, value in where.items():
            at = f"{place}.{key}"
            if key == "$and":
                for part in _parts(value):
                    self.read(part, node, at)
            elif key in LOGICAL:
                self._refuse(value, at, key)
            elif not key.startswith(("$", "__")) and is_object(value) and kind_of(value, at) is Kind.BLOCK:
                self._block(key, value, node, at)

    def _block(self, label: str, block: Mapping[Any, Any], parent: Node, place: str) -> None:
        relation = read_relation(block["$relation"], place) if "$relation" in block else Relation()
        rest = {key: value for key, value in block.items() if key not in OF_BLOCKS}
        node = self.add(parent, label, relation, rest, place)
        if "$alias" in block:
            alias = block["$alias"]
            check_alias(alias, f"{place}.$alias")
            if alias in (ROOT, SELF):
                raise QueryError(
                    f"{place}.$alias: {alias} is a name of the query language; choose another one"
                )
            if alias in self.aliases:
                raise QueryError(
                    f"{place}.$alias: {alias} names the records of {self.aliases[alias].place} already"
                )
            self.aliases[alias] = node
        self.read(rest, node, place)

    def _refuse(self, value: object, place: str, operator: str) -> None:
        """Records that need not exist, or must not, cannot be spoken of."""
        if is_list(value):
            for part in value:
                self._refuse(part, place, operator)
        elif is_object(value):
            for key, part in value.items():
                if key == "$alias" and isinstance(part, str):
                    self.refused[part] = (
                        f"it is declared under {operator} (at {place}), where there may be no such record"
                    )
                else:
                    self._refuse(part, f"{place}.{key}", operator)


def _parts(value: object) -> Iterable[Mapping[Any, Any]]:
    """The conditions of an ``$and``: a list of them, or an object's entries."""
    if is_object(value):
        return [{key: part} for key, part in value.items()]
    return value if is_list(value) else []
