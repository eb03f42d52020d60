"""From an annotation to the `Codec` that stores its values.

Every function raises ValueError with a reason; `building` puts class and field before it.
"""

from __future__ import annotations

import datetime as dt
import enum
import types
import typing
from decimal import Decimal
from typing import Any, Literal, NewType, TypeVar, Union, get_args, get_origin
from uuid import UUID

import typing_extensions

from . import codecs
from .codecs import Codec
from .fields import Field, OptionalVector, PropertyOptions, Vector
from .relations import Relation
from .vectorfields import VectorOptions

STORABLE = (
    "Stored are str, int, float, bool, datetime, date, time, UUID, Enum, Decimal, Literal and lists of one "
    "of them, each optionally None"
)


def property_codec(
    annotation: Any, options: PropertyOptions, *, enum_values: bool = False
) -> tuple[Codec, bool]:
    """How values of the annotation are stored as one property, and whether None is allowed."""
    inner, optional = unwrapped(annotation)
    if options.json:
        return codecs.json_codec(annotation), optional or codecs.takes_none(annotation)
    if inner is list or get_origin(inner) is list:
        held = next(iter(get_args(inner)), None)
        if get_origin(held) is Field:
            raise ValueError("write the whole type inside: Field[list[int]]")
        item, item_optional = unwrapped(held)
        if item is None or item_optional:
            raise ValueError("a list says what it holds, and never None: list[str], list[float] ...")
        return codecs.list_codec(_scalar_codec(item, options, enum_values)), optional
    return _scalar_codec(inner, options, enum_values), optional


def unwrapped(annotation: Any) -> tuple[Any, bool]:
    """The type itself, without Field, Annotated, NewType and aliases; and whether None is allowed."""
    optional = inside = False
    while True:
        origin = get_origin(annotation)
        if origin is Field or annotation is Field:
            if inside:
                raise ValueError("Field stands around the whole type, once: Field[int], Field[list[str]]")
            if annotation is Field:
                raise ValueError("Field says what it holds: Field[str]")
            (annotation,), inside = get_args(annotation), True
        elif origin is typing_extensions.Annotated:
            annotation, *metadata = get_args(annotation)
            if inside and any(_is_ours(each) for each in metadata):
                raise ValueError(
                    "inside Field[...] the options would not be seen; write x: Field[str] = field(...), or "
                    "Annotated[str, VectorField(...)] without Field"
                )
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif isinstance(annotation, _ALIASES):
            annotation = annotation.__value__
        elif origin is Union or origin is types.UnionType:
            members = [member for member in get_args(annotation) if member is not type(None)]
            if any(get_origin(member) is Field for member in members):
                raise ValueError("write the whole type inside: Field[int | None]")
            if len(members) != 1 or len(members) == len(get_args(annotation)):
                return annotation, optional
            annotation, optional = members[0], True
        else:
            return annotation, optional


# Until the backport caught up, typing's own was another class.
_ALIAS = typing_extensions.TypeAliasType
_ALIASES = (_ALIAS, getattr(typing, "TypeAliasType", _ALIAS))


def is_open(annotation: Any) -> bool:
    """Whether it still holds a type variable."""
    return isinstance(annotation, TypeVar) or any(is_open(part) for part in get_args(annotation))


def mentions_vector(annotation: Any) -> bool:
    """Whether `Vector` or `OptionalVector` stands anywhere in it."""
    origin = get_origin(annotation) or annotation
    if origin is Vector or origin is OptionalVector:
        return True
    return any(mentions_vector(part) for part in get_args(annotation))


def mentions_relation(annotation: Any) -> bool:
    """Whether `Relation` stands anywhere in it."""
    return (get_origin(annotation) or annotation) is Relation or any(
        mentions_relation(part) for part in get_args(annotation)
    )


def show(annotation: Any) -> str:
    """As a person would write it."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    shown = str(annotation)
    for module in ("rushmodel.fields.", "rushmodel.relations.", "typing."):
        shown = shown.replace(module, "")
    return shown


_CODECS: dict[Any, Codec] = {
    str: codecs.TEXT,
    int: codecs.INT,
    float: codecs.FLOAT,
    bool: codecs.BOOL,
    dt.date: codecs.DATE,
    dt.time: codecs.TIME,
    UUID: codecs.UUID_TEXT,
}


def _scalar_codec(annotation: Any, options: PropertyOptions, enum_values: bool) -> Codec:
    origin = get_origin(annotation)
    if origin is Literal or origin is typing_extensions.Literal:
        values = get_args(annotation)
        if None in values:
            raise ValueError("None stands outside of a Literal: Literal['a', 'b'] | None")
        return codecs.literal_codec(values, _codec_of_values(values))
    if isinstance(annotation, type):
        if issubclass(annotation, enum.Enum):
            values = tuple(each.value for each in annotation)
            return codecs.enum_codec(annotation, _codec_of_values(values), as_value=enum_values)
        if annotation is dt.datetime:
            return codecs.NAIVE_UTC if options.naive == "utc" else codecs.DATETIME
        if annotation is Decimal:
            return codecs.DECIMAL_NUMBER if options.as_number else codecs.DECIMAL
        if annotation in _CODECS:
            return _CODECS[annotation]
    hint = "declare it with field(json=True) to store it as JSON text"
    if isinstance(annotation, TypeVar):
        hint = f"give {show(annotation)} a type: class IntBox(Box[int])"
    elif _mentions_field(annotation):
        hint = "write the whole type inside: Field[list[int]], Field[int | None]"
    raise ValueError(f"{show(annotation)} cannot be stored as one property. {STORABLE}; {hint}")


def _codec_of_values(values: tuple[Any, ...]) -> Codec:
    """The codec of an Enum's or a Literal's values, which are of one type."""
    if not values:
        raise ValueError("an Enum without members has no values to store")
    kinds: set[type[Any]] = set(map(type, values))
    if len(kinds) > 1:
        raise ValueError("the values must all be str, or all int: one property has one type")
    kind = kinds.pop()
    if issubclass(kind, enum.Enum):  # a Literal of members
        return codecs.enum_codec(kind, _codec_of_values(tuple(each.value for each in kind)))
    bases = ((bool, codecs.BOOL), (str, codecs.TEXT), (int, codecs.INT), (float, codecs.FLOAT))
    for base, codec in bases:
        if issubclass(kind, base):
            return codec
    raise ValueError(f"values of {kind.__name__} cannot be stored; use str or int values")


def _mentions_field(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    return origin is Field or any(_mentions_field(part) for part in get_args(annotation))


def _is_ours(metadata: Any) -> bool:
    found = getattr(metadata, "metadata", [metadata])
    return any(isinstance(each, (PropertyOptions, VectorOptions)) for each in found)
