"""``record.vectors``: the vectors of fields declared as ``Annotated[str, VectorField(...)]``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field as PydanticField
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, core_schema

from .errors import VectorError, VectorsNotLoaded
from .port import Float32
from .schema import VectorProperty
from .value import Value
from .vectors import same_vector


class InlineVectors(MutableMapping[str, Float32]):
    """Vectors by the name of their text field; each a read-only float32 array of shape ``(dims,)``.

    Setting one converts and checks it.

    Raises:
        VectorError: On setting: an unknown name, or a vector the field cannot hold.
        VectorsNotLoaded: On reading one that the record was read without.
    """

    def __init__(self, specs: tuple[VectorProperty, ...], given: Mapping[str, object] | None = None) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._arrays: dict[str, Float32] = {}
        self._missing: frozenset[str] = frozenset()
        self.fresh: set[str] = set()
        for name, vector in (given or {}).items():
            self[name] = vector

    @classmethod
    def loaded(
        cls, specs: tuple[VectorProperty, ...], arrays: dict[str, Float32], missing: frozenset[str]
    ) -> InlineVectors:
        """As a record read from a store has them: nothing is fresh, ``missing`` were left out."""
        made = cls(specs)
        made._arrays = arrays
        made._missing = missing
        return made

    @property
    def unread(self) -> frozenset[str]:
        """The names whose vectors the record was read without."""
        return self._missing

    def held(self, name: str) -> Float32 | None:
        """The vector that is here; None for one that is not there or was not read."""
        return self._arrays.get(name)

    def settle(self, name: str, array: Float32) -> None:
        """The store has this vector now."""
        self._arrays[name] = array
        self._missing -= {name}

    def forget(self, name: str) -> None:
        """The store dropped this vector."""
        self._arrays.pop(name, None)
        self._missing -= {name}

    def __getitem__(self, name: str) -> Float32:
        if name in self._missing:
            raise VectorsNotLoaded(
                f"the vector of {name!r} was not read along; ask for it with with_vectors=True", field=name
            )
        return self._arrays[name]

    def __setitem__(self, name: str, vector: Any) -> None:
        spec = self._specs.get(name)
        if spec is None:
            known = ", ".join(map(repr, self._specs))
            raise VectorError(f"vectors[{name!r}]: no such vector field; there are {known}", field=name)
        try:
            self._arrays[name] = spec.convert(vector)
        except ValueError as error:
            raise VectorError(f"vectors[{name!r}]: {error}", field=name) from None
        self._missing -= {name}
        self.fresh.add(name)

    def __delitem__(self, name: str) -> None:
        if name in self._missing:
            self[name]  # raises: what was not read cannot be taken away unseen
        del self._arrays[name]

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InlineVectors):
            return NotImplemented
        if self._missing != other._missing or self._arrays.keys() != other._arrays.keys():
            return False
        return all(same_vector(array, other._arrays[name]) for name, array in self._arrays.items())

    def __repr__(self) -> str:
        shown = [f"{name!r}: <{len(array)} float32>" for name, array in self._arrays.items()]
        shown += [f"{name!r}: <not loaded>" for name in sorted(self._missing)]
        return "{" + ", ".join(shown) + "}"

    def __rush_snapshot__(self) -> Callable[[], None]:
        """For the case that a transaction is undone: puts back what saving forgets (operations.journal)."""
        arrays, fresh = dict(self._arrays), set(self.fresh)

        def undo() -> None:
            self._arrays = {**arrays, **self._arrays}
            self.fresh |= fresh

        return undo

    def __copy__(self) -> InlineVectors:
        made = InlineVectors.loaded(tuple(self._specs.values()), dict(self._arrays), self._missing)
        made.fresh = set(self.fresh)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> InlineVectors:
        return self.__copy__()  # the arrays are read-only: sharing them is as deep as it gets

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for array in self._arrays.values():
            array.flags.writeable = False  # numpy forgets it in a pickle


class VectorsAttribute:
    """``record.vectors``, to a type checker: set from a mapping of anything `VectorLike`.

    Pydantic's mypy plugin looks the type of the value up in the user's module, so it is a builtin one.
    """

    if TYPE_CHECKING:

        def __get__(self, instance: object, owner: type[Any]) -> InlineVectors: ...
        def __set__(self, instance: Any, value: object) -> None: ...


class InlineVectorsOptions(Value):
    """Pydantic metadata of the ``vectors`` field: how it is validated, dumped and described."""

    specs: tuple[VectorProperty, ...]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(_dump, info_arg=True),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        def shape(dims: int) -> dict[str, Any]:
            return {"type": "array", "items": {"type": "number"}, "minItems": dims, "maxItems": dims}

        properties = {spec.name: shape(spec.dims) for spec in self.specs}
        return {"type": "object", "properties": properties, "additionalProperties": False}

    def _validate(self, value: Any) -> InlineVectors:
        if not isinstance(value, Mapping):
            raise PydanticCustomError(
                "vectors",
                "expected a mapping of field names to vectors, got {kind}",
                {"kind": type(value).__name__},
            )
        try:
            return InlineVectors(self.specs, cast("Mapping[str, object]", value))
        except VectorError as error:
            raise PydanticCustomError("vector", "{reason}", {"reason": str(error)}) from None


def vectors_field(specs: tuple[VectorProperty, ...]) -> FieldInfo:
    """The pydantic field ``vectors`` of a model with these inline vectors."""
    made: Any = PydanticField(default_factory=lambda: InlineVectors(specs))
    info: FieldInfo = FieldInfo.from_annotated_attribute(InlineVectors, made)
    info.metadata.append(InlineVectorsOptions(specs))
    return info


def _dump(value: Any, info: core_schema.SerializationInfo) -> Any:
    arrays = dict(value)
    return {name: array.tolist() for name, array in arrays.items()} if info.mode == "json" else arrays
