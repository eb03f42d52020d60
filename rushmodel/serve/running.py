"""`serve`: the application on a socket, from the first line it prints to the last request it answers."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from ..backends.embedded import EmbeddedBackend
from ..errors import ConfigurationError
from ..opening import MEMORY, Durability, locate
from ..wire.routes import PREFIX
from .addresses import Address
from .app import create_app
from .connections import Connection
from .guard import checked_token
from .limits import Limits

PORT = 4000
SHORTEST_TOKEN = 16
"""Characters of a token that others than this machine may try."""
BACKLOG = 256
"""Connections that wait to be accepted."""


def serve(
    location: str | os.PathLike[str],
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    token: str | None = None,
    cors: Sequence[str] = (),
    hosts: Sequence[str] = (),
    durability: Durability = "full",
    limits: Limits = Limits(),
) -> None:
    """Serve a file, or ``memory://``, until SIGINT or SIGTERM.

    Then requests that have begun are answered and the store is closed. A body on its way is waited for
    for a few seconds, a second SIGINT ends everything at once.

    Prints to stdout, once the socket listens, and nothing else ever::

        rushmodel: token <token>
        rushmodel: serving articles.db on http://127.0.0.1:4000/api/v1

    the first line only where the token was made here.

    Args:
        host, port: Where to listen. A name is looked up, and its first IPv4 address taken, or else its first
            one. With port 0 the system chooses one.
        token: What clients must send. None makes one, on loopback only: another address needs one given, of
            at least `SHORTEST_TOKEN` characters.
        cors: Origins whose pages may read answers.
        hosts: Names for the Host header, beside those of this machine. On loopback no others are answered;
            elsewhere all are, unless names are given.

    Raises:
        ConfigurationError: An argument makes no sense; nothing was opened.
        StoreError: The file cannot be opened, or the address not be listened at.
    """
    named = _checked_location(location)
    address = Address.of(host, port)
    made = token is None and address.is_loopback
    secret = secrets.token_urlsafe(32) if made else _checked_secret(token, address)
    names = [host, *hosts] if address.is_loopback else list(hosts)
    with closing(address.listener(BACKLOG)) as listener:
        # The port is taken before the file is: where it cannot be had, no file is made.
        backend = EmbeddedBackend(named, durability=durability, time_limit=limits.seconds)
        with closing(backend):
            app = create_app(backend, token=secret, limits=limits, cors=cors, hosts=names or None)
            url = address.url(listener.getsockname()[1])
            lines = [f"rushmodel: token {secret}"] if made else []
            lines.append(f"rushmodel: serving {os.fspath(location)} on {url}{PREFIX}")
            _Server(_config(app, limits), lines, backend).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Uvicorn's server, which prints when it listens, cuts uploads that go on, and ends by no signal."""

    _UPLOAD_SECONDS = 5.0
    """For bodies that are on their way when the server is told to stop."""

    def __init__(self, config: uvicorn.Config, lines: list[str], backend: EmbeddedBackend) -> None:
        super().__init__(config)
        self._lines = lines
        self._backend = backend

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write("\n".join([*self._lines, ""]))
        sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Its client cannot go on with it, and requests that are to be answered may wait for it.
        await asyncio.to_thread(self._backend.end_transaction)
        cut = asyncio.get_running_loop().call_later(self._UPLOAD_SECONDS, self._cut_uploads)
        await super().shutdown(sockets)
        cut.cancel()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        # Uvicorn raises a signal again when it has shut down, and the process would end by it instead of
        # closing the store and leaving with exit code 0.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _cut_uploads(self) -> None:
        for connection in list(self.server_state.connections):
            cast("Connection", connection).cut_upload()


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _config(app: ASGIApp, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        loop="asyncio",
        interface="asgi3",
        log_config=None,  # logging is set up by whoever runs the process
        access_log=logging.getLogger("uvicorn.access").isEnabledFor(logging.INFO),
        proxy_headers=False,  # anybody can write them
        server_header=False,
        limit_concurrency=256,
        backlog=BACKLOG,
        timeout_keep_alive=75,  # longer than clients' pools keep a connection, so that they close it, not we
        timeout_graceful_shutdown=int(limits.seconds) + 10,  # what runs may take its time, and be answered
    )


def _checked_location(location: str | os.PathLike[str]) -> str:
    if "://" in str(location) and location != MEMORY:
        raise ConfigurationError(f"only a file or memory:// can be served, got {location!r}")
    return locate(location)


def _checked_secret(token: str | None, address: Address) -> str:
    if token is None:
        raise ConfigurationError(
            f"{address.host} can be reached from other machines: "
            f"give a token of at least {SHORTEST_TOKEN} characters, or listen at 127.0.0.1"
        )
    if not address.is_loopback and len(token) < SHORTEST_TOKEN:
        raise ConfigurationError(
            f"other machines may try to guess the token: "
            f"it needs at least {SHORTEST_TOKEN} characters, got {len(token)}"
        )
    return checked_token(token)
