"""What a store holds, seen from above: labels, properties, their values, and how labels are related.

A property is a name and a type, as on a server: where values of two types stand under one name, there are
two properties. A list counts by the type of its elements, an empty one as text (trace 10).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from .commands import Command
from .values import Coverage, Policy, RecordQuery

PropertyType: TypeAlias = Literal["string", "number", "boolean", "datetime"]
Scalar: TypeAlias = "str | int | float | bool"
"""A value, or an element of a list."""

SAMPLES = 10
"""Values that a description shows of a property, at most."""
LONGEST_SAMPLE = 200
"""Bytes of UTF-8 that a text may have to be shown as a sample."""


class StoredProperty(NamedTuple):
    """A property, and in how many records it is. ``id`` stays the same as long as it is in any."""

    id: str
    name: str
    type: PropertyType
    records: int


class PropertyValues(NamedTuple):
    """Distinct values of a property, elements of lists among them.

    ``least`` and ``greatest`` are those of numbers and datetimes, of all that match, whatever the page;
    None where there are none.
    """

    type: PropertyType
    values: list[Scalar]
    least: Scalar | None = None
    greatest: Scalar | None = None


class DescribedProperty(NamedTuple):
    """A property of one label.

    ``in_lists``: some of its values are lists. ``least`` and ``greatest`` as in `PropertyValues`;
    ``samples`` are some distinct values of text and booleans.
    """

    id: str
    name: str
    type: PropertyType
    records: int
    in_lists: bool = False
    least: Scalar | None = None
    greatest: Scalar | None = None
    samples: tuple[Scalar, ...] = ()


class DescribedLabel(NamedTuple):
    """A label that records have, how many, and their properties."""

    name: str
    records: int
    properties: tuple[DescribedProperty, ...]


class DescribedRelationship(NamedTuple):
    """The relationships of one type from records of one label to records of another; ``total`` is how many.

    ``properties`` are names and types; a name with values of two types is there twice.
    """

    source: str
    type: str
    target: str
    total: int
    properties: tuple[tuple[str, PropertyType], ...] = ()


class Description(NamedTuple):
    """What is in a store. Labels come in the order of their records, most first."""

    labels: tuple[DescribedLabel, ...]
    relationships: tuple[DescribedRelationship, ...]
    policies: tuple[tuple[Policy, Coverage], ...]


class CountLabels(Command[Mapping[str, int]]):
    """How many records of each label match, most first; order, limit and offset of the query do not count."""

    query: RecordQuery


class FindProperties(Command[list[StoredProperty]]):
    """The properties that records which match have, each with how many of them have it.

    Order, limit and offset of the query do not count.
    """

    query: RecordQuery


class GetProperty(Command[StoredProperty]):
    """One property; `NotFound` (``property_id``)."""

    property_id: str


class ListValues(Command[PropertyValues]):
    """Distinct values that a property has in records which match, in order; `NotFound`.

    ``limit`` and ``offset`` of the query cut the values. ``contains``: only those whose text has that
    part, whatever its case; a number's and a boolean's text are as in JSON. Datetimes are ordered as
    moments.
    """

    property_id: str
    query: RecordQuery
    descending: bool = False
    contains: str | None = None


class DeleteProperty(Command[int]):
    """Takes a property away from every record that has it; how many, 0 where there is none.

    `PolicyError` where an index policy is on it: the vectors would stand for nothing.
    """

    property_id: str


class DescribeStore(Command[Description]):
    """What is in the store now; with ``labels`` what is about them: a relationship if either end is."""

    labels: tuple[str, ...] = ()
