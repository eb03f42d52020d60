"""What a record is written with: property values as they are stored, and inline vectors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

from ..codecs import BOOL, DATE, DATETIME, FLOAT, INT, TEXT
from ..errors import PropertyError, VectorError
from ..names import property_name_error
from ..port import Float32, InlineVector, Similarity, StoredValue
from ..vectors import as_vector
from ..wire.packing import unpack_vector
from .raw_documents import Document, shown
from .raw_options import CLIENT, Caller

SIMILARITIES: tuple[Similarity, ...] = ("cosine", "euclidean")

_VECTOR_KEYS = ("propertyName", "vector", "similarityFunction")
_REMOVAL_KEYS = (*_VECTOR_KEYS, "dimensions")


def read_data(given: object, place: str, *, skip_empty: bool = False) -> dict[str, StoredValue]:
    """The properties of a flat record.

    None is dropped (R15), with ``skip_empty`` so are ``""`` and ``[]``; a list with ``""`` in it is
    refused then (trace 10).

    Raises:
        PropertyError: By place and property: a name no property can have (R27), a nested object, a
            value that could not be stored as it is.
    """
    data: dict[str, StoredValue] = {}
    for name, value in entries(given, place):
        if value is not None and not (skip_empty and is_empty(value)):
            data[name] = read_value(name, value, place, skip_empty=skip_empty)
    return data


def entries(given: object, place: str) -> Sequence[tuple[str, Any]]:
    """Names and values of an object, as they were given; `PropertyError` where it is none."""
    if not isinstance(given, Mapping):
        raise PropertyError(f"{place}: expected a dict of properties, got {shown(given)}", place=place)
    return list(cast("Mapping[str, Any]", given).items())


def is_empty(value: object) -> bool:
    """What ``skipEmptyValues`` leaves out; 0 and False are values."""
    return isinstance(value, (str, list, tuple)) and not value


def read_value(name: object, value: object, place: str, *, skip_empty: bool = False) -> StoredValue:
    """The value of one property as it is stored; `PropertyError`."""
    wrong = _name_error(name) if isinstance(name, str) else f"a property name is text, not {shown(name)}"
    if wrong is None and skip_empty and _holds_empty_text(value):
        wrong = "skipEmptyValues leaves no element out of a list, and this one holds an empty text"
    if wrong is None:
        try:
            return _stored(value)
        except ValueError as error:
            wrong = str(error)
    raise PropertyError(f"{place}[{shown(name)}]: {wrong}", place=place, property=name)


def as_texts(data: Mapping[str, StoredValue]) -> dict[str, StoredValue]:
    """The same properties with every value as text, lists element by element (R14)."""
    texts: dict[str, StoredValue] = {}
    for name, value in data.items():
        texts[name] = [_text(item) for item in value] if isinstance(value, list) else _text(value)
    return texts


def read_vectors(given: object, place: str, caller: Caller = CLIENT) -> tuple[InlineVector, ...]:
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
        _read_vector(each, f"{place}[{index}]", caller)
        for index, each in enumerate(cast("Sequence[object]", given))
    )


def read_numbers(
    value: object,
    place: str,
    *,
    dims: int | None = None,
    similarity: str | None = None,
    packed: bool = False,
) -> Float32:
    """A vector from whatever holds numbers: a list, a numpy array, a tensor; `VectorError`.

    ``packed``: a text may hold them, too (`rushmodel.wire.packing`).
    """
    similarities: Sequence[Similarity] = [each for each in SIMILARITIES if each == similarity]
    try:
        if packed and isinstance(value, str):
            value = unpack_vector(value)
        return as_vector(value, dims=dims, similarities=similarities)
    except ValueError as error:
        raise VectorError(f"{place}: {error}", place=place) from None


def _read_vector(given: object, place: str, caller: Caller) -> InlineVector:
    keys = _REMOVAL_KEYS if caller.extended else _VECTOR_KEYS
    if caller.rest and isinstance(given, Mapping):
        named = cast("Mapping[str, object]", given)
        given = {key: named[key] for key in keys if key in named}
    # R5: on REST a vector that names no policy is one whose policy is missing.
    entry = Document(place, given, keys, VectorError, status=404 if caller.rest else 422)
    similarity = entry.choice("similarityFunction", SIMILARITIES)
    name = entry.text("propertyName")
    value = entry.get("vector")
    if value is None and caller.extended:
        return InlineVector(name, None, similarity, entry.count("dimensions", 0, 1) or None)
    packed = caller.extended
    if caller.rest and (value == [] or (packed and value == "")):
        raise VectorError(f"{place}.vector: expected at least one number, got none", place=place, status=404)
    numbers = read_numbers(value, f"{place}.vector", similarity=similarity, packed=packed)
    return InlineVector(name, numbers, similarity)


def _text(value: str | float | bool) -> str:
    """One value as JavaScript prints it, which is what RushDB stores."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return _number_text(value)


def _number_text(number: float) -> str:
    """5.0 as "5", and exponents only from 1e21 up and below 1e-6: ECMAScript's Number::toString.

    The digits are the fewest that read back as the same number, as in Python's ``repr``.
    """
    sign, figures, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)
    digits = "".join(map(str, figures))
    point = len(digits) + exponent  # how many digits stand before the point
    if not number:
        return "0"
    if not -6 < point <= 21:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        shown_number = f"{digits[0]}{fraction}e{point - 1:+d}"
    elif exponent >= 0:
        shown_number = digits + "0" * exponent
    elif point > 0:
        shown_number = f"{digits[:point]}.{digits[point:]}"
    else:
        shown_number = f"0.{'0' * -point}{digits}"
    return f"-{shown_number}" if sign else shown_number


def _holds_empty_text(value: object) -> bool:
    return isinstance(value, (list, tuple)) and any(
        isinstance(item, str) and not item for item in cast("Sequence[object]", value)
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
