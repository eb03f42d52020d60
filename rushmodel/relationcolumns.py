"""Relations as seen on their class: ``Article.author``, and conditions along it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, NoReturn, TypeAlias, TypeVar, cast

from .arithmetic import Arithmetic, Expression, Path
from .errors import QueryError
from .expressions import Column, Condition
from .names import Renamed
from .port import Direction
from .value import Value

M_contra = TypeVar("M_contra", contravariant=True)
T = TypeVar("T")
V = TypeVar("V")

Hops: TypeAlias = "int | tuple[int, int]"
"""How many relationships: exactly so many, or from the first number to the second."""


class Target(NamedTuple):
    """Where a relation leads: a concrete model, its label, and whether to many records."""

    model: type[Any]
    label: str
    many: bool


class RelationSpec(Value, eq=False):
    """A relation of a class.

    ``owner`` is the class that has it, ``kind`` the relationships' type, ``edge`` their `Edge` class if
    there is one. ``resolve`` finds the target once that is defined, if need be anywhere.
    """

    owner: type[Any]
    name: str
    kind: str
    direction: Direction
    edge: type[Any] | None
    resolve: Callable[[bool], Target]

    @property
    def target(self) -> type[Any]:
        """The related model; `ModelError` where it is not defined (yet)."""
        return self.resolve(True).model

    @property
    def label(self) -> str:
        """The related records' label."""
        return self.resolve(True).label

    @property
    def many(self) -> bool:
        """Whether it leads to any number of records, or to one at most."""
        return self.resolve(True).many

    def __repr__(self) -> str:
        return f"{self.owner.__name__}.{self.name}"


class RelationColumn(Value, Generic[M_contra, T], eq=False):
    """A relation as seen on its class: make conditions of it, or have it read along.

    ``nested`` are relations of the related records, to be read along with them.
    """

    model: type[Any]
    spec: RelationSpec
    nested: tuple[RelationColumn[Any, Any], ...] = ()

    def has(
        self,
        condition: Condition[T] | None = None,
        *,
        hops: Hops = 1,
        edge: Condition[Any] | None = None,
    ) -> Condition[M_contra]:
        """A related record satisfies the condition; without one: there is a related record.

        Args:
            condition: About the related record.
            hops: Go along so many such relationships, one after the other: 3, or (1, 4) for one to
                four. The related record is the last one on the way.
            edge: About the properties of the relationships, each on the way.

        Raises:
            QueryError: A condition on another model, an edge without properties, no such hops.
        """
        return Condition({self.spec.label: self._block(condition, hops, edge)}, self.model)

    def any(
        self,
        condition: Condition[T] | None = None,
        *,
        hops: Hops = 1,
        edge: Condition[Any] | None = None,
    ) -> Condition[M_contra]:
        """As `has`; reads better where many are related."""
        return self.has(condition, hops=hops, edge=edge)

    def none(
        self,
        condition: Condition[T] | None = None,
        *,
        hops: Hops = 1,
        edge: Condition[Any] | None = None,
    ) -> Condition[M_contra]:
        """No related record satisfies the condition; without one: there is no related record.

        Records without any related record are among them.
        """
        return ~self.has(condition, hops=hops, edge=edge)

    def with_(self, *further: RelationColumn[T, Any]) -> RelationColumn[M_contra, T]:
        """To be read along with further relations of the related records."""
        for each in further:
            check_relation(self.spec.target, each, f"{self!r}.with_()")
        return self.replaced(nested=(*self.nested, *further))

    def __getitem__(self, field: Column[T, V] | Expression[V]) -> Expression[V]:
        """A field of the related records, or what is computed of one, to aggregate.

        ``avg(Article.author[Person.age])``; further on, ``Article.author[Person.employer[Company.size]]``.

        Raises:
            QueryError: It is no field of theirs, or an aggregate.
        """
        if not isinstance(field, Arithmetic):
            raise QueryError(
                f"{self!r}[...]: expected a field of {self.spec.target.__name__}, got {field!r:.60}"
            )
        inner: Expression[V] = field.expression()
        if (
            inner.model is None
            or not issubclass(self.spec.target, inner.model)
            or inner.aggregate is not False
        ):
            raise QueryError(f"{self!r}[...]: {inner!r} is no field of {self.spec.target.__name__}")
        if "$collect" in str(inner.document):
            raise QueryError(f"{self!r}[...]: collect() stands in an aggregation of its own model")
        paths = frozenset((self.spec, *path) for path in inner.paths or [()])
        document = inner.document
        for path in inner.paths or [()]:
            document = within(document, alias_of((self.spec, *path)), alias_of(path))
        shown = f"{self!r}[{inner.shown}]"
        return Expression(document, self.model, False, inner.codec, shown, paths)

    def about(self, condition: object) -> Condition[Any]:
        """A condition on the related records; `TypeError`, `QueryError` where it is none."""
        return _about(self.spec.target, condition, repr(self))

    def __repr__(self) -> str:
        return f"{self.model.__name__}.{self.spec.name}"

    def __bool__(self) -> bool:  # NoReturn would make mypy skip what follows an ``if``
        raise TypeError(f"{self!r} is a relation, not a value: write {self!r}.has(...)")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):
                raise AttributeError(name)
            raise AttributeError(
                f"{self!r} is a relation and has no {name!r}: for a field of the related record write "
                f"{self!r}.has({self.spec.target.__name__}.{name} ...)"
            )

    def _block(
        self, condition: Condition[T] | None, hops: Hops, edge: Condition[Any] | None
    ) -> dict[str, Any]:
        spec = self.spec
        relation: dict[str, Any] = {"type": spec.kind, "direction": spec.direction}
        written = _hops(self, hops)
        if written != 1:
            relation["hops"] = written
        if edge is not None:
            if spec.edge is None:
                raise QueryError(f"{self!r}: edge=: no Edge is declared, so there are no properties")
            relation["where"] = _about(spec.edge, edge, f"{self!r}: edge=").where
        block: dict[str, Any] = {"$relation": relation}
        if condition is not None:
            block.update(_about(spec.target, condition, repr(self)).where)
        return block


