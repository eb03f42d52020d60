"""Graph indexes of vectors: what `BuildIndex` makes, and approximate searches begin with.

A graph (HNSW, Malkov and Yashunin 2018, as usearch has it) knows a policy's vectors up to a ``seq``. It only
proposes rows. Whatever it proposes is scored again exactly, with all rows whose vector was written after that
``seq``; rows whose vector was taken away are not in the matrix any more, and so in no answer. An old graph
therefore costs recall or time, and never gives a record, a score or an order that is wrong.

Under cosine the graph holds the directions in eight bits, under euclidean the numbers in bfloat16: of six
times as many rows as are asked for, hardly one of the nearest is missing, and scoring them again is cheap.

**Files.** A graph lies beside the database, as sidecars do, and is believed for the same reasons (`mirrors`):
its token was committed to the database, its length and CRC-32 are right, and its owner may write there.
"""

from __future__ import annotations

import importlib
import os
import secrets
import sqlite3
import stat
import struct
import threading
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...errors import CapabilityError
from ...port import Float32, IndexStats, Similarity
from .rowplaces import Rows
from .sidecar import NO_LINKS, Stamp, is_trusted, put_in_place, write_all

if TYPE_CHECKING:
    from .policies import StoredPolicy


class Graph:
    """A graph over the vectors of one policy, as they were at ``seq``. Threads may share it."""

    def __init__(self, policy: StoredPolicy, index: Any, seq: int) -> None:
        self._policy = policy
        self._index = index
        self.seq = seq
        self._lock = threading.Lock()
        self._changed: Rows = np.empty(0, dtype=np.int64)
        self._known = seq

    @classmethod
    def empty(cls, policy: StoredPolicy, seq: int) -> Graph:
        """One that holds nothing yet; `CapabilityError` where usearch is not installed."""
        signature = policy.signature
        assert signature.dims is not None
        return cls(policy, _usearch().Index(ndim=signature.dims, **_kind(signature.similarity)), seq)

    def __len__(self) -> int:
        return len(self._index)

    def add(self, rows: Rows, vectors: Float32) -> None:
        """Take in vectors (n, dims), before anybody searches."""
        self._index.add(rows, vectors)

    def near(self, vector: Float32, count: int) -> Rows:
        """Some ``count`` rows that are about the nearest to a vector, in no order."""
        with self._lock:
            self._index.expansion_search = max(_EXPANSION, count)
            found = self._index.search(vector, count)
        return np.asarray(found.keys).astype(np.int64)

    def changed(self, connection: sqlite3.Connection, last: int) -> Rows:
        """The rows whose vectors were written after the graph was made, up to ``last`` at least."""
        with self._lock:
            if last > self._known:
                found = connection.execute(
                    "SELECT row FROM vectors NOT INDEXED WHERE seq > ? AND policy = ? AND vector IS NOT NULL",
                    (self._known, self._policy.number),
                )
                rows = np.fromiter((row for (row,) in found), dtype=np.int64)
                self._changed, self._known = np.union1d(self._changed, rows), last
            return self._changed

    def stats(self, connection: sqlite3.Connection, last: int) -> IndexStats:
        """How much it holds, and how much came later."""
        return IndexStats(self._policy.signature, len(self), len(self.changed(connection, last)))

    def write(self, database: str, stamp: Stamp) -> None:
        """Put it beside the database, in place of what is there; `OSError`."""
        data = memoryview(self._index.save())
        path = graph_path(database, self._policy.number)
        temporary = f"{path}.{secrets.token_hex(6)}.tmp"
        fields = _FIELDS.pack(
            _MAGIC, stamp.policy_id.encode().ljust(_ID), stamp.token, stamp.seq, len(data), zlib.crc32(data)
        )
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | NO_LINKS
        file = os.open(temporary, flags, 0o600)
        try:
            try:
                write_all(file, memoryview(fields + zlib.crc32(fields).to_bytes(4, "little")))
                write_all(file, data)
            finally:
                os.close(file)
            put_in_place(temporary, (path,))
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise


def read_graph(database: str, policy: StoredPolicy, connection: sqlite3.Connection) -> Graph | None:
    """The graph that lies beside a database; None where there is none that can be believed, or no usearch."""
    found = whole_graph(database, policy, connection)
    if found is None or not _is_installed():
        return None
    seq, data = found
    return Graph(policy, _usearch().Index.restore(data), seq)


def whole_graph(
    database: str, policy: StoredPolicy, connection: sqlite3.Connection
) -> tuple[int, bytes] | None:
    """The ``seq`` and the content of a graph's file; None where that cannot be believed."""
    try:
        file = os.open(graph_path(database, policy.number), os.O_RDONLY | NO_LINKS)
    except OSError:
        return None  # none there, a link, or somebody else's
    with open(file, "rb") as opened:
        status = os.fstat(opened.fileno())
        if not stat.S_ISREG(status.st_mode) or not is_trusted(status, database):
            return None
        head = opened.read(_FIELDS.size + 4)
        fields, check = head[: _FIELDS.size], head[_FIELDS.size :]
        if not fields.startswith(_MAGIC) or zlib.crc32(fields).to_bytes(4, "little") != check:
            return None
        _, policy_id, token, seq, length, sum_ = _FIELDS.unpack(fields)
        if policy_id.decode("utf-8", "replace").rstrip() != policy.id:
            return None
        if status.st_size != len(head) + length or not is_known(
            connection, policy, Stamp(policy.id, token, seq)
        ):
            return None
        data = opened.read(length)
    if len(data) != length or zlib.crc32(data) != sum_:
        return None
    return seq, data


def identity(database: str, policy: int) -> tuple[int, int, int] | None:
    """What tells one graph file from the next; None where there is none."""
    try:
        found = os.stat(graph_path(database, policy), follow_symlinks=False)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def remove_graph(database: str, policy: int) -> None:
    """Remove the graph of a policy, as far as that is possible now."""
    with suppress(OSError):
        os.unlink(graph_path(database, policy))


def graph_path(database: str, policy: int) -> str:
    """Where the graph of a policy lies."""
    return f"{database}-graph-{policy}"


def is_known(connection: sqlite3.Connection, policy: StoredPolicy, stamp: Stamp) -> bool:
    """Whether a graph's token was committed to this database. Graphs are noted under negative numbers."""
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'sidecars'")
    if there.fetchone() is None:
        return False
    found = connection.execute(
        "SELECT 1 FROM sidecars WHERE token = ? AND policy = ? AND seq = ?",
        (stamp.token, -policy.number, stamp.seq),
    )
    return found.fetchone() is not None


def _kind(similarity: Similarity) -> dict[str, Any]:
    if similarity == "cosine":
        return {"metric": "cos", "dtype": "i8"}
    return {"metric": "l2sq", "dtype": "bf16"}


def _is_installed() -> bool:
    try:
        _usearch()
    except CapabilityError:
        return False
    return True


def _usearch() -> Any:
    try:
        return importlib.import_module("usearch.index")
    except ImportError as error:
        raise CapabilityError(
            f"a graph index needs usearch: pip install 'rushmodel[ann]' ({error})"
        ) from error


_MAGIC: Final = b"RUSHGRA\x01"
_ID: Final = 36
_FIELDS: Final = struct.Struct(f"<8s{_ID}s16sqqI")
_EXPANSION: Final = 128
"""Rows that a search in the graph keeps in view: of 100,000 clustered vectors of 768 numbers, 64 find 98.8 %
of the nearest ten, 128 find 99.8 % in the same time."""
