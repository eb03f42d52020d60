"""Relationships: values, and the commands about them.

A relationship leads from its source to its target, has a type and properties of its own, and there is
one of a type from one record to another (R21). Both directions may exist beside each other (R29).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from ..value import Value
from .commands import Command
from .values import Order, RecordWrite, Signature, StoredRecord, StoredValue, Where, Written

Direction: TypeAlias = Literal["in", "out"]


class StoredRelationship(NamedTuple):
    """A relationship as the store gives it; its ends by id and label."""

    source: str
    source_label: str
    type: str
    target: str
    target_label: str
    data: Mapping[str, Any] = {}


class FoundRelationships(NamedTuple):
    """Some of the relationships that match, and how many do without limit and offset."""

    relationships: list[StoredRelationship]
    total: int


class Link(NamedTuple):
    """A relationship to make, unless it is there.

    ``data`` takes the place of the properties of one that is there; None leaves them alone. In
    `SaveGraph` an end may be the place of a record among the writes.
    """

    source: str | int
    target: str | int
    type: str
    data: Mapping[str, StoredValue] | None = None


class Unlink(NamedTuple):
    """Relationships to take away from a record: those of the types (none: all), in that direction or either.

    ``others``: only those with these records, by id; ``keep``: but not those with these (ids, or in
    `SaveGraph` places); ``label``: only those with records of that label.
    """

    record: str | int
    types: tuple[str, ...] = ()
    direction: Direction | None = None
    others: tuple[str, ...] | None = None
    keep: tuple[str | int, ...] = ()
    label: str | None = None


class LinkRecords(Command[int], eq=False):
    """Takes relationships away, then makes others, in one transaction; how many were made or changed.

    `NotFound` where an end of a link is not there (``record_id``), `PropertyError` on a property
    that cannot be stored, or a type that is none; ``link`` is the place of the link among those. An
    `Unlink` of what is not there is no error. A relationship between the same ends and of the same
    type counts once, and not at all where it stays as it was.
    """

    links: Sequence[Link] = ()
    unlinks: Sequence[Unlink] = ()


class SaveGraph(Command[list[Written]], eq=False):
    """As `SaveRecords` over several labels, then as `LinkRecords`: all of it in one transaction.

    An error about a write carries its place in ``writes`` as ``index``.
    """

    writes: Sequence[tuple[str, RecordWrite]]
    links: Sequence[Link] = ()
    unlinks: Sequence[Unlink] = ()


class End(Value):
    """Which records an end of a relationship may be."""

    labels: tuple[str, ...] = ()
    where: Where = MappingProxyType({})


ANY_END = End()


class FindRelationships(Command[FoundRelationships]):
    """The relationships between such ends, of one of the types (none: any).

    ``where`` is about their own properties. Newest first.
    """

    source: End = ANY_END
    target: End = ANY_END
    types: tuple[str, ...] = ()
    where: Where = MappingProxyType({})
    limit: int | None = None
    offset: int = 0


class JoinRecords(Command[int]):
    """Makes a relationship between every source and every target with equal values under the keys.

    Without keys: between all of them, each with each. ``direction`` "in": from target to source.
    ``data`` as in `Link`. With ``remove`` such relationships are taken away (``type`` None: of any
    type). How many were made or got other properties, or were taken away. Values are equal as
    whole, with their type: a list is equal to the same list, not to its elements.
    """

    source: End
    target: End
    source_key: str | None
    target_key: str | None
    type: str | None = None
    direction: Direction = "out"
    remove: bool = False
    data: Mapping[str, StoredValue] | None = None


class Related(NamedTuple):
    """Related records, each once, and what leads there.

    ``links`` are (id of the record asked for, place in ``records``, properties of the relationship).
    """

    records: list[StoredRecord]
    links: list[tuple[str, int, Mapping[str, Any]]]


class FindRelated(Command[Related]):
    """The records of ``label`` that are one relationship away from any of the records.

    ``direction`` is seen from the records asked for, None is either. Links come in the order of the
    ids asked for, and of each by ``order``, else by ascending id of the related record.
    """

    record_ids: tuple[str, ...]
    label: str
    type: str | None = None
    direction: Direction | None = None
    where: Where = MappingProxyType({})
    order: tuple[Order, ...] = ()
    vectors: tuple[Signature, ...] = ()
