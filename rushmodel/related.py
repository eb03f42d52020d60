"""`One` and `Many`: what a relation is on an instance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, cast

from .current import current_database
from .edges import Edge
from .errors import MultipleFound, NotLoaded
from .flow import Operation
from .instance import Instance, state_of
from .metaclass import schema_of
from .operations import relating
from .operations.naming import named
from .relationcolumns import RelationSpec
from .ties import Tie, Ties, given_ties, refuse, tie, ties_of

T = TypeVar("T")
E = TypeVar("E", bound=Edge)


class _Related:
    """What both have: a relation of one instance, read or not, and its changes."""

    __slots__ = ("_record", "_spec")

    def __init__(self, record: Instance, spec: RelationSpec) -> None:
        self._record = record
        self._spec = spec

    @property
    def is_loaded(self) -> bool:
        """Whether it was read, or set; of a record that was never saved it is."""
        return self._ties.loaded

    def __eq__(self, other: object) -> bool:
        """The same relation of the same instance."""
        return (
            type(self) is type(other)
            and isinstance(other, _Related)
            and self._record is other._record
            and self._spec.name == other._spec.name
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def _ties(self) -> Ties:
        return ties_of(state_of(self._record), self._spec.name)

    def _now(self) -> list[Tie]:
        ties = self._ties
        if not ties.loaded:
            raise NotLoaded(
                f"{self._where()} is not loaded: read it along with with_=[{self._spec!r}], or call "
                f"record.{self._spec.name}.fetch()",
                field=self._spec.name,
            )
        return ties.now()

    def _where(self) -> str:
        return f"{type(self._record).__name__}.{self._spec.name} of record {self._record.record_id}"

    def _edge(self, kind: type[E], tie: Tie) -> E:
        spec = self._spec
        if spec.edge is not kind:
            declared = "no edge" if spec.edge is None else f"edge={spec.edge.__name__}"
            raise TypeError(f"{spec!r} is declared with {declared}, and was asked for {kind.__name__}")
        if tie.edge is None:
            raise NotLoaded(
                f"{self._where()}: it was set without edge=, so what properties the relationship has is not "
                f"known here; call record.{spec.name}.fetch() once it is saved",
                field=spec.name,
            )
        return cast("E", tie.edge)

    def _tied(self, records: Iterable[object], edge: object) -> list[Tie]:
        """The records given, or pydantic's ValidationError."""
        try:
            return [tie(self._spec, each, edge) for each in records]
        except ValueError as error:
            refuse(type(self._record), [(self._spec.name, str(error))])

    def _fetch(self, with_vectors: bool) -> Operation[None]:
        schema = schema_of(type(self._record))
        fetched = relating.fetch(current_database().context, self._record, self._spec, with_vectors)
        return named(schema, f"{self._spec.name}.fetch", fetched)


class One(_Related, Generic[T]):
    """``article.author``: the related record, or none.

    Nothing here asks the store but `fetch` and `afetch`; what `set` changes is written by ``save()``.
    """

    __slots__ = ()

    @property
    def value(self) -> T | None:
        """The related record.

        Raises:
            NotLoaded: It was not read.
            MultipleFound: The store has several, which others made.
        """
        tie = self._tie()
        return None if tie is None else cast("T", tie.record)

    def edge(self, kind: type[E]) -> E | None:
        """The properties of the relationship, whose class is ``kind``; None where there is none.

        Raises:
            NotLoaded, MultipleFound: As `value`.
        """
        tie = self._tie()
        return None if tie is None else self._edge(kind, tie)

    def set(self, record: T | None, *, edge: Edge | None = None) -> None:
        """Let this be the related record, in place of any other; None: there is to be none.

        Raises:
            ValidationError: Not a record of the relation's class, or an edge of another class.
        """
        if record is None:
            if edge is not None:
                refuse(type(self._record), [(self._spec.name, "None has no relationship to give an edge to")])
            self._ties.replace([])
        else:
            self._ties.replace(self._tied([record], edge))

    def fetch(self, *, with_vectors: bool = False) -> T | None:
        """Read the related record; changes that are not saved stay.

        Raises:
            NotSaved, RecordGone: There is no record that anything could be related to.
        """
        current_database().run(self._fetch(with_vectors))
        return self.value

    async def afetch(self, *, with_vectors: bool = False) -> T | None:
        """As `fetch`."""
        await current_database().arun(self._fetch(with_vectors))
        return self.value

    def __bool__(self) -> bool:
        """Whether there is a related record; `NotLoaded` where it was not read."""
        return bool(self._now())

    def __repr__(self) -> str:
        ties = self._ties
        if not ties.loaded:
            return "<not loaded>"
        now = ties.now()
        return ", ".join(_shown(each.record) for each in now) if now else "None"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            if hasattr(type(self), name):
                object.__getattribute__(self, name)  # raises `NotLoaded`, an AttributeError, once more
            where = f"{type(self._record).__name__}.{self._spec.name}"
            raise AttributeError(
                f"{where} has no {name!r}: the related record is its .value, so .value.{name} may be meant"
            )

    def _tie(self) -> Tie | None:
        now = self._now()
        if len(now) > 1:
            raise MultipleFound(
                f"{self._where()} is one record, and the store has {len(now)}: "
                f"{', '.join(str(each.record.record_id) for each in now[:5])}; set() leaves one",
                record_ids=[each.record.record_id for each in now],
            )
        return now[0] if now else None


