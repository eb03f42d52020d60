"""`Query`: which records, lazily; what ``Article.find(...)`` returns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, TypeVar, overload

from .aggregation import Aggregation, aggregation_of
from .arithmetic import Arithmetic
from .current import current_database
from .database import Database
from .errors import MultipleFound, NotFound, QueryError, UnboundedQuery
from .expressions import Column, Condition, Order
from .flow import Operation, ask
from .instance import Instance, state_of
from .loading import Loader
from .metaclass import schema_of
from .operations import reading, relating
from .operations.naming import named
from .operations.searching import check_condition
from .port import (
    CloseCursor,
    CountRecords,
    DeleteRecords,
    ExplainQuery,
    FindRecords,
    OpenCursor,
    RecordQuery,
    Unmade,
)
from .relationcolumns import RelationColumn, check_relation
from .rows import PlainRow, Row
from .value import Value
from .vectorfields import OnStale

M = TypeVar("M", bound=Instance)
R = TypeVar("R")
Row_ = TypeVar("Row_", bound=Row)

PAGE = 1000
LARGEST = 2**60
"""More records than any store holds."""


class Query(Value, Generic[M], eq=False):
    """Records of one model that satisfy all of its conditions.

    Immutable: every method returns a changed copy. Nothing is read before a terminal: `all`,
    `first`, `one`, `one_or_none`, `count`, `exists`, `pages`, `stream`, `delete`, `update`, or a
    ``for`` loop; each has a twin with an ``a`` in front. Without an order, records come by
    ascending id. A query sees one snapshot on the embedded store.
    """

    model: type[M]
    conditions: tuple[Condition[Any], ...] = ()
    orders: tuple[Order[Any], ...] = ()
    limited: int | None = None
    skipped: int = 0
    vectors: bool = False
    fields: frozenset[str] | None = None
    relations: tuple[RelationColumn[Any, Any], ...] = ()
    unmade: tuple[Unmade, ...] = ()

    # -- builders

    def where(self, *conditions: Condition[M]) -> Query[M]:
        """With further conditions; all of them must hold."""
        schema = schema_of(self.model)
        checked = tuple(check_condition(schema, each) for each in conditions)
        return self.replaced(conditions=(*self.conditions, *checked))

    def order_by(self, *orders: Order[M]) -> Query[M]:
        """Sorted; later orders decide where earlier ones are equal."""
        for each in orders:
            if not isinstance(each, Order):
                raise TypeError(
                    f"order_by() takes {self.model.__name__}.field.asc() or .desc(), "
                    f"got {type(each).__name__}"
                )
            self._check_model(each.model)
        return self.replaced(orders=(*self.orders, *orders))

    def limit(self, count: int) -> Query[M]:
        """At most so many records."""
        return self.replaced(limited=_whole("limit", count))

    def offset(self, count: int) -> Query[M]:
        """Without the first so many records."""
        return self.replaced(skipped=_whole("offset", count))

    def with_vectors(self) -> Query[M]:
        """With their vectors."""
        return self.replaced(vectors=True)

    def with_(self, *relations: RelationColumn[M, Any]) -> Query[M]:
        """With related records, a command a relation and page: ``with_(Article.author)``.

        Further ones as in ``with_(Article.author.with_(Person.employer))``. A record that several are
        related to is one instance. They are read after the records, and are as they are then.
        """
        for each in relations:
            check_relation(self.model, each, f"{self.model.__name__}: with_()")
        return self.replaced(relations=(*self.relations, *relations))

    def only(self, *fields: Column[M, Any] | str) -> Query[M]:
        """With these fields alone; reading another one raises `NotLoaded`. The merge key is always read."""
        schema = schema_of(self.model)
        for each in fields:
            if isinstance(each, Column):
                self._check_model(each.model)
        names = {each.name if isinstance(each, Column) else each for each in fields}
        unknown = names - schema.by_name.keys()
        if unknown or not names:
            raise QueryError(
                f"{schema.name}: only() takes fields of the class ({', '.join(schema.by_name)}), "
                f"got {', '.join(map(repr, sorted(unknown))) or 'none'}"
            )
        return self.replaced(fields=frozenset(names | {each.name for each in schema.keys}))

    @overload
    def aggregate(self, row: type[Row_], /, **keys: Arithmetic) -> Aggregation[Row_]: ...
    @overload
    def aggregate(self, /, **keys: Arithmetic) -> Aggregation[PlainRow]: ...
    def aggregate(self, row: Any = Row, /, **keys: Arithmetic) -> Aggregation[Any]:
        """What is computed of these records, as `Model.aggregate` says.

        Raises:
            QueryError: The query has a limit, an offset or an order: aggregates are of all that match.
        """
        if self.unmade:
            raise QueryError(f"{self.model.__name__}: stale() is for reading records, not for aggregate()")
        if self.limited is not None or self.skipped or self.orders:
            raise QueryError(
                f"{self.model.__name__}: aggregate() is of all records that match: "
                "give limit, offset and order after it"
            )
        return aggregation_of(self.model, row, keys, self.conditions)

    # -- terminals

    def all(self) -> list[M]:
        """All the records, as a list."""
        return self._database().run(self._find())

    async def aall(self) -> list[M]:
        """As `all`."""
        return await self._database().arun(self._find())

    def first(self) -> M | None:
        """The first record, or None."""
        return self._database().run(self._first())

    async def afirst(self) -> M | None:
        """As `first`."""
        return await self._database().arun(self._first())

    def one(self) -> M:
        """The only record; `NotFound` without one, `MultipleFound` with more."""
        return self._database().run(self._one())

    async def aone(self) -> M:
        """As `one`."""
        return await self._database().arun(self._one())

    def one_or_none(self) -> M | None:
        """The only record, or None; `MultipleFound` with more."""
        return self._database().run(self._one_or_none())

    async def aone_or_none(self) -> M | None:
        """As `one_or_none`."""
        return await self._database().arun(self._one_or_none())

    def count(self) -> int:
        """How many records satisfy the conditions, whatever limit and offset."""
        return self._database().run(self._count())

    async def acount(self) -> int:
        """As `count`."""
        return await self._database().arun(self._count())

    def explain(self) -> str:
        """How the store would find the records, for people: which indexes serve, and what is read through.

        Raises:
            CapabilityError: A RushDB server tells no plans.
        """
        return self._database().run(self._explain())

    async def aexplain(self) -> str:
        """As `explain`."""
        return await self._database().arun(self._explain())

    def exists(self) -> bool:
        """Whether any record satisfies the conditions, whatever limit and offset."""
        return self._database().run(self._exists())

    async def aexists(self) -> bool:
        """As `exists`."""
        return await self._database().arun(self._exists())

    def pages(self, size: int = PAGE) -> Iterator[list[M]]:
        """The records in lists of at most ``size``, from one snapshot."""
        return self._pages(_whole("size", size, least=1))

    def _pages(self, size: int) -> Iterator[list[M]]:
        here, loader = self._database().here(), self._loader()
        cursor = here.run(self._open())
        try:
            while page := here.run(self._along(reading.read_page(loader, cursor, size))):
                yield page
        finally:
            if not here.is_over:
                here.run(ask(CloseCursor(cursor)))

    def apages(self, size: int = PAGE) -> AsyncIterator[list[M]]:
        """As `pages`."""
        return self._apages(_whole("size", size, least=1))

    async def _apages(self, size: int) -> AsyncIterator[list[M]]:
        here, loader = self._database().here(), self._loader()
        cursor = await here.arun(self._open())
        try:
            while page := await here.arun(self._along(reading.read_page(loader, cursor, size))):
                yield page
        finally:
            if not here.is_over:
                await here.arun(ask(CloseCursor(cursor)))

    def stream(self) -> Iterator[M]:
        """The records one by one; never more than a page in memory."""
        for page in self.pages():
            yield from page

    async def astream(self) -> AsyncIterator[M]:
        """As `stream`."""
        async for page in self.apages():
            for record in page:
                yield record

    def delete(self) -> int:
        """Delete the records, with their vectors and relationships; how many.

        Raises:
            UnboundedQuery: There is no condition, or a limit, offset or order.
        """
        return self._database().run(self._delete())

    async def adelete(self) -> int:
        """As `delete`."""
        return await self._database().arun(self._delete())

    def update(self, *, on_stale: OnStale | None = None, **values: Any) -> int:
        """Set fields of the records; how many. None removes a property.

        Raises:
            UnboundedQuery: There is no condition, or a limit, offset or order.
            StaleVector: An indexed text would change under its vector; see ``on_stale``.
        """
        return self._database().run(self._update(values, on_stale))

    async def aupdate(self, *, on_stale: OnStale | None = None, **values: Any) -> int:
        """As `update`."""
        return await self._database().arun(self._update(values, on_stale))

    def __iter__(self) -> Iterator[M]:
        return self.stream()

    def __aiter__(self) -> AsyncIterator[M]:
        return self.astream()

    def __len__(self) -> int:
        raise TypeError("a query has no length before it is run: use .count(), or len(query.all())")

    def __bool__(self) -> bool:  # NoReturn would make mypy skip what follows an ``if``
        raise TypeError("a query has no truth value before it is run: use .exists()")

    # -- operations

    def _find(self, most: int | None = None) -> Operation[list[M]]:
        """The instances, of ``most`` at most."""
        query = yield from self._reading()
        if most is not None:
            query = query.replaced(limit=most if self.limited is None else min(self.limited, most))
        return (yield from self._named("find", self._along(reading.find(self._loader(), query))))

    def _along(self, operation: Operation[list[M]]) -> Operation[list[M]]:
        """The records, with the related ones that are to be read along."""
        found = yield from operation
        yield from relating.prefetch(self._database().context, found, self.relations)
        return found

    def _reading(self) -> Operation[RecordQuery]:
        """The query as it is read, with the vectors that are to come along."""
        vectors = yield from reading.signatures_to_read(schema_of(self.model), self.vectors)
        return self._stored().replaced(vectors=vectors)

    def _open(self) -> Operation[str]:
        query = yield from self._reading()
        return (yield from self._named("find", ask(OpenCursor(query))))

    def _count(self) -> Operation[int]:
        return self._named("count", ask(CountRecords(self._stored())))

    def _explain(self) -> Operation[str]:
        return self._named("explain", ask(ExplainQuery(self._stored())))

    def _first(self) -> Operation[M | None]:
        found = yield from self._find(1)
        return found[0] if found else None

    def _one_or_none(self) -> Operation[M | None]:
        found = yield from self._find(2)
        if len(found) > 1:
            raise MultipleFound(
                f"one {self.model.__name__} was asked for, and more than one satisfies {self._conditions()}",
                record_ids=[state_of(each).record_id for each in found],
            )
        return found[0] if found else None

    def _one(self) -> Operation[M]:
        found = yield from self._one_or_none()
        if found is None:
            raise NotFound(
                f"there is no {self.model.__name__} that satisfies {self._conditions()}", model=self.model
            )
        return found

    def _exists(self) -> Operation[bool]:
        query = self._stored().replaced(order=(), limit=1, offset=0, properties=())
        return bool((yield from self._named("exists", ask(FindRecords(query)))))

    def _delete(self) -> Operation[int]:
        self._check_bounded("delete")
        return (yield from self._named("delete", ask(DeleteRecords(self._stored()))))

    def _update(self, values: dict[str, Any], on_stale: OnStale | None) -> Operation[int]:
        self._check_bounded("update")
        schema = schema_of(self.model)
        updated = reading.update(self._database().context, schema, self._stored(), values, on_stale)
        return (yield from self._named("update", updated))

    def _named(self, verb: str, operation: Operation[R]) -> Operation[R]:
        return named(schema_of(self.model), verb, operation)

    def _check_bounded(self, verb: str) -> None:
        name = self.model.__name__
        if not self.conditions:
            way = f"; {name}.delete_all() deletes every {name}" if verb == "delete" else ""
            raise UnboundedQuery(f"{name}.find().{verb}() without a condition would {verb} every {name}{way}")
        if self.limited is not None or self.skipped or self.orders:
            raise UnboundedQuery(
                f"{verb}() takes no limit, offset or order: it is for all records that match"
            )

    def _check_model(self, model: type[Any]) -> None:
        if not issubclass(self.model, model):
            raise QueryError(f"a field of {model.__name__} says nothing about {self.model.__name__}")

    def __rush_query__(self) -> RecordQuery:
        """What an export reads."""
        return self._stored()

    def _stored(self) -> RecordQuery:
        schema = schema_of(self.model)
        if len(self.conditions) == 1:
            where = self.conditions[0].where
        else:
            where = {"$and": [each.where for each in self.conditions]} if self.conditions else {}
        properties = None
        if self.fields is not None:
            properties = tuple(schema.by_name[name].property for name in sorted(self.fields))
        return RecordQuery(
            (schema.concrete_label(),),
            where,
            order=tuple(each.stored for each in self.orders),
            limit=self.limited,
            offset=self.skipped,
            properties=properties,
            scalars=schema.scalars,
            unmade=self.unmade,
        )

    def _loader(self) -> Loader[M]:
        place = self._database().context.place
        return Loader(schema_of(self.model), place, with_vectors=self.vectors, only=self.fields)

    def _database(self) -> Database:
        return current_database()

    def _conditions(self) -> str:
        return " and ".join(str(dict(each.where)) for each in self.conditions) or "no condition at all"


def _whole(name: str, value: Any, least: int = 0) -> int:
    if type(value) is not int or value < least:
        raise QueryError(f"{name} is a whole number from {least}, got {value!r}")
    return min(value, LARGEST)
