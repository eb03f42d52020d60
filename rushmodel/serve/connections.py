"""`Connection`: HTTP/1.1 with a client, who may be slow."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import cast

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MOST_HEAD = 16 * 2**10
"""Bytes of a request's head: its line and its headers."""


class Connection(HttpToolsProtocol):
    """Uvicorn's protocol over httptools, which waits for idle clients only between requests.

    Here it also ends a connection whose client owes it something for longer than `SECONDS`: the rest of
    a request's head, or the rest of a body that was answered without being read. So slow clients cannot
    use up the connections that the server takes.

    The parser has no limits and takes some things that RFC 9112 forbids. So a head, or what stands
    around the pieces of a body, may have `MOST_HEAD` bytes; a request of HTTP/1.1 has one Host header;
    headers that come after a body are passed over.
    """

    SECONDS = 20.0

    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", _Whole(transport))
        self._part = _Part.HEAD
        self._beside = 0
        self._deaf = False
        self._watch()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._beside += len(data)
        super().data_received(data)
        if self._part is _Part.NOTHING:
            self._beside = 0
        elif self._beside > MOST_HEAD and not self._deaf:
            self.send_400_response(_TOO_LONG)
        self._watch()

    def on_message_begin(self) -> None:
        self._part = _Part.HEAD
        self._head = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._head += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._part is _Part.HEAD:
            self._head += len(name) + len(value) + 4
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._head > MOST_HEAD:
            raise ValueError(_TOO_LONG)  # the parser makes an error of it, which is answered by 400
        parser = cast("HttpRequestParser", self.parser)
        if parser.get_http_version() == "1.1" and [name for name, _ in self.headers].count(b"host") != 1:
            raise ValueError("a request of HTTP/1.1 has one Host header")
        self._part = _Part.BODY
        self._beside = 0
        super().on_headers_complete()
        if parser.should_upgrade():
            # The request is answered as if it had not asked; what comes after it is no HTTP to the parser.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._beside = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._part = _Part.NOTHING
        super().on_message_complete()

    def on_response_complete(self) -> None:
        cast("_Whole", self.transport).flush()
        super().on_response_complete()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, and close; a whole request that came before it is answered first."""
        self._deaf = True
        self._stop_clock()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.more_body and not cycle.response_complete:
            cycle.keep_alive = False
        else:
            super().send_400_response(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_clock()

    def cut_upload(self) -> None:
        """End the connection if the body of a request is still on its way."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and cycle.more_body and not cycle.response_complete:
            self.transport.close()

    def _watch(self) -> None:
        if not self._is_owed() or self.transport.is_closing():
            self._stop_clock()
        elif self._clock is None:
            self._clock = self.loop.call_later(self.SECONDS, self.transport.close)

    def _is_owed(self) -> bool:
        if self._part is _Part.HEAD:
            return True
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None or not cycle.response_complete:
            return False
        # Between requests uvicorn's own timer runs, until anything arrives: an empty line is no request.
        return self._part is _Part.BODY or self.timeout_keep_alive_task is None

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None


class _Part(Enum):
    """What of a request the client is sending."""

    HEAD = 1
    BODY = 2
    NOTHING = 3


class _Whole:
    """A transport that keeps the head of an answer until the body comes, so that both go in one piece.

    That is one call into the system, one segment and one time that the client is woken, not two. It has
    what uvicorn asks of a connection's transport once the connection was made.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.abort = transport.abort
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_FINAL):
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Send the head of an answer that has no body."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        self.flush()
        self._transport.close()


_FINAL = tuple(b"HTTP/1.1 %d" % hundreds for hundreds in (2, 3, 4, 5))
"""How an answer begins; one that only says 100, to go on, is sent at once."""

_TOO_LONG = f"The head of a request may have {MOST_HEAD:,} bytes."
