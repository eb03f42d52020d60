"""Vectors in the file: what may be stored, and storing it.

A vector is its little-endian float32 bytes, unnormalised. Whatever changes a
vector gives it a new, larger ``seq``, also taking it away.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ...errors import NotFound, VectorError
from ...port import Float32, Signature, UpsertVectors
from .damage import DamagedFile

if TYPE_CHECKING:
    from .policies import StoredPolicy
    from .session import Session

T = TypeVar("T", int, str)

FLOAT32 = np.dtype("<f4")

_CHUNK = 512
_PUT = "INSERT OR REPLACE INTO vectors (policy, row, vector) VALUES (?, ?, ?)"


def put_vector(session: Session, policy: StoredPolicy, row: int, vector: Float32) -> None:
    """Set the vector of a record; `VectorError`."""
    session.run(_PUT, (policy.number, row, vector_cell(policy, vector)))
    session.policies.touch(policy)


def drop_vectors(session: Session, policy: StoredPolicy, rows: Sequence[int]) -> None:
    """Take the vectors of these records away, where they have one."""
    dropped = 0
    for marks, chunk in in_chunks(rows):
        dropped += session.execute(
            "INSERT OR REPLACE INTO vectors (policy, row, vector) SELECT policy, row, NULL FROM vectors"
            f" WHERE policy = ? AND row IN ({marks}) AND vector IS NOT NULL",
            (policy.number, *chunk),
        ).rowcount
    if dropped:
        session.policies.touch(policy)


def rows_with_vector(session: Session, policy: StoredPolicy, rows: Sequence[int]) -> list[int]:
    """Those of the records that have a vector under the policy."""
    return [
        row
        for marks, chunk in in_chunks(rows)
        for (row,) in session.execute(
            f"SELECT row FROM vectors WHERE policy = ? AND row IN ({marks}) AND vector IS NOT NULL",
            (policy.number, *chunk),
        )
    ]


def vector_cell(policy: StoredPolicy, vector: Float32) -> bytes:
    """The bytes of a vector that the policy can hold; `VectorError` says why it cannot."""
    signature = policy.signature
    if vector.dtype != np.float32 or vector.shape != (signature.dims,):
        raise VectorError(
            f"{signature} takes float32 vectors of shape ({signature.dims},),"
            f" got {vector.dtype} {vector.shape}",
            signature=signature,
            expected=signature.dims,
            given=vector.shape,
        )
    # One pass sees everything: a NaN or infinity anywhere makes the sum of squares one of them.
    square = sum_of_squares(vector)
    if not math.isfinite(square) or (square == 0.0 and signature.similarity == "cosine"):
        _explain(policy, vector)
    return vector.astype(FLOAT32, copy=False).tobytes()


def stored_vector(signature: Signature, cell: bytes) -> Float32:
    """The vector in a cell, not copied and read-only; `DamagedFile` where it cannot be one."""
    if type(cell) is not bytes or len(cell) != FLOAT32.itemsize * (signature.dims or 0):
        raise DamagedFile(f"a vector of {signature} has another length")
    return np.frombuffer(cell, dtype=FLOAT32)


def sum_of_squares(vector: Float32) -> float:
    """In float32: infinite or NaN where a value is, or where the sum is too large."""
    return float(np.vdot(vector, vector))  # dot would warn of that, and keeping it quiet costs more than it


def upsert_vectors(session: Session, command: UpsertVectors) -> int:
    """R7: all of them or none, the last of several for a record wins."""
    policy = session.policies.by_id(command.policy_id)
    record_ids, vectors = command.record_ids, command.vectors
    if len(record_ids) != len(vectors):
        raise VectorError(
            f"{len(record_ids)} record ids and {len(vectors)} vectors were given; an id takes one vector",
            signature=policy.signature,
        )
    rows = _rows_with_property(session, policy, record_ids)
    cells: dict[int, bytes] = {}
    for record_id, vector in zip(record_ids, vectors, strict=True):
        try:
            cells[rows[record_id]] = vector_cell(policy, vector)
        except VectorError as error:
            error.__dict__["record_id"] = record_id
            raise
    session.connection.executemany(_PUT, [(policy.number, row, cell) for row, cell in cells.items()])
    session.connection.executemany(
        "UPDATE records SET version = version + 1 WHERE row = ?", [(row,) for row in cells]
    )
    if cells:
        session.policies.touch(policy)
    return len(record_ids)


def in_chunks(values: Sequence[T]) -> Iterator[tuple[str, list[T]]]:
    """``IN (...)`` lists for any number of values: placeholders, and the values for them.

    The last value is repeated up to a power of two, so that ten SQL texts do
    for all lengths and stay prepared.
    """
    for start in range(0, len(values), _CHUNK):
        chunk = list(values[start : start + _CHUNK])
        size = 1 << (len(chunk) - 1).bit_length()
        chunk += chunk[-1:] * (size - len(chunk))
        yield ",".join("?" * size), chunk


def _rows_with_property(session: Session, policy: StoredPolicy, record_ids: Sequence[str]) -> dict[str, int]:
    """The rows of these records; `NotFound` for the first without the policy's label and property."""
    signature = policy.signature
    table = session.names.table(signature.label)
    column = table.columns.get(signature.property) if table else None
    rows: dict[str, int] = {}
    if table is not None and column is not None:
        for marks, chunk in in_chunks(list(dict.fromkeys(record_ids))):
            rows.update(
                session.execute(
                    f"SELECT r.id, r.row FROM records r JOIN {table.sql} t ON t.row = r.row"
                    f" WHERE r.id IN ({marks}) AND r.label = ? AND {column.sql} IS NOT NULL",
                    (*chunk, table.number),
                )
            )
    for record_id in record_ids:
        if record_id not in rows:
            raise NotFound(
                f"there is no {signature.label} with id {record_id} that has {signature.property!r}",
                record_id=record_id,
                signature=signature,
                status=422,  # R7: a batch that cannot be written, not an address that does not exist
            )
    return rows


def _explain(policy: StoredPolicy, vector: Float32) -> None:
    """Raise what is wrong with a vector, if anything is: under euclidean a long one may be right."""
    signature = policy.signature
    wrong = int(vector.size - np.isfinite(vector).sum())
    if wrong:
        what = f"{wrong} of its values are NaN or infinite"
    elif signature.similarity == "cosine":
        what = "its norm is zero or not finite in float32, so that it has no direction"
    else:
        return
    raise VectorError(f"{signature} cannot hold the vector: {what}", signature=signature)
