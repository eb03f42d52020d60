"""From a class to its `ModelSchema`, and the errors on the way.

Each error names class and field and says what to write instead.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from . import codecs
from .annotations import is_open, mentions_relation, mentions_vector, property_codec, show
from .errors import ModelError
from .expressions import Column, VectorColumn
from .fields import PropertyOptions
from .names import LABEL, RESERVED, Renamed, label_error, property_name_error
from .port import Signature
from .schema import ModelSchema, Property, VectorProperty
from .vectorbuilding import check_vector, field_error, vector_property, with_former, with_text
from .vectorfields import options_of, vector_kind

VECTORS = "vectors"
"""The field that models with ``Annotated[str, VectorField(...)]`` get for their vectors."""


class VectorsWithoutKey(UserWarning):
    """A model has vectors and no merge key.

    Without a key a RushDB server forgets a record's vectors at every change that does not
    send them again (rule R6), so each save must hold them all.
    """


def read_schema(cls: type[BaseModel], fields: dict[str, FieldInfo], label: str | None) -> ModelSchema:
    """The schema of a complete class.

    Raises:
        ModelError: Anything about the class that could not be stored, or not told apart.
    """
    problem = None if label is None else label_error(label)
    if problem is not None:
        raise ModelError(
            f'{cls.__name__}: {problem}. Write class {cls.__name__}(Model, label="...")', model=cls
        )
    if cls.model_config.get("extra") == "allow":
        raise ModelError(
            f"{cls.__name__}: extra='allow' would take values that are never stored; "
            "declare a field(json=True) for them",
            model=cls,
        )
    properties: list[Property] = []
    vectors: list[VectorProperty] = []
    columns: dict[str, Column[Any, Any] | VectorColumn[Any]] = {}
    for name, info in fields.items():
        if name == VECTORS:
            continue
        _check_name(cls, name)
        of_property, of_vector = options_of(info)
        kind = vector_kind(info.annotation)
        if of_vector is not None:
            kind = check_vector(cls, name, kind, of_vector, info)
            vectors.append(vector_property(name, kind, of_vector, label))
            if not kind.text:
                columns[name] = VectorColumn(cls, name)
                continue
        elif mentions_relation(info.annotation):
            way = f'{name}: {show(info.annotation)} = relation("TYPE")'
            raise field_error(cls, name, f"a relation says its type, on a class that is a model: {way}")
        elif mentions_vector(info.annotation):
            raise field_error(cls, name, f"a {show(info.annotation)} needs a VectorField(dims=...)")
        if label is None and is_open(info.annotation):
            continue  # a generic base: its subclasses say what it holds
        made = _property(cls, name, info, of_property or PropertyOptions())
        properties.append(made)
        columns[name] = Column(cls, name, stored_name(made, label), made.codec)
    _check_texts(cls, vectors, properties)
    vectors = [with_text(cls, spec, properties) for spec in vectors]
    vectors = [with_former(cls, spec, fields[spec.name], properties) for spec in vectors]
    if vectors and label is not None and not LABEL.match(label):
        raise ModelError(
            f"{cls.__name__}: its label {label!r} is not letters, digits and '_', as it must be where there "
            f'are vectors (rule R2). Write class {cls.__name__}(Model, label="...")',
            model=cls,
        )
    schema = ModelSchema(cls, label, tuple(properties), tuple(vectors), columns)
    _check_apart(schema)
    return schema


def warn_without_key(schema: ModelSchema, stacklevel: int) -> None:
    """Say once, when the class is built, what vectors without a merge key mean (promise 1)."""
    if schema.label is not None and schema.external and not schema.keys:
        warnings.warn(
            f"{schema.name} has vectors and no merge key: on a RushDB server every change of a record must "
            "send its vectors again. Mark the field that tells records apart with field(key=True)",
            VectorsWithoutKey,
            stacklevel=stacklevel + 1,
        )


def _check_texts(cls: type[Any], vectors: list[VectorProperty], properties: list[Property]) -> None:
    """The text of a vector keeps its name: the index policy is on that."""
    texts = {spec.text for spec in vectors}
    for each in properties:
        if each.former is not None and each.name in texts:
            raise field_error(
                cls,
                each.name,
                "it is the text of a vector, whose policy is on its name in the store: keep that, with "
                f"field(name={each.former!r})",
            )


# -- one field ----------------------------------------------------------------


def _property(cls: type[Any], name: str, info: FieldInfo, options: PropertyOptions) -> Property:
    stored = options.name if options.name is not None else name
    problem = property_name_error(stored)
    if problem:
        raise field_error(
            cls, name, f"it would be stored as {stored!r}, and {problem}. Write field(name='...')"
        )
    if options.naive not in (None, "utc"):
        raise field_error(cls, name, f"naive= is 'utc' or left out, got {options.naive!r}")
    try:
        codec, optional = property_codec(
            info.annotation, options, enum_values=bool(cls.model_config.get("use_enum_values"))
        )
    except ValueError as error:
        raise field_error(cls, name, str(error)) from None
    if options.key:
        if optional:
            raise field_error(cls, name, f"a merge key is never None; write Field[{codec.name}]")
        if not codec.keyable:
            raise field_error(
                cls, name, f"{codec.name} cannot be a merge key; use str, int, UUID, date or an Enum"
            )
    if options.naive is not None and codec is not codecs.NAIVE_UTC and codec.item is not codecs.NAIVE_UTC:
        raise field_error(cls, name, "naive= is for datetime fields")
    if options.as_number and codec is not codecs.DECIMAL_NUMBER and codec.item is not codecs.DECIMAL_NUMBER:
        raise field_error(cls, name, "as_number= is for Decimal fields")
    if options.index and not codec.filters:
        raise field_error(cls, name, "a JSON field takes no conditions, so an index would never be used")
    if not info.is_required() and info.default_factory is None and (info.default is not None or not optional):
        try:
            codec.encode(info.default)
        except ValueError as error:
            raise field_error(cls, name, f"the default cannot be stored: {error}") from None
    if options.renamed_from is not None:
        _check_former(cls, name, stored, options)
    default = None if info.is_required() else _default_of(info)
    return Property(name, stored, codec, optional, options.key, options.index, default, options.renamed_from)


def stored_name(made: Property, label: str | None) -> str:
    """How queries name it."""
    return made.property if made.former is None else Renamed(made.property, made.former, label)


def _check_former(cls: type[Any], name: str, stored: str, options: PropertyOptions) -> None:
    former: Any = options.renamed_from
    problem = "it is a text" if not isinstance(former, str) else property_name_error(former)
    if problem is not None:
        raise field_error(cls, name, f"renamed_from={former!r}: {problem}")
    if former == stored:
        raise field_error(cls, name, f"renamed_from={former!r} is its name in the store still; drop it")
    if options.key:
        raise field_error(
            cls, name, f"a merge key keeps its name in the store: write field(key=True, name={former!r})"
        )


def _default_of(info: FieldInfo) -> Callable[[dict[str, Any]], Any]:
    """Pydantic's default, out of the fields before it; a mutable one is a copy each time."""
    return lambda values: info.get_default(call_default_factory=True, validated_data=values)


