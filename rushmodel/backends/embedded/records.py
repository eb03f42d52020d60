"""Reading records: from the columns of a label's table to `StoredRecord`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ...port import Float32, GetRecords, Signature, StoredRecord
from .damage import parsed
from .values import unpack
from .vectors import in_chunks, stored_vector

if TYPE_CHECKING:
    from .names import Table
    from .session import Session

RawRow: TypeAlias = "tuple[Any, ...]"
"""Cells in the order of a `Projection`'s columns, and whatever was selected after them."""


class Projection:
    """What is read of each record of one label.

    `columns` and `source` go into ``SELECT columns ... FROM source``; the
    record's table is ``t``, the table of ids ``r``. `build` makes the records.
    """

    def __init__(
        self,
        session: Session,
        table: Table,
        properties: tuple[str, ...] | None = None,
        vectors: tuple[Signature, ...] = (),
    ) -> None:
        wanted = table.columns if properties is None else dict.fromkeys(properties)
        chosen = {name: table.columns[name] for name in wanted if name in table.columns}
        found = [(signature, session.policies.find(signature)) for signature in vectors]
        # A policy of another label, or none at all, holds nothing for these records.
        held = [(sig, policy) for sig, policy in found if policy is not None and sig.label == table.label]
        self.source = f"{table.sql} t JOIN records r ON r.row = t.row"
        self.columns = ", ".join(
            [column.sql for column in chosen.values()]
            + ["r.id", "r.version", "t.texts"]
            + [
                f"(SELECT vector FROM vectors WHERE policy = {policy.number} AND row = t.row)"
                for _, policy in held
            ]
        )
        self._label = table.label
        self._names = tuple(chosen)
        self._marked = {column.name_id: name for name, column in chosen.items()}
        self._signatures = tuple(signature for signature, _ in held)
        self._with_vectors = bool(vectors)
        self.id_at = len(chosen)
        """Where the record's id stands in a row."""
        self.texts_at = len(chosen) + 2
        self.width = len(chosen) + 3 + len(held)
        """How many columns there are; what else is selected comes after them."""

    def build(self, rows: Iterable[RawRow]) -> list[StoredRecord]:
        """The records of rows, in their order."""
        names, label = self._names, self._label
        id_at, version_at, texts_at = self.id_at, self.id_at + 1, self.texts_at
        vectors = self._vectors if self._with_vectors else _no_vectors
        # zip ends with the names, before the columns that are no properties; saying so costs a sixth of it.
        return [
            StoredRecord(
                row[id_at],
                label,
                row[version_at],
                {
                    name: cell if cell.__class__ is not bytes else unpack(cell)
                    for name, cell in zip(names, row)  # noqa: B905
                    if cell is not None
                },
                vectors(row),
                None,
                self._texts(row[texts_at]) if row[texts_at] is not None else _NO_TEXTS,
            )
            for row in rows
        ]

    def _vectors(self, row: RawRow) -> dict[Signature, Float32]:
        cells = zip(self._signatures, row[self.id_at + 3 : self.width], strict=True)
        return {signature: stored_vector(signature, cell) for signature, cell in cells if cell is not None}

    def _texts(self, marks: str) -> frozenset[str]:
        return frozenset(self._marked[number] for number in parsed(marks) if number in self._marked)


def read_rows(
    session: Session, table: Table, projection: Projection, rows: Sequence[int]
) -> dict[int, StoredRecord]:
    """The records in these rows of the label, by row."""
    found: dict[int, StoredRecord] = {}
    for marks, chunk in in_chunks(rows):
        raw = session.execute(
            f"SELECT {projection.columns}, t.row FROM {projection.source} WHERE t.row IN ({marks})", chunk
        ).fetchall()
        found.update(zip((row[projection.width] for row in raw), projection.build(raw), strict=True))
    return found


def get_records(session: Session, command: GetRecords) -> list[StoredRecord]:
    places = find_places(session, command.record_ids)
    by_label: dict[str, list[int]] = {}
    for row, label in places.values():
        if command.label is None or command.label == label:
            by_label.setdefault(label, []).append(row)
    records: dict[int, StoredRecord] = {}
    for label, rows in by_label.items():
        table = session.names.table(label)
        assert table is not None
        projection = Projection(session, table, vectors=command.vectors)
        records.update(read_rows(session, table, projection, rows))
    asked = (places[record_id][0] for record_id in command.record_ids if record_id in places)
    return [records[row] for row in asked if row in records]


def find_places(session: Session, record_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Row and label of each record that exists, by its id."""
    names = session.names
    return {
        record_id: (row, names.name(label))
        for marks, chunk in in_chunks(list(dict.fromkeys(record_ids)))
        for record_id, row, label in session.execute(
            f"SELECT id, row, label FROM records WHERE id IN ({marks})", chunk
        )
    }


_NO_TEXTS: frozenset[str] = frozenset()


def _no_vectors(row: RawRow) -> None:
    return None
