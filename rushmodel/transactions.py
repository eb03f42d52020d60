"""`Transaction`: ``with db.transaction():``, what is done inside is kept as a whole or not at all."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import Self

from . import current
from .errors import RushModelError, TransactionBusy, TransactionClosed, TransactionError
from .flow import Operation, arun, run
from .opening import Store
from .operations.context import Context
from .port import AsyncTransaction
from .port import Transaction as SyncTransaction

if TYPE_CHECKING:
    from .database import Database

R = TypeVar("R")

_log = logging.getLogger("rushmodel")
_entered: ContextVar[tuple[Transaction, ...]] = ContextVar("rushmodel_transactions", default=())


def transaction_of(database: Database) -> Transaction | None:
    """The transaction of a database that the calling context is in."""
    for each in reversed(_entered.get()):
        if each.database is database:
            return each
    return None


class Here:
    """A database, in the transaction that the caller was in, or in none: for what takes several steps."""

    def __init__(self, database: Database, transaction: Transaction | None) -> None:
        self._database = database
        self._transaction = transaction

    @property
    def is_inside(self) -> bool:
        """Whether it is a transaction."""
        return self._transaction is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing can be asked any more, since the transaction has ended."""
        return self._transaction is not None and not self._transaction.is_open

    def run(self, operation: Operation[R]) -> R:
        """As `Database.run`."""
        with self._being_there():
            return self._database.run(operation)

    async def arun(self, operation: Operation[R]) -> R:
        """As `Database.arun`."""
        with self._being_there():
            return await self._database.arun(operation)

    @contextmanager
    def _being_there(self) -> Generator[None]:
        """In that transaction, or in none, whatever the caller has entered since."""
        before = _entered.get()
        others = tuple(each for each in before if each.database is not self._database)
        _entered.set(others if self._transaction is None else (*others, self._transaction))
        try:
            yield
        finally:
            _entered.set(before)


