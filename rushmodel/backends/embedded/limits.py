"""How long a command may take."""

from __future__ import annotations

import sqlite3
import time

from ...errors import StoreTimeout

_STEPS = 20_000
"""Steps of SQLite's machine between two looks at the clock: a few milliseconds."""


class TimeLimit:
    """Stops a command's statements once ``seconds`` have passed since `begin`; None: never.

    SQLite's progress handler looks at the clock, so what is stopped is whatever
    SQLite does; a transaction that was stopped is rolled back.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._until = 0.0
        self._connection: sqlite3.Connection | None = None

    def begin(self, connection: sqlite3.Connection) -> None:
        """A command begins, on this connection."""
        if self._seconds is None:
            return
        self._until = time.monotonic() + self._seconds
        if self._connection is not connection:
            connection.set_progress_handler(self._is_over, _STEPS)
            self._connection = connection

    def check(self) -> None:
        """`StoreTimeout` once the time is over, for work that SQLite does not do."""
        if self._seconds is not None and self._is_over():
            raise self._timeout()

    def error(self, error: sqlite3.Error) -> StoreTimeout | None:
        """What an error of SQLite's means, if the limit is the reason."""
        if self._seconds is None or not self._is_over() or "interrupted" not in str(error):
            return None
        return self._timeout()

    def _timeout(self) -> StoreTimeout:
        return StoreTimeout(
            f"this took longer than the {self._seconds:g} s that a command may take; narrow the query",
            seconds=self._seconds,
        )

    def _is_over(self) -> bool:
        return time.monotonic() > self._until
