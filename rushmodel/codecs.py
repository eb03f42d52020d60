"""How Python values are stored and read back: one `Codec` a type.

A stored value is ``str | int | float | bool`` or a list of one of them. Encoding
refuses what could not come back as it was; decoding refuses what the type cannot hold.
"""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
import re
import sys
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from .value import Value

LARGEST_INT = 2**53
"""Integers beyond this lose digits on a server (R15), so they are refused."""


class Codec(Value):
    """How values of one type are stored.

    ``encode`` and ``decode`` raise ValueError on what they cannot take. ``exact`` is a type
    whose values are stored as they are. ``ordered``: ``<`` and ``>`` of stored values agree
    with those of the values; ``text``: stored text may be searched for parts; ``list``: many
    values in one property; ``keyable``: may be (part of) a merge key.
    """

    name: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    exact: type[Any] | None = None
    ordered: bool = False
    text: bool = False
    keyable: bool = False
    filters: bool = True
    item: Codec | None = None


def encode_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected str, got {_kind(value)}")
    text = value if type(value) is str else str.__str__(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"the text holds a lone surrogate at position {error.start}, which is no character"
            ) from None
    return text


def _decode_text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"expected text, got {_kind(value)}")
    return value


def _encode_int(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"expected int, got {_kind(value)}")
    if not -LARGEST_INT <= value <= LARGEST_INT:
        raise ValueError("integers past 2**53 would lose digits; use a str or Decimal field for them")
    return int(value)


