"""Sending again: which failures are worth another try, and when."""

from __future__ import annotations

import logging
import random
from enum import Enum
from typing import TypedDict

from ...errors import ServerUnreachable, StoreError
from .calls import Call, Deadline

# Without a handler anywhere, Python prints the name of the event to stderr at each retry. Programs that
# have set logging up hear of retries as before.
logging.getLogger("stamina").addHandler(logging.NullHandler())

MOST_WAIT = 60.0
"""Seconds; a server that asks for a longer pause (Retry-After) gets no second try."""


class Limits(TypedDict):
    """Arguments of `stamina.retry_context`."""

    attempts: int
    timeout: float | None
    wait_initial: float
    wait_max: float
    wait_jitter: float


LIMITS = Limits(attempts=5, timeout=None, wait_initial=0.1, wait_max=5.0, wait_jitter=0.3)
"""Pauses of 0.1, 0.2, 0.4 and 0.8 seconds, each and up to 0.3 more; `Judge` keeps the deadline."""


class Again(Enum):
    """After which failures a call is sent again."""

    ALWAYS = "the server did not carry it out"
    REPEATABLE = "it may have been carried out: where twice is as good as once"
    NEVER = "it would not help"


class Failure(Exception):
    """A try that failed: the error for the caller unless another is worth while.

    ``wait``: the seconds the server asks to be left alone.
    """

    def __init__(self, error: StoreError, again: Again, wait: float | None = None) -> None:
        super().__init__(error, again, wait)
        self.error = error
        self.again = again
        self.wait = wait

    def __repr__(self) -> str:  # what stamina writes to the log
        return repr(self.error)


class Judge:
    """Decides after each failure of one call: no, yes, or in how many seconds; stamina's hook.

    It also sees to it that an error of a later try does not deny what an earlier one may have done:
    ``error.sent`` stays True once it was.
    """

    def __init__(self, call: Call, deadline: Deadline, first: Failure) -> None:
        self._repeatable = call.repeatable
        self._unsent_only = call.transaction is not None
        self._deadline = deadline
        self._first: Failure | None = first
        self._failures = 0
        self.sent = False

    def see_first(self) -> None:
        """Raise the failure that made a judge necessary, so that the retries begin with it; once."""
        first, self._first = self._first, None
        if first is not None:
            raise first

    def __call__(self, error: Exception) -> bool | float:
        if not isinstance(error, Failure):
            return False
        self.sent = self.sent or bool(error.error.sent)
        error.error.__dict__["sent"] = self.sent
        self._failures += 1
        if error.again is Again.NEVER or (error.again is Again.REPEATABLE and not self._repeatable):
            return False
        if self._unsent_only and not isinstance(error.error, ServerUnreachable):
            return False
        # Waiting must not outlive the deadline: the caller hears of the failure at once.
        if error.wait is None:
            return self._deadline.allows(self._longest())
        wait = error.wait + random.uniform(0.01, 0.25)  # not all the clients at the same moment
        return wait if error.wait <= MOST_WAIT and self._deadline.allows(wait) else False

    def _longest(self) -> float:
        """The longest pause that stamina may make now."""
        backoff: float = LIMITS["wait_initial"] * 2 ** (self._failures - 1)
        return min(LIMITS["wait_max"], backoff + LIMITS["wait_jitter"])
