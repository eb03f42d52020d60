"""`connect()` and `Database`: an open store, and the settings that models run with."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import Self

from . import current
from .catalog import Schema
from .embedding import Embedder, EmbedFunction
from .errors import ConfigurationError
from .expressions import Column, VectorColumn
from .files import AsyncFiles, Files
from .flow import Operation, arun, ask, run
from .inspecting import Inspecting
from .instance import Instance
from .mending import Migrating, abackfill, backfill
from .metaclass import schema_of
from .moving import AsyncMoves, Moves
from .opening import (
    FOREVER,
    MEMORY,
    TIMEOUT,
    Durability,
    Store,
    embedder_for,
    is_number,
    locate,
    open_store,
    url_of,
)
from .operations import cataloguing, indexing, planning
from .operations.context import Context
from .operations.renaming import translated
from .plan import Plan
from .port import (
    BackUpStore,
    CheckStore,
    GetStats,
    Health,
    IndexStats,
    Similarity,
    Stats,
    Vacuumed,
    VacuumStore,
)
from .progress import Progress, telling
from .registry import has_renamed, registered
from .schema import ModelSchema
from .steps import acarry, carry
from .transactions import Here, Transaction, transaction_of
from .watching import OnCommand, is_logged, watched

if TYPE_CHECKING:
    from .client import RushDB

R = TypeVar("R")

_memories = itertools.count(1)


def connect(
    location: str | os.PathLike[str] | None = None,
    *,
    token: str | None = None,
    models: Sequence[type[Any]] | None = None,
    autosync: bool = True,
    exact: bool = True,
    durability: Durability = "full",
    timeout: float | None = TIMEOUT,
    embedder: Embedder | EmbedFunction | None = None,
    on_command: OnCommand | None = None,
    default: bool | None = None,
) -> Database:
    """Open a database.

    Args:
        location: A file ("articles.db", made if it is not there), "memory://", or the URL of a RushDB
            server, of Cloud ("https://api.rushdb.com/api/v1"), your own, or `rushmodel serve`. None:
            the environment variable ``RUSHMODEL_URL``, then ``RUSHDB_URL``. A server is not asked
            anything before the first verb.
        token: For servers; None: the environment variable ``RUSHDB_API_KEY``, which goes over plain
            http to this machine only.
        models: The classes that `Database.plan` and `sync` look at; None: all concrete ones.
        autosync: Create the policies of a class at its first save, where that is safe.
        exact: Searches are exact; False permits an approximate index where there is one.
        durability: "full": what was acknowledged survives power loss. "normal": it survives a
            killed process, and saves cost less. Servers have their own.
        timeout: Seconds that a verb may take on a server, retries included; a bulk save may take
            that for each batch. None: each request has its own limit, and the verb none.
        embedder: Makes the managed vectors of an embedded store, in saves of models and in
            `Database.backfill`. A server has its own.
        on_command: Called after every command of models and of the database, with a `Sent`: its name, label
            and time, no values. What it raises ends the verb. The logger "rushmodel" has the same at
            level DEBUG.
        default: Whether models use this database where none is selected. None: the first one is.

    Raises:
        ConfigurationError: An argument makes no sense, a server has no token, or a second database
            leaves ``default`` open.
        StoreError: The file cannot be opened: `ForeignFile`, `NewerFormat`, no permission.
    """
    scope = None
    if models is not None:
        if isinstance(models, type):
            raise ConfigurationError(f"models= takes several classes: models=[{models.__name__}]")
        scope = tuple(models)
        for model in scope:
            if not (isinstance(model, type) and issubclass(model, Instance)):
                raise ConfigurationError(f"models= takes model classes, got {model!r}")
            schema_of(model).concrete_label()
    named = locate(location, token=token)
    made = None if embedder is None else embedder_for(embedder, named)
    current.check_default(url_of(named), default)
    store = open_store(named, token=token, durability=durability, timeout=timeout)
    # Stores in memory share a URL, and not their records.
    place = store.url if store.url != MEMORY else f"{MEMORY} (number {next(_memories)} of this process)"
    context = Context(place=place, autosync=autosync, exact=exact, scope=scope, embedder=made)
    database = Database(store, context, on_command)
    current.enter_default(database, default)
    return database


class Database(Files, Moves):
    """An open store; made by `connect()`.

    ``with db:`` selects it for the models used inside (tasks inherit that, new threads see the
    default); it does not close it. `aio` has the same methods, awaitable.
    """

    def __init__(self, store: Store, context: Context, on_command: OnCommand | None = None) -> None:
        self._store = store
        self._context = context
        self._on_command = on_command

    @property
    def url(self) -> str:
        """Where the store is."""
        return self._store.url

    @cached_property
    def client(self) -> RushDB:
        """The RushDB client over the same store."""
        from .client import RushDB  # not before somebody asks: models alone do not need it

        return RushDB.over(self._store)

    @cached_property
    def aio(self) -> AsyncDatabase:
        """The async face."""
        return AsyncDatabase(self)

    @property
    def context(self) -> Context:
        """What operations know of this database, or of the transaction that the caller is in."""
        found = transaction_of(self)
        return self._context if found is None else found.context

    def plan(self) -> Plan:
        """Which policies the classes want, which there are, and what `sync` would do. Changes nothing."""
        return self.run(planning.plan(self.schemas()))

    def sync(self, *, prune: bool = False, drop_vectors: bool = False) -> Plan:
        """Create the policies and property indexes that are missing; the plan that was carried out.

        Args:
            prune: Also drop policies, of labels that a class in scope declares, which no class wants.
            drop_vectors: Let prune drop policies that hold vectors.

        Raises:
            PolicyConflict: A policy cannot be made; nothing was changed.
            PolicyError: Prune would drop vectors; nothing was changed.
        """
        return self.run(planning.sync(self.context, self.schemas(), prune=prune, drop_vectors=drop_vectors))

    def migrate(self, *, batch: int = 200, progress: Progress = None) -> Plan:
        """Bring fields with ``replaces=`` and ``renamed_from=`` to what they are now; the plan after it.

        Others read and write meanwhile: until all is brought over, searches use the old vectors and reads the
        old names, and saves of the class write both. What was interrupted goes on from there when it is
        called again; what programs with the old class have written since is brought over, too. The old
        policies stay until ``sync(prune=True, drop_vectors=True)``.

        Args:
            batch: Records that are embedded and written at a time.
            progress: Called after every batch with the number of records done so far; `plan` tells of how
                many.

        Raises:
            EmbedderError: An embedder failed; searches go on with the old vectors.
            PolicyConflict: A policy cannot be made.
        """
        with telling(progress, "embedding") as told:
            Migrating(self.context, self.schemas(), batch, told).run(self)
        return self.plan()

    def backfill(self, *, batch: int = 200, progress: Progress = None) -> int:
        """Make the managed vectors that are missing, by ``connect(..., embedder=...)``; of how many records.

        Saves of models make theirs; these are of records that were there before, or written by the client.

        Raises:
            CapabilityError: The database has no embedder; a RushDB server has its own.
            EmbedderError: The embedder failed; what was made before is written.
        """
        with telling(progress, "embedding") as told:
            return backfill(self.here(), self.context, batch, told)

    def schema(self, *labels: str) -> Schema:
        """What is in the store: labels, properties, relationships and policies; print it for tables.

        Args:
            labels: Only what is about these.
        """
        return self.run(cataloguing.describe(labels))

    def inspect(self, *labels: str, progress: Progress = None) -> str:
        """Model classes for what is in the store: the source of a module, which `write_models` writes.

        Every record of their labels loads with them, and `plan` is in sync; which properties are merge keys
        no store tells. All records are read for it.

        Args:
            labels: Only these.
            progress: Called after every page with the number of records read so far.

        Raises:
            QueryError: A label is not there.
        """
        with telling(progress, "reading") as told:
            return carry(self, Inspecting(labels, told).steps())

    def check(self) -> Health:
        """Whether the file is whole, and all that belongs together in it is there together.

        Looks at everything: records, relationships, every vector, and the caches beside the file. Others
        write and read meanwhile; what is looked at is the store at one moment.

        Raises:
            CapabilityError: The store is a server.
        """
        return self.run(ask(CheckStore()))

    def backup(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Copy the store, as it is at this moment, to a file, also while others write.

        The copy is a store like any other. It appears when it is whole, with the permissions of the
        original.

        Args:
            path: Where it goes.
            overwrite: It may take the place of another one, unless that is in use.

        Raises:
            CapabilityError: The store is a server.
            StoreError: There is a file already, or none can be written there.
        """
        self.run(ask(_backup(path, overwrite)))

    def vacuum(self) -> Vacuumed:
        """Make the file as small as it can be. That writes all of it anew; others wait with their writes.

        Raises:
            CapabilityError: The store is a server.
            StoreBusy: Another process, or a transaction, kept the store for too long.
        """
        return self.run(ask(VacuumStore()))

    def stats(self) -> Stats:
        """How many records, relationships and vectors there are, and how many bytes they take.

        Raises:
            CapabilityError: The store is a server.
        """
        return self.run(ask(GetStats()))

    def build_index(
        self, field: VectorColumn[Any] | Column[Any, Any], *, similarity: Similarity | None = None
    ) -> IndexStats:
        """Build a graph index over a field's vectors, for searches with ``exact=False``; `rushmodel[ann]`.

        ::

            db.build_index(Article.embedding)
            Article.search(vector, exact=False)

        Others search and write meanwhile. What is written later is found too, at the price of scanning it;
        `index_stats` says when building it anew pays.

        Args:
            field: The vector field, as in ``Article.embedding``.
            similarity: Which, where the field has two.

        Raises:
            PolicyMissing: The policy is not there: `sync`.
            CapabilityError: The store is a server, usearch is not installed, or this is in a transaction.
            StoreError: The index cannot be written beside the file.
        """
        return self.run(indexing.build_index(field, similarity))

    def index_stats(
        self, field: VectorColumn[Any] | Column[Any, Any], *, similarity: Similarity | None = None
    ) -> IndexStats | None:
        """How many vectors the graph index of a field knows, and how many came later; None: there is none."""
        return self.run(indexing.index_stats(field, similarity))

    def drop_index(
        self, field: VectorColumn[Any] | Column[Any, Any], *, similarity: Similarity | None = None
    ) -> bool:
        """Remove the graph index of a field; whether there was one. Searches are exact then.

        Of a field that is no vector, as in ``Article.body``: the keyword index of its class, which the next
        search for words makes anew.
        """
        return self.run(indexing.drop_index(field, similarity))

    def transaction(self, *, seconds: float | None = None) -> Transaction:
        """A transaction, for ``with`` or ``async with``: all of the block is kept, or nothing of it.

        Inside, models run on this database, and verbs see what was written in the block; others see it
        after the commit. They may read meanwhile, but their writes wait. Where the block raises, it is
        rolled back, and instances that were saved in it are as unsaved as before.

        Args:
            seconds: How long it may take; then it is rolled back and the commit raises
                `TransactionExpired`. None: on a server 55 seconds (it grants 60 at most, and 80 % of them are
                used), on the embedded store as long as it takes.

        Raises:
            TransactionBusy: On entering: the caller is in a transaction of this database already.
            StoreBusy: On entering: others have kept the store for too long.
        """
        if seconds is not None and not (is_number(seconds) and 0 < seconds < FOREVER):
            raise ConfigurationError(f"seconds is a number above 0, or None, got {seconds!r}")
        return Transaction(self, self._store, self._context, seconds)

    def close(self) -> None:
        """Close the store, and give up the place of the default database; twice is harmless."""
        current.leave_default(self)
        self._store.close()

    async def aclose(self) -> None:
        """As `close`, from an event loop."""
        current.leave_default(self)
        await self._store.aclose()

    def run(self, operation: Operation[R], *, raw: bool = False) -> R:
        """Carry an operation out, in the calling thread, and in the transaction that it is in.

        ``raw``: properties that were renamed come back as they are stored; see `operations.renaming`.
        """
        operation = self._seen_through(operation, raw)
        found = transaction_of(self)
        return run(self._store.backend, operation) if found is None else found.run(operation)

    async def arun(self, operation: Operation[R], *, raw: bool = False) -> R:
        """As `run`, from an event loop."""
        operation = self._seen_through(operation, raw)
        found = transaction_of(self)
        return await (arun(self._store.aio, operation) if found is None else found.arun(operation))

    def _seen_through(self, operation: Operation[R], raw: bool) -> Operation[R]:
        if has_renamed():
            operation = translated(operation, self.context, raw=raw)
        if self._on_command is not None or is_logged():
            operation = watched(operation, self._on_command)
        return operation

    def here(self) -> Here:
        """This database, in the transaction that the caller is in now, if any."""
        return Here(self, transaction_of(self))

    def schemas(self) -> list[ModelSchema]:
        """The models in scope."""
        models = registered() if self._context.scope is None else self._context.scope
        return [schema_of(model) for model in models]

    def __enter__(self) -> Self:
        current.select(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        current.unselect(self)

    def __repr__(self) -> str:
        return f"<Database {self.url}>"


class AsyncDatabase(AsyncFiles, AsyncMoves):
    """The async face of a `Database`: the same names, awaitable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def plan(self) -> Plan:
        """As `Database.plan`."""
        return await self._database.arun(planning.plan(self._database.schemas()))

    async def sync(self, *, prune: bool = False, drop_vectors: bool = False) -> Plan:
        """As `Database.sync`."""
        database = self._database
        return await database.arun(
            planning.sync(database.context, database.schemas(), prune=prune, drop_vectors=drop_vectors)
        )

    async def migrate(self, *, batch: int = 200, progress: Progress = None) -> Plan:
        """As `Database.migrate`."""
        database = self._database
        with telling(progress, "embedding") as told:
            await Migrating(database.context, database.schemas(), batch, told).arun(database)
        return await self.plan()

    async def backfill(self, *, batch: int = 200, progress: Progress = None) -> int:
        """As `Database.backfill`."""
        database = self._database
        with telling(progress, "embedding") as told:
            return await abackfill(database.here(), database.context, batch, told)

    def transaction(self, *, seconds: float | None = None) -> Transaction:
        """As `Database.transaction`; for ``async with``."""
        return self._database.transaction(seconds=seconds)

    async def schema(self, *labels: str) -> Schema:
        """As `Database.schema`."""
        return await self._database.arun(cataloguing.describe(labels))

    async def inspect(self, *labels: str, progress: Progress = None) -> str:
        """As `Database.inspect`."""
        with telling(progress, "reading") as told:
            return await acarry(self._database, Inspecting(labels, told).steps())

    async def check(self) -> Health:
        """As `Database.check`."""
        return await self._database.arun(ask(CheckStore()))

    async def backup(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """As `Database.backup`."""
        await self._database.arun(ask(_backup(path, overwrite)))

    async def vacuum(self) -> Vacuumed:
        """As `Database.vacuum`."""
        return await self._database.arun(ask(VacuumStore()))

    async def stats(self) -> Stats:
        """As `Database.stats`."""
        return await self._database.arun(ask(GetStats()))

    async def build_index(
        self, field: VectorColumn[Any] | Column[Any, Any], *, similarity: Similarity | None = None
    ) -> IndexStats:
        """As `Database.build_index`."""
        return await self._database.arun(indexing.build_index(field, similarity))

    async def index_stats(
        self, field: VectorColumn[Any] | Column[Any, Any], *, similarity: Similarity | None = None
    ) -> IndexStats | None:
        """As `Database.index_stats`."""
        return await self._database.arun(indexing.index_stats(field, similarity))

    async def drop_index(
        self, field: VectorColumn[Any] | Column[Any, Any], *, similarity: Similarity | None = None
    ) -> bool:
        """As `Database.drop_index`."""
        return await self._database.arun(indexing.drop_index(field, similarity))

    async def close(self) -> None:
        """As `Database.close`."""
        await self._database.aclose()

    def __repr__(self) -> str:
        return f"<AsyncDatabase {self._database.url}>"


def _backup(path: str | os.PathLike[str], overwrite: bool) -> BackUpStore:
    named = os.fspath(path)
    if not isinstance(named, str) or not named or "\0" in named:
        raise ConfigurationError(f"a backup goes to a path, not {path!r}")
    return BackUpStore(named, overwrite)
