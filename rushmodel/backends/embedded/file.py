"""The open database: its connection, from opening to closing, and across a fork."""

from __future__ import annotations

import math
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Literal, TypeAlias

from ...errors import ConfigurationError, StoreBusy, StoreClosed, StoreError
from .damage import DamagedFile
from .format import check_marks, check_place, create, has_store, pragma
from .functions import register
from .places import Identity, identity, open_files, watch
from .turns import Turns
from .upgrading import upgrade

Durability: TypeAlias = Literal["full", "normal"]

MEMORY = "memory://"

_OLDEST_SQLITE = (3, 35, 0)
_CACHE_KIB = 32 * 1024
_STATEMENTS = 512
_SQLITE_BUSY = 5


class StoreFile:
    """One database, in a file or in memory, and the connection that reads and writes it.

    Whoever uses the connection holds `lock` until its command is done, and writes with it (in memory:
    uses it at all) while no transaction has the store (`turns`).
    """

    def __init__(self, location: str | os.PathLike[str], durability: Durability, busy_timeout: float) -> None:
        _check_settings(durability, busy_timeout)
        self.path = _path_of(location)
        self.in_memory = self.path == MEMORY
        self.lock = threading.RLock()
        self._durability = durability
        self._busy_timeout = busy_timeout
        self.turns = Turns(self.lock, self.path, busy_timeout)
        self._process = os.getpid()
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        self._place: Identity | None = None
        watch(self)
        with self.lock:
            try:
                self._connection = self._connect()
            except sqlite3.Error as error:
                raise self.translate(error) from error

    def connection(self) -> sqlite3.Connection:
        """The connection; a new one if this process was forked. `StoreClosed`, `StoreError`."""
        self.check_open()
        if self._process != os.getpid():
            self._enter_child()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def reader(self) -> sqlite3.Connection:
        """One more connection to the file, which only reads, and which `release_reader` closes."""
        self.check_open()
        with open_files.lock:
            self._find()
            open_files.check_own(self._place, self.path)
            # Not "ro": where this is the only connection, it has to make the shared memory beside the file.
            connection = self._open("rw")
            place = identity(self.path)
            if place is None or place != self._place:
                connection.close()
                raise StoreError(f"{self.path} was removed while it was opened", path=self.path)
            open_files.add(place)
        try:
            _settle(connection)
            connection.execute("PRAGMA query_only = ON")
        except BaseException:
            self.release_reader(connection)
            raise
        return connection

    def release_reader(self, connection: sqlite3.Connection) -> None:
        """Close a connection that `reader` gave."""
        self._release(connection)

    def check_open(self) -> None:
        """`StoreClosed`."""
        if self._closed:
            raise StoreClosed(f"{self.path} was closed", path=self.path)

    def writer(self) -> sqlite3.Connection:
        """One more connection to the file, for a transaction, which ends it by `release`.

        Unlike the others it stays open over a fork (`open_files`), and remains the parent's.
        """
        self.check_open()
        connection = self._connect()
        _writers[id(connection)] = connection
        return connection

    def release(self, connection: sqlite3.Connection) -> None:
        """Close a connection that `writer` gave."""
        del _writers[id(connection)]
        self._release(connection)

    def check_still_there(self) -> None:
        """Refuse to write into a file that was removed or replaced since: nobody would find it again."""
        if self._place is not None and identity(self.path) != self._place:
            raise StoreError(
                f"{self.path} was moved, replaced or removed since it was opened; connect to it again",
                path=self.path,
            )

    def suspend(self) -> None:
        """Close the connection until it is needed again. A database in memory stays."""
        if not self.in_memory:
            self._disconnect()

    def leave(self) -> None:
        """Close the connection, that of a database in memory too."""
        self._disconnect()

    def close(self) -> None:
        """Close for good; a second time is no error."""
        with self.lock:
            self._closed = True
            if self._process != os.getpid():
                self._disown()
            self._disconnect()

    def translate(self, error: sqlite3.Error) -> StoreError:
        """SQLite's error as ours."""
        # Python 3.10 does not tell the code, but the words are SQLite's own for SQLITE_BUSY.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == _SQLITE_BUSY or "database is locked" in str(error):
            return StoreBusy(
                f"{self.path}: another process kept it locked for over {self._busy_timeout:g} s; try again",
                path=self.path,
            )
        return StoreError(f"{self.path}: {error}", path=self.path)

    def _connect(self) -> sqlite3.Connection:
        if self.in_memory:
            connection = sqlite3.connect(
                ":memory:", isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
            )
            _settle(connection)
            create(connection, self.path)
            return connection
        with open_files.lock:
            known = self._find()
            open_files.check_own(identity(self.path), self.path)
            connection = self._open("rw" if known else "rwc")
            place = identity(self.path)
            if place is None:
                connection.close()
                raise StoreError(f"{self.path} was removed while it was opened", path=self.path)
            open_files.add(place)
            self._place = place
        try:
            try:
                _settle(connection)
            except UnicodeDecodeError as error:  # SQLite's message quotes it
                raise DamagedFile("its tables are declared in what is no text") from error
            connection.execute(f"PRAGMA synchronous = {self._durability.upper()}")
            # On macOS alone a plain fsync leaves data in the drive's cache.
            connection.execute(f"PRAGMA fullfsync = {self._durability == 'full'}")
            # The marks can be there and go again, where a crash left half of a creation to be rolled back.
            if not known or pragma(connection, "application_id") == 0:
                create(connection, self.path)
            self._use_wal(connection)
            check_marks(self.path, pragma(connection, "application_id"), pragma(connection, "user_version"))
            upgrade(connection, self.path)
        except BaseException:
            self._release(connection)
            raise
        return connection

    def _find(self) -> bool:
        """Whether a store is there, as far as can be told without SQLite."""
        place = identity(self.path)
        if self._place is not None:
            if place != self._place:
                raise StoreError(f"{self.path} was moved or replaced since it was opened", path=self.path)
            return True
        check_place(self.path)
        # With a connection open in this process the header must not be read; `create` looks again.
        return False if place in open_files else has_store(self.path)

    def _open(self, mode: Literal["ro", "rw", "rwc"]) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{Path(self.path).as_uri()}?mode={mode}",
            uri=True,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS,
        )

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            except sqlite3.OperationalError:
                # The first switch needs the file for itself, and SQLite does not wait for that.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
            else:
                break
        if mode != "wal":
            raise StoreError(
                f"{self.path}: the file system does not let processes share memory, which SQLite's WAL needs;"
                " keep the file on a local disk",
                path=self.path,
            )

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._release(connection)

    def _release(self, connection: sqlite3.Connection) -> None:
        with open_files.lock:
            connection.close()
            if self._place is not None:
                open_files.remove(self._place)

    def _enter_child(self) -> None:
        if self.in_memory:
            raise StoreError(
                f"{MEMORY} stays with the process that opened it; this is a fork of it", path=MEMORY
            )
        self._disown()

    def _disown(self) -> None:
        # There is a connection only if the fork went past Python's hooks. It is the parent's to close.
        self._process = os.getpid()
        if self._connection is not None:
            keep_inherited(self._connection)
            self._connection = None


