"""The unkind server: `serve`'s application over a store in memory, with faults that are switched at run time.

Run it as ``python -m tests.unkind.server --port 0 --token TOKEN``. Beside RushDB's REST it answers,
without a token:

- ``POST /faults`` with names and values of `faults`: switches them, and answers which are on;
  with ``{"reset": true}`` none is then, and the log is empty;
- ``GET /requests``: the log of all requests since;
- ``POST /empty``: deletes all records and policies.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import closing
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import orjson
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from rushmodel.backends.embedded import AsyncEmbedded, EmbeddedBackend
from rushmodel.port import DeletePolicy, DeleteRecords, ListPolicies, RecordQuery
from rushmodel.serve.addresses import Address
from rushmodel.serve.app import create_app
from rushmodel.serve.connections import Connection
from rushmodel.wire.routes import PREFIX

from .faults import FaultError, Faults, Strike
from .rushdb import Reply, Rushdb, reply, transaction_of

_MOST_LOGGED = 20_000
_LARGEST_LOGGED = 1 << 20
"""Bytes; of a larger body the log tells the size."""

_BANNER = "unkind: serving on "


class Cuttable(Connection):
    """A connection that the application can end."""

    by_client: ClassVar[dict[object, Cuttable]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.by_client[self.client] = self

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.by_client.get(self.client) is self:
            del self.by_client[self.client]

    def cut(self, *, reset: bool) -> None:
        """End it, once what was written has left; ``reset``: at once, by RST."""
        if reset:
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()


class Unkind:
    """The application: looks up which fault strikes a request, and logs it."""

    def __init__(self, app: ASGIApp, backend: EmbeddedBackend, store: AsyncEmbedded, faults: Faults) -> None:
        self._rushdb = Rushdb(app, store)
        self._backend = backend
        self._store = store
        self._faults = faults
        self._log: deque[dict[str, Any]] = deque(maxlen=_MOST_LOGGED)
        self._controls: dict[tuple[str, str], Callable[[bytes], Awaitable[Reply]]] = {
            ("POST", "/faults"): self._switch,
            ("GET", "/requests"): self._requests,
            ("POST", "/empty"): self._empty,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        control = self._controls.get((scope["method"], scope["path"]))
        if control is not None:
            await _send(send, await control(await _body(receive) or b""))
            return
        method, path = scope["method"], scope["path"].removeprefix(PREFIX)
        strike = self._faults.choose(method, path)
        entry: dict[str, Any] = {"method": method, "path": path, "body": None, "time": time.time()}
        entry.update(fault=strike and strike.name, status=None)
        self._log.append(entry)
        if strike is not None and strike.name == "cut":
            await _cut(scope, receive, reset=strike["reset"])
            return
        body = await _body(receive)
        if body is None:
            return
        entry["body"] = _logged(body)
        await asyncio.sleep(self._faults.latency(method, path))
        if strike is None:
            found = await self._rushdb.answer(scope, body, self._faults.traits)
            entry["status"] = found.status
            if "hangs" in self._faults.traits and transaction_of(scope) and _is_over(found):
                await _gone(receive)
            else:
                await _send(send, found)
        else:
            await self._strike(strike, scope, body, entry, receive, send)

    async def _strike(
        self, strike: Strike, scope: Scope, body: bytes, entry: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        if strike.name == "silent":
            await _gone(receive)
        elif strike.name == "slow":
            found = await self._rushdb.answer(scope, body, self._faults.traits)
            entry["status"] = found.status
            await _send(send, found, strike["pieces"], strike["seconds"])
        elif strike.name == "after":
            found = await self._rushdb.answer(scope, body, self._faults.traits)
            entry["status"] = found.status
            await _spoil(strike["how"], found, scope, receive, send)
        else:
            found = _instead(strike, scope)
            entry["status"] = found.status
            await _send(send, found)

    async def _switch(self, body: bytes) -> Reply:
        named = orjson.loads(body or b"{}")
        if named.pop("reset", False):
            self._faults.reset()
            self._log.clear()
        try:
            self._faults.switch(named)
        except FaultError as error:
            return reply(400, {"message": str(error)})
        return reply(200, self._faults.document())

    async def _requests(self, body: bytes) -> Reply:
        return reply(200, list(self._log))

    async def _empty(self, body: bytes) -> Reply:
        await asyncio.to_thread(self._backend.end_transaction)
        await self._store.execute(DeleteRecords(RecordQuery(())))
        for policy in await self._store.execute(ListPolicies()):
            await self._store.execute(DeletePolicy(policy.id))
        return reply(200, {})


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None where the client went away before."""
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


