"""`Poster`: requests to an endpoint, from threads and event loops, again where that may help.

It stands on the connections of the REST backend: sockets that mind a deadline, a pool for each
process and each event loop, proxies and certificates as httpx has them.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from functools import cached_property
from typing import TYPE_CHECKING, TypedDict

import stamina

from ..backends.rest.answers import TROUBLE, Body, Unreadable
from ..backends.rest.calls import Deadline
from ..backends.rest.location import Token
from ..backends.rest.pools import LoopPool, Pools, ProcessPool
from ..errors import EmbedderError
from ..value import Value
from .answers import failure_of, late, refusal_of, vectors_of
from .endpoint import Endpoint
from .retrying import FIRST_PAUSE, JITTER, LONGEST_PAUSE, Judge, Refused

if TYPE_CHECKING:
    import httpcore

    from ..port import Float32

CLOSE_PATIENCE = 10.0
"""Seconds that `Poster.close` waits for requests that other threads make."""


class Letter(Value, eq=False):
    """A request: ``subject`` names it in messages, ``count`` and ``dims`` are what its answer must have."""

    subject: str
    body: bytes
    count: int
    dims: int | None

    def __repr__(self) -> str:
        return f"<Letter of {len(self.body)} bytes: {self.subject}>"


class Poster:
    """Sends letters: each takes ``timeout`` seconds a try, and ``deadline`` with all tries and pauses."""

    def __init__(self, endpoint: Endpoint, *, timeout: float, deadline: float, attempts: int) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._deadline = deadline
        self._attempts = attempts
        self._open: dict[int, ProcessPool] = {}
        self._loops: dict[asyncio.AbstractEventLoop, LoopPool] = {}
        weakref.finalize(self, _close, self._open, 0.0)

    def send(self, letter: Letter) -> Float32:
        """The vectors a letter asks for.

        Raises:
            EmbedderError: As `aembed` of the embedder.
        """
        key, deadline = self._endpoint.key, Deadline(self._deadline)
        try:
            for attempt in stamina.retry_context(Judge(deadline), **self._limits):
                with attempt:
                    return self._try(letter, key, Deadline(deadline.cut(self._timeout)))
        except Refused as refused:
            raise refused.error from refused.__cause__
        raise AssertionError("stamina ends with an answer or an error")

    async def asend(self, letter: Letter) -> Float32:
        """As `send`."""
        key, deadline = self._endpoint.key, Deadline(self._deadline)
        try:
            async for attempt in stamina.retry_context(Judge(deadline), **self._limits):
                with attempt:
                    return await self._atry(letter, key, Deadline(deadline.cut(self._timeout)))
        except Refused as refused:
            raise refused.error from refused.__cause__
        raise AssertionError("stamina ends with an answer or an error")

    def close(self) -> None:
        """Close the connections of this process's threads; a later request opens them again."""
        _close(self._open, CLOSE_PATIENCE)

    async def aclose(self) -> None:
        """Close the connections of the running loop, which would otherwise go with it."""
        found = self._loops.pop(asyncio.get_running_loop(), None)
        if found is not None and found.process == os.getpid():
            await found.aclose()

    def _try(self, letter: Letter, key: Token | None, deadline: Deadline) -> Float32:
        process = os.getpid()
        # What a parent opened stays as it is: two processes would talk on one socket.
        found = self._open.get(process)
        if found is None:
            found = self._open.setdefault(process, ProcessPool(self._pools.sync()))
        with found.use() as pool:
            try:
                response = pool.handle_request(self._endpoint.request(letter.body, key, deadline))
                try:
                    body = Body(response.headers)
                    for piece in response.iter_stream():
                        body.add(piece)
                    content = body.whole()
                except Unreadable as error:
                    raise self._unreadable(letter, response.status, error) from None
                finally:
                    response.close()
            except TROUBLE as error:
                raise failure_of(letter.subject, error, deadline) from error
        return self._read(letter, response, content, key)

    async def _atry(self, letter: Letter, key: Token | None, deadline: Deadline) -> Float32:
        found = await self._of_loop()
        if not await found.take_turn(deadline.left()):
            raise Refused(late(letter.subject, deadline))
        try:
            with found.use() as pool:
                response, content = await self._ause(pool, letter, key, deadline)
        finally:
            found.end_turn()
        return self._read(letter, response, content, key)

    async def _ause(
        self, pool: httpcore.AsyncConnectionPool, letter: Letter, key: Token | None, deadline: Deadline
    ) -> tuple[httpcore.Response, bytes]:
        try:
            response = await pool.handle_async_request(self._endpoint.request(letter.body, key, deadline))
            try:
                body = Body(response.headers)
                async for piece in response.aiter_stream():
                    body.add(piece)
                return response, body.whole()
            except Unreadable as error:
                raise self._unreadable(letter, response.status, error) from None
            finally:
                await response.aclose()
        except TROUBLE as error:
            raise failure_of(letter.subject, error, deadline) from error

    async def _of_loop(self) -> LoopPool:
        """The connections of the running loop, and none of those that are closed."""
        loop = asyncio.get_running_loop()
        found = self._loops.get(loop)
        if found is None or found.process != os.getpid():
            for other in [each for each in list(self._loops) if each.is_closed()]:
                self._loops.pop(other, None)
            found = LoopPool(self._pools.aio(), lambda: self._loops.pop(loop, None))
            self._loops[loop] = found
            await found.open()
        return found

    def _read(self, letter: Letter, response: httpcore.Response, body: bytes, key: Token | None) -> Float32:
        if response.status == 200:
            return vectors_of(letter.subject, body, letter.count, letter.dims)
        headers = {name.lower(): value for name, value in response.headers}
        said = self._endpoint.hidden_in(body, key)
        raise refusal_of(letter.subject, response.status, headers, said)

    def _unreadable(self, letter: Letter, status: int, error: Unreadable) -> Refused:
        message = f"{letter.subject}: the server answered {status}, and the body is {error}"
        return Refused(EmbedderError(message, retryable=False))

    @cached_property
    def _pools(self) -> Pools:
        return Pools(self._endpoint.address)

    @property
    def _limits(self) -> _Limits:
        return _Limits(
            attempts=self._attempts,
            timeout=None,
            wait_initial=FIRST_PAUSE,
            wait_max=LONGEST_PAUSE,
            wait_jitter=JITTER,
        )


class _Limits(TypedDict):
    """Arguments of `stamina.retry_context`; `Judge` keeps the deadline."""

    attempts: int
    timeout: float | None
    wait_initial: float
    wait_max: float
    wait_jitter: float


def _close(pools: dict[int, ProcessPool], patience: float) -> None:
    """Close those of this process; called at the end, too, lest sockets be left to the collector."""
    found = pools.pop(os.getpid(), None)
    if found is not None:
        found.close(patience)
