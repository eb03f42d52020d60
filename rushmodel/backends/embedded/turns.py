"""`Turns`: who may write, while a transaction of this process is open."""

from __future__ import annotations

import os
import threading
import time
from typing import NamedTuple

from ...errors import StoreBusy


class Turns:
    """Lets one transaction after the other have a store; everybody else waits, without holding `lock`.

    SQLite would keep writers apart by itself, but whoever waits in it holds the lock that readers need.
    ``seconds``: how long anybody waits before `StoreBusy`.
    """

    def __init__(self, lock: threading.RLock, path: str, seconds: float) -> None:
        self._free = threading.Condition(lock)
        self._path = path
        self._seconds = seconds
        self._turn: _Turn | None = None

    @property
    def holder(self) -> object | None:
        """The open transaction. One that was open when this process was forked is the parent's."""
        turn = self._turn
        return None if turn is None or turn.process != os.getpid() else turn.holder

    def take(self, holder: object) -> None:
        """Wait for one's turn and take it; `StoreBusy`."""
        with self._free:
            self.wait()
            self._turn = _Turn(holder, threading.get_ident(), os.getpid())

    def give_back(self, holder: object) -> None:
        """It is over; twice is harmless."""
        with self._free:
            if self._turn is not None and self._turn.holder is holder:
                self._turn = None
                self._free.notify_all()

    def refuse_own(self) -> None:
        """`StoreBusy` where the calling thread has the turn, which may be asked without the lock."""
        turn = self._turn
        if turn is not None and turn.thread == threading.get_ident() and turn.process == os.getpid():
            # Nobody else will end it: waiting would only take long.
            raise StoreBusy(
                f"{self._path}: this thread has a transaction open on it, which this is not part of; "
                "do it through the transaction, or end that first",
                path=self._path,
            )

    def wait(self) -> None:
        """Wait until no transaction is open, and have the lock then. Whoever calls holds it; `StoreBusy`."""
        if self.holder is None:
            return
        until = time.monotonic() + self._seconds
        while self.holder is not None:
            self.refuse_own()
            if not self._free.wait(until - time.monotonic()) and self.holder is not None:
                raise StoreBusy(
                    f"{self._path}: a transaction kept it for over {self._seconds:g} s; try again",
                    path=self._path,
                )


class _Turn(NamedTuple):
    """Who has it: one value, so that whoever looks without the lock sees what belongs together."""

    holder: object
    thread: int
    process: int
