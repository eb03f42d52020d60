"""`CacheFile`: vectors under keys in one SQLite file that several threads and processes share."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import threading
import weakref
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ..errors import EmbedderError
from .cacherows import read_rows, write_rows

if TYPE_CHECKING:
    from ..port import Float32

_log = logging.getLogger("rushmodel.embedders")

APPLICATION: Final = 0x52454D43
"""``PRAGMA application_id``, four bytes at 68 of the file: how a cache is told from other files."""
PATIENCE: Final = 10.0
"""Seconds that another process may keep the file locked."""

_MAGIC: Final = b"SQLite format 3\0"
_HEADER: Final = 100
_BROKEN: Final = (
    "malformed",
    "not a database",
    "corrupt",
    "no such table",
    "no such column",
    "disk i/o error",
)
_NO_LINKS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_SCHEMA: Final = f"""
PRAGMA page_size = 16384;
PRAGMA journal_mode = WAL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS vectors (
    key BLOB PRIMARY KEY, vector BLOB NOT NULL, checksum BLOB NOT NULL, used REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS vectors_by_use ON vectors (used);
PRAGMA application_id = {APPLICATION};
COMMIT;
"""


class CacheFile:
    """A table from keys to float32 vectors; it may forget, and never gives a vector that is not whole."""

    def __init__(self, path: str | os.PathLike[str], max_bytes: int | None) -> None:
        self.path = os.fspath(path)
        self._max_bytes = max_bytes
        self._open: dict[int, _Connection] = {}
        # Connections have a cycle in them: left to the collector they would stay open for long.
        weakref.finalize(self, _close, self._open)

    def read(self, keys: Sequence[bytes]) -> dict[bytes, Float32]:
        """The vectors that are there, 1-d and read-only.

        Raises:
            EmbedderError: The file is something else, was kept locked by another process, or cannot be
                opened or read. ``path``.
        """
        for last in (False, True):
            try:
                with self._use() as connection:
                    return read_rows(connection, keys)
            except sqlite3.DatabaseError as error:
                self._mend(error, last=last)
        raise AssertionError("the second error is raised")

    def write(self, vectors: Mapping[bytes, Float32]) -> None:
        """Keep vectors; the least recently used go where there would be too many.

        They were made already: where they cannot be kept, that is logged, and no error.
        """
        for last in (False, True):
            try:
                with self._use() as connection:
                    write_rows(connection, vectors, self._max_bytes)
                return
            except sqlite3.DatabaseError as error:
                try:
                    self._mend(error, last=last)
                except EmbedderError as trouble:
                    _log.warning("%d vectors were not kept in the cache: %s", len(vectors), trouble)
                    return
            except EmbedderError as trouble:
                _log.warning("%d vectors were not kept in the cache: %s", len(vectors), trouble)
                return

    def close(self) -> None:
        """Close it in this process; the next use opens it again."""
        _close(self._open)

    @contextmanager
    def _use(self) -> Generator[sqlite3.Connection, None, None]:
        """The connection of this process, for one thread at a time."""
        process = os.getpid()
        # A parent's stays open in a child: to close it there could delete the parent's log.
        found = self._open.get(process)
        if found is None:
            found = self._open.setdefault(process, _Connection())
        with found.lock:
            if found.connection is None:
                found.connection = _opened(self.path)
            yield found.connection

    def _mend(self, error: sqlite3.DatabaseError, *, last: bool) -> None:
        """Remove a damaged file, whose vectors can be made again; other errors are the caller's."""
        said = str(error)
        if "locked" in said or "busy" in said:
            raise EmbedderError(
                f"the cache {self.path} was locked for {PATIENCE:g} seconds", path=self.path, retryable=True
            ) from error
        if last or not any(words in said.lower() for words in _BROKEN):
            raise EmbedderError(f"the cache {self.path}: {said}", path=self.path, retryable=False) from error
        _check_ours(self.path)
        self.close()
        _log.warning("the cache %s is damaged (%s), and is begun anew", self.path, said)
        for path in (f"{self.path}-wal", f"{self.path}-shm", self.path):
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue
            except OSError as trouble:
                raise EmbedderError(
                    f"the cache {self.path} is damaged, and cannot be removed: {trouble.strerror}",
                    path=self.path,
                    retryable=False,
                ) from trouble


class _Connection:
    """The connection of one process, once it is open."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection: sqlite3.Connection | None = None

    def close(self) -> None:
        with self.lock:
            found, self.connection = self.connection, None
            if found is not None:
                found.close()


def _close(connections: dict[int, _Connection]) -> None:
    found = connections.pop(os.getpid(), None)
    if found is not None:
        found.close()


def _opened(path: str) -> sqlite3.Connection:
    _make(path)
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        if not _is_cache(connection):
            connection.executescript(_SCHEMA)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA journal_size_limit = 16777216")
    except BaseException:
        connection.close()
        raise
    return connection


def _make(path: str) -> None:
    """Make the file where there is none, for its user alone; refuse links.

    A file that is there is not opened to be looked at: closing it would drop the locks that SQLite has
    on it in this process.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o600))
        except FileExistsError:  # another process made it meanwhile
            return
        except OSError as error:
            raise EmbedderError(
                f"the cache {path} cannot be made: {error.strerror}", path=path, retryable=False
            ) from error
        return
    except OSError as error:
        raise EmbedderError(
            f"the cache {path} cannot be opened: {error.strerror}", path=path, retryable=False
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise EmbedderError(f"the cache {path} is a link or a folder", path=path, retryable=False)


def _is_cache(connection: sqlite3.Connection) -> bool:
    """Whether it is a cache; False for an empty file. One of another program is refused."""
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    if owner == APPLICATION:
        return True
    if owner or connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        raise _foreign(path)
    return False


def _check_ours(path: str) -> None:
    """Refuse to take a file that is no database for a damaged cache, unless something of one is left."""
    try:
        with open(path, "rb") as file:
            header = file.read(_HEADER)
    except OSError as error:
        raise EmbedderError(
            f"the cache {path} cannot be opened: {error.strerror}", path=path, retryable=False
        ) from error
    # A database that is shorter than its header holds nothing of anybody's.
    left = len(header) < _HEADER and header.startswith(_MAGIC)
    if header and not left and header[68:72] != APPLICATION.to_bytes(4, "big"):
        raise _foreign(path)


def _foreign(path: str) -> EmbedderError:
    return EmbedderError(
        f"{path} is no cache of vectors, and was left as it is; give another path", path=path, retryable=False
    )
