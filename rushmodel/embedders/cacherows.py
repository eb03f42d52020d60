"""Reading and writing the table of a `CacheFile`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..port import Float32

PRECISION: Final = 60.0
"""Seconds by which "last used" may be off, so that most reads write nothing."""
KEPT: Final = 0.9
"""How much of the bound is left after the oldest vectors were removed."""

_AT_ONCE: Final = 500
"""Keys of one query."""


def read_rows(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, Float32]:
    """The vectors that are there and whole, 1-d and read-only; what is not whole is removed."""
    import numpy as np

    found: dict[bytes, Float32] = {}
    bad: list[tuple[bytes]] = []
    touched: list[tuple[float, bytes]] = []
    now = time.time()
    for begin in range(0, len(keys), _AT_ONCE):
        part = keys[begin : begin + _AT_ONCE]
        marks = ",".join("?" * len(part))
        rows = connection.execute(
            f"SELECT key, vector, checksum, used FROM vectors WHERE key IN ({marks})", part
        )
        for key, vector, checksum, used in rows:
            if not isinstance(vector, bytes) or checksum != _checksum(key, vector):
                bad.append((key,))
                continue
            found[key] = np.frombuffer(vector, dtype="<f4").astype(np.float32, copy=False)
            if abs(now - used) >= PRECISION:
                touched.append((now, key))
    if bad or touched:
        with _transaction(connection):
            connection.executemany("DELETE FROM vectors WHERE key = ?", bad)
            connection.executemany("UPDATE vectors SET used = ? WHERE key = ?", touched)
    return found


def write_rows(
    connection: sqlite3.Connection, vectors: Mapping[bytes, Float32], max_bytes: int | None
) -> None:
    """Keep vectors; the least recently used go where the file would be larger than ``max_bytes``."""
    now = time.time()
    rows: list[tuple[bytes, bytes, bytes, float]] = []
    for key, vector in vectors.items():
        content = vector.astype("<f4", copy=False).tobytes()
        rows.append((key, content, _checksum(key, content), now))
    with _transaction(connection):
        connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)
        if max_bytes is not None and _size(connection) > max_bytes:
            _shrink(connection, max_bytes)


def _shrink(connection: sqlite3.Connection, max_bytes: int) -> None:
    """Remove the least recently used; the pages that become free are used again."""
    while (size := _size(connection)) > max_bytes * KEPT:
        count = connection.execute("SELECT count(*) FROM vectors").fetchone()[0]
        surplus = max(1, int(count * (1 - max_bytes * KEPT / size)))
        removed = connection.execute(
            "DELETE FROM vectors WHERE rowid IN (SELECT rowid FROM vectors ORDER BY used, rowid LIMIT ?)",
            (surplus,),
        )
        if not removed.rowcount:
            return


def _size(connection: sqlite3.Connection) -> int:
    """The bytes in use."""
    pages, free, page = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * page


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None, None, None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _checksum(key: bytes, vector: bytes) -> bytes:
    """Of the key, too: a row whose vector is another's is as wrong as one that is cut."""
    return blake2b(vector, digest_size=16, key=key).digest()
