"""Pools of connections: how they are made, and whose they are."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore

from ...errors import ConfigurationError
from .answers import MOST_CONNECTIONS
from .location import Address
from .streams import AsyncNetwork, SyncNetwork

IDLE_SECONDS = 4.0
"""How long a connection that is not in use is kept.

Shorter than servers keep theirs, of which uvicorn's 5 seconds are among the shortest: a request on a
connection that the server closes at the same moment is lost, and if it is a plain create nobody can
tell whether it arrived.
"""


class Pools:
    """Makes pools for a server: certificates are checked, environment proxies asked unless it is near."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._proxy = None if address.is_loopback else _proxy_for(address)

    def sync(self) -> httpcore.ConnectionPool:
        """A pool for threads."""
        arguments: dict[str, Any] = {**self._arguments, "network_backend": SyncNetwork()}
        if self._proxy is None:
            return httpcore.ConnectionPool(**arguments)
        kind = httpcore.SOCKSProxy if self._proxy["socks"] else httpcore.HTTPProxy
        return kind(self._proxy["url"], self._proxy["auth"], **arguments)

    def aio(self) -> httpcore.AsyncConnectionPool:
        """A pool for the running event loop."""
        arguments: dict[str, Any] = {**self._arguments, "network_backend": AsyncNetwork()}
        if self._proxy is None:
            return httpcore.AsyncConnectionPool(**arguments)
        kind = httpcore.AsyncSOCKSProxy if self._proxy["socks"] else httpcore.AsyncHTTPProxy
        return kind(self._proxy["url"], self._proxy["auth"], **arguments)

    @cached_property
    def _arguments(self) -> dict[str, Any]:
        return {
            "ssl_context": _trust() if self._address.scheme == "https" else None,
            "max_connections": MOST_CONNECTIONS,
            # As many as there may be: httpcore 1.0 compares this with the number of ALL connections,
            # and with less it would close and open them all the time once more are in use.
            "max_keepalive_connections": MOST_CONNECTIONS,
            "keepalive_expiry": IDLE_SECONDS,
        }


class ProcessPool:
    """The connections of one process, for all its threads."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self.process = os.getpid()
        self._pool = pool
        self._busy = 0
        self._quiet = threading.Condition()

    @contextmanager
    def use(self) -> Generator[httpcore.ConnectionPool, None, None]:
        """The pool, which is not closed meanwhile."""
        with self._quiet:
            self._busy += 1
        try:
            yield self._pool
        finally:
            with self._quiet:
                self._busy -= 1
                if not self._busy:
                    self._quiet.notify_all()

    def close(self, patience: float) -> None:
        """Close the connections once none is in use, or after so many seconds."""
        with self._quiet:
            self._quiet.wait_for(lambda: not self._busy, patience)
        self._pool.close()


class LoopPool:
    """The connections of one event loop.

    They are closed with the loop: an asynchronous generator that waits is among what a loop ends
    before it closes (`loop.shutdown_asyncgens`, which `asyncio.run` calls). Left open they would
    warn when they are collected. ``forget`` is called when they are closed.
    """

    def __init__(self, pool: httpcore.AsyncConnectionPool, forget: Callable[[], object]) -> None:
        self.process = os.getpid()
        self.loop = asyncio.get_running_loop()
        self._pool = pool
        self._busy = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._keeper = _closed_at_the_end(pool, forget)
        self._closing: asyncio.Task[None] | None = None
        # httpcore looks through all who wait at every request: of a thousand, most wait here.
        self._turns = asyncio.Semaphore(MOST_CONNECTIONS)

    async def take_turn(self, seconds: float | None) -> bool:
        """Wait for a connection to be free; False where none is in time."""
        if not self._turns.locked():
            await self._turns.acquire()
            return True
        try:
            await asyncio.wait_for(self._turns.acquire(), seconds)
        except asyncio.TimeoutError:
            return False
        return True

    def end_turn(self) -> None:
        """The connection is free again."""
        self._turns.release()

    async def open(self) -> None:
        """Let the loop know what to close."""
        await anext(self._keeper)

    @contextmanager
    def use(self) -> Generator[httpcore.AsyncConnectionPool, None, None]:
        """The pool, which is not closed meanwhile."""
        self._busy += 1
        self._quiet.clear()
        try:
            yield self._pool
        finally:
            self._busy -= 1
            if not self._busy:
                self._quiet.set()

    async def aclose(self) -> None:
        """Close the connections once none is in use."""
        await self._quiet.wait()
        await self._keeper.aclose()

    def close_soon(self) -> None:
        """Have the loop close the connections; from any thread, without waiting."""
        try:
            self.loop.call_soon_threadsafe(self._begin_closing)
        except RuntimeError:  # the loop was closed, and the connections with it
            return

    def _begin_closing(self) -> None:
        self._closing = self.loop.create_task(self.aclose())


async def _closed_at_the_end(
    pool: httpcore.AsyncConnectionPool, forget: Callable[[], object]
) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        forget()
        await pool.aclose()


def _trust() -> ssl.SSLContext:
    """Who may vouch for servers, as httpx has it: ``SSL_CERT_FILE``, ``SSL_CERT_DIR``, certifi's list."""
    import httpx  # its import takes longer than a request to a near server, which needs none of it

    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise ConfigurationError(
            f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error.strerror}"
        ) from error


def _proxy_for(address: Address) -> dict[str, Any] | None:
    """The proxy that the environment names for a server; `ConfigurationError`, which echoes none of it."""
    named = getproxies()
    proxy = named.get(address.scheme) or named.get("all")
    if not proxy or proxy_bypass(address.place):
        return None
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    ports = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
    if not host or parts.scheme not in ports:
        raise ConfigurationError(
            f"the proxy that the environment names for {address.scheme} is no http, https or socks5 URL"
        )
    socks = parts.scheme.startswith("socks")
    if socks and find_spec("socksio") is None:
        raise ConfigurationError("a socks5 proxy, as the environment names one, needs the package socksio")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return {
        "url": httpcore.URL(scheme=parts.scheme, host=host, port=port or ports[parts.scheme], target="/"),
        "auth": (user, password) if user else None,
        "socks": socks,
    }