def _logged(body: bytes) -> Any:
    if len(body) > _LARGEST_LOGGED:
        return {"bytes": len(body)}
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")


async def _send(send: Send, found: Reply, pieces: int = 1, seconds: float = 0.0) -> None:
    await send({"type": "http.response.start", "status": found.status, "headers": found.headers})
    size = max(1, -(-len(found.body) // pieces))
    for at in range(0, len(found.body), size):
        if seconds:
            await asyncio.sleep(seconds)
        await send({"type": "http.response.body", "body": found.body[at : at + size], "more_body": True})
    await send({"type": "http.response.body"})


async def _cut(scope: Scope, receive: Receive, *, reset: bool) -> None:
    Cuttable.by_client[scope["client"]].cut(reset=reset)
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    """Until the connection has ended. Without an answer uvicorn would write one of its own before that."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _is_over(found: Reply) -> bool:
    """Whether the answer is that of a transaction which is over."""
    said = found.body.decode("utf-8", "replace") if found.status == 404 else ""
    return "Transaction with ID" in said or ("transaction" in said and "nothing of it was kept" in said)


async def _spoil(how: str | int, found: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    """Keep back the answer to what was carried out."""
    if isinstance(how, int):
        await _send(send, reply(how, {"message": "upstream failed", "statusCode": how}))
    elif how == "silent":
        await _gone(receive)
    else:
        if how == "middle":
            await send({"type": "http.response.start", "status": found.status, "headers": found.headers})
            half = found.body[: len(found.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        await _cut(scope, receive, reset=False)


def _instead(strike: Strike, scope: Scope) -> Reply:
    """The answer to what is not carried out."""
    if strike.name == "redirect":
        return reply(strike["code"], {}, [(b"location", strike["to"].encode())])
    echo = " ".join(f"{name.decode()}: {value.decode()}" for name, value in scope["headers"])
    if strike.name == "html":
        body = f"<html><title>Bad gateway</title><p>{echo if strike['echo'] else ''}</p></html>".encode()
        headers = [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(body))]
        return Reply(strike["code"], headers, body)
    message = echo if strike["echo"] else strike["message"]
    document = {} if message is None else {"message": message, "statusCode": strike["code"]}
    pause = [] if strike["retry_after"] is None else [(b"retry-after", str(strike["retry_after"]).encode())]
    return reply(strike["code"], document, pause)


class _Server(uvicorn.Server):
    """Says where it listens, once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets
        sys.stdout.write(f"{_BANNER}http://127.0.0.1:{sockets[0].getsockname()[1]}{PREFIX}\n")
        sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description="A RushDB server with faults, for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", required=True)
    parser.add_argument("--rushdb", action="store_true", help="begin with this fault on")
    given = parser.parse_args()
    with (
        TemporaryDirectory() as folder,  # in memory nobody could look beside a transaction
        closing(EmbeddedBackend(os.path.join(folder, "store.db"), durability="normal")) as backend,
        closing(AsyncEmbedded(backend)) as store,
        closing(Address.of("127.0.0.1", given.port).listener(64)) as listener,
    ):
        faults = Faults()
        faults.switch({"rushdb": given.rushdb})
        app = Unkind(create_app(backend, token=given.token), backend, store, faults)
        config = uvicorn.Config(
            app,
            http=Cuttable,
            ws="none",
            lifespan="off",
            loop="asyncio",
            interface="asgi3",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,  # silent and slow answers would hold it up
        )
        _Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
