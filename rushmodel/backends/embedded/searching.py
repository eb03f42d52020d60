"""`SearchVectors`: the records nearest to a vector, among those a condition leaves."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from ...errors import AmbiguousSearch, PolicyMissing, QueryError, StoreError, VectorError
from ...port import SearchVectors, StoredRecord
from .matrix import VectorMatrix
from .names import Table
from .querying import matching_rows, tables_of
from .records import Projection, read_rows
from .vectors import FLOAT32, sum_of_squares

if TYPE_CHECKING:
    import sqlite3

    import numpy.typing as npt

    from .policies import StoredPolicy
    from .session import Session

_LOAD_ROWS = 8192


class Searcher:
    """Searches, and keeps the vectors of every policy that was searched in memory.

    A matrix is brought up to date at each search, inside the search's own
    snapshot: by ``seq`` it learns what this process and others have committed
    since, and never what was rolled back.
    """

    def __init__(self) -> None:
        self._mirrors: dict[int, _Mirror] = {}

    def search(self, session: Session, command: SearchVectors) -> list[StoredRecord]:
        query = command.query
        if query.order:
            raise QueryError("a search is ordered by nearness; leave the order out, or sort what it answers")
        _check_vector(command)
        tables = tables_of(session, query)
        labels = query.labels or [table.label for table in tables]
        # A label that has never had a record has policies, and no table.
        policies = {label: _policies_for(session, label, command) for label in labels}
        _check_similarity([policy for several in policies.values() for policy in several], command)
        places = [(table, policy) for table in tables for policy in policies[table.label]]
        if not places:
            _refuse_unless_empty(session, tables, command)
            return []
        without = _row_of(session, command.without)
        most = None if query.limit is None else query.limit + query.offset
        self._forget_deleted(session)
        found: list[tuple[float, int, Table]] = []
        for table, policy in places:
            matrix = self._mirror(policy).catch_up(session.connection)
            among = _among(session, table, command)
            nearest = matrix.nearest(
                command.vector, len(matrix) if most is None else most, among=among, without=without
            )
            found.extend((score, row, table) for row, score in nearest)
        # One matrix answers in order; of several, equal scores go by row, which is by age.
        found.sort(key=lambda hit: (-hit[0], hit[1]))
        if command.min_score is not None:
            found = [hit for hit in found if hit[0] >= command.min_score]
        return _read_hits(session, command, found[query.offset : most])

    def _mirror(self, policy: StoredPolicy) -> _Mirror:
        mirror = self._mirrors.get(policy.number)
        if mirror is None:
            mirror = self._mirrors[policy.number] = _Mirror(policy)
        return mirror

    def _forget_deleted(self, session: Session) -> None:
        if self._mirrors:
            there = {policy.number for policy in session.policies.all()}
            for number in self._mirrors.keys() - there:
                del self._mirrors[number]


class _Mirror:
    """The vectors of one policy in memory, as they are in the file up to ``seq``."""

    def __init__(self, policy: StoredPolicy) -> None:
        assert policy.signature.dims is not None
        self._policy = policy
        self._dims = policy.signature.dims
        self._matrix = VectorMatrix(self._dims, policy.signature.similarity)
        self._seq = 0

    def catch_up(self, connection: sqlite3.Connection) -> VectorMatrix:
        """The matrix, with everything in it that the connection's snapshot shows."""
        last = connection.execute("SELECT max(seq) FROM vectors").fetchone()[0] or 0
        if last > self._seq:
            # By seq, not by the index over (policy, row): usually a handful of rows are new.
            rows = connection.execute(
                "SELECT row, vector FROM vectors NOT INDEXED WHERE seq > ? AND policy = ?",
                (self._seq, self._policy.number),
            )
            while chunk := rows.fetchmany(_LOAD_ROWS):
                self._take(chunk)
            self._seq = last
        return self._matrix

    def _take(self, chunk: list[tuple[int, bytes | None]]) -> None:
        gone = [row for row, vector in chunk if vector is None]
        if gone:
            self._matrix.drop(np.array(gone, dtype=np.int64))
        held = [(row, vector) for row, vector in chunk if vector is not None]
        if held:
            rows = np.fromiter((row for row, _ in held), dtype=np.int64, count=len(held))
            joined = b"".join([vector for _, vector in held])
            if len(joined) != len(held) * self._dims * FLOAT32.itemsize:
                raise StoreError(
                    f"the file is damaged: a vector of {self._policy.signature} has another length"
                )
            try:
                self._matrix.put(rows, np.ndarray((len(held), self._dims), dtype=FLOAT32, buffer=joined))
            except VectorError as error:
                raise StoreError(
                    f"the file is damaged, in the vectors of {self._policy.signature}"
                ) from error


