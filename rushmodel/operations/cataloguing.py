"""What a store holds, for people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ..catalog import (
    LabelEntry,
    PolicyEntry,
    PropertyEntry,
    PropertyKind,
    RelationshipEntry,
    Schema,
)
from ..flow import Operation, ask
from ..port import DescribedLabel, DescribedProperty, DescribeStore, Description


def describe(labels: Sequence[str] = ()) -> Operation[Schema]:
    """The schema of the store, or of these labels."""
    return _schema((yield from ask(DescribeStore(tuple(labels)))))


def _schema(described: Description) -> Schema:
    """By name, not in the order of a store: two stores that hold the same have the same schema."""
    labels = {each.name: _label(each) for each in sorted(described.labels, key=lambda each: each.name)}
    relationships = [RelationshipEntry(*each) for each in sorted(described.relationships)]
    policies = [
        PolicyEntry(policy.signature, policy.status, coverage, policy.id)
        for policy, coverage in described.policies
    ]
    policies.sort(key=lambda each: str(each.signature))
    return Schema(labels, tuple(relationships), tuple(policies))


def _label(given: DescribedLabel) -> LabelEntry:
    by_name = groupby(sorted(given.properties, key=_name_and_type), key=lambda each: each.name)
    properties = {name: PropertyEntry(name, tuple(map(_kind, kinds))) for name, kinds in by_name}
    return LabelEntry(given.name, given.records, properties)


def _name_and_type(each: DescribedProperty) -> tuple[str, str]:
    return each.name, each.type


def _kind(each: DescribedProperty) -> PropertyKind:
    return PropertyKind(
        each.type, each.records, each.in_lists, each.least, each.greatest, tuple(each.samples)
    )
