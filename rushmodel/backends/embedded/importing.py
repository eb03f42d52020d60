"""`ImportRecords`: rows as RushDB's clients write them, created or merged, and related to one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ConflictError, MultipleFound, PropertyError, QueryError, RushModelError
from ...port import ImportRecords, ImportRow, StoredRecord
from .edges import check_type, intern_type
from .inline import put_inline
from .records import Projection, find_places, read_rows
from .rows import change_rows, insert_record, pack_cells

if TYPE_CHECKING:
    from .names import Table
    from .session import Session


def import_records(session: Session, command: ImportRecords) -> list[StoredRecord]:
    """The records that the rows made or changed, in the rows' order, as they are at the end.

    An error tells by ``index`` which row it is about.
    """
    check_type(command.relationship)
    places: list[list[int]] = []
    for index, row in enumerate(command.rows):
        try:
            places.append(_import_row(session, command, row))
            if row.parent is not None:
                _relate(session, command.relationship, index, row.parent, places)
        except RushModelError as error:
            error.__dict__["index"] = index
            raise
    return _read_back(session, command, places)


def _import_row(session: Session, command: ImportRecords, row: ImportRow) -> list[int]:
    """Create or merge one row; the records it became."""
    if not row.data:
        raise PropertyError(f"a row of {row.label} has no property, and a record needs one", label=row.label)
    names = session.names
    table = names.table(row.label) or names.create_table(row.label, row.data)
    if row.id is not None:
        matches = _by_id(session, table, row.id)
    else:
        matches = [] if command.merge_by is None else _matches(session, table, row, command.merge_by)
    if command.unique and len(matches) > 1:
        raise MultipleFound(
            f"{len(matches)} records of {row.label} have that {', '.join(command.merge_by or ())} already",
            label=row.label,
        )
    if matches:
        kept = row.data.keys()
        remove = tuple(name for name in table.columns if name not in kept) if command.rewrite else ()
        change_rows(session, table, matches, row.data, remove, row.texts)
        rows = [place for place, _ in matches]
    else:
        rows = [insert_record(session, table, row.data, row.texts, row.id)[0]]
    for place in rows:
        put_inline(session, table, place, row.vectors)
    return rows


def _by_id(session: Session, table: Table, record_id: str) -> list[tuple[int, str | None]]:
    """Row and ``texts`` of the record with that id, if there is one; `ConflictError` if of another label."""
    if not record_id or "\0" in record_id:
        raise PropertyError(f"an id is a text that is not empty, without NUL, not {record_id!r:.60}")
    found = find_places(session, [record_id]).get(record_id)
    if found is None:
        return []
    row, label = found
    if label != table.label:
        raise ConflictError(
            f"the record {record_id} is there already, and its label is {label}, not {table.label}",
            record_id=record_id,
        )
    return session.execute(f"SELECT t.row, t.texts FROM {table.sql} t WHERE t.row = ?", (row,)).fetchall()


def _matches(
    session: Session, table: Table, row: ImportRow, merge_by: tuple[str, ...]
) -> list[tuple[int, str | None]]:
    """Row and ``texts`` of every record that has the row's values under the keys (R18)."""
    names = merge_by or tuple(row.data)
    if any(name not in row.data for name in names):
        return []
    key = {name: row.data[name] for name in names}
    if merge_by:
        session.names.ensure_index(table, merge_by)
    elif any(name not in table.columns for name in names):
        return []
    cells = pack_cells(session, table, key)
    condition = " AND ".join(f"{table.columns[name].sql} = ?" for name in key)
    return session.execute(f"SELECT t.row, t.texts FROM {table.sql} t WHERE {condition}", cells).fetchall()


def _relate(session: Session, type: str, index: int, parent: int, places: list[list[int]]) -> None:
    if not 0 <= parent < index:
        raise QueryError(f"the parent of row {index} is an earlier row, not row {parent}")
    kind = intern_type(session, type)
    # A relationship that is there already keeps its properties: an import gives none.
    session.connection.executemany(
        "INSERT OR IGNORE INTO edges (source, target, type) VALUES (?, ?, ?)",
        [(source, target, kind) for source in places[parent] for target in places[index]],
    )


def _read_back(session: Session, command: ImportRecords, places: list[list[int]]) -> list[StoredRecord]:
    by_label: dict[str, list[int]] = {}
    for row, rows in zip(command.rows, places, strict=True):
        by_label.setdefault(row.label, []).extend(rows)
    records: dict[int, StoredRecord] = {}
    for label, rows in by_label.items():
        table = session.names.table(label)
        assert table is not None
        records.update(read_rows(session, table, Projection(session, table), rows))
    return [records[place] for rows in places for place in rows]
