"""`Model`: what users derive their classes from, with every verb in both colours.

A verb hands its arguments to an operation and runs it on the current database; it decides
nothing itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from typing_extensions import Self

from . import verbs
from .aggregation import Aggregation, aggregation_of
from .arithmetic import Arithmetic
from .batches import abatches, batches, check_several, skips
from .current import current_database
from .expressions import Condition
from .fields import field
from .flow import Operation
from .inline import VectorsAttribute
from .metaclass import schema_of
from .operations import saving
from .operations.drafts import SaveOptions
from .operations.naming import named
from .operations.settling import cloned
from .progress import Progress, telling
from .query import Query
from .related import view
from .results import BulkReport
from .rows import PlainRow, Row
from .searched import Searched
from .vectorfields import OnStale
from .verbs import With

M = TypeVar("M", bound="Model")
R = TypeVar("R", bound=Row)


class Model(Searched, abstract=True, defer_build=True):
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

    __rush_view__ = staticmethod(view)

    # -- saving

    def save(
        self, *, on_stale: OnStale | None = None, if_unchanged: bool = False, cascade: bool = True
    ) -> Self:
        """Write what has changed, record and vectors as one thing; nothing is sent if nothing has.

        With a merge key a new instance updates the record of that key, or creates it. Relations that
        were changed are written in the same step, with the records that they lead to: new ones are
        created (by key: upserted), changed ones saved, others only linked. A text that is new or has
        changed is embedded first, where its field has an embedder and no vector was given.

        Args:
            on_stale: What becomes of a vector whose text changed: "raise", "keep", "drop" or "embed"; None
                leaves it to the field.
            if_unchanged: Refuse if somebody else saved the record since it was read.
            cascade: False writes this record alone; what changed of its relations stays to be saved.

        Raises:
            PropertyError, VectorError: A value that cannot be stored; names the field.
            StaleVector: The indexed text changed and its vector did not.
            ConflictError: ``if_unchanged``, and the stored record is another version.
            RecordGone: The record, or a related one, has been deleted.
            ConfigurationError: It, or a related one, belongs to another store.
            PolicyDrift, PolicyMissing: The class's policies are not there, and cannot be made by themselves.
            EmbedderError: The embedder failed; nothing was written.
        """
        return current_database().run(_save(self, on_stale, if_unchanged, cascade))

    async def asave(
        self, *, on_stale: OnStale | None = None, if_unchanged: bool = False, cascade: bool = True
    ) -> Self:
        """As `save`."""
        return await current_database().arun(_save(self, on_stale, if_unchanged, cascade))

    @classmethod
    def save_many(
        cls,
        records: Iterable[Self],
        *,
        batch: int = 1000,
        progress: Progress = None,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> BulkReport:
        """Save any number of records, a transaction a batch; how it went.

        Args:
            records: Read lazily; never more than a batch is held.
            batch: Records a transaction.
            progress: Called after every batch with the number of records done so far; True draws a bar.
            on_error: "raise" ends at the first batch with a refused record, and writes none of that batch;
                "skip" leaves refused records out and reports them.

        Raises:
            BulkError: On "raise"; its ``report`` says what was saved before.
        """
        check_several(cls, records)
        database, schema = current_database(), schema_of(cls)
        report = BulkReport(0)
        done = 0
        skip = skips(on_error)
        with telling(progress, f"saving {cls.__name__}", records) as told:
            for several in batches(enumerate(records), batch):
                saved = saving.save_batch(database.context, schema, several, report, skip=skip)
                report = database.run(named(schema, "save_many", saved))
                done += len(several)
                if told is not None:
                    told(done)
        return report

    @classmethod
    async def asave_many(
        cls,
        records: Iterable[Self] | AsyncIterable[Self],
        *,
        batch: int = 1000,
        progress: Progress = None,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> BulkReport:
        """As `save_many`; ``records`` may be an async iterable, too."""
        check_several(cls, records)
        database, schema = current_database(), schema_of(cls)
        report = BulkReport(0)
        done = 0
        skip = skips(on_error)
        with telling(progress, f"saving {cls.__name__}", records) as told:
            async for several in abatches(records, batch):
                saved = saving.save_batch(database.context, schema, several, report, skip=skip)
                report = await database.arun(named(schema, "save_many", saved))
                done += len(several)
                if told is not None:
                    told(done)
        return report

    def rename_key(self, **key: Any) -> Self:
        """Give a saved record another merge key, keeping id, vectors and relationships.

        Raises:
            ConflictError: Another record has that key.
            NotSaved, RecordGone: There is no record to rename.
        """
        return current_database().run(_rename_key(self, key))

    async def arename_key(self, **key: Any) -> Self:
        """As `rename_key`."""
        return await current_database().arun(_rename_key(self, key))

    def clone(self) -> Self:
        """A copy without identity: with another key, or none, saving it makes a record of its own.

        Raises:
            VectorsNotLoaded, NotLoaded: Some of its fields were not read.
        """
        return cloned(self)

    # -- reading

    @classmethod
    def get(
        cls,
        record_id: str | None = None,
        /,
        *,
        with_: With[Self] = (),
        with_vectors: bool = False,
        **key: Any,
    ) -> Self:
        """The record with that id, ``Article.get(record_id)``, or key, ``Article.get(slug="warp")``.

        ``with_`` are relations to read along, as in ``with_=[Article.author]``.

        Raises:
            NotFound: There is none.
            MultipleFound: The store holds several of that key (rule R18).
        """
        found: Self = current_database().run(verbs.get(cls, record_id, key, with_, with_vectors))
        return found

    @classmethod
    async def aget(
        cls,
        record_id: str | None = None,
        /,
        *,
        with_: With[Self] = (),
        with_vectors: bool = False,
        **key: Any,
    ) -> Self:
        """As `get`."""
        found: Self = await current_database().arun(verbs.get(cls, record_id, key, with_, with_vectors))
        return found

    @classmethod
    def get_or_none(
        cls,
        record_id: str | None = None,
        /,
        *,
        with_: With[Self] = (),
        with_vectors: bool = False,
        **key: Any,
    ) -> Self | None:
        """As `get`; None where there is none."""
        found: Self | None = current_database().run(
            verbs.get_or_none(cls, record_id, key, with_, with_vectors)
        )
        return found

    @classmethod
    async def aget_or_none(
        cls,
        record_id: str | None = None,
        /,
        *,
        with_: With[Self] = (),
        with_vectors: bool = False,
        **key: Any,
    ) -> Self | None:
        """As `get_or_none`."""
        read = verbs.get_or_none(cls, record_id, key, with_, with_vectors)
        found: Self | None = await current_database().arun(read)
        return found

    def refresh(self, *, with_vectors: bool | None = None) -> Self:
        """Read the record again, in place; changes that were not saved are lost.

        Args:
            with_vectors: Whether to read its vectors; None: if this instance has them.

        Raises:
            RecordGone: It has been deleted.
            NotSaved: It was never saved.
        """
        return current_database().run(verbs.refresh(self, with_vectors))

    async def arefresh(self, *, with_vectors: bool | None = None) -> Self:
        """As `refresh`."""
        return await current_database().arun(verbs.refresh(self, with_vectors))

    @classmethod
    def find(cls, *conditions: Condition[Self]) -> Query[Self]:
        """The records that satisfy all the conditions; a `Query`, which reads nothing yet."""
        schema_of(cls).concrete_label()
        return Query(cls).where(*conditions)

    @overload
    @classmethod
    def aggregate(cls, row: type[R], /, **keys: Arithmetic) -> Aggregation[R]: ...
    @overload
    @classmethod
    def aggregate(cls, /, **keys: Arithmetic) -> Aggregation[PlainRow]: ...
    @classmethod
    def aggregate(cls, row: Any = Row, /, **keys: Arithmetic) -> Aggregation[Any]:
        """What is computed of the records, as rows; an `Aggregation`, which reads nothing yet.

        ::

            class ByYear(Row):
                year: int
                total: int
                mean: float | None

            Article.aggregate(ByYear, total=count(), mean=avg(Article.price)).group_by(Article.year).all()

        Args:
            row: The class of the rows; a plain `Row` without it.
            keys: What is computed: `count`, `sum`, `avg`, `min`, `max` of fields, arithmetic, `bucket`.

        Raises:
            QueryError: A key that cannot be computed, or one that the row's class has no field for.
        """
        return aggregation_of(cls, row, keys)

    @overload
    @classmethod
    def find_raw(cls, query: Mapping[str, Any], row: None = None) -> list[Self]: ...
    @overload
    @classmethod
    def find_raw(cls, query: Mapping[str, Any], row: type[R]) -> list[R]: ...
    @classmethod
    def find_raw(cls, query: Mapping[str, Any], row: type[R] | None = None) -> list[Self] | list[R]:
        """The records of a query document, in RushDB's search query language: ``where`` with all of it.

        As RushDB: at most 100, newest first, unless ``limit`` and ``orderBy`` say otherwise. ``labels``
        can only be the class's own.

        Args:
            row: For a document with ``select`` (and ``groupBy``), whose answer is no records: the class of
                its rows, `Row` or one derived from it. Values come as they are stored.

        Raises:
            QueryError: What is no part of a query, by its place; ``select`` without ``row``.
        """
        if row is None:
            return current_database().run(verbs.find_raw(cls, query))
        return current_database().run(verbs.find_rows_raw(cls, query, row))

    @overload
    @classmethod
    async def afind_raw(cls, query: Mapping[str, Any], row: None = None) -> list[Self]: ...
    @overload
    @classmethod
    async def afind_raw(cls, query: Mapping[str, Any], row: type[R]) -> list[R]: ...
    @classmethod
    async def afind_raw(cls, query: Mapping[str, Any], row: type[R] | None = None) -> list[Self] | list[R]:
        """As `find_raw`."""
        if row is None:
            return await current_database().arun(verbs.find_raw(cls, query))
        return await current_database().arun(verbs.find_rows_raw(cls, query, row))

    # -- deleting

    def delete(self) -> None:
        """Delete the record with its vectors and relationships; a second time is silent.

        Raises:
            NotSaved: It was never saved.
        """
        current_database().run(verbs.delete(self))

    async def adelete(self) -> None:
        """As `delete`."""
        await current_database().arun(verbs.delete(self))

    @classmethod
    def delete_all(cls) -> int:
        """Delete every record of this label; how many."""
        return current_database().run(verbs.delete_all(cls))

    @classmethod
    async def adelete_all(cls) -> int:
        """As `delete_all`."""
        return await current_database().arun(verbs.delete_all(cls))


# Operations stand outside of the class, so that they leave private names to its subclasses.


def _save(record: M, on_stale: OnStale | None, if_unchanged: bool, cascade: bool) -> Operation[M]:
    options = SaveOptions(on_stale, if_unchanged) if on_stale or if_unchanged else saving.DEFAULTS
    saved = saving.save(current_database().context, record, options, cascade=cascade)
    return named(schema_of(type(record)), "save", saved)


def _rename_key(record: M, key: dict[str, Any]) -> Operation[M]:
    renamed = saving.rename_key(current_database().context, record, key)
    return named(schema_of(type(record)), "rename_key", renamed)
