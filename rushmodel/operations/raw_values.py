"""What a record is written with: property values as they are stored, and inline vectors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from ..codecs import BOOL, DATE, DATETIME, FLOAT, INT, TEXT
from ..errors import PropertyError, VectorError
from ..names import property_name_error
from ..port import Float32, InlineVector, Similarity, StoredValue
from ..vectors import as_vector
from .raw_documents import Document, shown

SIMILARITIES: tuple[Similarity, ...] = ("cosine", "euclidean")

_VECTOR_KEYS = ("propertyName", "vector", "similarityFunction")


def read_data(given: object, place: str, *, skip_empty: bool = False) -> dict[str, StoredValue]:
    """The properties of a flat record.

    None is dropped (R15), with ``skip_empty`` so are ``""`` and ``[]``.

    Raises:
        PropertyError: By place and property: a name no property can have (R27), a nested object, a
            value that could not be stored as it is.
    """
    data: dict[str, StoredValue] = {}
    for name, value in entries(given, place):
        if value is not None and not (skip_empty and is_empty(value)):
            data[name] = read_value(name, value, place)
    return data


def entries(given: object, place: str) -> Sequence[tuple[str, Any]]:
    """Names and values of an object, as they were given; `PropertyError` where it is none."""
    if not isinstance(given, Mapping):
        raise PropertyError(f"{place}: expected a dict of properties, got {shown(given)}", place=place)
    return list(cast("Mapping[str, Any]", given).items())


def is_empty(value: object) -> bool:
    """What ``skipEmptyValues`` leaves out; 0 and False are values."""
    return isinstance(value, (str, list, tuple)) and not value


def read_value(name: object, value: object, place: str) -> StoredValue:
    """The value of one property as it is stored; `PropertyError`."""
    wrong = _name_error(name) if isinstance(name, str) else f"a property name is text, not {shown(name)}"
    if wrong is None:
        try:
            return _stored(value)
        except ValueError as error:
            wrong = str(error)
    raise PropertyError(f"{place}[{shown(name)}]: {wrong}", place=place, property=name)


def read_vectors(given: object, place: str) -> tuple[InlineVector, ...]:
    """Inline vectors, ``[{"propertyName", "vector", "similarityFunction"?}]`` (R5); none for None.

    Raises:
        VectorError: By place and key: what is no such list, or a vector that no policy can hold.
    """
    if given is None:
        return ()
    if not isinstance(given, (list, tuple)):
        raise VectorError(
            f"{place}: expected a list of dicts with {', '.join(_VECTOR_KEYS)}, got {shown(given)}"
        )
    return tuple(
        _read_vector(each, f"{place}[{index}]") for index, each in enumerate(cast("Sequence[object]", given))
    )


def read_numbers(
    value: object, place: str, *, dims: int | None = None, similarity: str | None = None
) -> Float32:
    """A vector from whatever holds numbers: a list, a numpy array, a tensor; `VectorError`."""
    similarities: Sequence[Similarity] = [each for each in SIMILARITIES if each == similarity]
    try:
        return as_vector(value, dims=dims, similarities=similarities)
    except ValueError as error:
        raise VectorError(f"{place}: {error}", place=place) from None


def _read_vector(given: object, place: str) -> InlineVector:
    entry = Document(place, given, _VECTOR_KEYS, VectorError, status=422)
    similarity = entry.choice("similarityFunction", SIMILARITIES)
    name = entry.text("propertyName")
    return InlineVector(
        name, read_numbers(entry.get("vector"), f"{place}.vector", similarity=similarity), similarity
    )


@lru_cache(maxsize=4096)
def _name_error(name: str) -> str | None:
    return property_name_error(name)


def _stored(value: object) -> StoredValue:
    encode = _ENCODERS.get(type(value))
    if encode is not None:
        return encode(value)
    if isinstance(value, (list, tuple)):
        return _stored_list(cast("Sequence[object]", value))
    for kind, encode in _ENCODERS.items():
        if isinstance(value, kind):
            return encode(value)
    raise ValueError(
        "expected text, a number, a boolean, a datetime or a list of one of them, got "
        + shown(value)
        + ("; nested objects are for import_json()" if isinstance(value, Mapping) else "")
    )


def _stored_list(values: Sequence[object]) -> StoredValue:
    items: list[Any] = []
    for index, value in enumerate(values):
        if value is None or isinstance(value, (list, tuple, Mapping)):
            given = shown(cast("object", value))
            raise ValueError(f"a list holds texts, numbers or booleans, got {given} at position {index}")
        items.append(_stored(value))
    kinds = {_kind(item) for item in items}
    if len(kinds) > 1:
        raise ValueError(f"a list holds values of one kind, got {' and '.join(sorted(kinds))}")
    return items


def _kind(item: StoredValue) -> str:
    """What a list knows its elements as (R15): 1 and 2.5 are both numbers, True is none."""
    if isinstance(item, bool):
        return "booleans"
    return "texts" if isinstance(item, str) else "numbers"


def _encode_moment(value: dt.datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("the datetime has no time zone; give it one")
    text: str = DATETIME.encode(value)
    return text


_ENCODERS: dict[type, Callable[[Any], StoredValue]] = {
    str: TEXT.encode,
    bool: BOOL.encode,
    int: INT.encode,
    float: FLOAT.encode,
    # A datetime is a date, too: it has to be asked first.
    dt.datetime: _encode_moment,
    dt.date: DATE.encode,
}
