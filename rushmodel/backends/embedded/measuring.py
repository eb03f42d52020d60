"""`GetStats` and `VacuumStore`: how large a database is, and making it smaller."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable

from ...port import GetStats, Stats, Vacuumed, VectorCount
from .file import StoreFile
from .format import pragma
from .mirrors import sweep
from .session import Session
from .sidecar import sidecar_files


class Measurer:
    """Measures the database behind a session; ``path`` is that of the file, None in memory."""

    def __init__(self, path: str | None) -> None:
        self._path = path

    def measure(self, session: Session, command: GetStats) -> Stats:
        execute, connection = session.execute, session.connection
        records = {
            table.label: int(execute(f"SELECT count(*) FROM {table.sql}").fetchone()[0])
            for table in session.names.tables()
        }
        counts = {
            number: VectorCount(held, taken_away)
            for number, held, taken_away in execute(
                "SELECT policy, count(vector), count(*) - count(vector) FROM vectors GROUP BY policy"
            )
        }
        none = VectorCount(0, 0)
        page = pragma(connection, "page_size")
        size = page * pragma(connection, "page_count")
        return Stats(
            records={label: count for label, count in sorted(records.items()) if count},
            vectors={each.signature: counts.get(each.number, none) for each in session.policies.all()},
            relationships=int(execute("SELECT count(*) FROM edges").fetchone()[0]),
            file_bytes=size if self._path is None else _sizes([self._path]),
            wal_bytes=0 if self._path is None else _sizes([f"{self._path}-wal"]),
            sidecar_bytes=0 if self._path is None else _sizes(sidecar_files(self._path)),
            free_bytes=page * pragma(connection, "freelist_count"),
            format=pragma(connection, "user_version"),
            sqlite_version=sqlite3.sqlite_version,
        )


def vacuum(file: StoreFile) -> Vacuumed:
    """Whoever calls holds the file's lock, and has waited for the turn to write; `StoreError`."""
    file.check_still_there()
    if file.in_memory:
        return _vacuum(file.connection())
    connection = file.writer()
    try:
        # SQLite puts the database together anew beside the old one: not in memory, large as it may be.
        connection.execute("PRAGMA temp_store = FILE")
        done = _vacuum(connection)
        # The WAL holds the whole new database now. Who reads the old one still keeps it from going away.
        connection.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return done
    finally:
        file.release(connection)


def _vacuum(connection: sqlite3.Connection) -> Vacuumed:
    before = _used(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        removed = sweep(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("VACUUM")
    return Vacuumed(before, _used(connection), removed)


_PATIENCE = 500
"""Milliseconds to wait for readers before the WAL stays as long as it is, for now."""


def _used(connection: sqlite3.Connection) -> int:
    return pragma(connection, "page_size") * pragma(connection, "page_count")


def _sizes(paths: Iterable[str]) -> int:
    """Bytes of the files that are there."""
    total = 0
    for path in paths:
        try:
            total += os.stat(path, follow_symlinks=False).st_size
        except FileNotFoundError:
            continue
    return total
