"""From a class to its `ModelSchema`, and the errors on the way.

Each error names class and field and says what to write instead.
"""

from __future__ import annotations

import datetime as dt
import enum
import types
import warnings
from decimal import Decimal
from typing import Any, Literal, NewType, TypeVar, Union, get_args, get_origin
from uuid import UUID

import typing_extensions
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from . import codecs
from .codecs import Codec
from .errors import ModelError
from .expressions import Column, VectorColumn
from .fields import (
    Field,
    OptionalVector,
    PropertyOptions,
    Vector,
    VectorKind,
    VectorOptions,
    options_of,
    vector_kind,
)
from .names import LABEL, RESERVED, property_name_error
from .port import Signature
from .schema import MISSING, ModelSchema, Property, VectorSpec

VECTORS = "vectors"
"""The field that models with ``Annotated[str, VectorField(...)]`` get for their vectors."""

LARGEST_DIMS = 4096


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
    if label is not None and not LABEL.match(label):
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
    vectors: list[VectorSpec] = []
    columns: dict[str, Column[Any, Any] | VectorColumn[Any]] = {}
    for name, info in fields.items():
        if name == VECTORS:
            continue
        _check_name(cls, name)
        of_property, of_vector = options_of(info)
        kind = vector_kind(info.annotation)
        if of_vector is not None:
            kind = _check_vector(cls, name, kind, of_vector)
            vectors.append(_vector(name, kind, of_vector, label))
            if not kind.text:
                columns[name] = VectorColumn(cls, name)
                continue
        elif _mentions(info.annotation, Vector) or _mentions(info.annotation, OptionalVector):
            raise _error(cls, name, f"a {_show(info.annotation)} needs a VectorField(dims=...)")
        if label is None and _open(info.annotation):
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
    annotation, optional = _unwrapped(cls, name, info.annotation)
    codec = (
        codecs.json_codec(info.annotation)
        if options.json
        else _codec(cls, name, annotation, options, item=False)
    )
    if options.key:
        if optional:
            raise _error(cls, name, f"a merge key is never None; write Field[{_show(annotation)}]")
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
    default: Any = MISSING
    if info.default_factory is not None:
        default = info.default_factory
    elif info.default is not PydanticUndefined:
        value = info.default
        if value is not None or not optional:
            try:
                codec.encode(value)
            except ValueError as error:
                raise _error(cls, name, f"the default cannot be stored: {error}") from None
        default = lambda: value  # noqa: E731
    return Property(name, stored, codec, optional, options.key, options.index, default)


def _codec(cls: type[Any], name: str, annotation: Any, options: PropertyOptions, *, item: bool) -> Codec:
    origin = get_origin(annotation)
    if origin is list and not item:
        (inner,) = get_args(annotation) or (None,)
        inner, optional = _unwrapped(cls, name, inner)
        if inner is None or optional:
            raise _error(cls, name, "a list says what it holds, and never None: list[str], list[float] ...")
        return codecs.list_codec(_codec(cls, name, inner, options, item=True))
    if origin is Literal or origin is typing_extensions.Literal:
        values = get_args(annotation)
        return codecs.literal_codec(values, _codec_of_values(cls, name, values))
    if isinstance(annotation, type):
        if issubclass(annotation, enum.Enum):
            values = tuple(member.value for member in annotation)
            return codecs.enum_codec(annotation, _codec_of_values(cls, name, values))
        if annotation is dt.datetime:
            return codecs.NAIVE_UTC if options.naive == "utc" else codecs.DATETIME
        if annotation is Decimal:
            return codecs.DECIMAL_NUMBER if options.as_number else codecs.DECIMAL
        if annotation in _CODECS:
            return _CODECS[annotation]
    hint = "declare it with field(json=True) to store it as JSON text"
    if isinstance(annotation, TypeVar):
        hint = f"give {_show(annotation)} a type: class IntBox(Box[int])"
    elif _mentions(annotation, Field):
        hint = "write the whole type inside: Field[int | None]"
    raise _error(
        cls,
        name,
        f"{_show(annotation)} cannot be stored as one property. Stored are str, int, float, bool, datetime, "
        f"date, time, UUID, Enum, Decimal, Literal and lists of one of them, each optionally None; {hint}",
    )


_CODECS: dict[Any, Codec] = {
    str: codecs.TEXT,
    int: codecs.INT,
    float: codecs.FLOAT,
    bool: codecs.BOOL,
    dt.date: codecs.DATE,
    dt.time: codecs.TIME,
    UUID: codecs.UUID_TEXT,
}


def _codec_of_values(cls: type[Any], name: str, values: tuple[Any, ...]) -> Codec:
    kinds: set[type[Any]] = set(map(type, values))
    if len(kinds) == 1:
        kind = kinds.pop()
        for base, codec in (
            (str, codecs.TEXT),
            (bool, codecs.BOOL),
            (int, codecs.INT),
            (float, codecs.FLOAT),
        ):
            if kind is base or (base is not bool and issubclass(kind, base) and kind is not bool):
                return codec
        raise _error(cls, name, f"values of {kind.__name__} cannot be stored; use str or int values")
    raise _error(cls, name, "the values must all be str, or all int: one property has one type")


def _unwrapped(cls: type[Any], name: str, annotation: Any) -> tuple[Any, bool]:
    """The type itself, without Field, Annotated, NewType and aliases; and whether None is allowed."""
    optional = False
    while True:
        origin = get_origin(annotation)
        if origin is Field:
            (annotation,) = get_args(annotation)
        elif annotation is Field:
            raise _error(cls, name, "Field says what it holds: Field[str]")
        elif origin is typing_extensions.Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif isinstance(annotation, typing_extensions.TypeAliasType):
            annotation = annotation.__value__
        elif origin is Union or origin is types.UnionType:
            members = [member for member in get_args(annotation) if member is not type(None)]
            if any(get_origin(member) is Field for member in members):
                raise _error(cls, name, "write the whole type inside: Field[int | None]")
            if len(members) != 1 or len(members) == len(get_args(annotation)):
                return annotation, optional
            annotation, optional = members[0], True
        else:
            return annotation, optional


# -- vectors ------------------------------------------------------------------


def _check_vector(cls: type[Any], name: str, kind: VectorKind | None, options: VectorOptions) -> VectorKind:
    if kind is None:
        raise _error(
            cls, name, "a VectorField is for Vector, OptionalVector, list[float], or str (the indexed text)"
        )
    dims: Any = options.dims
    if type(dims) is not int or not 1 <= dims <= LARGEST_DIMS:
        raise _error(cls, name, f"dims must be a whole number from 1 to {LARGEST_DIMS}, got {dims!r}")
    if not options.similarities or set(options.similarities) - {"cosine", "euclidean"}:
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


def _vector(name: str, kind: VectorKind, options: VectorOptions, label: str | None) -> VectorSpec:
    return VectorSpec(
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
    cls: type[Any], spec: VectorSpec, fields: dict[str, FieldInfo], properties: list[Property]
) -> VectorSpec:
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


def _mentions(annotation: Any, wanted: type[Any]) -> bool:
    origin = get_origin(annotation) or annotation
    if isinstance(origin, type) and issubclass(origin, wanted):
        return True
    return any(_mentions(part, wanted) for part in get_args(annotation))


def _open(annotation: Any) -> bool:
    return isinstance(annotation, TypeVar) or any(_open(part) for part in get_args(annotation))


def _show(annotation: Any) -> str:
    return (
        annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
    )