def keep_inherited(connection: sqlite3.Connection) -> None:
    """Never finalise a connection of the parent process."""
    _inherited.append(connection)


_inherited: list[sqlite3.Connection] = []
"""Connections of a parent process, kept so that they are never finalised here."""


_writers: dict[int, sqlite3.Connection] = {}
"""Connections of open transactions: a forked child must not finalise those of its parent either."""


_WAL_PAGES = 4000


def _settle(connection: sqlite3.Connection) -> None:
    register(connection)
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    # A save touches some nine pages: at SQLite's 1,000 it would wait for the disk at every hundredth.
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    # A file may come from anybody: its schema gets no say over functions that have effects.
    connection.execute("PRAGMA trusted_schema = OFF")


def _path_of(location: str | os.PathLike[str]) -> str:
    path = os.fspath(location)
    if not isinstance(path, str) or not path or "\0" in path:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"a store's location is a path or {MEMORY!r}, not {path!r}", location=path)
    return path if path == MEMORY else os.path.abspath(path)


def _check_settings(durability: str, busy_timeout: float) -> None:
    if durability not in ("full", "normal"):
        raise ConfigurationError(
            f"durability is 'full' or 'normal', not {durability!r}", durability=durability
        )
    if not (math.isfinite(busy_timeout) and busy_timeout >= 0):
        raise ConfigurationError(
            f"busy_timeout is a number of seconds, not {busy_timeout!r}", busy_timeout=busy_timeout
        )
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        needed = ".".join(map(str, _OLDEST_SQLITE))
        raise StoreError(
            f"the embedded store needs SQLite {needed} or later; this Python has {sqlite3.sqlite_version}"
        )
