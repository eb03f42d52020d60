"""A store, as the layers above know it."""

from __future__ import annotations

from typing import Protocol, TypeVar

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


class AsyncBackend(Protocol):
    """The same store, used from an event loop."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def execute(self, command: Command[R]) -> R: ...

    def close(self) -> None: ...