class Transaction:
    """A transaction of a database; made by `Database.transaction`.

    ``with`` begins it and selects the database; its end commits. Where the block raises, everything is
    undone, and instances know again what they knew before. The context that began it owns it: a task or
    thread that inherits it may use it too, but not at the same moment (`TransactionBusy`).
    """

    def __init__(self, database: Database, store: Store, context: Context, seconds: float | None) -> None:
        self.database = database
        self._store = store
        self._outside = context
        self._inside = context
        self._seconds = seconds
        self._sync: SyncTransaction | None = None
        self._aio: AsyncTransaction | None = None
        self._end: str | None = None
        # Operations of one thread may call for others; tasks of one loop share a thread.
        self._thread = threading.RLock()
        self._task = threading.Lock()

    @property
    def id(self) -> str:
        """The store's name of it; `TransactionError` before it has begun."""
        begun = self._sync or self._aio
        if begun is None:
            raise TransactionError("this transaction has not begun: use it as `with db.transaction() as tx:`")
        return begun.id

    @property
    def is_open(self) -> bool:
        """Whether it has begun, and was neither committed nor rolled back."""
        return (self._sync or self._aio) is not None and self._end is None

    @property
    def context(self) -> Context:
        """What operations know of the database, in it."""
        return self._inside

    def rollback(self) -> None:
        """Undo everything now. The rest of the block cannot use the database; its end commits nothing."""
        with self._used() as sync:
            self._forget("was rolled back")
            sync.rollback()

    async def arollback(self) -> None:
        """As `rollback`."""
        with self._awaited() as aio:
            self._forget("was rolled back")
            cancelled = await _whole(aio.rollback())
        if cancelled is not None:
            raise cancelled

    def run(self, operation: Operation[R]) -> R:
        """Carry an operation out in it, in the calling thread."""
        try:
            with self._used() as sync:
                return run(sync, operation)
        finally:
            operation.close()

    async def arun(self, operation: Operation[R]) -> R:
        """Carry an operation out in it, from an event loop."""
        try:
            with self._awaited() as aio:
                return await arun(aio, operation)
        finally:
            operation.close()

    def __enter__(self) -> Self:
        self._check_new()
        self._sync = self._store.backend.begin(self._seconds)
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()
        if self._end is not None or self._sync is None:
            return
        if error is None:
            with self._used() as sync, self._committing():
                sync.commit()
            return
        self._forget("was rolled back")
        try:
            self._sync.rollback()
        except RushModelError as second:
            _log.warning("a transaction was not rolled back as it should: %s", second)

    async def __aenter__(self) -> Self:
        self._check_new()
        self._aio = await self._store.aio.begin(self._seconds)
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()
        if self._end is not None or self._aio is None:
            return
        if error is None:
            with self._awaited() as aio, self._committing():
                cancelled = await _whole(aio.commit())
            if cancelled is not None:
                raise cancelled
            return
        self._forget("was rolled back")
        try:
            await _whole(self._aio.rollback())
        except RushModelError as second:
            _log.warning("a transaction was not rolled back as it should: %s", second)

    def __repr__(self) -> str:
        begun = self._sync or self._aio
        return f"<Transaction of {self.database.url}: {self._end or ('open' if begun else 'not begun')}>"

    def _check_new(self) -> None:
        if transaction_of(self.database) is not None:
            raise TransactionBusy(
                f"a transaction of {self.database.url} was to be begun inside another one: they are not "
                "nested. What is done in the block belongs to the outer one"
            )
        if (self._sync or self._aio) is not None:
            raise TransactionClosed("a transaction is for one `with` block: call db.transaction() again")

    def _enter(self) -> None:
        self._inside = self._outside.inside()
        _entered.set((*_entered.get(), self))
        current.select(self.database)

    def _leave(self) -> None:
        _entered.set(tuple(each for each in _entered.get() if each is not self))
        current.unselect(self.database)

    @contextmanager
    def _used(self) -> Generator[SyncTransaction]:
        """The store's transaction, for the calling thread alone."""
        self._check_open()
        if self._sync is None:
            raise TransactionError(
                "this transaction was begun by `async with`: use the verbs that begin with an a, as in "
                "`await record.asave()`, or begin it by `with`"
            )
        if not self._thread.acquire(blocking=False):
            raise _busy(self)
        try:
            yield self._sync
        finally:
            self._thread.release()

    @contextmanager
    def _awaited(self) -> Generator[AsyncTransaction]:
        """The store's transaction, for the calling task alone."""
        self._check_open()
        if self._aio is None:
            raise TransactionError(
                "this transaction was begun by `with`, and a verb that is awaited was called: begin it by "
                "`async with`"
            )
        if not self._task.acquire(blocking=False):
            raise _busy(self)
        try:
            yield self._aio
        finally:
            self._task.release()

    def _check_open(self) -> None:
        if self._end is not None:
            raise TransactionClosed(
                f"the transaction that this is part of {self._end}. A task that is to go on after its end is "
                "started outside of the block"
            )

    @contextmanager
    def _committing(self) -> Generator[None]:
        try:
            yield
        except BaseException:
            self._forget("could not be committed")
            raise
        self._end = "was committed"
        self._outside.prepared |= self._inside.prepared

    def _forget(self, end: str) -> None:
        """It has this end, and instances are what they were before."""
        self._end = end
        journal = self._inside.journal
        if journal is not None:
            journal.undo()


def _busy(transaction: Transaction) -> TransactionBusy:
    return TransactionBusy(
        f"the transaction of {transaction.database.url} is being used by another thread or task at this "
        "moment: await one verb after the other in it, or give each task a transaction of its own"
    )


async def _whole(last: Coroutine[Any, Any, None]) -> asyncio.CancelledError | None:
    """Await a last step to its end; if the waiting task was cancelled meanwhile, by what."""
    step = asyncio.ensure_future(last)
    try:
        await asyncio.shield(step)
    except asyncio.CancelledError as cancelled:
        await asyncio.wait([step])
        step.result()
        return cancelled
    return None
