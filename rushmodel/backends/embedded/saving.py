"""`SaveRecords`: records of one label with their vectors, as models save them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from ...errors import ConflictError, MultipleFound, PolicyMissing, PropertyError, RecordGone, RushModelError
from ...port import RecordWrite, SaveRecords, Signature, StoredValue, Written
from .guards import apply_guards
from .rows import change_rows, insert_record, pack_cells
from .values import Cell, unpack
from .vectors import drop_vectors, put_vector

if TYPE_CHECKING:
    from .names import Table
    from .session import Session


class _Found(NamedTuple):
    """A stored record that a write is about; ``cells`` are those of its properties that were asked for."""

    row: int
    id: str
    version: int
    texts: str | None
    cells: dict[str, Cell | None]


def save_records(session: Session, command: SaveRecords) -> list[Written]:
    return write_records(session, zip(repeat(command.label), command.writes, strict=False))


def write_records(session: Session, writes: Iterable[tuple[str, RecordWrite]]) -> list[Written]:
    """All of the writes or none, each to its label; an error tells by ``index`` which one it is about."""
    names, answers = session.names, list[Written]()
    for index, (label, write) in enumerate(writes):
        try:
            table = names.table(label) or names.create_table(label, write.data)
            answers.append(_save(session, table, write))
        except RushModelError as error:
            error.__dict__["index"] = index
            raise
    return answers


def _save(session: Session, table: Table, write: RecordWrite) -> Written:
    found: _Found | None = None
    if write.record_id is not None:
        found = _by_id(session, table, write.record_id)
    elif write.key:
        found = _by_key(session, table, write)
    if found is None:
        _check_version(table, write, None, None)
        row, record_id = insert_record(session, table, write.data, write.texts)
        _put_vectors(session, table, write, row, created=True)
        return Written(record_id, 1, True)
    _check_version(table, write, found.id, found.version)
    dropped: tuple[Signature, ...] = ()
    if write.guards:
        fresh = frozenset(signature for signature, _ in write.vectors)
        dropped = apply_guards(session, table, write.guards, [found.row], fresh)
    change_rows(session, table, [(found.row, found.texts)], write.data, write.remove, write.texts)
    if write.record_id is not None and write.key:
        check_key(session, table, write.key, found.row, found.id)
    _put_vectors(session, table, write, found.row, created=False)
    kept = _kept(write, found) if write.record_id is None else {}
    return Written(found.id, found.version + 1, False, kept, dropped)


def _by_id(session: Session, table: Table, record_id: str) -> _Found:
    row = session.run(
        f"SELECT r.row, r.version, t.texts FROM records r JOIN {table.sql} t ON t.row = r.row"
        " WHERE r.id = ? AND r.label = ?",
        (record_id, table.number),
    ).fetchone()
    if row is None:
        raise RecordGone(
            f"{table.label} {record_id} is not there: it was deleted, or never was", record_id=record_id
        )
    return _Found(row[0], record_id, row[1], row[2], {})


def _by_key(session: Session, table: Table, write: RecordWrite) -> _Found | None:
    """The record with the write's key properties, all its properties read along; `MultipleFound`."""
    key = {name: write.data[name] for name in write.key if name in write.data}
    if len(key) < len(write.key):
        missing = next(name for name in write.key if name not in key)
        raise PropertyError(
            f"{table.label} is saved by {', '.join(write.key)}, and the write gives no {missing!r}",
            label=table.label,
            property=missing,
        )
    session.names.ensure_index(table, write.key)
    columns = table.columns
    cells = pack_cells(session, table, key)
    rows = session.run(
        f"SELECT r.row, r.id, r.version, t.texts, {', '.join(column.sql for column in columns.values())}"
        f" FROM {table.sql} t JOIN records r ON r.row = t.row"
        f" WHERE {' AND '.join(f'{columns[name].sql} = ?' for name in key)}",
        cells,
    ).fetchall()
    if len(rows) > 1:
        ids = tuple(sorted(row[1] for row in rows))
        raise MultipleFound(
            f"{len(ids)} records of {table.label} have the key {', '.join(key)} of the one to save:"
            f" {', '.join(ids[:3])}{' ...' if len(ids) > 3 else ''}",
            label=table.label,
            record_ids=ids,
        )
    if not rows:
        return None
    row, record_id, version, texts, *found = rows[0]
    return _Found(row, record_id, version, texts, dict(zip(columns, found, strict=True)))


def check_key(session: Session, table: Table, key: tuple[str, ...], row: int, record_id: str) -> None:
    """`ConflictError` where the record, changed by its id, now has another record's key."""
    session.names.ensure_index(table, key)
    columns = [f"p{table.columns[name].name_id}" for name in key]
    same = " AND ".join(f"o.{column} = t.{column}" for column in columns)
    other = session.run(
        f"SELECT r.id FROM {table.sql} t JOIN {table.sql} o ON {same}"
        " JOIN records r ON r.row = o.row WHERE t.row = ? AND o.row <> t.row",
        (row,),
    ).fetchone()
    if other is not None:
        raise ConflictError(
            f"{table.label} {other[0]} has that {', '.join(key)} already; {record_id} cannot have it as well",
            record_id=record_id,
            other_id=other[0],
            key=key,
        )


def _kept(write: RecordWrite, found: _Found) -> dict[str, StoredValue]:
    written = {*write.data, *write.remove}
    return {
        name: unpack(cell) for name, cell in found.cells.items() if cell is not None and name not in written
    }


def _check_version(table: Table, write: RecordWrite, record_id: str | None, stored: int | None) -> None:
    if write.version is not None and write.version != stored:
        now = "not there" if stored is None else f"at version {stored}"
        raise ConflictError(
            f"{table.label} {record_id or 'with that key'} was read at version {write.version} and is {now}:"
            " read it again and repeat the change",
            record_id=record_id,
            expected=write.version,
            found=stored,
        )


def _put_vectors(session: Session, table: Table, write: RecordWrite, row: int, *, created: bool) -> None:
    for signature, vector in write.vectors:
        policy = session.policies.get(signature)
        if signature.label != table.label:
            raise PolicyMissing(
                f"{signature} is a policy of {signature.label}, and the record is a {table.label}",
                signature=signature,
            )
        if vector is not None:
            put_vector(session, policy, row, vector)
        elif not created:
            drop_vectors(session, policy, [row])
