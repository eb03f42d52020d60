"""From a class to its `ModelSchema`, and the errors on the way.

Each error names class and field and says what to write instead.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from . import codecs
from .annotations import is_open, mentions_relation, mentions_vector, property_codec, show
from .errors import ModelError
from .expressions import Column, VectorColumn
from .fields import PropertyOptions
from .names import LABEL, RESERVED, property_name_error
from .port import Signature
from .schema import ModelSchema, Property, VectorProperty
from .vectorfields import VectorKind, VectorOptions, options_of, vector_kind

VECTORS = "vectors"
"""The field that models with ``Annotated[str, VectorField(...)]`` get for their vectors."""

LARGEST_DIMS = 4096
SIMILARITIES = ("cosine", "euclidean")


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
    if label is not None and not (isinstance(label, str) and LABEL.match(label)):
        raise ModelError(
            f"{cls.__name__}: the label {label!r} is not letters, digits and '_' (rule R2). "
            f'Write class {cls.__name__}(Model, label="...")',
            model=cls,
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
            kind = _check_vector(cls, name, kind, of_vector, info)
            vectors.append(_vector(name, kind, of_vector, label))
            if not kind.text:
                columns[name] = VectorColumn(cls, name)
                continue
        elif mentions_relation(info.annotation):
            way = f'{name}: {show(info.annotation)} = relation("TYPE")'
            raise _error(cls, name, f"a relation says its type, on a class that is a model: {way}")
        elif mentions_vector(info.annotation):
            raise _error(cls, name, f"a {show(info.annotation)} needs a VectorField(dims=...)")
        if label is None and is_open(info.annotation):
            continue  # a generic base: its subclasses say what it holds
        made = _property(cls, name, info, of_property or PropertyOptions())
        properties.append(made)
        columns[name] = Column(cls, name, made.property, made.codec)
    vectors = [_with_text(cls, spec, fields, properties) for spec in vectors]
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


# -- one field ----------------------------------------------------------------


def _property(cls: type[Any], name: str, info: FieldInfo, options: PropertyOptions) -> Property:
    stored = options.name if options.name is not None else name
    problem = property_name_error(stored)
    if problem:
        raise _error(cls, name, f"it would be stored as {stored!r}, and {problem}. Write field(name='...')")
    if options.naive not in (None, "utc"):
        raise _error(cls, name, f"naive= is 'utc' or left out, got {options.naive!r}")
    try:
        codec, optional = property_codec(
            info.annotation, options, enum_values=bool(cls.model_config.get("use_enum_values"))
        )
    except ValueError as error:
        raise _error(cls, name, str(error)) from None
    if options.key:
        if optional:
            raise _error(cls, name, f"a merge key is never None; write Field[{codec.name}]")
        if not codec.keyable:
            raise _error(
                cls, name, f"{codec.name} cannot be a merge key; use str, int, UUID, date or an Enum"
            )
    if options.naive is not None and codec is not codecs.NAIVE_UTC and codec.item is not codecs.NAIVE_UTC:
        raise _error(cls, name, "naive= is for datetime fields")
    if options.as_number and codec is not codecs.DECIMAL_NUMBER and codec.item is not codecs.DECIMAL_NUMBER:
        raise _error(cls, name, "as_number= is for Decimal fields")
    if options.index and not codec.filters:
        raise _error(cls, name, "a JSON field takes no conditions, so an index would never be used")
    if not info.is_required() and info.default_factory is None and (info.default is not None or not optional):
        try:
            codec.encode(info.default)
        except ValueError as error:
            raise _error(cls, name, f"the default cannot be stored: {error}") from None
    default = None if info.is_required() else _default_of(info)
    return Property(name, stored, codec, optional, options.key, options.index, default)


def _default_of(info: FieldInfo) -> Callable[[dict[str, Any]], Any]:
    """Pydantic's default, out of the fields before it; a mutable one is a copy each time."""
    return lambda values: info.get_default(call_default_factory=True, validated_data=values)


# -- vectors ------------------------------------------------------------------


