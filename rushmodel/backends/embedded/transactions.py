"""`EmbeddedTransaction`: several commands as one, on a connection of their own."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar
from weakref import WeakMethod

from ...errors import (
    CapabilityError,
    QueryError,
    RushModelError,
    TransactionBusy,
    TransactionClosed,
    TransactionExpired,
)
from ...port import Command, Execute
from .file import StoreFile
from .ids import new_id
from .limits import TimeLimit, is_cancelled
from .places import watch
from .session import Session

R = TypeVar("R")

Handler: TypeAlias = "Callable[[Session, Any], Any]"
Handlers: TypeAlias = "dict[type[Command[Any]], Handler]"

_End: TypeAlias = Literal["committed", "rolled back", "expired", "failed"]


class EmbeddedTransaction:
    """A transaction, as the port has them; made by `EmbeddedBackend.begin`.

    On a file it has a connection of its own, so that other threads read on, what was committed before. A
    database in memory has one connection only: everybody else waits. A command that raises is undone by
    itself, and the transaction goes on. Threads may share it: one command runs at a time.

    ``seconds``: it is rolled back when they are over, also if nobody asks; None: never.

    Raises `StoreBusy` where the others leave no turn, and as `EmbeddedBackend` does.
    """

    def __init__(
        self,
        file: StoreFile,
        writes: Handlers,
        reads: Handlers,
        limit: TimeLimit,
        seconds: float | None,
    ) -> None:
        self.id = new_id()
        self._file = file
        self._writes = writes
        self._reads = reads
        self._limit = limit
        self._seconds = seconds
        self._process = os.getpid()
        self._end: _End | None = None
        self._timer: threading.Timer | None = None
        self.lock = file.lock if file.in_memory else threading.RLock()
        """What a command holds. Whoever needs the file's lock as well takes it second."""
        file.turns.take(self)
        try:
            self._session = self._begin()
        except BaseException as error:
            file.turns.give_back(self)
            if isinstance(error, sqlite3.Error):
                raise file.translate(error) from error
            raise
        watch(self)
        if seconds is not None:
            self._timer = threading.Timer(seconds, _expire, [WeakMethod(self.expire)])
            self._timer.daemon = True
            self._timer.start()

    def __repr__(self) -> str:
        return f"<EmbeddedTransaction {self.id}: {self._end or 'open'}>"

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._end is None and self._process == os.getpid()

    def verb(self) -> Execute:
        """The store is near: its commands need no common deadline."""
        return self.execute

    def execute(self, command: Command[R]) -> R:
        """As `EmbeddedBackend.execute`, inside the transaction; `TransactionClosed`."""
        writes = self._writes.get(type(command))
        handler = writes or self._reads.get(type(command))
        if handler is None:
            raise CapabilityError(
                f"a transaction of the embedded store has no {type(command).__name__}: do that outside of it"
            )
        with self.lock:
            self.check_open()
            try:
                return self._within(handler, command, bool(writes))
            except sqlite3.Error as error:
                raise self._limit.error(error) or self._file.translate(error) from error
            except UnicodeEncodeError as error:
                raise QueryError("a text holds a lone surrogate, which no stored text does") from error

    def begin(self, seconds: float | None = None) -> EmbeddedTransaction:
        raise TransactionBusy("a transaction was to be begun inside another one: they are not nested")

    def commit(self) -> None:
        """Keep what was done; where that fails, nothing is kept."""
        with self.lock:
            self.check_open()
            try:
                self._file.check_still_there()
                self._session.run("COMMIT")
            except BaseException as error:
                self._finish("failed")
                if isinstance(error, sqlite3.Error):
                    raise self._file.translate(error) from error
                raise
            self._finish("committed")

    def rollback(self) -> None:
        """Undo what was done; nothing, where it is over already."""
        with self.lock:
            if self.is_open:
                self._finish("rolled back")

    def close(self) -> None:
        """As `rollback`."""
        self.rollback()

    def expire(self) -> None:
        """Its time is over."""
        with self.lock:
            if self.is_open:
                self._finish("expired")

    def suspend(self) -> None:
        """A fork comes. It goes on in the parent, and is none of the child's (`places`)."""

    def leave(self) -> None:
        """The process ends."""
        self.rollback()

    def _begin(self) -> Session:
        with self._file.lock:
            connection = self._file.connection() if self._file.in_memory else self._file.writer()
        try:
            self._file.check_still_there()
            session = Session(connection)
            session.run("BEGIN IMMEDIATE")
            session.check()
        except BaseException:
            self._let_go(connection)
            raise
        return session

    def _within(self, handler: Handler, command: Command[R], writes: bool) -> R:
        session = self._session
        self._limit.begin(session.connection, None if writes else is_cancelled.get())
        session.limit = self._limit
        if not writes:
            answer: R = handler(session, command)
            return answer
        session.run("SAVEPOINT command")
        try:
            answer = handler(session, command)
            session.run("RELEASE command")
        except BaseException:
            # Names, columns and policies that were read may be the ones that go now.
            session.forget()
            if session.connection.in_transaction:
                session.run("ROLLBACK TO command")
                session.run("RELEASE command")
            else:
                self._finish("failed")  # SQLite ends some itself: a full disk, a statement that was stopped
            raise
        return answer

    def _finish(self, end: _End) -> None:
        self._end = end
        if self._timer is not None:
            self._timer.cancel()
        try:
            connection = self._session.connection
            try:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            finally:
                self._let_go(connection)
        finally:
            self._file.turns.give_back(self)

    def _let_go(self, connection: sqlite3.Connection) -> None:
        if not self._file.in_memory:
            self._file.release(connection)

    def check_open(self) -> None:
        """`TransactionClosed` where it is over, `TransactionExpired` where its time was."""
        if self._process != os.getpid():
            raise TransactionClosed(
                f"transaction {self.id} belongs to the process that began it; this is a fork of it",
                transaction_id=self.id,
            )
        if self._end is not None:
            raise closed(self.id, self._end, self._seconds)


def closed(transaction_id: str, end: str, seconds: float | None) -> RushModelError:
    """The error for using a transaction that is over."""
    if end == "expired":
        return TransactionExpired(
            f"transaction {transaction_id} took longer than the {seconds:g} s that it may; "
            "nothing of it was kept",
            transaction_id=transaction_id,
            seconds=seconds,
        )
    how = "was ended by an error, and nothing of it was kept" if end == "failed" else f"was {end}"
    return TransactionClosed(
        f"transaction {transaction_id} {how}: begin another one", transaction_id=transaction_id
    )


def _expire(expire: WeakMethod[Callable[[], None]]) -> None:
    found = expire()
    if found is not None:
        found()
