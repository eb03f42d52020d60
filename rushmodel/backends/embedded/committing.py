"""Group commit: what several threads and tasks write at a time is committed at once, with one fsync."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from ...errors import QueryError, RushModelError, StoreBusy
from ...port import Command
from .file import StoreFile
from .limits import TimeLimit
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable

R = TypeVar("R")

Handler: TypeAlias = "Callable[[Session, Any], Any]"

_SECONDS: Final = 0.05
"""How long a group goes on taking commands: they are all answered after the last one."""


class Pending:
    """A command that writes, and once it `is_over`: its answer, or the error for who asked."""

    __slots__ = ("_command", "_handler", "answer", "error", "is_over")

    def __init__(self, handler: Handler, command: Command[Any]) -> None:
        self._handler = handler
        self._command = command
        self.answer: Any = None
        self.error: Exception | None = None
        self.is_over = False

    def carry_out(self, session: Session) -> None:
        self.answer, self.error = self._handler(session, self._command), None

    def end(self, error: Exception) -> None:
        self.error = error
        self.is_over = True

    def result(self) -> Any:
        """The answer, or the error raised. To be called once."""
        error, self.error = self.error, None
        if error is None:
            return self.answer
        try:
            raise error
        finally:
            del error  # it knows this frame, and who is known in a circle is freed late


class Commits:
    """The writes of a store's threads, in groups: each group is one transaction.

    Whoever comes while no group is under way leads one, of all that wait; the others wait until it is
    committed, and then one of those who came meanwhile leads the next. A single writer thus waits for
    nobody, and many share the commit, which is what costs.

    Inside a group each command has a savepoint: one that is refused is undone alone, and the error is
    its caller's. Nobody is answered before the commit, not even with an error, which may have been
    about what another one of the group wrote. Where the commit fails, it fails for all. Where SQLite gives
    the transaction up in the middle, or the leader is interrupted, nothing was kept: the others go on
    waiting, and are in the next group.
    """

    def __init__(self, file: StoreFile, limit: TimeLimit) -> None:
        self._file = file
        self._limit = limit
        self._session: Session | None = None
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._waiting: list[Pending] = []
        self._leader: int | None = None

    def session(self) -> Session:
        """That of the file's first connection, which writes. Whoever uses it holds the file's lock."""
        connection = self._file.connection()
        session = self._session
        if session is None or session.connection is not connection:
            session = self._session = Session(connection)
        return session

    def forget(self) -> None:
        """Make a new session next time."""
        self._session = None

    def carry_out(self, pending: Sequence[Pending]) -> None:
        """Come back when all of them are over. `StoreBusy` for a thread that holds the store already."""
        if self._process != os.getpid():
            self._begin_anew()  # those who wait are threads of the parent
        # A leader that waits for its own transaction, or for itself, would have all others wait with it.
        self._file.turns.refuse_own()
        if self._leader == threading.get_ident():
            raise StoreBusy(
                f"{self._file.path}: a command was begun in the middle of another one, by the same thread",
                path=self._file.path,
            )
        try:
            with self._changed:
                self._waiting.extend(pending)
            while self._lead_or_wait(pending):
                pass
        except BaseException:
            # Interrupted. What another one leads already is carried out all the same.
            with self._changed:
                self._waiting = [each for each in self._waiting if each not in pending]
            raise

    def alone(self, work: Callable[[StoreFile], R]) -> R:
        """Carry out what cannot be part of a transaction, while nobody of this process writes."""
        self._file.turns.refuse_own()
        with self._file.lock:
            self._file.turns.wait()
            try:
                return work(self._file)
            except sqlite3.Error as error:
                raise self._file.translate(error) from error
            finally:
                self.forget()

    def _lead_or_wait(self, pending: Sequence[Pending]) -> bool:
        """Wait, or lead a group; whether any of them is not over then."""
        me = threading.get_ident()
        try:
            with self._changed:
                while self._leader is not None and not _are_over(pending):
                    self._changed.wait()
                if _are_over(pending):
                    return False
                self._leader = me
                group = self._waiting[:]
            self._lead(group)
            return not _are_over(pending)
        finally:
            if self._leader == me:
                with self._changed:
                    self._leader = None
                    self._waiting = [each for each in self._waiting if not each.is_over]
                    self._changed.notify_all()

    def _lead(self, group: list[Pending]) -> None:
        with self._file.lock:
            try:
                self._file.turns.wait()
                session = self.session()
                self._file.check_still_there()
                self._commit(session, group)
            except Exception as error:  # noqa: BLE001  (raised by `Pending.result`)
                # About none of them in particular: the file, others that are busy, the commit.
                found = self._error(error)
                for each in group:
                    if not each.is_over:
                        each.end(_own(found))

    def _commit(self, session: Session, group: list[Pending]) -> None:
        run, connection = session.run, session.connection
        done: list[Pending] = []
        ending = False
        until = time.monotonic() + _SECONDS
        self._limit.begin(connection)
        session.limit = self._limit
        try:
            run("BEGIN IMMEDIATE")
            session.check()
            for each in group:
                if done and time.monotonic() > until:
                    break
                self._try(session, each, alone=len(group) == 1)
                if not connection.in_transaction:
                    each.is_over = True
                    return
                done.append(each)
            self._limit.begin(connection)
            ending = True
            run("ROLLBACK" if all(each.error for each in done) else "COMMIT")
            _end(done)
        except BaseException as error:
            # Names, columns and policies that were read may be the ones that go now.
            session.forget()
            if connection.in_transaction:
                run("ROLLBACK")
            elif ending and not isinstance(error, sqlite3.Error):
                _end(done)  # an interrupt, between the commit and its being told
            raise

    def _try(self, session: Session, pending: Pending, *, alone: bool) -> None:
        """Carry one out; what it raises is kept for its caller, and what it wrote undone.

        After it there may be no transaction: SQLite ends some itself, for a full disk or a statement that
        was stopped.
        """
        self._limit.begin(session.connection)
        if not alone:
            session.run("SAVEPOINT command")
        try:
            pending.carry_out(session)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is raised where it was asked)
            session.forget()
            pending.error = self._error(error)
            if alone or not session.connection.in_transaction:
                return
            session.run("ROLLBACK TO command")
        if not alone:
            session.run("RELEASE command")

    def _error(self, error: Exception) -> Exception:
        """What to tell the caller."""
        found: Exception = error
        if isinstance(error, sqlite3.Error):
            found = self._limit.error(error) or self._file.translate(error)
        elif isinstance(error, UnicodeEncodeError):
            found = QueryError("a text holds a lone surrogate, which no stored text does")
        if found is not error:
            found.__cause__ = error
        return found


def _are_over(pending: Iterable[Pending]) -> bool:
    return all(each.is_over for each in pending)


def _end(done: Iterable[Pending]) -> None:
    for each in done:
        each.is_over = True


def _own(error: Exception) -> Exception:
    """A copy: an error that several threads raise would gather the traces of all of them."""
    if not isinstance(error, RushModelError):
        return error
    copied = copy(error)
    copied.__cause__ = error.__cause__
    return copied
