"""`Interleaved`: the operations of many tasks on one thread, and one commit for what they write at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from contextvars import Context, copy_context
from typing import Any, Generic, TypeVar

from ...errors import RushModelError
from ...port import Command, Execute
from .backend import EmbeddedBackend
from .committing import Pending
from .limits import is_cancelled

R = TypeVar("R")


class Interleaved:
    """Carries operations out on a thread: each up to its next write, then the writes of all of them at once.

    An operation is a generator that yields commands and is sent the replies. It goes on when what it has
    written is committed. One that begins by reading sees what those before it have begun by writing. One
    whose task was cancelled before it began is not begun. Later a command that reads is stopped, and the
    operation ends there; one that writes is carried out all the same.
    """

    def __init__(self, backend: EmbeddedBackend, submit: Callable[[Callable[[], None]], object]) -> None:
        self._backend = backend
        self._submit = submit
        self._lock = threading.Lock()
        self._waiting: list[_Driven[Any]] = []
        self._runs = False
        # Of the thread alone: what is to be written, what is to be read after that, what is over.
        self._parked: list[tuple[_Driven[Any], Pending]] = []
        self._deferred: list[tuple[_Driven[Any], Command[Any]]] = []
        self._over: list[_Driven[Any]] = []

    async def carry_out(self, operation: Generator[Command[Any], Any, R]) -> R:
        """Carry it out, in the caller's context; its result, or what it raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        with self._lock:
            if not self._runs:
                self._submit(self._run)  # which first of all waits for the lock
                self._runs = True
            self._waiting.append(_Driven(operation, future, loop, self._backend.verb()))
        return await future

    def _run(self) -> None:
        while True:
            with self._lock:
                begun, self._waiting = self._waiting, []
                if not begun and not self._parked:
                    self._runs = False
                    return
            for each in begun:
                if each.future.cancelled():
                    each.operation.close()
                else:
                    self._advance(each, None, None)
            self._tell()
            if self._parked:
                self._write()

    def _write(self) -> None:
        """Commit what was parked, and let it go on; then what was deferred until that."""
        parked, self._parked = self._parked, []
        deferred, self._deferred = self._deferred, []
        try:
            self._backend.write_together([pending for _, pending in parked])
        except Exception as error:  # noqa: BLE001  (raised in each operation, below)
            for _, pending in parked:
                if not pending.is_over:
                    pending.end(error)
        for each, pending in parked:
            try:
                reply = pending.result()
            except Exception as error:  # noqa: BLE001  (raised in the operation)
                self._advance(each, None, error)
            else:
                self._advance(each, reply, None)
        self._tell()
        for each, command in deferred:
            try:
                reply = each.context.run(each.execute, command)
            except Exception as error:  # noqa: BLE001  (raised in the operation)
                self._advance(each, None, error)
            else:
                self._advance(each, reply, None)
        self._tell()

    def _advance(self, each: _Driven[Any], reply: object, error: Exception | None) -> None:
        """Let an operation go on until it writes, has to wait for what others write, or is over."""
        operation, within = each.operation, each.context.run
        try:
            while True:
                if error is None:
                    command = within(operation.send, reply)
                elif isinstance(error, RushModelError):
                    command = within(operation.throw, error)
                else:
                    operation.close()
                    raise error
                reply = error = None
                is_first, each.is_first = each.is_first, False
                pending = self._backend.pending(command)
                if pending is not None:
                    self._parked.append((each, pending))
                    return
                if is_first and self._parked:
                    self._deferred.append((each, command))
                    return
                try:
                    reply = within(each.execute, command)
                except RushModelError as refused:
                    error = refused
        except StopIteration as done:
            each.result = done.value
        except BaseException as failure:  # noqa: BLE001  (raised where it is awaited)
            each.error = failure
        finally:
            # What was raised knows this frame, and who is known in a circle is freed late.
            del error
        self._over.append(each)

    def _tell(self) -> None:
        """Answer those who wait: one message for each loop, since each wakes it up."""
        by_loop: dict[asyncio.AbstractEventLoop, list[_Driven[Any]]] = {}
        for each in self._over:
            by_loop.setdefault(each.loop, []).append(each)
        self._over = []
        for loop, answered in by_loop.items():
            try:
                loop.call_soon_threadsafe(_answer, answered)
            except RuntimeError:
                continue  # the loop is closed: nobody waits there any more


class _Driven(Generic[R]):
    """An operation, who waits for it, and what came of it."""

    __slots__ = ("context", "error", "execute", "future", "is_first", "loop", "operation", "result")

    def __init__(
        self,
        operation: Generator[Command[Any], Any, R],
        future: asyncio.Future[R],
        loop: asyncio.AbstractEventLoop,
        execute: Execute,
    ) -> None:
        self.operation = operation
        self.future = future
        self.loop = loop
        self.execute = execute
        self.is_first = True
        """Whether its next command is its first."""
        self.context: Context = copy_context()
        self.context.run(is_cancelled.set, future.cancelled)
        self.result: R
        self.error: BaseException | None = None


def _answer(over: list[_Driven[Any]]) -> None:
    for each in over:
        if each.future.done():
            continue  # it was cancelled
        if each.error is None:
            each.future.set_result(each.result)
        else:
            error, each.error = each.error, None
            each.future.set_exception(error)
