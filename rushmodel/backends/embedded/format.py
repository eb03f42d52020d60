"""The file format: what marks a file as a store, its tables, and how one is made.

Format 1. One SQLite database in WAL mode; `application_id` says that it is a
store and `user_version` which format it has. Both stand in the first 100 bytes
of the main file from the moment it has any content, because the tables are
made in rollback-journal mode and WAL is switched on only afterwards.
"""

from __future__ import annotations

import os
import sqlite3

from ...errors import ForeignFile, NewerFormat, StoreError

APPLICATION_ID = 0x52555348
"""``RUSH``."""

FORMAT = 1

_MAGIC = b"SQLite format 3\x00"
_HEADER = 100

_SCHEMA = (
    # Labels, property names and relationship types, by number: names never reach SQL as text.
    "CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    # The property columns of each label's table; lists = 1 once a list was stored there.
    "CREATE TABLE columns (label INTEGER NOT NULL, property INTEGER NOT NULL,"
    " lists INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (label, property)) WITHOUT ROWID",
    "CREATE TABLE records (row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " label INTEGER NOT NULL, version INTEGER NOT NULL)",
    "CREATE TABLE policies (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " label INTEGER NOT NULL, property INTEGER NOT NULL, source TEXT NOT NULL, similarity TEXT NOT NULL,"
    " dims INTEGER, created TEXT NOT NULL, updated TEXT NOT NULL)",
    "CREATE UNIQUE INDEX policies_signature"
    " ON policies (label, property, source, similarity, ifnull(dims, 0))",
    # A vector that changes gets a new, larger seq; one that is taken away stays as a row without a
    # vector: what reads "seq > mine" learns of both.
    "CREATE TABLE vectors (seq INTEGER PRIMARY KEY AUTOINCREMENT, policy INTEGER NOT NULL,"
    " row INTEGER NOT NULL, vector BLOB)",
    "CREATE UNIQUE INDEX vectors_place ON vectors (policy, row)",
    "CREATE TABLE edges (id INTEGER PRIMARY KEY, source INTEGER NOT NULL, target INTEGER NOT NULL,"
    " type INTEGER NOT NULL, data TEXT)",
    "CREATE UNIQUE INDEX edges_once ON edges (source, target, type)",
    "CREATE INDEX edges_source ON edges (source, type)",
    "CREATE INDEX edges_target ON edges (target, type)",
)


def has_store(path: str) -> bool:
    """Whether the file holds a store; False where there is no file yet, or an empty one.

    Reads the first 100 bytes and touches nothing. `ForeignFile` where they
    are another program's, `NewerFormat` where they are a later format's,
    `StoreError` where they cannot be read.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            header = file.read(_HEADER)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}", path=path) from error
    if not header:
        return False
    if not header.startswith(_MAGIC):
        raise ForeignFile(f"{path} is not a rushmodel store; it was not touched", path=path)
    if len(header) < _HEADER:
        raise StoreError(f"{path} is damaged: it ends within its header, at {len(header)} bytes", path=path)
    check_marks(path, int.from_bytes(header[68:72], "big"), int.from_bytes(header[60:64], "big"))
    return True


def check_marks(path: str, application_id: int, version: int) -> None:
    """`ForeignFile`, `NewerFormat`, `StoreError` unless these are the marks of a store this code can use."""
    if application_id != APPLICATION_ID:
        raise ForeignFile(f"{path} is another program's SQLite database; it was not touched", path=path)
    if version < 1:
        raise StoreError(
            f"{path} is damaged: it says that its format is {version}, and the first is 1", path=path
        )
    if version > FORMAT:
        raise NewerFormat(
            f"{path} has format {version}, and this rushmodel knows formats up to {FORMAT}: "
            "update rushmodel to open it; it was not touched",
            path=path,
            format=version,
        )


def create(connection: sqlite3.Connection, path: str) -> None:
    """Write the tables, unless another process was faster: one exclusive transaction."""
    connection.execute("BEGIN EXCLUSIVE")
    try:
        marks = pragma(connection, "application_id"), pragma(connection, "user_version")
        empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if marks == (0, 0) and empty:
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        else:
            check_marks(path, *marks)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """A pragma's number."""
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def check_place(path: str) -> None:
    """`StoreError` where no file can be at that path, or it cannot be written."""
    if os.path.isdir(path):
        raise StoreError(f"{path} is a folder; a store is one file", path=path)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise StoreError(f"{path} cannot be made: there is no folder {folder}", path=path)
    if os.path.exists(path):
        if not os.path.isfile(path):
            raise StoreError(f"{path} is not a file", path=path)
        if not os.access(path, os.R_OK | os.W_OK):
            raise StoreError(f"{path} cannot be opened: no permission to read and write it", path=path)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(
            f"{path} cannot be opened: no permission to write in {folder}, where its WAL lies beside it",
            path=path,
        )
