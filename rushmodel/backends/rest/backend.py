"""A RushDB server as a `Backend`, from the calling thread and from event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from ...errors import CapabilityError
from ...port import (
    AsyncExecute,
    CloseCursor,
    Command,
    CountRecords,
    CreatePolicy,
    DeletePolicy,
    DeleteRecords,
    EnsureIndexes,
    Execute,
    FindPage,
    FindRecords,
    GetCapabilities,
    GetCoverage,
    GetRecords,
    ImportRecords,
    ListPolicies,
    OpenCursor,
    PatchRecord,
    ReadCursor,
    SaveRecords,
    SearchVectors,
    UpdateRecords,
    UpsertVectors,
)
from .calls import Call, Deadline, Exchange
from .changing import delete_records, patch_record, update_records
from .importing import import_records
from .location import Address, Token
from .policies import create_policy, delete_policy, get_coverage
from .reading import Cursors, count_records, find_page, find_records, get_records
from .saving import save_records
from .searching import search_vectors
from .server import Server
from .transport import AsyncTransport, Transport, arun_exchange, run_exchange
from .upserting import upsert_vectors

R = TypeVar("R")

_Handler: TypeAlias = "Callable[[Server, Any], Exchange[Any]]"


class Exchanges:
    """Commands as exchanges with one server, whoever carries them out."""

    def __init__(self) -> None:
        self._server = Server()
        cursors = Cursors()
        self._handlers: dict[type[Command[Any]], _Handler] = {
            **_HANDLERS,
            GetCapabilities: Server.capabilities,
            ListPolicies: Server.list_policies,
            OpenCursor: cursors.open,
            ReadCursor: cursors.read,
            CloseCursor: cursors.close,
        }

    @property
    def knows_server(self) -> bool:
        """Whether the server has answered before."""
        return self._server.is_known

    def begin(self, command: Command[R]) -> Exchange[R]:
        """The exchange that carries a command out."""
        handler = self._handlers.get(type(command))
        if handler is None:
            raise CapabilityError(f"a RushDB server has no {type(command).__name__}")
        return handler(self._server, command)


class RestBackend:
    """A server, used from any number of threads.

    ``timeout``: seconds that all commands of one verb may take together; None: as long as each
    request may.
    """

    def __init__(self, address: Address, token: Token, *, timeout: float | None) -> None:
        self._exchanges = Exchanges()
        self._transport = Transport(address, token)
        self._timeout = timeout
        self._address = address

    def __repr__(self) -> str:
        return f"RestBackend({self._address.url!r})"

    def verb(self) -> Execute:
        deadline = Deadline(self._timeout)

        def execute(command: Command[R]) -> R:
            return run_exchange(self._transport, self._exchanges.begin(command), deadline)

        return execute

    def execute(self, command: Command[R]) -> R:
        return self.verb()(command)

    def close(self) -> None:
        """Close the connections; twice is no error."""
        self._transport.close()


class AsyncRest:
    """The same server, used from event loops: each has connections of its own."""

    def __init__(self, address: Address, token: Token, *, timeout: float | None) -> None:
        self._exchanges = Exchanges()
        self._transport = AsyncTransport(address, token)
        self._writing: set[asyncio.Future[Any]] = set()
        self._first: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self._timeout = timeout
        self._address = address

    def __repr__(self) -> str:
        return f"AsyncRest({self._address.url!r})"

    def verb(self) -> AsyncExecute:
        deadline = Deadline(self._timeout)

        async def execute(command: Command[R]) -> R:
            if not self._exchanges.knows_server:
                # Of many that begin at once the first finds out what the server can do, for all.
                lock = self._first.setdefault(asyncio.get_running_loop(), asyncio.Lock())
                async with lock:
                    if not self._exchanges.knows_server:
                        return await carry(command)
            return await carry(command)

        async def carry(command: Command[R]) -> R:
            exchange = arun_exchange(self._transport, self._exchanges.begin(command), deadline)
            if type(command) not in _WHOLE:
                return await exchange
            # Whoever waits may be cancelled between two requests that belong together.
            task = asyncio.ensure_future(exchange)
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)
            return await asyncio.shield(task)

        return execute

    async def execute(self, command: Command[R]) -> R:
        return await self.verb()(command)

    async def aclose(self) -> None:
        """As `close`, once those of this loop are closed."""
        while self._writing:  # what was begun is carried out
            await asyncio.wait(set(self._writing))
        await self._transport.aclose()

    def close(self) -> None:
        """Close the connections of every loop; twice is no error."""
        self._transport.close()


def _ensure_indexes(server: Server, command: EnsureIndexes) -> Generator[Call, Any, None]:
    """Property indexes are the embedded store's; a server has its own."""
    return
    yield  # a generator like the others, that has nothing to ask


_WHOLE = frozenset((ImportRecords, PatchRecord, SaveRecords, UpdateRecords))
"""Commands that may take several writes, which are carried out to the end."""

_HANDLERS: dict[type[Command[Any]], _Handler] = {
    CountRecords: count_records,
    CreatePolicy: create_policy,
    DeletePolicy: delete_policy,
    DeleteRecords: delete_records,
    EnsureIndexes: _ensure_indexes,
    FindPage: find_page,
    FindRecords: find_records,
    GetCoverage: get_coverage,
    GetRecords: get_records,
    ImportRecords: import_records,
    PatchRecord: patch_record,
    SaveRecords: save_records,
    SearchVectors: search_vectors,
    UpdateRecords: update_records,
    UpsertVectors: upsert_vectors,
}
