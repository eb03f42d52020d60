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
    CountLabels,
    CountRecords,
    CreatePolicy,
    DeletePolicy,
    DeleteProperty,
    DeleteRecords,
    DescribeStore,
    EnsureIndexes,
    Execute,
    FindPage,
    FindProperties,
    FindRecords,
    FindRelated,
    FindRelationships,
    FindRows,
    GetCapabilities,
    GetCoverage,
    GetProperty,
    GetRecords,
    ImportRecords,
    JoinRecords,
    LinkRecords,
    ListPolicies,
    ListValues,
    OpenCursor,
    PatchRecord,
    ReadCursor,
    SaveGraph,
    SaveRecords,
    SearchMany,
    SearchVectors,
    SearchWords,
    UpdateRecords,
    UpsertVectors,
)
from . import course
from .calls import Call, Deadline, Exchange
from .catalog import (
    count_labels,
    delete_property,
    describe_store,
    find_properties,
    get_property,
    list_values,
)
from .changing import delete_records, patch_record, update_records
from .importing import import_records
from .location import Address, Token
from .policies import create_policy, delete_policy, get_coverage
from .reading import Cursors, count_records, find_page, find_records, get_records
from .related import find_related
from .relating import link_records, save_graph
from .relationships import find_relationships, join_records
from .rows import find_rows
from .saving import save_records
from .searching import search_many, search_vectors, search_words
from .server import Server
from .transactions import AsyncRestTransaction, RestTransaction
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

    @property
    def server(self) -> Server:
        """The server."""
        return self._server

    def begin(self, command: Command[R]) -> Exchange[R]:
        """The exchange that carries a command out."""
        handler = self._handlers.get(type(command))
        if handler is None:
            raise CapabilityError(f"a RushDB server cannot do that: {type(command).__name__} is for files")
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

    def begin(self, seconds: float | None = None) -> RestTransaction:
        """Begin a transaction of at most 60 seconds (None: 55), of which 80 % are used (R22)."""
        exchange = course.begin(self._exchanges.server, seconds)
        begun = run_exchange(self._transport, exchange, Deadline(self._timeout))
        return RestTransaction(self._transport, self._exchanges.begin, begun, self._timeout)

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

    async def begin(self, seconds: float | None = None) -> AsyncRestTransaction:
        """As `RestBackend.begin`."""
        exchange = course.begin(self._exchanges.server, seconds)
        begun = await arun_exchange(self._transport, exchange, Deadline(self._timeout))
        return AsyncRestTransaction(self._transport, self._exchanges.begin, begun, self._timeout)

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


_WHOLE = frozenset(
    (ImportRecords, JoinRecords, LinkRecords, PatchRecord, SaveGraph, SaveRecords, UpdateRecords)
)
"""Commands that may take several writes, which are carried out to the end."""

_HANDLERS: dict[type[Command[Any]], _Handler] = {
    CountLabels: count_labels,
    CountRecords: count_records,
    CreatePolicy: create_policy,
    DeletePolicy: delete_policy,
    DeleteProperty: delete_property,
    DeleteRecords: delete_records,
    DescribeStore: describe_store,
    EnsureIndexes: _ensure_indexes,
    FindPage: find_page,
    FindProperties: find_properties,
    FindRecords: find_records,
    FindRelated: find_related,
    FindRelationships: find_relationships,
    FindRows: find_rows,
    GetCoverage: get_coverage,
    GetProperty: get_property,
    GetRecords: get_records,
    ImportRecords: import_records,
    JoinRecords: join_records,
    LinkRecords: link_records,
    ListValues: list_values,
    PatchRecord: patch_record,
    SaveGraph: save_graph,
    SaveRecords: save_records,
    SearchMany: search_many,
    SearchVectors: search_vectors,
    SearchWords: search_words,
    UpdateRecords: update_records,
    UpsertVectors: upsert_vectors,
}
