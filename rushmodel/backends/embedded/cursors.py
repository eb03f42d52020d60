"""Cursors: a query read page by page, from the one snapshot that was there when it was opened."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from ...errors import QueryError
from ...port import CloseCursor, OpenCursor, ReadCursor, StoredRecord
from .file import StoreFile
from .ids import new_id
from .places import watch
from .querying import FoundRow, build_records, found_rows
from .session import Session

if TYPE_CHECKING:
    from ...port import RecordQuery


class Cursors:
    """The open cursors of a store.

    On a file each has a connection with an open read transaction: writers are
    not held up, and nothing is read before it is asked for. A database in
    memory has one connection only, and what a transaction has written no other
    one sees: there the rows are read at once (``at_once``).
    """

    def __init__(self, file: StoreFile, *, at_once: bool) -> None:
        self._file = file
        self._at_once = at_once
        self._open: dict[str, _Cursor] = {}
        watch(self)

    @property
    def lock(self) -> threading.RLock:
        return self._file.lock

    def open(self, session: Session, command: OpenCursor) -> str:
        name = new_id()
        if self._at_once:
            self._open[name] = _Cursor(None, iter(list(found_rows(session, command.query))))
        else:
            self._open[name] = _open_on(self._file.reader(), command.query)
        return name

    def read(self, session: Session, command: ReadCursor) -> list[StoredRecord]:
        cursor = self._open.get(command.cursor)
        if cursor is None:
            raise QueryError(f"there is no open cursor {command.cursor}", cursor=command.cursor)
        if command.size < 1:
            raise QueryError(f"a page has at least one record, not {command.size}")
        return cursor.read(command.size)

    def close(self, session: Session, command: CloseCursor) -> None:
        cursor = self._open.pop(command.cursor, None)
        if cursor is not None:
            cursor.release()

    def close_all(self) -> None:
        for cursor in self._open.values():
            cursor.release()
        self._open.clear()

    def leave(self) -> None:
        """Close the cursors' connections; nobody will read them."""
        self.close_all()

    def suspend(self) -> None:
        """Read what the cursors have not given yet into memory, and close their connections."""
        for name, cursor in list(self._open.items()):
            try:
                cursor.detach()
            except sqlite3.Error:
                # A fork cannot be refused. The next reading finds no cursor, and says so.
                self._open.pop(name).release()


class _Cursor:
    """What is still to be read, and the connection it comes from."""

    def __init__(self, connection: sqlite3.Connection | None, rows: Iterator[FoundRow]) -> None:
        self._connection = connection
        self._rows = rows

    def read(self, size: int) -> list[StoredRecord]:
        rows = list(islice(self._rows, size))
        if len(rows) < size:
            self.release()
        return build_records(rows)

    def detach(self) -> None:
        rows = list(self._rows)
        self.release()
        self._rows = iter(rows)

    def release(self) -> None:
        self._rows = iter(())
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _open_on(connection: sqlite3.Connection, query: RecordQuery) -> _Cursor:
    try:
        connection.execute("BEGIN")
        # Names and columns of its own: the store may know of later ones, or not yet of these.
        session = Session(connection)
        session.check()
        return _Cursor(connection, found_rows(session, query))
    except BaseException:
        connection.close()
        raise
