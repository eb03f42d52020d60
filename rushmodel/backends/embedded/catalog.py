"""The commands about labels, properties and their values."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import orjson

from ...errors import NotFound, PolicyError
from ...port import (
    CountLabels,
    DeleteProperty,
    FindProperties,
    GetProperty,
    ListValues,
    PropertyType,
    PropertyValues,
    Scalar,
    StoredProperty,
)
from .keywords import build_words
from .kinds import (
    KINDS,
    Kind,
    Selected,
    count_kinds,
    count_records,
    holds_kind,
    kind_by_id,
    known_tables,
    selected,
)
from .leaves import Column
from .moments import moment_key
from .querying import tables_of
from .rows import change_rows
from .values import unpack

if TYPE_CHECKING:
    from .session import Session


def count_labels(session: Session, command: CountLabels) -> dict[str, int]:
    query = command.query
    counts = {
        table.label: count_records(session, selected(session, table, query.where))
        for table in tables_of(session, query)
    }
    found = sorted((-count, label) for label, count in counts.items() if count)
    return {label: -count for count, label in found}


def find_properties(session: Session, command: FindProperties) -> list[StoredProperty]:
    totals: Counter[Kind] = Counter()
    for table in tables_of(session, command.query):
        for kind, count in count_kinds(session, selected(session, table, command.query.where)).items():
            totals[kind] += count.records
    return [
        StoredProperty(kind.id, kind.name, kind.type, count)
        for kind, count in sorted(totals.items(), key=_place)
    ]


def get_property(session: Session, command: GetProperty) -> StoredProperty:
    kind = kind_by_id(session, command.property_id)
    records = 0
    if kind is not None:
        for table, column in known_tables(session.names.tables(), kind):
            holds = holds_kind(kind.type, column)
            records += session.execute(f"SELECT count(*) FROM {table.sql} t WHERE {holds}").fetchone()[0]
    if kind is None or not records:
        raise _not_there(command.property_id)
    return StoredProperty(kind.id, kind.name, kind.type, records)


def list_values(session: Session, command: ListValues) -> PropertyValues:
    query = command.query
    tables = tables_of(session, query)
    kind = kind_by_id(session, command.property_id)
    if kind is None:
        raise _not_there(command.property_id)
    found: set[Scalar] = set()
    for table, column in known_tables(tables, kind):
        found.update(read_values(session, selected(session, table, query.where), column, kind.type))
    if not found:
        get_property(session, GetProperty(command.property_id))  # where it is gone altogether
    if command.contains is not None:
        part = command.contains.casefold()
        found = {value for value in found if part in _text_of(value).casefold()}
    key = sort_key(kind.type)
    least, greatest = extremes(found, kind.type)
    if query.limit is None:
        values = sorted(found, key=key, reverse=command.descending)
    else:
        choose = heapq.nlargest if command.descending else heapq.nsmallest
        values = choose(query.offset + query.limit, found, key=key)
    return PropertyValues(kind.type, values[query.offset :], least, greatest)


def delete_property(session: Session, command: DeleteProperty) -> int:
    kind = kind_by_id(session, command.property_id)
    if kind is None:
        return 0
    if kind.type == "string":  # no policy is on what is not text (R2)
        signatures = [each.signature for each in session.policies.all()]
        for signature in signatures:
            if signature.property == kind.name:
                raise PolicyError(
                    f"the property {kind.name!r} cannot be deleted: the index policy {signature} is on it;"
                    " delete the policy first, which drops its vectors",
                    property=kind.name,
                    signature=signature,
                )
    count = 0
    for table, column in known_tables(session.names.tables(), kind):
        holds = holds_kind(kind.type, column)
        # A row with marks may lose one of them, and is written by itself; most rows have none (R14).
        marked = session.execute(
            f"SELECT t.row, t.texts FROM {table.sql} t WHERE t.texts IS NOT NULL AND {holds}"
        ).fetchall()
        change_rows(session, table, marked, {}, (kind.name,))
        plain = f"t.texts IS NULL AND {holds}"
        session.execute(
            "UPDATE records SET version = version + 1"
            f" WHERE row IN (SELECT t.row FROM {table.sql} t WHERE {plain})"
        )
        changed = session.execute(f"UPDATE {table.sql} AS t SET p{column.name_id:d} = NULL WHERE {plain}")
        count += len(marked) + changed.rowcount
        if f"p{column.name_id:d}" in table.keywords:
            build_words(session, table)
    return count


def read_values(session: Session, of: Selected, column: Column, kind: PropertyType) -> Iterator[Scalar]:
    """The distinct values of a column that are of a type; each element of a list, and some twice."""
    cells = session.execute(
        f"SELECT DISTINCT {column.sql} {of.sql} AND {holds_kind(kind, column)}", of.params
    )
    for (cell,) in cells:
        value = unpack(cell)
        if isinstance(value, list):
            yield from value
        else:
            yield value


def extremes(values: Iterable[Scalar], kind: PropertyType) -> tuple[Scalar | None, Scalar | None]:
    """The least and the greatest number or datetime; None of other types, and of none."""
    if kind not in ("number", "datetime"):
        return None, None
    key = sort_key(kind)
    low = high = None
    for value in values:
        place = (key(value), value)
        if low is None or high is None:
            low = high = place
        elif place[0] < low[0]:
            low = place
        elif place[0] > high[0]:
            high = place
    return low and low[1], high and high[1]


def sort_key(kind: PropertyType) -> Callable[[Any], Any]:
    """How values of a type are ordered: datetimes as moments, the same moment by its text."""
    return _moment_and_text if kind == "datetime" else _itself


def _itself(value: Any) -> Any:
    return value


def _moment_and_text(text: str) -> tuple[str, str]:
    return moment_key(text), text


def _text_of(value: Scalar) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _place(entry: tuple[Kind, int]) -> tuple[int, int]:
    kind, _ = entry
    return kind.number, KINDS.index(kind.type)


def _not_there(property_id: str) -> NotFound:
    return NotFound(f"there is no property with id {property_id!r:.60}", property_id=property_id)
