"""Sockets that mind a deadline, for the pools of `Transport` and `AsyncTransport`.

A timeout of httpcore is for one read or one write: a server that sends a byte every second never
meets it. Here the time that is left is looked at again before every operation on a socket.
"""

from __future__ import annotations

import select
import socket
import ssl
import sys
from collections.abc import Iterable
from typing import Any, NoReturn, cast

import httpcore
from typing_extensions import Self

from .calls import Deadline

PIECE = 1 << 18
"""Bytes written between two looks at the clock; a slow reader takes a large body piece by piece."""
TOGETHER = 1 << 16
"""Bytes of a request that go out in one write."""


class Limit(float):
    """The seconds that one operation may take, cut to those left of a deadline when it begins.

    httpcore hands the timeouts of a request on to the streams as they are, so that a number which
    knows its deadline arrives here, and is a plain number for everybody else.
    """

    deadline: Deadline

    def __new__(cls, seconds: float, deadline: Deadline) -> Self:
        limit = super().__new__(cls, seconds)
        limit.deadline = deadline
        return limit


class SyncNetwork(httpcore.NetworkBackend):
    """Opens a `SyncStream`."""

    def __init__(self) -> None:
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Try the addresses of the host one after the other.

        Each has the whole timeout, and all of them the deadline. Looking a name up cannot be
        interrupted: it takes as long as the resolver of the machine lets it.
        """
        options = None if socket_options is None else list(socket_options)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception = httpcore.ConnectError("the name has no address")
        for *_, place in found:
            try:
                stream = self._network.connect_tcp(
                    str(place[0]), port, _left(timeout, httpcore.ConnectTimeout), local_address, options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return SyncStream(stream)
        raise failure

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise httpcore.UnsupportedProtocol("servers are reached by http and https only")


class SyncStream(httpcore.NetworkStream):
    """A socket whose every read and write ends by the deadline of the request it is for."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._request = _Request()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        for piece in self._request.end():
            self._stream.write(piece, _left(timeout, httpcore.WriteTimeout))
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for piece in self._request.add(buffer):
            self._stream.write(piece, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return SyncStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class AsyncNetwork(httpcore.AsyncNetworkBackend):
    """Opens an `AsyncStream`."""

    def __init__(self) -> None:
        self._network = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return AsyncStream(await self._network.connect_tcp(host, port, left, local_address, socket_options))

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise httpcore.UnsupportedProtocol("servers are reached by http and https only")


class AsyncStream(httpcore.AsyncNetworkStream):
    """As `SyncStream`, awaited."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._socket: socket.socket = stream.get_extra_info("socket")
        self._request = _Request()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        for piece in self._request.end():
            await self._stream.write(piece, _left(timeout, httpcore.WriteTimeout))
        return await self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for piece in self._request.add(buffer):
            await self._stream.write(piece, _left(timeout, httpcore.WriteTimeout))

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return AsyncStream(await self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        # The pool asks every idle connection, several times a request; to find the socket under anyio's
        # streams takes far longer than to look at it.
        return _is_readable(self._socket) if info == "is_readable" else self._stream.get_extra_info(info)


class _Request:
    """A request as httpcore writes it, head and body apart and an empty end, put together if it is small.

    A server is woken once then, not twice, and over TLS there is one record.
    """

    def __init__(self) -> None:
        self._held = b""

    def add(self, buffer: bytes) -> Iterable[bytes]:
        """What is to be sent now that this was written."""
        if not buffer:
            return self.end()
        if len(self._held) + len(buffer) <= TOGETHER:
            self._held += buffer
            return ()
        return (*self.end(), *_pieces(buffer))

    def end(self) -> Iterable[bytes]:
        """What is still to be sent, as no more comes before the answer."""
        held, self._held = self._held, b""
        return (held,) if held else ()


def _is_readable(found: socket.socket) -> bool:
    """Whether there is something to read, which on an idle connection is that the server closed it."""
    number = found.fileno()
    if number < 0:
        return True
    if sys.platform == "win32":  # it has no poll, and its select takes any number
        return bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))


def _left(timeout: float | None, over: type[httpcore.TimeoutException]) -> float | None:
    """The seconds an operation that begins now may take; ``over`` is raised where there are none."""
    if not isinstance(timeout, Limit):
        return timeout
    seconds = timeout.deadline.cut(timeout)
    if seconds <= 0:  # a socket takes a timeout of 0 for "do not wait", which is another error
        raise over("the deadline is over")
    return seconds


def _pieces(buffer: bytes) -> Iterable[bytes]:
    """A buffer in views of at most `PIECE` bytes: the streams cut what they send with no copy then."""
    if len(buffer) <= PIECE:
        return (buffer,)
    view = memoryview(buffer)
    return cast("list[bytes]", [view[start : start + PIECE] for start in range(0, len(view), PIECE)])
