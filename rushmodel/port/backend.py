"""A store, as the layers above know it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

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

    def close(self) -> None: ...


@runtime_checkable
class ThreadedBackend(Protocol):
    """An `AsyncBackend` that has a thread of its own, where whole operations are carried out.

    Making thousands of instances out of records takes long, too, and would hold the event loop up.
    """

    async def within(self, work: Callable[[Backend], R]) -> R:
        """Call ``work`` with the store, on its thread and in the caller's context."""
        ...


class AsyncBackend(Protocol):
    """The same store, used from an event loop."""

    def verb(self) -> AsyncExecute: ...

    async def execute(self, command: Command[R]) -> R: ...

    def close(self) -> None:
        """Close, also where no loop runs."""
        ...

    async def aclose(self) -> None:
        """Close, once what this loop has open is closed."""
        ...
