"""The vectors of a policy in memory, as they are in the file up to a ``seq``, and their sidecar.

**Why a sidecar can be believed.** `sidecar` tells whether one is whole. Whether it is about this database's
vectors is decided by tokens. Whoever writes a sidecar first commits a random token to the database, in a
transaction that nobody else's writing can overlap. A sidecar is believed only where its token is found there.

Let the sidecar hold a policy's vectors as of ``seq`` S. Nothing changes a vector, or takes one away, without
giving it a ``seq`` above all that the database has ever given (`vectors`). The token was committed when
everything up to S was, so in any database that has the token, each vector whose ``seq`` is up to S is what
the sidecar holds, and all others are above S: reading those makes the matrix right. A backup that is older
than the token does not have it, however many vectors were written into it afterwards; nor does what a power
cut left, if it lost the token; nor does another database, or a policy that was deleted and made again, which
has another id. A copy that has the token shares the history up to it.

Vectors that were taken away leave rows behind that say so. Who sweeps these up (`sweep`) takes the tokens
back, and notes up to which ``seq`` there may be removals that nobody can learn of any more: a matrix that is
not beyond it is built anew.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from ...errors import StoreError, VectorError
from .damage import DamagedFile
from .matrix import Pause, VectorMatrix
from .sidecar import Stamp, find_sidecars, remove_leftovers, remove_sidecars, write_sidecar
from .vectors import FLOAT32

if TYPE_CHECKING:
    from .file import StoreFile
    from .policies import StoredPolicy

_log = logging.getLogger(__name__)

WORTH_KEEPING: Final = 2**21
"""Numbers that a matrix has before a sidecar is worth its file: fewer take some 30 ms to read from SQLite."""


class Mirror:
    """The vectors of one policy. The caller sees to it that nobody searches while it catches up.

    ``database`` is the path beside which sidecars lie; None: there are none.
    """

    def __init__(self, policy: StoredPolicy, database: str | None) -> None:
        assert policy.signature.dims is not None
        self.policy = policy
        self.seq = 0
        """Everything up to it is in the matrix."""
        self.reached = 0
        """Nothing above it is: more than `seq` where catching up was stopped half-way."""
        self.trusts = True
        """Whether it may begin with a sidecar."""
        self.saving = threading.Lock()
        self._database = database
        self._dims = policy.signature.dims
        self.matrix = VectorMatrix(self._dims, policy.signature.similarity)
        self._unsaved = 0
        """Rows that were read from the database and are in no sidecar."""
        self._is_new = True
        self._not_before = 0.0

    def catch_up(self, connection: sqlite3.Connection, last: int, pause: Pause) -> None:
        """Take in all that the connection's snapshot shows, up to ``last``; `StoreError`."""
        if last <= self.seq:
            return
        if self._is_new:
            self._open(connection)
        elif swept(connection) > self.seq:
            self.seq = self._unsaved = 0
        number = self.policy.number
        if self.seq:
            # By seq, not by the index over (policy, row): usually a handful of rows are new.
            rows = connection.execute(
                "SELECT row, vector FROM vectors NOT INDEXED WHERE seq > ? AND policy = ?", (self.seq, number)
            )
        else:
            # Anew: what an attempt that was ended has left may be gone from the file since.
            self.matrix = VectorMatrix(self._dims, self.policy.signature.similarity)
            count = connection.execute("SELECT count(*) FROM vectors WHERE policy = ?", (number,))
            expected = int(count.fetchone()[0])
            self.matrix.reserve(expected + expected // 8 + 1024)  # the next ones need not move these
            rows = connection.execute(
                "SELECT row, vector FROM vectors NOT INDEXED WHERE policy = ?", (number,)
            )
        self.reached = last
        step = max(1, _LOADED // self._dims)
        while chunk := rows.fetchmany(step):
            pause()
            self._take(chunk)
            self._unsaved += len(chunk)
        self._is_new = False
        self.seq = last

    def distrust(self) -> None:
        """Remove the sidecar it was opened from, which is damaged."""
        if self._database is not None:
            remove_sidecars(self._database, self.policy.number)

    def needs_saving(self) -> bool:
        """Whether a sidecar would spare the next process much, and may be tried to write."""
        held = len(self.matrix)
        return (
            self._database is not None
            and held * self._dims >= WORTH_KEEPING
            and self._unsaved > held * _SHARE
            and time.monotonic() >= self._not_before
        )

    def save(self, file: StoreFile) -> None:
        """Write the sidecar; where that is not possible, say so in the log and leave it.

        Raises:
            DamagedVectors: What it was opened from is damaged.
        """
        assert self._database is not None
        self._not_before = time.monotonic() + _PATIENCE
        stamp = Stamp(self.policy.id, secrets.token_bytes(16), self.seq)
        try:
            if commit_token(file, self.policy, stamp):
                write_sidecar(self._database, self.policy.number, self.matrix, stamp)
                remove_leftovers(self._database)
                self._unsaved = 0
        except (OSError, StoreError, sqlite3.Error) as error:
            # Searching goes on without; the next process reads all vectors from the database.
            _log.warning("no sidecar for the vectors of %s: %s", self.policy.signature, error)
            self._not_before = float("inf")

    def _open(self, connection: sqlite3.Connection) -> None:
        """Begin with a sidecar, if there is one that can be believed."""
        if self._database is None or not self.trusts or not _has_tokens(connection):
            return
        policy = self.policy
        similarity = policy.signature.similarity
        for found in find_sidecars(self._database, policy.number, policy.id, self._dims, similarity):
            stamp = found.stamp
            known = connection.execute(
                "SELECT 1 FROM sidecars WHERE token = ? AND policy = ? AND seq = ?",
                (stamp.token, policy.number, stamp.seq),
            ).fetchone()
            if known is None or stamp.seq <= self.seq:
                found.close()
                continue
            matrix = found.load()
            if matrix is None:
                _log.warning("%s is damaged, and is written anew", found.path)
                continue
            self.matrix, self.seq = matrix, stamp.seq
            self.reached = stamp.seq

    def _take(self, chunk: list[tuple[int, bytes | None]]) -> None:
        gone = [row for row, vector in chunk if vector is None]
        if gone:
            self.matrix.drop(np.array(gone, dtype=np.int64))
        held = [(row, vector) for row, vector in chunk if vector is not None]
        if held:
            rows = np.fromiter((row for row, _ in held), dtype=np.int64, count=len(held))
            size = self._dims * FLOAT32.itemsize
            if any(type(vector) is not bytes or len(vector) != size for _, vector in held):
                raise DamagedFile(f"a vector of {self.policy.signature} has another length")
            joined = b"".join([vector for _, vector in held])
            try:
                self.matrix.put(rows, np.ndarray((len(held), self._dims), dtype=FLOAT32, buffer=joined))
            except VectorError as error:
                raise DamagedFile(f"a vector of {self.policy.signature} is none") from error


def last_seq(connection: sqlite3.Connection) -> int:
    """The largest ``seq`` that the database has ever given to a vector: it never falls."""
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'vectors'").fetchone()
    return 0 if found is None else int(found[0])


def sweep(connection: sqlite3.Connection) -> int:
    """Remove the rows that say which vectors were taken away; how many there were.

    Inside the caller's transaction. No sidecar is believed afterwards, and matrices that have not
    seen what was swept up are built anew.
    """
    _make_tokens(connection)
    # Those of graphs stay: for them a vector that is not in the matrix is gone, whoever tells.
    connection.execute("DELETE FROM sidecars WHERE policy >= 0")
    connection.execute("INSERT INTO sidecars VALUES (?, 0, ?)", (_SWEPT, last_seq(connection)))
    return connection.execute("DELETE FROM vectors WHERE vector IS NULL").rowcount


def swept(connection: sqlite3.Connection) -> int:
    """The ``seq`` up to which there may be removals that nobody can learn of any more."""
    if not _has_tokens(connection):
        return 0
    found = connection.execute("SELECT seq FROM sidecars WHERE token = ?", (_SWEPT,)).fetchone()
    return 0 if found is None else int(found[0])


def commit_token(file: StoreFile, policy: StoredPolicy, stamp: Stamp, *, graph: bool = False) -> bool:
    """Note the token of a sidecar, or a graph, in the database.

    That of a sidecar only if nobody is writing there just now. Graphs are noted under negative numbers.
    """
    connection = file.writer()
    number = -policy.number if graph else policy.number
    try:
        connection.execute(f"PRAGMA busy_timeout = {_GRAPH_WAITS if graph else 0}")
        # A token that a power cut loses costs the sidecar, and no more.
        connection.execute("PRAGMA synchronous = NORMAL")
        try:
            # Having the turn to write also proves that what was read, and is about to be kept, is
            # committed: nobody has an open transaction that it could be part of.
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                return False
            raise
        _make_tokens(connection)
        there = connection.execute(
            "SELECT 1 FROM policies WHERE number = ? AND id = ?", (policy.number, policy.id)
        ).fetchone()
        oldest = 0 if graph else swept(connection)
        if there is None or not oldest <= stamp.seq <= last_seq(connection):
            connection.execute("ROLLBACK")
            return False
        connection.execute(
            "DELETE FROM sidecars WHERE token <> ? AND abs(policy) NOT IN (SELECT number FROM policies)",
            (_SWEPT,),
        )
        # Several processes may each be writing one, and only the last to finish is kept: which, is open.
        connection.execute(
            "DELETE FROM sidecars WHERE policy = ?1 AND token NOT IN"
            " (SELECT token FROM sidecars WHERE policy = ?1 ORDER BY seq DESC LIMIT ?2)",
            (number, _TOKENS - 1),
        )
        connection.execute("INSERT INTO sidecars VALUES (?, ?, ?)", (stamp.token, number, stamp.seq))
        connection.execute("COMMIT")
        return True
    finally:
        file.release(connection)


def _has_tokens(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'sidecars'")
    return found.fetchone() is not None


def _make_tokens(connection: sqlite3.Connection) -> None:
    # Not part of the format: a file without it is whole, and who does not know it may ignore it.
    connection.execute(
        "CREATE TABLE IF NOT EXISTS sidecars"
        " (token BLOB PRIMARY KEY, policy INTEGER NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID"
    )


_LOADED: Final = 2**21
"""Numbers that are read without looking at the clock: some 20 ms."""

_SHARE: Final = 0.1
_TOKENS: Final = 8
_SWEPT: Final = b"swept"
_GRAPH_WAITS: Final = 30_000
"""Milliseconds that a graph, which took long to build, waits for others' writes."""

_PATIENCE: Final = 5.0
"""Seconds between two attempts to write a sidecar."""
