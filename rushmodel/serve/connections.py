"""`Connection`: HTTP/1.1 with a client, who may be slow."""

from __future__ import annotations

import asyncio
from typing import cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle


class Connection(H11Protocol):
    """Uvicorn's protocol over h11, which waits for idle clients only between requests.

    Here it also ends a connection whose client owes it something for longer than `SECONDS`: the rest of
    a request's head, or the rest of a body that was answered without being read. So slow clients cannot
    use up the connections that the server takes.
    """

    SECONDS = 20.0

    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_clock()

    def cut_upload(self) -> None:
        """End the connection if the body of a request is still on its way."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and cycle.more_body and not cycle.response_complete:
            self.transport.close()

    def _watch(self) -> None:
        if self.transport.is_closing() or not self._is_owed():
            self._stop_clock()
        elif self._clock is None:
            self._clock = self.loop.call_later(self.SECONDS, self.transport.close)

    def _is_owed(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if self.conn.their_state is h11.IDLE:
            # Between requests uvicorn's own timer runs: what counts here is a head that has begun.
            return cycle is None or bool(self.conn.trailing_data[0])
        return self.conn.their_state is h11.SEND_BODY and cycle is not None and cycle.response_complete

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
