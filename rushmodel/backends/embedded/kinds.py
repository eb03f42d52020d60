"""Properties as the catalog tells them apart: a name and a type, with an id for both.

How cells lie in a column is said in `values`; one pass over a table counts the types of all its columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple, cast
from uuid import UUID

from ...port import PropertyType, Where
from .leaves import Column, lists, typed
from .querying import filter_of

if TYPE_CHECKING:
    from .names import Table
    from .session import Session

KINDS: Final[tuple[PropertyType, ...]] = ("string", "number", "boolean", "datetime")


class Kind(NamedTuple):
    """A property: the number of its name, the name, and the type of its values."""

    number: int
    name: str
    type: PropertyType

    @property
    def id(self) -> str:
        """A UUID (version 8) that says number and type, and by a digest of the name which file it is of."""
        digest = int.from_bytes(blake2b(self.name.encode(), digest_size=6).digest(), "big")
        kind = KINDS.index(self.type)
        return str(UUID(int=digest << 80 | 8 << 76 | kind << 64 | 2 << 62 | self.number))


class Count(NamedTuple):
    """How many records have the property, and in how many of them it is a list."""

    records: int
    in_lists: int


def kind_by_id(session: Session, id: str) -> Kind | None:
    """The property that has an id; None for one that was never given here."""
    try:
        number = UUID(id).int
    except ValueError:
        return None
    place, kind = number & (1 << 62) - 1, number >> 64 & 0xFFF
    row = session.execute("SELECT name FROM names WHERE id = ?", (place,)).fetchone()
    if row is None or kind >= len(KINDS):
        return None
    found = Kind(place, row[0], KINDS[kind])
    return found if found.id == id else None


def holds_kind(kind: PropertyType, column: Column) -> str:
    """SQL that is true where a column ``t.p<n>`` holds a value of that type, or a list of such."""
    return typed(kind, "t.texts", column)[0].sql


class Selected(NamedTuple):
    """The records of one label that match: what stands behind FROM, up to WHERE's last condition."""

    table: Table
    sql: str
    params: tuple[object, ...]


def selected(session: Session, table: Table, where: Where) -> Selected:
    """The records of a table that a condition finds, as ``t``."""
    found = filter_of(session, table, where)
    join = " JOIN records r ON r.row = t.row" if "r.id" in found.sql else ""
    return Selected(table, f"FROM {table.sql} t{join} WHERE {found.sql}", found.params)


def count_records(session: Session, of: Selected) -> int:
    """How many records that are."""
    count: int = session.execute(f"SELECT count(*) {of.sql}", of.params).fetchone()[0]
    return count


def count_kinds(session: Session, of: Selected) -> dict[Kind, Count]:
    """The properties of these records, in the order of their names' numbers."""
    counts: dict[Kind, Count] = {}
    columns = sorted(of.table.columns.items(), key=lambda entry: entry[1].name_id)
    for start in range(0, len(columns), _WIDTH):
        chunk = columns[start : start + _WIDTH]
        sums = ", ".join(term for _, column in chunk for term in _sums(column))
        found = session.execute(f"SELECT {sums} {of.sql}", of.params).fetchone()
        for place, (name, column) in enumerate(chunk):
            numbers, texts, datetimes, booleans = found[place * _SUMS : (place + 1) * _SUMS]
            single = {
                "string": texts - datetimes,
                "number": numbers,
                "boolean": booleans,
                "datetime": datetimes,
            }
            in_lists = _count_lists(session, of, column) if column.lists else {}
            for kind in KINDS:
                listed = in_lists.get(kind, 0)
                if single[kind] + listed:
                    counts[Kind(column.name_id, name, kind)] = Count(single[kind] + listed, listed)
    return counts


def known_tables(tables: Iterable[Table], kind: Kind) -> list[tuple[Table, Column]]:
    """Those of the tables that have a column for the property, with it."""
    return [(table, table.columns[kind.name]) for table in tables if kind.name in table.columns]


_SUMS = 4
_WIDTH = 200
"""Columns that one statement counts: SQLite gives at most 2,000 results."""


def _sums(column: Column) -> Sequence[str]:
    c = column.sql
    looks = f"rush_datetime(CAST({c} AS BLOB), t.texts, {column.name_id:d})"
    return [
        f"count(*) FILTER (WHERE {condition})"
        for condition in (
            f"{c} < ''",
            f"{c} >= '' AND {c} < x''",
            f"{c} >= '0' AND {c} < ':' AND {looks}",
            f"{c} >= x'5c'",  # past every list: true and false
        )
    ]


def _count_lists(session: Session, of: Selected, column: Column) -> dict[PropertyType, int]:
    found = session.execute(
        f"SELECT rush_list_type({column.sql}, t.texts, {column.name_id:d}), count(*) {of.sql}"
        f" AND ({lists(column.sql)}) GROUP BY 1",
        of.params,
    )
    return {cast("PropertyType", kind): count for kind, count in found}
