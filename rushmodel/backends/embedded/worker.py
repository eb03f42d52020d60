"""The embedded store for event loops: the same backend on one worker thread."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from ...port import AsyncExecute, Backend, Command
from .backend import EmbeddedBackend

R = TypeVar("R")
T = TypeVar("T")


class AsyncEmbedded:
    """An `AsyncBackend` over an `EmbeddedBackend`, which stays usable beside it.

    One thread is enough, since the store carries out one command at a time. A
    command whose task is cancelled while it runs is carried out all the same.
    """

    def __init__(self, backend: EmbeddedBackend) -> None:
        self._backend = backend
        self._thread: ThreadPoolExecutor | None = None
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"AsyncEmbedded({self._backend!r})"

    def verb(self) -> AsyncExecute:
        """The store is near: its commands need no common deadline."""
        return self.execute

    async def execute(self, command: Command[R]) -> R:
        """Carry a command out on the worker thread; see `EmbeddedBackend.execute`."""
        return await self.within(lambda backend: backend.execute(command))

    async def within(self, work: Callable[[Backend], T]) -> T:
        """Call ``work`` with the store, on the worker thread and in the caller's context."""
        if self._thread is None or self._process != os.getpid():  # threads do not survive a fork
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="rushmodel")
            self._process = os.getpid()
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: context.run(work, self._backend)
        )

    async def aclose(self) -> None:
        """As `close`, without holding the loop up."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Close the backend once the commands that were begun are done, and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None and self._process == os.getpid():
            thread.shutdown()
        self._backend.close()