def _policies_for(session: Session, label: str, command: SearchVectors) -> list[StoredPolicy]:
    """The policies of the label that the search can mean (R12): external ones before managed ones (R28)."""
    fitting = [
        policy
        for policy in session.policies.of_property(label, command.property)
        if policy.signature.dims == command.vector.size
        and command.source in (None, policy.signature.source)
        and command.similarity in (None, policy.signature.similarity)
    ]
    external = [policy for policy in fitting if policy.signature.source == "external"]
    return external or fitting


def _check_vector(command: SearchVectors) -> None:
    vector = command.vector
    if vector.ndim != 1 or vector.dtype != np.float32:
        raise VectorError(
            f"a search takes one float32 vector, got {vector.dtype} of shape {vector.shape}",
            given=vector.shape,
        )
    if not np.isfinite(vector).all():
        raise VectorError("the query vector holds NaN or infinite values", property=command.property)


def _check_similarity(policies: list[StoredPolicy], command: SearchVectors) -> None:
    """`AmbiguousSearch` unless one similarity is meant; `VectorError` where cosine gets no direction."""
    similarities = {policy.signature.similarity for policy in policies}
    if len(similarities) > 1:
        candidates = tuple(policy.signature for policy in policies)
        raise AmbiguousSearch(
            f"several index policies fit the query vector: {', '.join(map(str, candidates))};"
            " similarityFunction decides",
            property=command.property,
            candidates=candidates,
        )
    if similarities == {"cosine"} and not 0.0 < sum_of_squares(command.vector) < np.inf:
        raise VectorError(
            "the query vector's norm is zero or not finite in float32, so that it has no direction",
            property=command.property,
        )


def _refuse_unless_empty(session: Session, tables: list[Table], command: SearchVectors) -> None:
    """`PolicyMissing` if there are records to search and no policy to search by (promise 7)."""
    for table in tables:
        if session.execute(f"SELECT EXISTS (SELECT 1 FROM {table.sql})").fetchone()[0]:
            labels = ", ".join(command.query.labels) or "any label"
            wanted = " ".join(filter(None, (command.source, command.similarity)))
            raise PolicyMissing(
                f"no {wanted + ' ' if wanted else ''}index policy found for label {labels}, property"
                f" {command.property!r}, dimensions {command.vector.size}"
                f"{session.policies.known(table.label, command.property)}",
                labels=command.query.labels,
                property=command.property,
                dimensions=command.vector.size,
            )


def _row_of(session: Session, record_id: str | None) -> int | None:
    if record_id is None:
        return None
    found = session.execute("SELECT row FROM records WHERE id = ?", (record_id,)).fetchone()
    return None if found is None else int(found[0])


def _among(session: Session, table: Table, command: SearchVectors) -> npt.NDArray[np.int64] | None:
    """The rows that the condition leaves; None where there is no condition."""
    if not command.query.where and command.query.related_to is None:
        return None
    return np.fromiter(chain.from_iterable(matching_rows(session, table, command.query)), dtype=np.int64)


def _read_hits(
    session: Session, command: SearchVectors, hits: list[tuple[float, int, Table]]
) -> list[StoredRecord]:
    query = command.query
    by_label: dict[str, tuple[Table, list[int]]] = {}
    for _, row, table in hits:
        by_label.setdefault(table.label, (table, []))[1].append(row)
    records: dict[int, StoredRecord] = {}
    for table, rows in by_label.values():
        projection = Projection(session, table, query.properties, query.vectors)
        records.update(read_rows(session, table, projection, rows))
    return [records[row]._replace(score=score) for score, row, _ in hits]