def _check_apart(schema: ModelSchema) -> None:
    """Two fields that could not be told apart are refused (promise 5)."""
    stored: dict[str, str] = {}
    own = [(each.name, name) for each in schema.properties for name in each.names]
    own += [(each.name, each.property) for each in schema.vectors if each.text is None]
    own += [(each.name, each.origin) for each in schema.vectors if each.origin is not None]
    for name, name_in_store in own:
        if name_in_store in stored:
            raise field_error(
                schema.model,
                name,
                f"{stored[name_in_store]!r} is stored as {name_in_store!r} too; use name='...'",
            )
        stored[name_in_store] = name
    policies: dict[Signature, str] = {}
    for spec in schema.vectors:
        for similarity in spec.similarities:
            signature = Signature("", spec.property, spec.source, similarity, spec.dims)
            if signature in policies:
                raise field_error(
                    schema.model,
                    spec.name,
                    f"{policies[signature]!r} has the same policy ({spec.property}, {spec.source}, "
                    f"{similarity}, {spec.dims}): the two could not be told apart. "
                    "Change dims, similarity or property",
                )
            policies[signature] = spec.name


# -- names and words ----------------------------------------------------------


def _check_name(cls: type[Any], name: str) -> None:
    if name in RESERVED:
        raise reserved_name_error(cls.__name__, name)


def reserved_name_error(model: str, name: str) -> ModelError:
    """The error for a field that would hide an attribute of `Model`."""
    return ModelError(
        f"{model}.{name}: every model has an attribute of that name. Give the field another one and keep the "
        f"stored name: {name}_: Field[...] = field(name={name!r})",
        field=name,
    )
