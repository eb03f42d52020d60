"""`RestTransaction` and `AsyncRestTransaction`: a transaction on a server, as the port has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from ...errors import TransactionBusy
from ...port import AsyncExecute, Command, Execute
from .calls import Deadline, Exchange
from .course import LAST_SECONDS, Course
from .transport import AsyncTransport, Transport, arun_exchange, run_exchange

R = TypeVar("R")


class RestTransaction:
    """A transaction, for one command at a time. Any error ends it: everything is undone then (R22).

    ``begin``: makes a command's exchange. ``timeout``: seconds for a verb; none gets more than is left of
    the transaction.
    """

    def __init__(
        self,
        transport: Transport,
        begin: Callable[[Command[Any]], Exchange[Any]],
        course: Course,
        timeout: float | None,
    ) -> None:
        self._transport = transport
        self._begin = begin
        self._course = course
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"<RestTransaction {self.id}: {'open' if self._course.is_open else 'over'}>"

    @property
    def id(self) -> str:
        return self._course.id

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._course.is_open

    def verb(self) -> Execute:
        deadline = self._course.deadline(self._timeout)

        def execute(command: Command[R]) -> R:
            answer: R = self._run(self._course.carry(self._begin(command)), deadline)
            return answer

        return execute

    def execute(self, command: Command[R]) -> R:
        return self.verb()(command)

    def begin(self, seconds: float | None = None) -> RestTransaction:
        raise TransactionBusy("a transaction was to be begun inside another one: they are not nested")

    def commit(self) -> None:
        """As `Course.commit`."""
        self._run(self._course.commit(), Deadline(self._timeout or LAST_SECONDS))

    def rollback(self) -> None:
        """Undo it; nothing, where it is over already. A server that cannot be reached forgets it itself."""
        if self._course.is_open:
            self._run(self._course.undo(), Deadline(LAST_SECONDS))

    def close(self) -> None:
        """As `rollback`."""
        self.rollback()

    def _run(self, exchange: Exchange[R], deadline: Deadline) -> R:
        try:
            return run_exchange(self._transport, exchange, deadline)
        finally:
            if self._course.unsettled:
                run_exchange(self._transport, self._course.undo(), Deadline(LAST_SECONDS))


class AsyncRestTransaction:
    """As `RestTransaction`, from an event loop. Cancelling a task that uses it ends it."""

    def __init__(
        self,
        transport: AsyncTransport,
        begin: Callable[[Command[Any]], Exchange[Any]],
        course: Course,
        timeout: float | None,
    ) -> None:
        self._transport = transport
        self._begin = begin
        self._course = course
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"<AsyncRestTransaction {self.id}: {'open' if self._course.is_open else 'over'}>"

    @property
    def id(self) -> str:
        return self._course.id

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._course.is_open

    def verb(self) -> AsyncExecute:
        deadline = self._course.deadline(self._timeout)

        async def execute(command: Command[R]) -> R:
            answer: R = await self._run(self._course.carry(self._begin(command)), deadline)
            return answer

        return execute

    async def execute(self, command: Command[R]) -> R:
        return await self.verb()(command)

    async def begin(self, seconds: float | None = None) -> AsyncRestTransaction:
        """Raises `TransactionBusy`."""
        raise TransactionBusy("a transaction was to be begun inside another one: they are not nested")

    async def commit(self) -> None:
        """As `RestTransaction.commit`."""
        await self._run(self._course.commit(), Deadline(self._timeout or LAST_SECONDS))

    async def rollback(self) -> None:
        """As `RestTransaction.rollback`."""
        if self._course.is_open:
            await self._run(self._course.undo(), Deadline(LAST_SECONDS))

    async def aclose(self) -> None:
        """As `rollback`."""
        await self.rollback()

    def close(self) -> None:
        """Where no loop runs nothing can be sent: the server forgets it when its time is over."""

    async def _run(self, exchange: Exchange[R], deadline: Deadline) -> R:
        try:
            return await arun_exchange(self._transport, exchange, deadline)
        finally:
            if self._course.unsettled:
                undo = arun_exchange(self._transport, self._course.undo(), Deadline(LAST_SECONDS))
                await asyncio.shield(asyncio.ensure_future(undo))
