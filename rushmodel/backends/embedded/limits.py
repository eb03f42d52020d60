"""How long a command may take, and whether anybody still waits for its answer."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeAlias

from ...errors import StoreTimeout

IsCancelled: TypeAlias = Callable[[], bool]

is_cancelled: ContextVar[IsCancelled | None] = ContextVar("is_cancelled", default=None)
"""Of the task that a worker thread carries something out for: whether it was cancelled meanwhile."""

_STEPS = 20_000
"""Steps of SQLite's machine between two looks at the clock: a few milliseconds."""


class Cancelled(Exception):
    """A command that only reads was stopped, because nobody waits for its answer any more."""


class TimeLimit:
    """Stops a command's statements once ``seconds`` have passed since `begin`; None: never.

    SQLite's progress handler looks at the clock, so what is stopped is whatever
    SQLite does; a transaction that was stopped is rolled back.

    It stops a command, too, whose task was cancelled, if `begin` was told how to find out.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._until = 0.0
        self._is_cancelled: IsCancelled | None = None
        self._connection: sqlite3.Connection | None = None

    def begin(self, connection: sqlite3.Connection, is_cancelled: IsCancelled | None = None) -> None:
        """A command begins, on this connection; ``is_cancelled`` is for one that only reads."""
        self._is_cancelled = is_cancelled
        if self._seconds is not None:
            self._until = time.monotonic() + self._seconds
        elif is_cancelled is None:
            return
        if self._connection is not connection:
            connection.set_progress_handler(self._is_over, _STEPS)
            self._connection = connection

    def check(self) -> None:
        """`StoreTimeout` once the time is over, or `Cancelled`, for work that SQLite does not do."""
        if self._is_over():
            raise self._reason()

    def error(self, error: sqlite3.Error) -> StoreTimeout | Cancelled | None:
        """What an error of SQLite's means, if the limit is the reason."""
        if not self._is_over() or "interrupted" not in str(error):
            return None
        return self._reason()

    def _reason(self) -> StoreTimeout | Cancelled:
        if self._is_cancelled is not None and self._is_cancelled():
            return Cancelled()
        return StoreTimeout(
            f"this took longer than the {self._seconds:g} s that a command may take; narrow the query",
            seconds=self._seconds,
        )

    def _is_over(self) -> bool:
        if self._is_cancelled is not None and self._is_cancelled():
            return True
        return self._seconds is not None and time.monotonic() > self._until
