"""`Begun`: an exchange that has read what it must, and stands before its first write."""

from __future__ import annotations

from typing import Generic, TypeVar

from ...errors import RushModelError
from ...wire import routes
from .calls import Call, Exchange

R = TypeVar("R")

_READS = {
    routes.LIST_POLICIES,
    routes.POLICY_STATS,
    routes.SEARCH_VECTORS,
    routes.GET_RECORD,
    routes.FIND_NEAR_RECORD,
    routes.FIND_RECORDS,
    routes.FIND_RELATED,
    routes.FIND_RELATIONSHIPS,
    routes.GET_VECTORS,
    routes.SETTINGS,
}


class Begun(Generic[R]):
    """What is left of an exchange; `finish` carries it out.

    So several of them can all be refused, or else all be written: what an exchange refuses, it refuses
    before it writes.
    """

    def __init__(self, exchange: Exchange[R]) -> None:
        self._exchange = exchange
        self._call: Call | None = None
        self._result: list[R] = []

    def begin(self) -> Exchange[None]:
        """Make its calls up to the first that writes."""
        yield from self._go_on(reading=True)

    def finish(self) -> Exchange[R]:
        """Make the others; the result."""
        yield from self._go_on(reading=False)
        (result,) = self._result
        return result

    def _go_on(self, *, reading: bool) -> Exchange[None]:
        if self._result:
            return
        try:
            call = self._call or next(self._exchange)
            while not reading or call.route in _READS:
                try:
                    answer = yield call
                except RushModelError as error:
                    call = self._exchange.throw(error)
                else:
                    call = self._exchange.send(answer)
            self._call = call
        except StopIteration as done:
            self._result.append(done.value)
