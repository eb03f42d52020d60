"""The embedded store for event loops: the same backend on worker threads."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from ...errors import TransactionBusy
from ...port import AsyncExecute, Backend, Command
from .backend import EmbeddedBackend
from .interleaving import Interleaved
from .limits import is_cancelled
from .transactions import EmbeddedTransaction

R = TypeVar("R")
T = TypeVar("T")

MOST_WAITING = 32
"""Threads for commands that may have to wait for a transaction."""


class AsyncEmbedded:
    """An `AsyncBackend` over an `EmbeddedBackend`, which stays usable beside it.

    One thread is enough: it interleaves the operations of all tasks, so that what they write at a time is
    committed together (`Interleaved`). But while a transaction is open, commands wait for it, and others
    must not wait behind them. A transaction has a thread of its own. A command whose task is cancelled
    while it runs is stopped within some milliseconds if it reads, and carried out all the same if it writes.
    """

    def __init__(self, backend: EmbeddedBackend) -> None:
        self._backend = backend
        self._thread: ThreadPoolExecutor | None = None
        self._interleaved: Interleaved | None = None
        self._waiting: ThreadPoolExecutor | None = None
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"AsyncEmbedded({self._backend!r})"

    def verb(self) -> AsyncExecute:
        """The store is near: its commands need no common deadline."""
        return self.execute

    async def execute(self, command: Command[R]) -> R:
        """Carry a command out on the worker thread; see `EmbeddedBackend.execute`."""
        return await self.carry_out(_asking(command), lambda store, _: store.execute(command))

    async def begin(self, seconds: float | None = None) -> AsyncEmbeddedTransaction:
        """As `EmbeddedBackend.begin`, without holding the loop or any other command up."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="rushmodel-transaction")
        begun = thread.submit(self._backend.begin, seconds)
        try:
            transaction = await asyncio.wrap_future(begun)
        except BaseException:
            begun.add_done_callback(_undo)  # who waited for it may be gone when it begins
            thread.shutdown(wait=False)
            raise
        return AsyncEmbeddedTransaction(transaction, thread)

    async def carry_out(
        self,
        operation: Generator[Command[Any], Any, T],
        run: Callable[[Backend, Generator[Command[Any], Any, T]], T],
    ) -> T:
        """Carry an operation out on a worker thread, in the caller's context; ``run`` does so in one go."""
        if self._process != os.getpid():  # threads do not survive a fork
            self._thread = self._waiting = self._interleaved = None
            self._process = os.getpid()
        if self._backend.is_taken:
            if self._waiting is None:
                self._waiting = ThreadPoolExecutor(MOST_WAITING, thread_name_prefix="rushmodel-waiting")
            return await _call(self._waiting, lambda store: run(store, operation), self._backend)
        if self._thread is None or self._interleaved is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="rushmodel")
            self._interleaved = Interleaved(self._backend, self._thread.submit)
        return await self._interleaved.carry_out(operation)

    async def aclose(self) -> None:
        """As `close`, without holding the loop up."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Close the backend once the commands that were begun are done, and end the threads.

        An open transaction is rolled back, so that nothing waits for it.
        """
        self._backend.end_transaction()
        threads = (self._thread, self._waiting)
        self._thread = self._waiting = self._interleaved = None
        if self._process == os.getpid():
            for each in threads:
                if each is not None:
                    each.shutdown()
        self._backend.close()


def _undo(begun: Future[EmbeddedTransaction]) -> None:
    if not begun.cancelled() and begun.exception() is None:
        begun.result().close()


class AsyncEmbeddedTransaction:
    """An `EmbeddedTransaction` for event loops, on a thread of its own: who waits is not in its way."""

    def __init__(self, transaction: EmbeddedTransaction, thread: ThreadPoolExecutor) -> None:
        self._transaction = transaction
        self._thread = thread

    def __repr__(self) -> str:
        return f"<Async{repr(self._transaction)[1:]}"

    @property
    def id(self) -> str:
        return self._transaction.id

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._transaction.is_open

    def check_open(self) -> None:
        """`TransactionClosed` where it is over, `TransactionExpired` where its time was."""
        self._transaction.check_open()

    def verb(self) -> AsyncExecute:
        """The store is near: its commands need no common deadline."""
        return self.execute

    async def execute(self, command: Command[R]) -> R:
        """As `EmbeddedTransaction.execute`."""
        return await self._within(lambda store: store.execute(command))

    async def carry_out(
        self,
        operation: Generator[Command[Any], Any, T],
        run: Callable[[Backend, Generator[Command[Any], Any, T]], T],
    ) -> T:
        """Carry an operation out in the transaction, on its thread and in the caller's context."""
        return await self._within(lambda store: run(store, operation))

    async def begin(self, seconds: float | None = None) -> AsyncEmbeddedTransaction:
        """Raises `TransactionBusy`."""
        raise TransactionBusy("a transaction was to be begun inside another one: they are not nested")

    async def commit(self) -> None:
        """As `EmbeddedTransaction.commit`."""
        await self._last(self._transaction.commit)

    async def rollback(self) -> None:
        """As `EmbeddedTransaction.rollback`."""
        await self._last(self._transaction.rollback)

    async def aclose(self) -> None:
        """As `rollback`."""
        await self.rollback()

    def close(self) -> None:
        """As `rollback`, once the command that runs is done."""
        self._transaction.close()
        self._thread.shutdown(wait=False)

    async def _within(self, work: Callable[[Backend], T]) -> T:
        self.check_open()  # the thread ends with it
        return await _call(self._thread, work, self._transaction)

    async def _last(self, work: Callable[[], None]) -> None:
        if not self._transaction.is_open:
            self._thread.shutdown(wait=False)
            work()
            return
        try:
            await _call(self._thread, lambda _: work(), self._transaction)
        finally:
            self._thread.shutdown(wait=False)


def _asking(command: Command[R]) -> Generator[Command[Any], Any, R]:
    """The operation that is one command."""
    reply: R = yield command
    return reply


async def _call(thread: ThreadPoolExecutor, work: Callable[[R], T], store: R) -> T:
    context, cancelled = copy_context(), threading.Event()
    context.run(is_cancelled.set, cancelled.is_set)
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, lambda: context.run(work, store))
    except asyncio.CancelledError:
        cancelled.set()
        raise
