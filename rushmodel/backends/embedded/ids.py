"""Record ids: UUIDv7 texts, strictly ascending within the process."""

from __future__ import annotations

import os
import threading
import time

_TAIL_BITS = 74
"""What is left of 128 bits after 48 of time, 4 of version and 2 of variant."""


class IdClock:
    """Gives out UUIDv7 texts (RFC 9562), each greater than the one before, whatever thread asks.

    Within a millisecond, and while the system clock stands behind, the 74
    random bits count upwards in random steps; so ids order as they were made
    and still cannot be guessed from one another.
    """

    def __init__(self, after: int = 0) -> None:
        self._lock = threading.Lock()
        self._steps: list[int] = []
        self._begin(after)

    def __call__(self) -> str:
        """The next id, e.g. ``"0199f3a4-6c1e-7b02-9d55-0a4c8be1f27d"``."""
        now = time.time_ns() // 1_000_000
        with self._lock:
            if now > self._millisecond:
                self._begin(now)
            else:
                self._tail += 1 + self._step()
                if self._tail >> _TAIL_BITS:
                    self._begin(self._millisecond + 1)
            head, tail = self._head, self._tail
        digits = f"{(tail & _LOW) | _VARIANT:016x}"
        return f"{head}{tail >> 62:03x}-{digits[:4]}-{digits[4:]}"

    @property
    def millisecond(self) -> int:
        """The time part of the last id, in ms since 1970."""
        return self._millisecond

    def _begin(self, millisecond: int) -> None:
        # The top bit starts at zero, so that a busy millisecond has room to count.
        self._millisecond = millisecond
        digits = f"{millisecond:012x}"
        self._head = f"{digits[:8]}-{digits[8:]}-7"
        self._tail = int.from_bytes(os.urandom(10), "big") >> (80 - _TAIL_BITS + 1)

    def _step(self) -> int:
        if not self._steps:  # one call into the kernel for many ids
            self._steps = list(memoryview(os.urandom(4 * 256)).cast("I"))
        return self._steps.pop()


_LOW = (1 << 62) - 1
_VARIANT = 0b10 << 62

_clock = IdClock()


def new_id() -> str:
    """The next record id of this process."""
    return _clock()


def _restart() -> None:
    # A forked child has its parent's random bits, and perhaps its lock in another thread's hands.
    global _clock
    _clock = IdClock(after=_clock.millisecond + 1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart)