def _check_vector(
    cls: type[Any], name: str, kind: VectorKind | None, options: VectorOptions, info: FieldInfo
) -> VectorKind:
    if kind is None:
        way = "Vector, Vector[list[float]], OptionalVector, list[float], or Annotated[str, VectorField(...)]"
        raise _error(cls, name, f"a VectorField is for {way}, not for {show(info.annotation)}")
    if sum(isinstance(each, VectorOptions) for each in info.metadata) > 1:
        raise _error(cls, name, "one VectorField a field; for two policies give similarity a tuple")
    if not kind.text:
        if info.default_factory is not None:
            raise _error(cls, name, "a vector has no default_factory; its only default is None")
        if info.default is not PydanticUndefined and info.default is not None:
            raise _error(cls, name, "the only default of a vector is None, on an OptionalVector")
        if info.default is None and not kind.optional and options.source == "external":
            raise _error(cls, name, "default=None is for an OptionalVector")
    dims: Any = options.dims
    if type(dims) is not int or not 1 <= dims <= LARGEST_DIMS:
        raise _error(cls, name, f"dims must be a whole number from 1 to {LARGEST_DIMS}, got {dims!r}")
    if not options.similarities or any(each not in SIMILARITIES for each in options.similarities):
        raise _error(
            cls,
            name,
            f"similarity is 'cosine', 'euclidean', or both in a tuple, got {options.similarities!r}",
        )
    if len(set(options.similarities)) != len(options.similarities):
        raise _error(cls, name, f"similarity names one twice: {options.similarities!r}")
    if options.source not in ("external", "managed"):
        raise _error(cls, name, f"source is 'external' or 'managed', got {options.source!r}")
    if options.on_stale not in ("raise", "keep", "drop", "embed"):
        raise _error(cls, name, f"on_stale is 'raise', 'keep' or 'drop', got {options.on_stale!r}")
    if options.on_stale == "embed":
        raise _error(cls, name, "on_stale='embed' needs an embedder, and the field has none; use 'raise'")
    if options.source == "managed" and options.property is None and not kind.text:
        raise _error(cls, name, "a managed vector is made from a text: name its field with property='...'")
    if options.source == "managed" and kind.text:
        raise _error(
            cls,
            name,
            "declare a managed vector as a field of its own: Vector = VectorField(source='managed', ...)",
        )
    if kind.text and (options.property is not None or options.name is not None):
        raise _error(cls, name, "the annotated text is the indexed property itself; drop property= and name=")
    if options.property is not None and options.name is not None:
        raise _error(cls, name, "name= is for a vector that stands for itself; with property= drop it")
    return kind


def _vector(name: str, kind: VectorKind, options: VectorOptions, label: str | None) -> VectorProperty:
    return VectorProperty(
        name=name,
        property=options.property or options.name or name,
        text=name if kind.text else options.property,
        dims=options.dims,
        similarities=options.similarities,
        source=options.source,
        on_stale=options.on_stale,
        optional=kind.optional,
        as_list=kind.as_list,
        inline=kind.text,
        label=label,
    )


def _with_text(
    cls: type[Any], spec: VectorProperty, fields: dict[str, FieldInfo], properties: list[Property]
) -> VectorProperty:
    """The spec with the stored name of its text."""
    if spec.text is None:
        problem = property_name_error(spec.property)
        if problem:
            raise _error(cls, spec.name, f"it would be stored as {spec.property!r}, and {problem}")
        return spec
    found = next((each for each in properties if each.name == spec.text), None)
    if found is None:
        known = ", ".join(repr(each.name) for each in properties if each.codec is codecs.TEXT) or "none"
        raise _error(
            cls, spec.name, f"property={spec.text!r} is no field of the class; its str fields: {known}"
        )
    if found.codec is not codecs.TEXT:
        raise _error(
            cls,
            spec.name,
            f"property={spec.text!r} must be a str field, and it is {found.codec.name} (rule R2)",
        )
    return spec.replaced(property=found.property)


def _check_apart(schema: ModelSchema) -> None:
    """Two fields that could not be told apart are refused (promise 5)."""
    stored: dict[str, str] = {}
    own = [(each.name, each.property) for each in schema.properties]
    own += [(each.name, each.property) for each in schema.vectors if each.text is None]
    for name, name_in_store in own:
        if name_in_store in stored:
            raise _error(
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
                raise _error(
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


def _error(cls: type[Any], name: str, reason: str) -> ModelError:
    return ModelError(f"{cls.__name__}.{name}: {reason}", model=cls, field=name)
