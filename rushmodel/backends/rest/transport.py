"""`Transport` and `AsyncTransport`: HTTP calls to one server, and the drivers of exchanges.

They stand on httpcore, the engine of httpx, for two reasons: httpx would take a third of the time of
a small request, and its timeouts are for one read or write, where a verb has one deadline (`streams`).
"""

from __future__ import annotations

import asyncio
import os
from typing import TypeVar

import httpcore
import stamina

from ... import __version__
from ...errors import RushModelError, StoreClosed
from ...value import Value
from ...wire.routes import EXTENSIONS, TRANSACTION_HEADER, VERSION_HEADER
from .answers import TROUBLE, Body, Reader, Unreadable
from .calls import Answer, Call, Deadline, Exchange
from .location import Address, Token
from .pools import LoopPool, Pools, ProcessPool
from .retrying import LIMITS, Failure, Judge
from .streams import Limit

R = TypeVar("R")

CLOSE_PATIENCE = 60.0
"""Seconds that `Transport.close` waits for requests that other threads make."""


class Timeouts(Value):
    """Seconds that one step of a request may take; each is also cut to what a deadline leaves."""

    connect: float = 5.0
    read: float = 30.0
    write: float = 30.0
    pool: float = 10.0


class Transport:
    """Calls from threads, over connections that all of them share; after a fork the child has its own."""

    def __init__(self, address: Address, token: Token, *, timeouts: Timeouts | None = None) -> None:
        self._letters = Letters(address, token, timeouts or Timeouts())
        self._reader = Reader(address, token)
        self._pools = Pools(address)
        self._open: dict[int, ProcessPool] = {}
        self._closed = False
        self._address = address

    def send(self, call: Call, deadline: Deadline) -> Answer:
        """Make a call, again where that is safe and may help; the answer.

        Raises:
            ServerUnreachable: There is no connection.
            StoreTimeout: The deadline is over, or the server was silent for too long.
            StoreBusy: 429 or 503; ``retry_after`` seconds were asked for, or None.
            AccessDenied: 401 or 403.
            ServerError: Another 5xx, a redirect, a cut connection, a body that is no JSON.
            StoreClosed: `close` was called.

        Each but the last has ``sent``: whether the server may have carried the call out, at any try.
        """
        self._check_open()
        deadline = deadline.for_call(call)
        try:
            return self._try(call, deadline, repeated=False)
        except Failure as failure:
            # Only now does the machinery of retries start, which costs as much as a part of a request.
            judge = Judge(call, deadline, failure)
        try:
            for attempt in stamina.retry_context(judge, **LIMITS):
                with attempt:
                    judge.see_first()
                    return self._try(call, deadline, repeated=judge.sent)
        except Failure as failure:
            raise failure.error from failure.__cause__
        raise AssertionError("stamina ends with an answer or an error")

    def _try(self, call: Call, deadline: Deadline, *, repeated: bool) -> Answer:
        if deadline.over():
            raise self._reader.late(call, deadline, sent=False)
        with self._connections().use() as pool:
            try:
                response = pool.handle_request(self._letters.request(call, deadline))
                try:
                    body = Body(response.headers)
                    for piece in response.iter_stream():
                        body.add(piece)
                    document = body.whole()
                except Unreadable as error:
                    raise self._reader.nonsense(call, response.status, str(error)) from None
                finally:
                    response.close()
            except TROUBLE as error:
                raise self._reader.failed(call, deadline, error) from error
        return self._reader.answer(call, response.status, response.headers, document, repeated=repeated)

    def _connections(self) -> ProcessPool:
        """Those of this process.

        What a parent opened stays as it is: two processes would talk on one socket, and closing it
        could wait for a lock that a thread of the parent held at the fork.
        """
        process = os.getpid()
        found = self._open.get(process)
        if found is None:
            # No lock: a second pool that is made meanwhile has no connections yet.
            found = self._open.setdefault(process, ProcessPool(self._pools.sync()))
        return found

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed(f"the connection to {self._address.url} was closed", sent=False)

    def close(self) -> None:
        """Close the connections, once what was begun is done; twice is harmless."""
        self._closed = True
        found = self._open.pop(os.getpid(), None)
        if found is not None:
            found.close(CLOSE_PATIENCE)

    def __repr__(self) -> str:
        return f"<Transport {self._address.url}>"


