"""`Model`: what users derive their classes from, with every verb in both colours.

A verb hands its arguments to an operation and runs it on the current database; it decides
nothing itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from typing_extensions import Self

from .current import current_database
from .expressions import Column, Condition, VectorColumn
from .fields import field
from .flow import Operation, ask
from .inline import VectorsAttribute
from .instance import Instance
from .metaclass import schema_of
from .operations import reading, saving, searching
from .operations.drafts import SaveOptions
from .operations.settling import cloned
from .port import DeleteRecords, RecordQuery, Similarity
from .query import Query
from .results import BulkReport, Hits
from .vectorfields import OnStale
from .vectors import VectorLike

Progress: TypeAlias = Callable[[int], object]
"""Called after every batch with the number of records done so far."""

M = TypeVar("M", bound="Model")

On: TypeAlias = "VectorColumn[Any] | Column[Any, Any] | str"


class Model(Instance, abstract=True, defer_build=True):
    """A record, declared as a class.

    ::

        class Article(Model):
            slug: Field[str] = field(key=True)
            body: Field[str]
            embedding: Vector = VectorField(dims=768, property="body")

    ``class A(Model, label="ARTICLE")`` names the label (default: the class name);
    ``abstract=True`` makes a base without one. Verbs run on the database that
    `connect()` opened, or the one selected with ``with db:``. Construction and assignment
    raise pydantic's ValidationError; every other error is a `RushModelError`.
    """

    if TYPE_CHECKING:
        # Only models with ``Annotated[str, VectorField(...)]`` have it at run time.
        vectors: VectorsAttribute = field(default_factory=dict)

    # -- saving

    def save(self, *, on_stale: OnStale | None = None, if_unchanged: bool = False) -> Self:
        """Write what has changed, record and vectors as one thing; nothing is sent if nothing has.

        With a merge key a new instance updates the record of that key, or creates it.

        Args:
            on_stale: What becomes of a vector whose text changed: "raise", "keep" or "drop"; None
                leaves it to the field.
            if_unchanged: Refuse if somebody else saved the record since it was read.

        Raises:
            PropertyError, VectorError: A value that cannot be stored; names the field.
            StaleVector: The indexed text changed and its vector did not.
            ConflictError: ``if_unchanged``, and the stored record is another version.
            RecordGone: The record has been deleted.
            PolicyDrift, PolicyMissing: The class's policies are not there, and cannot be made by themselves.
        """
        return current_database().run(_save(self, on_stale, if_unchanged))

    async def asave(self, *, on_stale: OnStale | None = None, if_unchanged: bool = False) -> Self:
        """As `save`."""
        return await current_database().arun(_save(self, on_stale, if_unchanged))

    @classmethod
    def save_many(
        cls,
        records: Iterable[Self],
        *,
        batch: int = 1000,
        progress: Progress | None = None,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> BulkReport:
        """Save any number of records, a transaction a batch; how it went.

        Args:
            records: Read lazily; never more than a batch is held.
            batch: Records a transaction.
            progress: Called after every batch with the number of records done so far.
            on_error: "raise" ends at the first batch with a refused record, and writes none of that batch;
                "skip" leaves refused records out and reports them.

        Raises:
            BulkError: On "raise"; its ``report`` says what was saved before.
        """
        _check_several(cls, records)
        database, schema = current_database(), schema_of(cls)
        report = BulkReport(0)
        done = 0
        skip = _skips(on_error)
        for several in _batches(enumerate(records), batch):
            report = database.run(saving.save_batch(database.context, schema, several, report, skip=skip))
            done += len(several)
            if progress is not None:
                progress(done)
        return report

    @classmethod
    async def asave_many(
        cls,
        records: Iterable[Self] | AsyncIterable[Self],
        *,
        batch: int = 1000,
        progress: Progress | None = None,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> BulkReport:
        """As `save_many`; ``records`` may be an async iterable, too."""
        _check_several(cls, records)
        database, schema = current_database(), schema_of(cls)
        report = BulkReport(0)
        done = 0
        skip = _skips(on_error)
        async for several in _abatches(records, batch):
            report = await database.arun(
                saving.save_batch(database.context, schema, several, report, skip=skip)
            )
            done += len(several)
            if progress is not None:
                progress(done)
        return report

    def rename_key(self, **key: Any) -> Self:
        """Give a saved record another merge key, keeping id, vectors and relationships.

        Raises:
            ConflictError: Another record has that key.
            NotSaved, RecordGone: There is no record to rename.
        """
        database = current_database()
        return database.run(saving.rename_key(database.context, self, key))

    async def arename_key(self, **key: Any) -> Self:
        """As `rename_key`."""
        database = current_database()
        return await database.arun(saving.rename_key(database.context, self, key))

    def clone(self) -> Self:
        """A copy without identity: with another key, or none, saving it makes a record of its own.

        Raises:
            VectorsNotLoaded, NotLoaded: Some of its fields were not read.
        """
        return cloned(self)

    # -- reading

    @classmethod
    def get(cls, record_id: str | None = None, /, *, with_vectors: bool = False, **key: Any) -> Self:
        """The record with that id, ``Article.get(record_id)``, or key, ``Article.get(slug="warp")``.

        Raises:
            NotFound: There is none.
            MultipleFound: The store holds several of that key (rule R18).
        """
        found: Self = current_database().run(_get(cls, record_id, key, with_vectors))
        return found

    @classmethod
    async def aget(cls, record_id: str | None = None, /, *, with_vectors: bool = False, **key: Any) -> Self:
        """As `get`."""
        found: Self = await current_database().arun(_get(cls, record_id, key, with_vectors))
        return found

    @classmethod
    def get_or_none(
        cls, record_id: str | None = None, /, *, with_vectors: bool = False, **key: Any
    ) -> Self | None:
        """As `get`; None where there is none."""
        found: Self | None = current_database().run(_get_or_none(cls, record_id, key, with_vectors))
        return found

    @classmethod
    async def aget_or_none(
        cls, record_id: str | None = None, /, *, with_vectors: bool = False, **key: Any
    ) -> Self | None:
        """As `get_or_none`."""
        found: Self | None = await current_database().arun(_get_or_none(cls, record_id, key, with_vectors))
        return found

    def refresh(self, *, with_vectors: bool | None = None) -> Self:
        """Read the record again, in place; changes that were not saved are lost.

        Args:
            with_vectors: Whether to read its vectors; None: if this instance has them.

        Raises:
            RecordGone: It has been deleted.
            NotSaved: It was never saved.
        """
        database = current_database()
        return database.run(reading.refresh(database.context, self, with_vectors))

    async def arefresh(self, *, with_vectors: bool | None = None) -> Self:
        """As `refresh`."""
        database = current_database()
        return await database.arun(reading.refresh(database.context, self, with_vectors))

    @classmethod
    def find(cls, *conditions: Condition[Self]) -> Query[Self]:
        """The records that satisfy all the conditions; a `Query`, which reads nothing yet."""
        schema_of(cls).concrete_label()
        return Query(cls).where(*conditions)

    @classmethod
    def search(
        cls,
        query: VectorLike | Self | str | None = None,
        *,
        text: str | None = None,
        on: On | None = None,
        similarity: Similarity | None = None,
        where: Condition[Self] | None = None,
        limit: int = 10,
        offset: int = 0,
        min_score: float | None = None,
        exact: bool | None = None,
        with_vectors: bool = False,
    ) -> Hits[Self]:
        """The records nearest to a vector, best first.

        Args:
            query: A vector, or a record to find others like it (it is left out itself).
            text: Words to search for; no store does that yet.
            on: The vector field, where the vector's length leaves several.
            similarity: "cosine" or "euclidean", where the field has both.
            where: Which records are looked at; decided before the nearest are.
            limit: At most so many hits, and as many if that many match.
            offset: Leave the first so many out.
            min_score: Leave hits below this score out.
            exact: False permits an approximate index; None: as `connect()` was told.
            with_vectors: Read the vectors of the hits along.

        Raises:
            VectorError: A vector that no field could hold.
            AmbiguousSearch: Several policies fit it.
            PolicyMissing: The store has no policy for it, and records of the label.
            CapabilityError: Text was given, and no field has an embedder.
        """
        database = current_database()
        wanted = searching.Search(
            query, text, on, similarity, where, limit, offset, min_score, exact, with_vectors
        )
        return database.run(searching.search(database.context, schema_of(cls), wanted))

    @classmethod
    async def asearch(
        cls,
        query: VectorLike | Self | str | None = None,
        *,
        text: str | None = None,
        on: On | None = None,
        similarity: Similarity | None = None,
        where: Condition[Self] | None = None,
        limit: int = 10,
        offset: int = 0,
        min_score: float | None = None,
        exact: bool | None = None,
        with_vectors: bool = False,
    ) -> Hits[Self]:
        """As `search`."""
        database = current_database()
        wanted = searching.Search(
            query, text, on, similarity, where, limit, offset, min_score, exact, with_vectors
        )
        return await database.arun(searching.search(database.context, schema_of(cls), wanted))

    # -- deleting

    def delete(self) -> None:
        """Delete the record with its vectors and relationships; a second time is silent.

        Raises:
            NotSaved: It was never saved.
        """
        database = current_database()
        database.run(reading.delete(database.context, self))

    async def adelete(self) -> None:
        """As `delete`."""
        database = current_database()
        await database.arun(reading.delete(database.context, self))

    @classmethod
    def delete_all(cls) -> int:
        """Delete every record of this label; how many."""
        return current_database().run(_delete_all(cls))

    @classmethod
    async def adelete_all(cls) -> int:
        """As `delete_all`."""
        return await current_database().arun(_delete_all(cls))


# Operations stand outside of the class, so that they leave private names to its subclasses.


def _save(record: M, on_stale: OnStale | None, if_unchanged: bool) -> Operation[M]:
    options = SaveOptions(on_stale, if_unchanged) if on_stale or if_unchanged else saving.DEFAULTS
    return saving.save(current_database().context, record, options)


def _get(
    model: type[Model], record_id: str | None, key: dict[str, Any], with_vectors: bool
) -> Operation[Any]:
    return reading.get(current_database().context, schema_of(model), record_id, key, with_vectors)


def _get_or_none(
    model: type[Model], record_id: str | None, key: dict[str, Any], with_vectors: bool
) -> Operation[Any]:
    return reading.get_or_none(current_database().context, schema_of(model), record_id, key, with_vectors)


def _delete_all(model: type[Model]) -> Operation[int]:
    return ask(DeleteRecords(RecordQuery((schema_of(model).concrete_label(),))))


def _check_several(model: type[Model], records: object) -> None:
    if isinstance(records, Instance) or not isinstance(records, (Iterable, AsyncIterable)):
        one = type(records).__name__
        raise TypeError(f"{model.__name__}.save_many() takes several records, got one {one}: write [record]")


def _skips(on_error: str) -> bool:
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error is 'raise' or 'skip', got {on_error!r}")
    return on_error == "skip"


def _size(batch: Any) -> int:
    if type(batch) is not int or batch < 1:
        raise ValueError(f"batch is a whole number from 1, got {batch!r}")
    return batch


def _batches(numbered: Iterable[tuple[int, object]], batch: int) -> Iterator[list[tuple[int, object]]]:
    iterator, size = iter(numbered), _size(batch)
    while several := list(islice(iterator, size)):
        yield several


async def _abatches(
    records: Iterable[Any] | AsyncIterable[Any], batch: int
) -> AsyncIterator[list[tuple[int, object]]]:
    if not isinstance(records, AsyncIterable):
        for several in _batches(enumerate(records), batch):
            yield several
        return
    size, several, position = _size(batch), list[tuple[int, object]](), 0
    async for record in records:
        several.append((position, record))
        position += 1
        if len(several) == size:
            yield several
            several = []
    if several:
        yield several
