"""A store, as the layers above know it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeVar, runtime_checkable

from .commands import Command

R = TypeVar("R")


class Execute(Protocol):
    """Carries commands out, all of them for one verb."""

    def __call__(self, command: Command[R]) -> R: ...


class AsyncExecute(Protocol):
    """As `Execute`, awaited."""

    async def __call__(self, command: Command[R]) -> R: ...


class Backend(Protocol):
    """A store, used from the calling thread."""

    def verb(self) -> Execute:
        """Begin a verb: a store that is far away gives all its commands one deadline."""
        ...

    def execute(self, command: Command[R]) -> R:
        """Carry one command out, as a verb of its own."""
        ...

    def begin(self, seconds: float | None = None) -> Transaction:
        """Begin a transaction; what is carried out through it is kept by `commit` or undone by `rollback`.

        ``seconds``: how long it may take at most; None leaves it to the store.
        """
        ...

    def close(self) -> None: ...


class Transaction(Backend, Protocol):
    """A transaction, which is a store as well: the one with all that was done in it.

    After `commit`, `rollback` or `close` every use but those two raises `TransactionClosed`. `rollback`
    and `close` of one that is open undo it, and of another do nothing. `begin` raises `TransactionBusy`.
    """

    @property
    def id(self) -> str: ...

    @property
    def is_open(self) -> bool:
        """Whether it can be used, as far as is known here."""
        ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...


@runtime_checkable
class ThreadedBackend(Protocol):
    """An `AsyncBackend` that has a thread of its own, where whole operations are carried out.

    Making thousands of instances out of records takes long, too, and would hold the event loop up.
    """

    async def carry_out(
        self,
        operation: Generator[Command[Any], Any, R],
        run: Callable[[Backend, Generator[Command[Any], Any, R]], R],
    ) -> R:
        """Carry an operation out on its thread and in the caller's context; its result.

        ``run`` does so with a store of which nothing else is known.
        """
        ...


class AsyncBackend(Protocol):
    """The same store, used from an event loop."""

    def verb(self) -> AsyncExecute: ...

    async def execute(self, command: Command[R]) -> R: ...

    async def begin(self, seconds: float | None = None) -> AsyncTransaction:
        """As `Backend.begin`."""
        ...

    def close(self) -> None:
        """Close, also where no loop runs."""
        ...

    async def aclose(self) -> None:
        """Close, once what this loop has open is closed."""
        ...


class AsyncTransaction(AsyncBackend, Protocol):
    """As `Transaction`, awaited."""

    @property
    def id(self) -> str: ...

    @property
    def is_open(self) -> bool:
        """Whether it can be used, as far as is known here."""
        ...

    async def commit(self) -> None: ...

    async def rollback(self) -> None: ...
