"""A store for tests: one method a command, and short ways to say what goes into them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushmodel.backends.embedded import EmbeddedBackend
from rushmodel.port import (
    CloseCursor,
    CountRecords,
    CreatePolicy,
    DeletePolicy,
    DeleteRecords,
    FindRecords,
    Float32,
    GetCoverage,
    GetRecords,
    ImportRecords,
    ImportRow,
    InlineVector,
    ListPolicies,
    OpenCursor,
    Order,
    PatchRecord,
    Policy,
    ReadCursor,
    RecordQuery,
    RecordWrite,
    SaveRecords,
    SearchVectors,
    Signature,
    StoredRecord,
    UpdateRecords,
    UpsertVectors,
    VectorWrite,
    Written,
)


def vec(*numbers: float) -> Float32:
    return np.array(numbers, dtype=np.float32)


def cosine(label: str = "A", name: str = "body", dims: int = 3) -> Signature:
    return Signature(label, name, "external", "cosine", dims)


def euclidean(label: str = "A", name: str = "body", dims: int = 3) -> Signature:
    return Signature(label, name, "external", "euclidean", dims)


def query(labels: str | Sequence[str] = "A", where: dict[str, Any] | None = None, **rest: Any) -> RecordQuery:
    """A query; ``order`` may be given as names, with a minus for descending."""
    labels = (labels,) if isinstance(labels, str) else tuple(labels)
    if "order" in rest:
        rest["order"] = tuple(Order(name.lstrip("-"), name.startswith("-")) for name in rest["order"])
    return RecordQuery(labels, where or {}, **rest)


class Store:
    """An `EmbeddedBackend` to talk to; without fsync at every commit, which tests have no use for."""

    def __init__(self, location: Any = "memory://", durability: Any = "normal", **settings: Any) -> None:
        self.backend = EmbeddedBackend(location, durability=durability, **settings)
        self.do = self.backend.execute
        self.location = location

    def close(self) -> None:
        self.backend.close()

    # -- records --

    def save(
        self, data: dict[str, Any], label: str = "A", vectors: dict[Signature, Any] | None = None, **rest: Any
    ) -> Written:
        writes = tuple(VectorWrite(signature, vector) for signature, vector in (vectors or {}).items())
        return self.do(SaveRecords(label, [RecordWrite(data, vectors=writes, **rest)]))[0]

    def save_all(self, rows: Sequence[dict[str, Any]], label: str = "A") -> list[str]:
        return [written.id for written in self.do(SaveRecords(label, [RecordWrite(row) for row in rows]))]

    def get(self, record_id: str, *vectors: Signature) -> StoredRecord:
        (record,) = self.do(GetRecords((record_id,), vectors=vectors))
        return record

    def find(self, labels: str | Sequence[str] = "A", where: Any = None, **rest: Any) -> list[StoredRecord]:
        return self.do(FindRecords(query(labels, where, **rest)))

    def data(self, labels: str | Sequence[str] = "A", where: Any = None, **rest: Any) -> list[dict[str, Any]]:
        return [record.data for record in self.find(labels, where, **rest)]

    def count(self, labels: str | Sequence[str] = "A", where: Any = None, **rest: Any) -> int:
        return self.do(CountRecords(query(labels, where, **rest)))

    def delete(self, labels: str | Sequence[str] = "A", where: Any = None, **rest: Any) -> int:
        return self.do(DeleteRecords(query(labels, where, **rest)))

    def update(self, data: dict[str, Any], where: Any = None, **rest: Any) -> int:
        return self.do(UpdateRecords(query("A", where), data, **rest))

    def patch(self, record_id: str, data: dict[str, Any], **rest: Any) -> StoredRecord:
        return self.do(PatchRecord(record_id, data, **rest))

    def load(self, *rows: ImportRow, **rest: Any) -> list[StoredRecord]:
        return self.do(ImportRecords(rows, **rest))

    # -- policies and vectors --

    def policy(self, signature: Signature) -> Policy:
        return self.do(CreatePolicy(signature))

    def policies(self, label: str | None = None) -> list[Policy]:
        return self.do(ListPolicies(label))

    def drop_policy(self, policy_id: str, **rest: Any) -> None:
        self.do(DeletePolicy(policy_id, **rest))

    def coverage(self, policy_id: str) -> tuple[int, int]:
        (coverage,) = self.do(GetCoverage((policy_id,)))
        return coverage.records, coverage.vectors

    def upsert(self, policy_id: str, vectors: dict[str, Float32]) -> int:
        return self.do(UpsertVectors(policy_id, tuple(vectors), list(vectors.values())))

    def search(
        self,
        vector: Float32,
        labels: str | Sequence[str] = "A",
        where: Any = None,
        name: str = "body",
        options: dict[str, Any] | None = None,
        **rest: Any,
    ) -> list[StoredRecord]:
        """``options`` are the search's own, the rest is the query's."""
        return self.do(SearchVectors(query(labels, where, **rest), name, vector, **(options or {})))

    # -- cursors --

    def open(self, labels: str | Sequence[str] = "A", where: Any = None, **rest: Any) -> str:
        return self.do(OpenCursor(query(labels, where, **rest)))

    def read(self, cursor: str, size: int = 100) -> list[StoredRecord]:
        return self.do(ReadCursor(cursor, size))

    def close_cursor(self, cursor: str) -> None:
        self.do(CloseCursor(cursor))


def row(
    data: dict[str, Any], label: str = "A", *vectors: InlineVector, parent: int | None = None
) -> ImportRow:
    return ImportRow(label, data, vectors, parent)
