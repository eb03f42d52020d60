"""What is in a store, described for people and language models: `DescribeStore`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from ...port import (
    DEFAULT_RELATIONSHIP_NAMES,
    LONGEST_SAMPLE,
    SAMPLES,
    DescribedLabel,
    DescribedProperty,
    DescribedRelationship,
    DescribeStore,
    Description,
    GetCoverage,
    ListPolicies,
    PropertyType,
    Scalar,
)
from ...wire.proptypes import value_type
from .catalog import extremes, read_values
from .damage import parsed
from .kinds import KINDS, Count, Kind, Selected, count_kinds, count_records, holds_kind, selected
from .leaves import Column, lists
from .policies import get_coverage, list_policies
from .values import unpack

if TYPE_CHECKING:
    from .names import Table
    from .session import Session

_SAMPLED_ROWS = 1_000
"""Of so many rows samples are taken: a rare value need not be shown, and no table is read for it."""


def describe_store(session: Session, command: DescribeStore) -> Description:
    wanted = frozenset(command.labels)
    tables = [table for table in session.names.tables() if not wanted or table.label in wanted]
    labels = [label for table in tables if (label := _describe_label(session, table)) is not None]
    labels.sort(key=lambda label: (-label.records, label.name))
    policies = [
        policy
        for policy in list_policies(session, ListPolicies())
        if not wanted or policy.signature.label in wanted
    ]
    coverages = get_coverage(session, GetCoverage(tuple(policy.id for policy in policies)))
    relationships = [
        each
        for each in _relationships(session)
        if not wanted or not wanted.isdisjoint((each.source, each.target))
    ]
    return Description(tuple(labels), tuple(relationships), tuple(zip(policies, coverages, strict=True)))


def _describe_label(session: Session, table: Table) -> DescribedLabel | None:
    of = selected(session, table, {})
    records = count_records(session, of)
    if not records:
        return None
    counts = count_kinds(session, of)
    return DescribedLabel(
        table.label,
        records,
        tuple(_describe_property(session, of, kind, count) for kind, count in counts.items()),
    )


def _describe_property(session: Session, of: Selected, kind: Kind, count: Count) -> DescribedProperty:
    column = of.table.columns[kind.name]
    least = greatest = None
    samples: tuple[Scalar, ...] = ()
    if kind.type == "number":
        least, greatest = _range_of_numbers(session, of, column, count)
    elif kind.type == "datetime":
        least, greatest = extremes(read_values(session, of, column, kind.type), kind.type)
    else:
        samples = _samples(session, of, column, kind)
    return DescribedProperty(
        kind.id, kind.name, kind.type, count.records, count.in_lists > 0, least, greatest, samples
    )


def _range_of_numbers(
    session: Session, of: Selected, column: Column, count: Count
) -> tuple[Scalar | None, Scalar | None]:
    c = column.sql
    least, greatest = session.execute(
        f"SELECT min({c}), max({c}) {of.sql} AND {c} < ''", of.params
    ).fetchone()
    if not count.in_lists:
        return least, greatest
    numbers: set[Scalar] = {each for each in (least, greatest) if each is not None}
    cells = session.execute(
        f"SELECT DISTINCT {c} {of.sql} AND {lists(c)}"
        f" AND rush_list_type({c}, t.texts, {column.name_id:d}) = 'number'",
        of.params,
    )
    for (cell,) in cells:
        elements: Any = unpack(cell)
        numbers.update((min(elements), max(elements)))
    return extremes(numbers, "number")


def _samples(session: Session, of: Selected, column: Column, kind: Kind) -> tuple[Scalar, ...]:
    """Some distinct values, in the order in which they were stored; no long texts."""
    c = column.sql
    # A list may be long although its elements are not. By row, whatever index there is.
    found = session.execute(
        f"SELECT {c} {of.sql} AND {holds_kind(kind.type, column)}"
        f" AND (typeof({c}) <> 'text' OR length(CAST({c} AS BLOB)) <= {LONGEST_SAMPLE})"
        f" ORDER BY t.row LIMIT {_SAMPLED_ROWS}",
        of.params,
    )
    samples: dict[Scalar, None] = {}
    for (cell,) in found:
        value = unpack(cell)
        for each in value if isinstance(value, list) else (value,):
            if not isinstance(each, str) or len(each.encode()) <= LONGEST_SAMPLE:
                samples[each] = None
        if len(samples) >= SAMPLES:
            break
    return tuple(islice(samples, SAMPLES))


class _Ends(NamedTuple):
    source: str
    type: str
    target: str


def _relationships(session: Session) -> list[DescribedRelationship]:
    between = "FROM edges e JOIN records s ON s.row = e.source JOIN records o ON o.row = e.target"
    counts: dict[_Ends, int] = {}
    grouped = session.execute(f"SELECT s.label, e.type, o.label, count(*) {between} GROUP BY 1, 2, 3")
    for *numbers, count in grouped.fetchall():
        ends = _ends(session, *numbers)
        counts[ends] = counts.get(ends, 0) + count
    properties: dict[_Ends, set[tuple[str, PropertyType]]] = {}
    held = session.execute(f"SELECT s.label, e.type, o.label, e.data {between} WHERE e.data IS NOT NULL")
    ends_of: dict[tuple[int, int, int], set[tuple[str, PropertyType]]] = {}
    for source, type_, target, data in held:
        kinds = ends_of.get((source, type_, target))
        if kinds is None:
            kinds = properties.setdefault(_ends(session, source, type_, target), set())
            ends_of[source, type_, target] = kinds
        kinds.update((name, _edge_type(value)) for name, value in parsed(data).items())
    return [
        DescribedRelationship(*ends, count, tuple(sorted(properties.get(ends, ()), key=_name_and_type)))
        for ends, count in sorted(counts.items())
    ]


def _ends(session: Session, source: int, type_: int, target: int) -> _Ends:
    name = session.names.name
    shown = name(type_)
    if shown in DEFAULT_RELATIONSHIP_NAMES:
        shown = DEFAULT_RELATIONSHIP_NAMES[-1]
    return _Ends(name(source), shown, name(target))


def _name_and_type(each: tuple[str, PropertyType]) -> tuple[str, int]:
    return each[0], KINDS.index(each[1])


def _edge_type(value: Any) -> PropertyType:
    """Relationships have no marks (R14), so a text there is text, whatever it looks like."""
    kind = value_type(value)
    return "string" if kind == "datetime" else kind
