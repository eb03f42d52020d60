"""`Readers`: more connections to a file, for those who read while the first one is at work."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from itertools import count
from typing import Any, Final, TypeAlias, TypeVar

from ...errors import QueryError, StoreClosed
from ...port import Command
from .file import StoreFile, keep_inherited
from .limits import TimeLimit, is_cancelled
from .places import watch
from .session import Session

R = TypeVar("R")

Handler: TypeAlias = "Callable[[Session, Any], Any]"

MOST: Final = 4
"""Connections. More would keep a processor busy each, and Python lets one thread at a time go on."""


class Readers:
    """A few connections to a file, each opened when it is first needed, which only read.

    In WAL mode each sees, in a transaction of its own, all that was committed when that began; so whoever
    has seen a write answered reads it, on whatever connection.
    """

    def __init__(self, file: StoreFile, seconds: float | None) -> None:
        self._readers = [Reader(file, seconds) for _ in range(MOST)]
        self._next = count()

    def carry_out(self, handler: Handler, command: Command[R]) -> R:
        """Carry a command out on a connection that is free, or on the next one that will be."""
        for reader in self._readers:
            if reader.lock.acquire(blocking=False):
                break
        else:
            reader = self._readers[next(self._next) % MOST]
            reader.lock.acquire()
        try:
            return reader.carry_out(handler, command)
        finally:
            reader.lock.release()

    def close(self) -> None:
        """Close them for good, once what they are asked is answered."""
        for reader in self._readers:
            reader.close()


class Reader:
    """One of them. Whoever uses it holds `lock`; who needs the file's lock as well takes that second."""

    def __init__(self, file: StoreFile, seconds: float | None) -> None:
        self.lock = threading.RLock()
        self._file = file
        self._seconds = seconds
        self._limit = TimeLimit(seconds)
        self._session: Session | None = None
        self._process = os.getpid()
        self._closed = False
        watch(self)

    def carry_out(self, handler: Handler, command: Command[R]) -> R:
        """As `read`; `StoreClosed`, `StoreError`."""
        try:
            session = self._ready()
        except sqlite3.Error as error:
            raise self._file.translate(error) from error
        return read(self._file, session, self._limit, handler, command)

    def suspend(self) -> None:
        """Close the connection until it is needed again."""
        session, self._session = self._session, None
        if session is not None:
            self._file.release_reader(session.connection)

    def leave(self) -> None:
        """The process ends."""
        self.suspend()

    def close(self) -> None:
        with self.lock:
            self._closed = True
            self._enter_process()
            self.suspend()

    def _ready(self) -> Session:
        if self._closed:
            raise StoreClosed(f"{self._file.path} was closed", path=self._file.path)
        self._enter_process()
        if self._session is None:
            self._session = Session(self._file.reader())
            self._limit = TimeLimit(self._seconds)  # which knows its connection
        return self._session

    def _enter_process(self) -> None:
        if self._process != os.getpid():
            # There is a connection only if the fork went past Python's hooks. It is the parent's to close.
            self._process = os.getpid()
            if self._session is not None:
                keep_inherited(self._session.connection)
                self._session = None


def read(file: StoreFile, session: Session, limit: TimeLimit, handler: Handler, command: Command[R]) -> R:
    """Carry out a command that reads, in a snapshot of its own; SQLite's errors as ours.

    `Cancelled` where a task waited for it, and was cancelled.
    """
    run, connection = session.run, session.connection
    limit.begin(connection, is_cancelled.get())
    session.limit = limit
    try:
        try:
            run("BEGIN")
            session.check()
            answer: R = handler(session, command)
            run("COMMIT")
        except BaseException:
            session.forget()
            if connection.in_transaction:
                run("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise limit.error(error) or file.translate(error) from error
    except UnicodeEncodeError as error:
        raise QueryError("a text holds a lone surrogate, which no stored text does") from error
    return answer