def _decode_int(value: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise ValueError(f"expected a whole number, got {_kind(value)}")


def _encode_float(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ValueError(f"expected float, got {_kind(value)}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError("the number does not fit into a float") from None
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number, got {number}")
    return number


def _decode_float(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    raise ValueError(f"expected a number, got {_kind(value)}")


def _number(value: Any) -> int | float:
    if type(value) is not int and type(value) is not float:
        raise ValueError(f"expected a number, got {_kind(value)}")
    return value


def _bool(value: Any) -> bool:
    if value is not True and value is not False:
        raise ValueError(f"expected bool, got {_kind(value)}")
    return value


def _encode_datetime(value: Any) -> str:
    if not isinstance(value, dt.datetime):
        raise ValueError(f"expected datetime, got {_kind(value)}")
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError(
            "the datetime has no time zone; give it one, or declare field(naive='utc') to read it as UTC"
        )
    # The one text form that is written; isoformat leaves a zero fraction out by itself.
    return _in_utc(value).replace(tzinfo=None).isoformat() + "Z"


def _encode_naive_utc(value: Any) -> str:
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=dt.timezone.utc)
    return _encode_datetime(value)


def _decode_datetime(value: Any) -> dt.datetime:
    text = _decode_text(value)
    if sys.version_info < (3, 11):
        text = _for_python_3_10(text)
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("expected an ISO 8601 datetime") from None
    if moment.tzinfo is None:
        raise ValueError("expected a datetime with a time zone")
    return _in_utc(moment)


def _in_utc(moment: dt.datetime) -> dt.datetime:
    try:
        return moment.astimezone(dt.timezone.utc)
    except OverflowError:
        raise ValueError("in UTC the datetime lies outside of the years 1 to 9999") from None


def _for_python_3_10(text: str) -> str:
    """The one form of ISO 8601 that ``fromisoformat`` of Python 3.10 reads: six digits, and +hh:mm."""
    found = re.fullmatch(r"(.{19})(?:\.(\d+))?(?:Z|([+-]\d\d):?(\d\d))", text)
    if found is None:
        return text
    second, fraction, hours, minutes = found.groups(default="")
    return f"{second}.{fraction[:6].ljust(6, '0')}{hours or '+00'}:{minutes or '00'}"


def _encode_date(value: Any) -> str:
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        raise ValueError(f"expected date, got {_kind(value)}")
    return value.isoformat()


def _decode_date(value: Any) -> dt.date:
    try:
        return dt.date.fromisoformat(_decode_text(value))
    except ValueError:
        raise ValueError("expected a date, YYYY-MM-DD") from None


def _encode_time(value: Any) -> str:
    if not isinstance(value, dt.time):
        raise ValueError(f"expected time, got {_kind(value)}")
    if value.tzinfo is not None:
        raise ValueError("a time of day with a time zone cannot be stored; store a datetime")
    # Always with its fraction, so that text order is time order.
    return value.isoformat("microseconds")


def _decode_time(value: Any) -> dt.time:
    try:
        return dt.time.fromisoformat(_decode_text(value))
    except ValueError:
        raise ValueError("expected a time of day, HH:MM:SS") from None


def _encode_uuid(value: Any) -> str:
    if not isinstance(value, UUID):
        raise ValueError(f"expected UUID, got {_kind(value)}")
    return str(value)


def _decode_uuid(value: Any) -> UUID:
    try:
        return UUID(_decode_text(value))
    except ValueError:
        raise ValueError("expected a UUID") from None


DECIMAL_SEPARATOR = " "


def canonical_decimal(value: Any) -> str:
    """The one text that equal decimals share: ``1.5`` for 1.5, 1.50 and 15E-1."""
    if not isinstance(value, Decimal):
        raise ValueError(f"expected Decimal, got {_kind(value)}")
    if not value.is_finite():
        raise ValueError(f"expected a finite number, got {value}")
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # only NaN and infinity have letters there
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    if not stripped:
        return "0"
    exponent += len(text) - len(stripped)
    if not exponent:
        shown = stripped
    elif -len(stripped) < exponent < 0:
        shown = f"{stripped[:exponent]}.{stripped[exponent:]}"
    else:
        shown = f"{stripped}E{exponent:+d}"
    return ("-" if sign else "") + shown


def _encode_decimal(value: Any) -> str:
    # Equality is decided by the canonical text in front; what was written follows where it differs.
    canonical = canonical_decimal(value)
    written = str(value)
    return canonical if written == canonical else canonical + DECIMAL_SEPARATOR + written


def _decode_decimal(value: Any) -> Decimal:
    try:
        return Decimal(_decode_text(value).rpartition(DECIMAL_SEPARATOR)[2])
    except InvalidOperation:
        raise ValueError("expected a decimal number") from None


def _encode_decimal_number(value: Any) -> float:
    if not isinstance(value, Decimal):
        raise ValueError(f"expected Decimal, got {_kind(value)}")
    if not value.is_finite():
        raise ValueError(f"expected a finite number, got {value}")
    number = _encode_float(float(value))
    if Decimal(repr(number)) != value:
        raise ValueError(
            f"{value} is not exactly a floating point number; declare the field without as_number=True"
        )
    return number


def _decode_decimal_number(value: Any) -> Decimal:
    return Decimal(repr(_decode_float(value)))


TEXT = Codec("str", encode_text, _decode_text, str, ordered=True, text=True, keyable=True)
RECORD_ID = Codec("record ids", encode_text, _decode_text, str)
INT = Codec("int", _encode_int, _decode_int, int, ordered=True, keyable=True)
FLOAT = Codec("float", _encode_float, _decode_float, float, ordered=True)
NUMBER = Codec("number", _encode_float, _number, ordered=True)
"""Of computed numbers: whole where the store gives whole ones."""
BOOL = Codec("bool", _bool, _bool, bool)
DATETIME = Codec("datetime", _encode_datetime, _decode_datetime, ordered=True)
NAIVE_UTC = Codec("datetime", _encode_naive_utc, _decode_datetime, ordered=True)
DATE = Codec("date", _encode_date, _decode_date, ordered=True, keyable=True)
TIME = Codec("time", _encode_time, _decode_time, ordered=True)
UUID_TEXT = Codec("UUID", _encode_uuid, _decode_uuid, keyable=True)
DECIMAL = Codec("Decimal", _encode_decimal, _decode_decimal)
DECIMAL_NUMBER = Codec("Decimal", _encode_decimal_number, _decode_decimal_number, ordered=True)


def enum_codec(cls: type[enum.Enum], value: Codec, *, as_value: bool = False) -> Codec:
    """Members of an enum, stored by value.

    ``as_value``: instances hold the value, too (pydantic's ``use_enum_values``).
    """

    def encode(member: Any) -> Any:
        if as_value and not isinstance(member, cls):
            member = cls(member)
        if not isinstance(member, cls):
            raise ValueError(f"expected {cls.__name__}, got {_kind(member)}")
        return value.encode(member.value)

    def decode(stored: Any) -> Any:
        member = cls(value.decode(stored))
        return member.value if as_value else member

    return Codec(cls.__name__, encode, decode, keyable=value.keyable)


def literal_codec(values: tuple[Any, ...], value: Codec) -> Codec:
    """One of a fixed set of values."""

    def check(given: Any) -> Any:
        if given not in values:
            raise ValueError(f"expected one of {values!r}")
        return given

    return Codec(
        "Literal",
        lambda given: value.encode(check(given)),
        lambda stored: check(value.decode(stored)),
        ordered=value.ordered,
        text=value.text,
        keyable=value.keyable,
    )


def list_codec(item: Codec) -> Codec:
    """Many values of one type in one property."""

    def encode(values: Any) -> list[Any]:
        return [item.encode(each) for each in _list(values)]

    def decode(stored: Any) -> list[Any]:
        return [item.decode(each) for each in _list(stored)]

    return Codec(f"list[{item.name}]", encode, decode, ordered=item.ordered, text=item.text, item=item)


def json_codec(annotation: Any) -> Codec:
    """Any JSON value, stored as text; no conditions (``field(json=True)``)."""
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    def encode(value: Any) -> str:
        plain = adapter.dump_python(value, mode="json")
        try:
            text = encode_text(json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
        except TypeError as error:
            raise ValueError(str(error)) from None
        if decode(text) != value:
            raise ValueError("as JSON the value would not come back as it is (keys are text, no tuples)")
        return text

    def decode(stored: Any) -> Any:
        return adapter.validate_json(_decode_text(stored))

    return Codec("json", encode, decode, filters=False)


def takes_none(annotation: Any) -> bool:
    """Whether pydantic accepts None for the annotation; `Any` and unions do not say so by themselves."""
    try:
        TypeAdapter(annotation).validate_python(None)
    except ValidationError:
        return False
    return True


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"expected a list, got {_kind(value)}")
    return cast("list[Any]", value)


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__
