"""Changing and deleting stored records: one by its id, or all that a query finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ConflictError, NotFound, PolicyMissing
from ...port import DeleteRecords, PatchRecord, Signature, StoredRecord, UpdateRecords
from .guards import apply_guards
from .inline import put_inline
from .keywords import add_words, take_words
from .names import Table
from .querying import rows_by_table
from .records import Projection, find_places, read_rows
from .rows import change_rows
from .saving import check_key
from .vectors import drop_vectors, in_chunks

if TYPE_CHECKING:
    from .session import Session


def patch_record(session: Session, command: PatchRecord) -> StoredRecord:
    """PATCH or PUT of one record; another ``label`` than it has becomes its label (trace 06)."""
    place = find_places(session, [command.record_id]).get(command.record_id)
    if place is None:
        raise NotFound(f"there is no record with id {command.record_id}", record_id=command.record_id)
    row, label = place
    table = session.names.table(label)
    assert table is not None
    if command.version is not None:
        _check_version(session, command, row)
    if command.label is not None and command.label != label:
        table = _relabel(session, table, command.label, row)
    remove = tuple(name for name in table.columns if name not in command.data) if command.replace else ()
    texts = session.execute(f"SELECT texts FROM {table.sql} WHERE row = ?", (row,)).fetchone()[0]
    change_rows(session, table, [(row, texts)], command.data, remove, command.texts)
    if command.unique_by:
        check_key(session, table, command.unique_by, row, command.record_id)
    put_inline(session, table, row, command.vectors)
    return read_rows(session, table, Projection(session, table), [row])[row]


def update_records(session: Session, command: UpdateRecords) -> int:
    count = 0
    for table, rows in rows_by_table(session, command.query):
        if command.guards:
            apply_guards(session, table, command.guards, [row for row, _ in rows])
        change_rows(session, table, rows, command.data, command.remove, command.texts)
        count += len(rows)
    return count


def delete_records(session: Session, command: DeleteRecords) -> int:
    count = 0
    for table, found in rows_by_table(session, command.query):
        rows = [row for row, _ in found]
        for policy in session.policies.of_label(table.label):
            drop_vectors(session, policy, rows)
        if table.keywords:
            take_words(session, table, rows)
        for marks, chunk in in_chunks(rows):
            session.execute(f"DELETE FROM edges WHERE source IN ({marks})", chunk)
            session.execute(f"DELETE FROM edges WHERE target IN ({marks})", chunk)
            session.execute(f"DELETE FROM {table.sql} WHERE row IN ({marks})", chunk)
            session.execute(f"DELETE FROM records WHERE row IN ({marks})", chunk)
        count += len(rows)
    return count


def _check_version(session: Session, command: PatchRecord, row: int) -> None:
    version = session.execute("SELECT version FROM records WHERE row = ?", (row,)).fetchone()[0]
    if version != command.version:
        raise ConflictError(
            f"the record {command.record_id} was saved by somebody else: it is at version {version},"
            f" not {command.version}",
            record_id=command.record_id,
            expected=command.version,
            found=version,
        )


def _relabel(session: Session, old: Table, label: str, row: int) -> Table:
    """Move a record to another label, its vectors to that label's policies; the new table.

    `PolicyMissing` where a vector has no such policy to go to: it would be lost.
    """
    names = session.names
    new = names.table(label) or names.create_table(label, ())
    held = [name for name in old.columns if _has(session, old, name, row)]
    names.add_columns(new, held)
    for name in held:
        if old.columns[name].lists and not new.columns[name].lists:
            names.mark_list(new, name)
    columns = ",".join(["row", "texts", *(f"p{old.columns[name].name_id}" for name in held)])
    session.execute(
        f"INSERT INTO {new.sql} ({columns}) SELECT {columns} FROM {old.sql} WHERE row = ?", (row,)
    )
    if old.keywords:
        take_words(session, old, (row,))
    session.execute(f"DELETE FROM {old.sql} WHERE row = ?", (row,))
    if new.keywords:
        add_words(session, new, (row,))
    session.execute("UPDATE records SET label = ? WHERE row = ?", (new.number, row))
    for policy in session.policies.of_label(old.label):
        found = session.execute(
            "SELECT vector FROM vectors WHERE policy = ? AND row = ? AND vector IS NOT NULL",
            (policy.number, row),
        ).fetchone()
        if found is not None:
            there = session.policies.find(_with_label(policy.signature, label))
            if there is None:
                raise PolicyMissing(
                    f"the record has a vector of {policy.signature}, and {label} has no such index policy:"
                    " as a record of that label it would lose the vector",
                    signature=_with_label(policy.signature, label),
                )
            session.execute(
                "INSERT OR REPLACE INTO vectors (policy, row, vector) VALUES (?, ?, ?)",
                (there.number, row, found[0]),
            )
            drop_vectors(session, policy, [row])
    return new


def _has(session: Session, table: Table, name: str, row: int) -> bool:
    found = session.execute(
        f"SELECT {table.columns[name].sql} IS NOT NULL FROM {table.sql} t WHERE t.row = ?", (row,)
    ).fetchone()
    return bool(found[0])


def _with_label(signature: Signature, label: str) -> Signature:
    return Signature(label, signature.property, signature.source, signature.similarity, signature.dims)
