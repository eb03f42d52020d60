"""Relation annotations, and their specifier.

``Relation[T]`` is an annotation only: to a type checker it is a descriptor (the class gives a
`RelationColumn`, the instance a `One` or `Many`). Pydantic never sees a relation: the metaclass takes
it out of the class before, so that dumps, JSON schema and equality know nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from pydantic import BaseModel

from .port import Direction
from .value import Value

if TYPE_CHECKING:
    from .related import Many, One
    from .relationcolumns import RelationColumn

T = TypeVar("T")
M = TypeVar("M")
# A list is no BaseModel: that is what tells Relation[list[Person]] from Relation[Person].
R = TypeVar("R", bound=BaseModel)


class Relation(Generic[T]):
    """``author: Relation[Person]``: a `One` on the instance; ``Relation[list[Person]]``: a `Many`.

    On the class it is a `RelationColumn`. Needs a `relation`.
    """

    if TYPE_CHECKING:

        @overload
        def __get__(self: Relation[list[R]], instance: None, owner: type[M]) -> RelationColumn[M, R]: ...
        @overload
        def __get__(self: Relation[R], instance: None, owner: type[M]) -> RelationColumn[M, R]: ...
        @overload
        def __get__(self: Relation[list[R]], instance: object, owner: type[M]) -> Many[R]: ...
        @overload
        def __get__(self: Relation[R], instance: object, owner: type[M]) -> One[R]: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: Any, value: T | None) -> None: ...


class RelationOptions(Value):
    """What `relation()` was told."""

    kind: str
    """The relationships' type."""
    direction: Direction
    edge: type[Any] | None


# No field specifier for type checkers: that is what makes a relation an optional argument of the
# constructor.
def relation(type: str, *, direction: Direction = "out", edge: type[Any] | None = None) -> Any:
    """A relation: which relationships of the store it stands for.

    Args:
        type: The relationships' type: letters, digits and ``_`` (rule R27).
        direction: "out": they lead from records of this class to the related ones; "in": from those here.
        edge: An `Edge` class, where the relationships have properties of their own.
    """
    return RelationOptions(type, direction, edge)