class AsyncTransport:
    """Calls from event loops, over connections that each loop has for itself."""

    def __init__(self, address: Address, token: Token, *, timeouts: Timeouts | None = None) -> None:
        self._letters = Letters(address, token, timeouts or Timeouts())
        self._reader = Reader(address, token)
        self._pools = Pools(address)
        self._open: dict[asyncio.AbstractEventLoop, LoopPool] = {}
        self._closed = False
        self._address = address

    async def send(self, call: Call, deadline: Deadline) -> Answer:
        """As `Transport.send`."""
        self._check_open()
        deadline = deadline.for_call(call)
        try:
            return await self._try(call, deadline, repeated=False)
        except Failure as failure:
            judge = Judge(call, deadline, failure)
        try:
            async for attempt in stamina.retry_context(judge, **LIMITS):
                with attempt:
                    judge.see_first()
                    return await self._try(call, deadline, repeated=judge.sent)
        except Failure as failure:
            raise failure.error from failure.__cause__
        raise AssertionError("stamina ends with an answer or an error")

    async def _try(self, call: Call, deadline: Deadline, *, repeated: bool) -> Answer:
        if deadline.over():
            raise self._reader.late(call, deadline, sent=False)
        connections = await self._connections()
        if not await connections.take_turn(deadline.left()):
            raise self._reader.late(call, deadline, sent=False)
        try:
            with connections.use() as pool:
                return await self._use(pool, call, deadline, repeated=repeated)
        finally:
            connections.end_turn()

    async def _use(
        self, pool: httpcore.AsyncConnectionPool, call: Call, deadline: Deadline, *, repeated: bool
    ) -> Answer:
        try:
            response = await pool.handle_async_request(self._letters.request(call, deadline))
            try:
                body = Body(response.headers)
                async for piece in response.aiter_stream():
                    body.add(piece)
                document = body.whole()
            except Unreadable as error:
                raise self._reader.nonsense(call, response.status, str(error)) from None
            finally:
                await response.aclose()
        except TROUBLE as error:
            raise self._reader.failed(call, deadline, error) from error
        return self._reader.answer(call, response.status, response.headers, document, repeated=repeated)

    async def _connections(self) -> LoopPool:
        """Those of the running loop.

        They hold their loop, so that a weak reference to it would keep it, too: a pool goes when its
        loop ends what it has begun, or else, if the loop was just closed, when another loop comes.
        """
        loop = asyncio.get_running_loop()
        found = self._open.get(loop)
        if found is None or found.process != os.getpid():
            for other in [each for each in list(self._open) if each.is_closed()]:
                self._open.pop(other, None)
            found = LoopPool(self._pools.aio(), lambda: self._open.pop(loop, None))
            self._open[loop] = found
            await found.open()
        return found

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed(f"the connection to {self._address.url} was closed", sent=False)

    def close(self) -> None:
        """Refuse further calls, and have each loop close its connections once what was begun is done.

        Does not wait, as it may be called on the very thread that a loop needs for that; see `aclose`.
        """
        self._closed = True
        while self._open:
            _, found = self._open.popitem()
            if found.process == os.getpid():
                found.close_soon()

    async def aclose(self) -> None:
        """As `close`, and wait for the connections of the running loop."""
        found = self._open.pop(asyncio.get_running_loop(), None)
        self.close()
        if found is not None and found.process == os.getpid():
            await found.aclose()

    def __repr__(self) -> str:
        return f"<AsyncTransport {self._address.url}>"


class Letters:
    """Writes requests to one server."""

    def __init__(self, address: Address, token: Token, timeouts: Timeouts) -> None:
        self._address = address
        self._timeouts = timeouts
        # What is packed is smaller and takes time: worth it over a network only.
        encoding = b"identity" if address.is_loopback else b"gzip"
        self._headers = [
            (b"host", address.place.encode("ascii")),
            (b"authorization", token.header()),
            (b"accept", b"application/json"),
            (b"accept-encoding", encoding),
            (b"user-agent", f"rushmodel/{__version__}".encode("ascii")),
            (EXTENSIONS.encode("ascii"), b"1"),
        ]

    def request(self, call: Call, deadline: Deadline) -> httpcore.Request:
        """The request of a call, with timeouts that mind a deadline."""
        headers = list(self._headers)
        if call.body is not None:
            headers.append((b"content-type", b"application/json"))
            headers.append((b"content-length", b"%d" % len(call.body)))
        if call.version is not None:
            headers.append((VERSION_HEADER.encode("ascii"), b"%d" % call.version))
        if call.transaction is not None:
            headers.append((TRANSACTION_HEADER.encode("ascii"), call.transaction.encode("ascii")))
        times = self._timeouts
        limits = {
            "connect": Limit(times.connect, deadline),
            "read": Limit(times.read, deadline),
            "write": Limit(times.write, deadline),
            "pool": deadline.cut(times.pool),
        }
        address = self._address
        url = httpcore.URL(
            scheme=address.scheme,
            host=address.host,
            port=address.port,
            target=address.path + call.route.at(*call.ids),
        )
        return httpcore.Request(
            call.route.method, url, headers=headers, content=call.body, extensions={"timeout": limits}
        )


def run_exchange(transport: Transport, exchange: Exchange[R], deadline: Deadline) -> R:
    """Carry an exchange out, in the calling thread."""
    try:
        call = next(exchange)
        while True:
            try:
                answer = transport.send(call, deadline)
            except RushModelError as error:
                call = exchange.throw(error)
            else:
                call = exchange.send(answer)
    except StopIteration as done:
        result: R = done.value
        return result
    finally:
        exchange.close()


async def arun_exchange(transport: AsyncTransport, exchange: Exchange[R], deadline: Deadline) -> R:
    """Carry an exchange out, from an event loop."""
    try:
        call = next(exchange)
        while True:
            try:
                answer = await transport.send(call, deadline)
            except RushModelError as error:
                call = exchange.throw(error)
            else:
                call = exchange.send(answer)
    except StopIteration as done:
        result: R = done.value
        return result
    finally:
        exchange.close()
