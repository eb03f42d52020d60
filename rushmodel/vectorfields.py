"""Vector fields: `VectorField()`, what it was told, and the validator that it makes.

What it is told travels in the metadata of pydantic's FieldInfo.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, Union, cast, get_args, get_origin, overload

from pydantic import Field as PydanticField
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, core_schema

from .embedding import Embedder, EmbedFunction
from .fields import OptionalVector, PropertyOptions, Vector
from .port import Float32, Similarity, Source
from .value import Value
from .vectors import as_vector, is_array

OnStale: TypeAlias = Literal["raise", "keep", "drop", "embed"]
Similarities: TypeAlias = Similarity | tuple[Similarity, ...]


class VectorSpec(Value):
    """What a vector field was before: for ``VectorField(replaces=...)``.

    The vectors of that policy are used until those of the new one are complete, and written until it is
    pruned. What is not said is as in the field that takes its place.

    Args:
        dims: The length of its vectors; None: the embedder's.
        similarity: Which policies it had.
        factory: The embedder it had.
        property: The text field, if it was another one.
        name: The indexed property, where it was not the text's own; see `VectorField`.
    """

    dims: int | None = None
    similarity: Similarities | None = None
    factory: object = None
    property: str | None = None
    name: str | None = None


class VectorOptions(Value):
    """What `VectorField()` was told. As pydantic metadata it also makes the validator."""

    dims: int
    similarities: tuple[Similarity, ...]
    source: Source
    property: str | None
    name: str | None
    on_stale: OnStale | None
    factory: object = None
    replaces: VectorSpec | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        kind = vector_kind(source)
        if kind is None or kind.text:
            return handler(source)
        schema: core_schema.CoreSchema = core_schema.no_info_plain_validator_function(
            self._listed if kind.as_list else self.validate,
            serialization=core_schema.plain_serializer_function_ser_schema(_dump_vector, info_arg=True),
        )
        if self.source == "managed":
            schema = core_schema.no_info_plain_validator_function(_refuse_managed)
        return core_schema.nullable_schema(schema) if kind.optional else schema

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        if schema["type"] == "str" or (schema["type"] == "nullable" and schema["schema"]["type"] == "str"):
            return handler(schema)
        shape = {
            "type": "array",
            "items": {"type": "number"},
            "minItems": self.dims,
            "maxItems": self.dims,
        }
        return {"anyOf": [shape, {"type": "null"}]} if schema["type"] == "nullable" else shape

    def validate(self, value: Any) -> Float32:
        """The vector as this field holds it; pydantic turns the error into a ValidationError."""
        try:
            return as_vector(value, dims=self.dims, similarities=self.similarities)
        except ValueError as error:
            raise PydanticCustomError("vector", "{reason}", {"reason": str(error)}) from None

    def _listed(self, value: Any) -> list[float]:
        listed: list[float] = self.validate(value).tolist()
        return listed


class VectorKind(Value):
    """What an annotation that carries a `VectorField` says."""

    text: bool
    """``Annotated[str, VectorField(...)]``: the indexed text itself."""
    as_list: bool
    optional: bool


def vector_kind(annotation: Any) -> VectorKind | None:
    """How a vector is declared; None where the annotation cannot hold one."""
    optional = False
    if get_origin(annotation) is Union or type(annotation).__name__ == "UnionType":
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) != 1:
            return None
        (annotation,), optional = members, True
    origin = get_origin(annotation) or annotation
    if origin is str:
        return VectorKind(text=True, as_list=False, optional=optional)
    if annotation == list[float]:
        return VectorKind(text=False, as_list=True, optional=optional)
    if origin is Vector or origin is OptionalVector:
        held = next(iter(get_args(annotation)), Float32)
        as_list = held == list[float]
        if not as_list and held is not Float32 and "ndarray" not in str(held):
            return None
        return VectorKind(text=False, as_list=as_list, optional=optional or origin is OptionalVector)
    return None


# Type checkers take ``factory`` for a default: an argument of that name may be left out of the constructor.
# Mypy picks an overload by the names of the arguments alone when it asks whether a field is an
# argument of the constructor: so the first one, for managed vectors, has no ``similarity``.
@overload
def VectorField(
    *,
    dims: int,
    source: Literal["managed"],
    property: str | None = ...,
    on_stale: OnStale = ...,
    description: str | None = ...,
    init: Literal[False] = False,
) -> Any: ...
@overload
def VectorField(
    *,
    dims: int,
    similarity: Similarities = ...,
    source: Literal["external"] = ...,
    property: str | None = ...,
    name: str | None = ...,
    on_stale: OnStale = ...,
    description: str | None = ...,
) -> Any: ...
@overload
def VectorField(
    *,
    factory: Embedder | EmbedFunction,
    dims: int = ...,
    similarity: Similarities = ...,
    source: Literal["external"] = ...,
    property: str | None = ...,
    name: str | None = ...,
    on_stale: OnStale = ...,
    replaces: VectorSpec = ...,
    description: str | None = ...,
) -> Any: ...
@overload
def VectorField(
    *,
    default: None,
    dims: int,
    similarity: Similarities = ...,
    source: Literal["external"] = ...,
    property: str | None = ...,
    name: str | None = ...,
    on_stale: OnStale = ...,
    description: str | None = ...,
) -> Any: ...
@overload
def VectorField(
    *,
    dims: int,
    similarity: Similarities,
    source: Literal["managed"],
    property: str | None = ...,
    on_stale: OnStale = ...,
    description: str | None = ...,
    init: Literal[False] = False,
) -> Any: ...
def VectorField(
    *,
    dims: int | None = None,
    similarity: Similarities = "cosine",
    source: Source = "external",
    property: str | None = None,
    name: str | None = None,
    factory: object = None,
    on_stale: OnStale | None = None,
    replaces: VectorSpec | None = None,
    description: str | None = None,
    **default: Any,
) -> Any:
    """A vector, and the index policy (or policies) it belongs to.

    Args:
        dims: How many numbers, 1 to 4096; an embedder that knows it may say it instead.
        similarity: "cosine", "euclidean", or both as a tuple: one policy each, one vector.
        source: "external": you give the vector. "managed": the server makes it from the text.
        property: The ``str`` field that the vector stands for; without it the policy is on a
            short fingerprint of the vector, stored under the field's own name (rule R4).
        name: The name of that fingerprint in the store, if not the attribute's. With an embedder and
            ``property``: an indexed property of the vector's own, for a second embedder whose policy would
            be that of the first.
        factory: An `Embedder`, or a function of texts: `save` makes the vector where the text is new or
            has changed and none was given, and `search` takes words.
        on_stale: When the text changes and its vector does not, a save is refused ("raise"), leaves
            the vector ("keep"), removes it ("drop"), or makes a new one ("embed"). Default: "embed" with
            an embedder, else "raise".
        replaces: What the field was before; `Database.migrate` moves from that to this.
        default: None, for an `OptionalVector`.
        description: For JSON schema.
    """
    default.pop("init", None)
    unknown = default.keys() - {"default"}
    if unknown:
        raise TypeError(f"VectorField() has no option {', '.join(sorted(unknown))}")
    similarities = similarity if isinstance(similarity, tuple) else (similarity,)
    if source == "managed":
        default["default"] = None
    if dims is None:
        dims = getattr(factory, "dims", None)
    info: FieldInfo = PydanticField(description=description, **default)
    info.metadata.append(
        VectorOptions(cast("int", dims), similarities, source, property, name, on_stale, factory, replaces)
    )
    return info


def _dump_vector(value: Any, info: core_schema.SerializationInfo) -> Any:
    return cast("Float32", value).tolist() if info.mode == "json" and is_array(value) else value


def _refuse_managed(value: Any) -> Any:
    raise PydanticCustomError("vector", "the store makes this vector itself; it cannot be given")


def give_default(namespace: dict[str, Any]) -> None:
    """Let the vectors of a class body that have an embedder be left out of the constructor.

    Not those in ``Annotated[str, VectorField(...)]``: there the field is the text.
    """
    for name, value in namespace.items():
        for each in getattr(value, "metadata", ()) if type(value) is FieldInfo else ():
            if isinstance(each, VectorOptions) and each.factory is not None:
                made: Any = PydanticField(default=None, description=value.description)
                made.metadata.extend(value.metadata)
                namespace[name] = made


def options_of(info: FieldInfo) -> tuple[PropertyOptions | None, VectorOptions | None]:
    """What `field()` or `VectorField()` left in a pydantic field."""
    of_property = next((each for each in info.metadata if isinstance(each, PropertyOptions)), None)
    of_vector = next((each for each in info.metadata if isinstance(each, VectorOptions)), None)
    return of_property, of_vector