def alias_of(path: Path) -> str:
    """The alias by which a query speaks of the records at the end of a path; ``$record`` of the root."""
    return "$" + ("__".join(spec.name for spec in path) or "record")


def within(document: Any, new: str, old: str = "$record") -> Any:
    """An expression about the records of the alias ``old`` as one about those of ``new``."""
    if isinstance(document, Renamed):
        return document.moved(old, new) if document.startswith(f"{old}.") else document
    if isinstance(document, str):
        return new + document[len(old) :] if document.startswith(f"{old}.") or document == old else document
    if isinstance(document, list):
        return [within(each, new, old) for each in cast("list[Any]", document)]
    if isinstance(document, dict):
        given = cast("dict[str, Any]", document)
        # What is collected speaks of the related records themselves.
        return {key: each if key == "$collect" else within(each, new, old) for key, each in given.items()}
    return document


def check_relation(model: type[Any], given: object, place: str) -> RelationColumn[Any, Any]:
    """A relation of this model, or of a base of it.

    Raises:
        TypeError: No relation at all.
        QueryError: Another model's.
    """
    if not isinstance(given, RelationColumn):
        raise TypeError(
            f"{place} takes relations, such as {model.__name__}.relation, got {type(given).__name__}"
        )
    column = cast("RelationColumn[Any, Any]", given)
    if not issubclass(model, column.model):
        raise QueryError(f"{place}: {column!r} is no relation of {model.__name__}")
    return column


def _about(model: type[Any], condition: object, place: str) -> Condition[Any]:
    """A condition on this model, or on a base of it."""
    if not isinstance(condition, Condition):
        raise TypeError(
            f"{place}: expected a condition on {model.__name__}, such as {model.__name__}.field == value, "
            f"got {type(condition).__name__}"
        )
    given = cast("Condition[Any]", condition)
    if given.model is not None and not issubclass(model, given.model):
        other = given.model.__name__
        raise QueryError(f"{place}: a condition on {other} says nothing about {model.__name__}")
    return given


def _hops(column: RelationColumn[Any, Any], hops: Any) -> int | dict[str, int]:
    """How hops are written in a query document (R30)."""
    if type(hops) is int and hops >= 1:
        return hops
    if isinstance(hops, tuple):
        several = cast("tuple[Any, ...]", hops)
        if len(several) == 2 and all(type(each) is int for each in several) and 1 <= several[0] <= several[1]:
            return {"min": several[0], "max": several[1]}
    raise QueryError(
        f"{column!r}: hops is a whole number from 1, or two, as in (1, 4), the smaller first; got {hops!r}"
    )
