"""Field annotations and specifiers.

``Field[T]``, ``Vector`` and ``OptionalVector`` are annotations only. To a type checker
each is a descriptor (the class gives an expression, the instance the value); at run time
none is ever made: pydantic sees the inner type, and values live in the instance's
``__dict__``. What `field()` is told travels in the metadata of
pydantic's FieldInfo.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    TypedDict,
    TypeVar,
    get_args,
    overload,
)

from pydantic import Field as PydanticField
from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema
from typing_extensions import TypeVar as DefaultTypeVar
from typing_extensions import Unpack

from .port import Float32
from .value import Value
from .vectors import VectorLike

if TYPE_CHECKING:
    from .expressions import Column, VectorColumn

T = TypeVar("T")
M = TypeVar("M")
V = DefaultTypeVar("V", default=Float32)


class Field(Generic[T]):
    """``year: Field[int]``: an int on the instance, a `Column` on the class."""

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type[M]) -> Column[M, T]: ...
        @overload
        def __get__(self, instance: object, owner: type[M]) -> T: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: Any, value: T) -> None: ...

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        (inner,) = get_args(source) or (Any,)
        return handler(inner)


class Vector(Generic[V]):
    """``embedding: Vector``: a read-only float32 array; ``Vector[list[float]]``: a list.

    Assigned from anything `VectorLike`. Needs a `VectorField`.
    """

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type[M]) -> VectorColumn[M]: ...
        @overload
        def __get__(self, instance: object, owner: type[M]) -> V: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: Any, value: VectorLike) -> None: ...

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        # Reached only without a VectorField, which the class builder then refuses by name.
        return core_schema.any_schema()


class OptionalVector(Generic[V]):
    """A vector that may be None: ``image: OptionalVector = VectorField(default=None, dims=512)``."""

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type[M]) -> VectorColumn[M]: ...
        @overload
        def __get__(self, instance: object, owner: type[M]) -> V | None: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: Any, value: VectorLike | None) -> None: ...

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.any_schema()  # as in Vector


class Constraints(TypedDict, total=False):
    """What pydantic's own ``Field`` takes and `field()` hands on to it."""

    gt: Any
    ge: Any
    lt: Any
    le: Any
    multiple_of: float
    min_length: int
    max_length: int
    pattern: str
    max_digits: int
    decimal_places: int
    strict: bool
    repr: bool
    title: str
    examples: list[Any]
    description: str


class PropertyOptions(Value):
    """What `field()` was told, beside pydantic's own options."""

    key: bool = False
    name: str | None = None
    index: bool = False
    json: bool = False
    naive: Literal["utc"] | None = None
    as_number: bool = False
    renamed_from: str | None = None


# The specifiers return Any, so that ``year: int = field(...)`` is legal too.
@overload
def field(
    *,
    default: object,
    key: bool = ...,
    name: str | None = ...,
    index: bool = ...,
    json: bool = ...,
    naive: Literal["utc"] | None = ...,
    as_number: bool = ...,
    renamed_from: str | None = ...,
    **constraints: Unpack[Constraints],
) -> Any: ...
@overload
def field(
    *,
    default_factory: Callable[[], object],
    key: bool = ...,
    name: str | None = ...,
    index: bool = ...,
    json: bool = ...,
    naive: Literal["utc"] | None = ...,
    as_number: bool = ...,
    renamed_from: str | None = ...,
    **constraints: Unpack[Constraints],
) -> Any: ...
@overload
def field(
    *,
    key: bool = ...,
    name: str | None = ...,
    index: bool = ...,
    json: bool = ...,
    naive: Literal["utc"] | None = ...,
    as_number: bool = ...,
    renamed_from: str | None = ...,
    **constraints: Unpack[Constraints],
) -> Any: ...
def field(
    *,
    key: bool = False,
    name: str | None = None,
    index: bool = False,
    json: bool = False,
    naive: Literal["utc"] | None = None,
    as_number: bool = False,
    renamed_from: str | None = None,
    **pydantic_options: Any,
) -> Any:
    """A property that needs more than its annotation.

    Args:
        default: The value where none is given.
        default_factory: Makes the default.
        key: Part of the merge key: records with equal keys are one record.
        name: The property's name in the store, if not the attribute's.
        index: A property index on the embedded store, for conditions and orders.
        json: Any JSON value, stored as text; takes no conditions.
        naive: "utc": a datetime without a time zone is taken as UTC (else refused).
        as_number: A Decimal is stored as a number: it can be ordered, and must fit a float exactly.
        renamed_from: The name that the property had in the store before; `Database.migrate` brings the values
            over. Until that is over, the old name is read, and both are written.
        constraints: pydantic's, such as ``ge=0``, ``max_length=80``, ``description="..."``.
    """
    unknown = pydantic_options.keys() - Constraints.__annotations__.keys() - {"default", "default_factory"}
    if unknown:
        raise TypeError(f"field() has no option {', '.join(sorted(unknown))}")
    info = PydanticField(**pydantic_options)
    info.metadata.append(PropertyOptions(key, name, index, json, naive, as_number, renamed_from))
    return info