class Many(_Related, Generic[T]):
    """``article.tags``: any number of related records, in no order but that of the store.

    Nothing here asks the store but `fetch` and `afetch`; what `attach`, `detach` and `set` change is
    written by ``save()``.
    """

    __slots__ = ()

    @property
    def items(self) -> tuple[T, ...]:
        """The related records; `NotLoaded` where they were not read."""
        return tuple(cast("T", each.record) for each in self._now())

    def edges(self, kind: type[E]) -> tuple[tuple[T, E], ...]:
        """The related records, each with the properties of its relationship, whose class is ``kind``."""
        return tuple((cast("T", each.record), self._edge(kind, each)) for each in self._now())

    def attach(self, *records: T, edge: Edge | None = None) -> None:
        """Relate further records. One that is related already stays, and has ``edge`` then, if it is given.

        Raises:
            ValidationError: Not a record of the relation's class, or an edge of another class.
        """
        self._ties.attach(self._tied(records, edge))

    def detach(self, *records: T) -> None:
        """Relate these no more; those that are not related are left alone."""
        for each in records:
            if not isinstance(each, self._spec.target):
                reason = f"expected {self._spec.target.__name__}, got {type(each).__name__}"
                refuse(type(self._record), [(self._spec.name, reason)])
        self._ties.detach(cast("tuple[Instance, ...]", records))

    def set(self, records: Iterable[T]) -> None:
        """Let these be the related records, in place of all others.

        Raises:
            ValidationError: Not records of the relation's class.
        """
        try:
            given = given_ties(self._spec, records)
        except ValueError as error:
            refuse(type(self._record), [(self._spec.name, str(error))])
        self._ties.replace(given)

    def fetch(self, *, with_vectors: bool = False) -> tuple[T, ...]:
        """Read the related records; changes that are not saved stay.

        Raises:
            NotSaved, RecordGone: There is no record that anything could be related to.
        """
        current_database().run(self._fetch(with_vectors))
        return self.items

    async def afetch(self, *, with_vectors: bool = False) -> tuple[T, ...]:
        """As `fetch`."""
        await current_database().arun(self._fetch(with_vectors))
        return self.items

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self._now())

    def __contains__(self, record: object) -> bool:
        return any(
            each is record or (isinstance(each, Instance) and each.is_saved and _same(each, record))
            for each in self.items
        )

    def __repr__(self) -> str:
        ties = self._ties
        if ties.loaded:
            return f"<{len(ties.now())} {self._spec.target.__name__}>"
        changes = len(ties.attached) + len(ties.detached)
        return f"<not loaded, {changes} changed>" if changes else "<not loaded>"


def view(record: Instance, spec: RelationSpec) -> One[Any] | Many[Any]:
    """The relation of an instance."""
    return Many[Any](record, spec) if spec.many else One[Any](record, spec)


def _same(one: Instance, other: object) -> bool:
    return type(one) is type(other) and isinstance(other, Instance) and one.record_id == other.record_id


def _shown(record: Instance) -> str:
    return f"<{type(record).__name__} {record.record_id or 'not saved'}>"
