"""A store, as the layers above know it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

from ..value import Value
from .commands import Command

R = TypeVar("R")


class Capabilities(Value):
    """What a store can do, as data; operations read it before they send anything."""

    store: str
    reads_vectors: bool
    """Gives vectors back."""
    versions: bool
    """Tells a record's version, and can refuse a write by it."""
    managed: bool
    """Embeds text itself."""


class Backend(Protocol):
    """A store, used from the calling thread."""

    @property
    def capabilities(self) -> Capabilities: ...

    def execute(self, command: Command[R]) -> R: ...

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

    @property
    def capabilities(self) -> Capabilities: ...

    async def execute(self, command: Command[R]) -> R: ...

    def close(self) -> None: ...
