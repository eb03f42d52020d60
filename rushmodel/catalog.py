"""`Schema`: what a store holds, as a value that prints itself as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .port import Coverage, PropertyType, Scalar, Signature
from .value import Value

SHOWN_SAMPLES = 3
LONGEST_SHOWN = 30
"""Characters of a sample that are printed."""


class PropertyKind(Value):
    """The values of one type that a label's property has.

    ``in_lists``: some of them are lists. ``least`` and ``greatest`` of numbers and datetimes, which are
    texts in ISO form; ``samples`` are some of the texts and booleans, no long ones.
    """

    type: PropertyType
    records: int
    in_lists: bool = False
    least: Scalar | None = None
    greatest: Scalar | None = None
    samples: tuple[Scalar, ...] = ()

    def __str__(self) -> str:
        return f"{self.type}[]" if self.in_lists else self.type


class PropertyEntry(Value):
    """A property of a label: its values, type by type."""

    name: str
    kinds: tuple[PropertyKind, ...]

    @property
    def type(self) -> str:
        """Its type, "number" or "string[]"; of several all, as in "number | string"."""
        return " | ".join(map(str, self.kinds))

    @property
    def records(self) -> int:
        """How many records have it."""
        return sum(kind.records for kind in self.kinds)


class LabelEntry(Value):
    """A label, how many records have it, and their properties by name."""

    name: str
    records: int
    properties: Mapping[str, PropertyEntry]


class RelationshipEntry(Value):
    """The relationships of one type from one label to another, with the properties they have."""

    source: str
    type: str
    target: str
    count: int
    properties: tuple[tuple[str, PropertyType], ...] = ()

    def __str__(self) -> str:
        return f"({self.source})-[{self.type}]->({self.target})"


class PolicyEntry(Value):
    """An index policy, and how far it reaches."""

    signature: Signature
    status: str
    coverage: Coverage
    policy_id: str


class Schema(Value):
    """What is in a store; print it for tables.

    ``labels`` by name. Records alone say what there is: a class that has no records is not here.
    """

    labels: Mapping[str, LabelEntry]
    relationships: tuple[RelationshipEntry, ...] = ()
    policies: tuple[PolicyEntry, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "labels": {
                label.name: {
                    "records": label.records,
                    "properties": {
                        each.name: [_plain_kind(kind) for kind in each.kinds]
                        for each in label.properties.values()
                    },
                }
                for label in self.labels.values()
            },
            "relationships": [
                {
                    "source": each.source,
                    "type": each.type,
                    "target": each.target,
                    "count": each.count,
                    "properties": [{"name": name, "type": kind} for name, kind in each.properties],
                }
                for each in self.relationships
            ],
            "policies": [_plain_policy(each) for each in self.policies],
        }

    def __str__(self) -> str:
        if not self.labels and not self.policies:
            return "No records and no index policies."
        parts = [_label_table(label) for label in self.labels.values()]
        if self.relationships:
            head = ("relationship", "count", "properties")
            rows = [_relationship_cells(each) for each in self.relationships]
            parts.append("Relationships\n" + _table(head, rows, numbers=("count",)))
        if self.policies:
            names = ("index policy", "status", "vectors", "records")
            rows = [_policy_cells(each) for each in self.policies]
            parts.append("Index policies\n" + _table(names, rows, numbers=("vectors", "records")))
        return "\n\n".join(parts)


def _label_table(label: LabelEntry) -> str:
    title = f"{label.name}: {label.records:,} {'record' if label.records == 1 else 'records'}"
    rows = [
        (each.name if kind is each.kinds[0] else "", str(kind), f"{kind.records:,}", _values(kind))
        for each in label.properties.values()
        for kind in each.kinds
    ]
    if not rows:
        return title
    return f"{title}\n{_table(('property', 'type', 'records', 'values'), rows, numbers=('records',))}"


def _values(kind: PropertyKind) -> str:
    if kind.least is not None:
        return f"{kind.least} to {kind.greatest}" if kind.least != kind.greatest else str(kind.least)
    shown = ", ".join(map(_shown, kind.samples[:SHOWN_SAMPLES]))
    return f"{shown}, ..." if len(kind.samples) > SHOWN_SAMPLES else shown


def _shown(value: Scalar) -> str:
    return repr(_cut(value)) if isinstance(value, str) else str(value)


def _relationship_cells(each: RelationshipEntry) -> tuple[str, ...]:
    return str(each), f"{each.count:,}", ", ".join(f"{name}: {kind}" for name, kind in each.properties)


def _policy_cells(each: PolicyEntry) -> tuple[str, ...]:
    return str(each.signature), each.status, f"{each.coverage.vectors:,}", f"{each.coverage.records:,}"


def _plain_kind(kind: PropertyKind) -> dict[str, Any]:
    return {
        "type": kind.type,
        "records": kind.records,
        "in_lists": kind.in_lists,
        "least": kind.least,
        "greatest": kind.greatest,
        "samples": list(kind.samples),
    }


def _plain_policy(each: PolicyEntry) -> dict[str, Any]:
    signature = each.signature
    return {
        "label": signature.label,
        "property": signature.property,
        "source": signature.source,
        "similarity": signature.similarity,
        "dims": signature.dims,
        "status": each.status,
        "records": each.coverage.records,
        "vectors": each.coverage.vectors,
        "policy_id": each.policy_id,
    }


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, numbers: Iterable[str]) -> str:
    """Columns under their heads, two spaces apart and indented by two; ``numbers`` stand right."""
    cells = [head, *(tuple(map(_printable, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = {place for place, name in enumerate(head) if name in frozenset(numbers)}

    def line(row: tuple[str, ...]) -> str:
        padded = (
            cell.rjust(widths[place]) if place in right else cell.ljust(widths[place])
            for place, cell in enumerate(row)
        )
        return ("  " + "  ".join(padded)).rstrip()

    return "\n".join(line(row) for row in (cells[0], tuple("-" * width for width in widths), *cells[1:]))


def _printable(cell: str) -> str:
    """Names and values may hold anything: a table has one line a row."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in cell)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."
