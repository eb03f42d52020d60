"""Cursors: a query read page by page, from the one snapshot that was there when it was opened."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import QueryError
from ...port import CloseCursor, Command, OpenCursor, ReadCursor, StoredRecord
from .file import StoreFile
from .ids import new_id
from .places import watch
from .querying import FoundRow, build_records, found_rows
from .session import Session

if TYPE_CHECKING:
    from ...port import RecordQuery

R = TypeVar("R")


class Cursors:
    """The open cursors of a store.

    On a file each has a connection with an open read transaction: nobody is held up or waited for, and
    nothing is read before it is asked for. A database in memory has one connection only, and what a
    transaction has written no other one sees: there the rows are read at once (``at_once``).

    Whoever uses them holds `lock`, which on a file is their own: who needs the file's as well takes that
    second.
    """

    def __init__(self, file: StoreFile, *, at_once: bool) -> None:
        self._file = file
        self._at_once = at_once
        self._open: dict[str, _Cursor] = {}
        self.lock = file.lock if at_once else threading.RLock()
        watch(self)

    def carry_out(self, handler: Callable[[Any, Any], Any], command: Command[R]) -> R:
        """On a file: one of the commands below, which need none of the store's other connections."""
        with self.lock:
            self._file.check_open()
            try:
                answer: R = handler(None, command)
            except sqlite3.Error as error:
                raise self._file.translate(error) from error
            except UnicodeEncodeError as error:
                raise QueryError("a text holds a lone surrogate, which no stored text does") from error
            return answer

    def open(self, session: Session, command: OpenCursor) -> str:
        name = new_id()
        if self._at_once:
            self._open[name] = _Cursor(None, None, iter(list(found_rows(session, command.query))))
        else:
            self._open[name] = _open_on(self._file, command.query)
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
        with self.lock:
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

    def __init__(
        self, file: StoreFile | None, connection: sqlite3.Connection | None, rows: Iterator[FoundRow]
    ) -> None:
        self._file = file
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
        if connection is not None and self._file is not None:
            self._file.release_reader(connection)


def _open_on(file: StoreFile, query: RecordQuery) -> _Cursor:
    connection = file.reader()
    try:
        connection.execute("BEGIN")
        # Names and columns of its own: the store may know of later ones, or not yet of these.
        session = Session(connection)
        session.check()
        return _Cursor(file, connection, found_rows(session, query))
    except BaseException:
        file.release_reader(connection)
        raise
