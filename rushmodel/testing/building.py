"""`build`: valid instances of a model, with vectors of the right length."""

from __future__ import annotations

import enum
import itertools
import math
import types
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID

import numpy as np

from ..errors import ModelError
from ..metaclass import schema_of
from ..model import Model
from ..schema import ModelSchema, VectorProperty

M = TypeVar("M", bound=Model)

_numbers = itertools.count(1)
_EPOCH = datetime(2026, 1, 1, tzinfo=timezone.utc)


def build(model: type[M], /, **fixed: Any) -> M:
    """An instance that was not saved: what is not given has its default, or a value of its own.

    Texts name their field, numbers count up, and vectors point somewhere, with a norm of 1: two instances
    differ in every field that has no default, so their merge keys do. Vectors with an embedder are left to
    it, and relations are left out.

    ::

        article = build(Article, year=2020)

    Raises:
        ModelError: A field whose values cannot be guessed: of a pattern, say. Give it.
    """
    schema, number = schema_of(model), next(_numbers)
    values = dict(fixed)
    for name, info in model.__pydantic_fields__.items():
        if name == "vectors" or name in values or not info.is_required() or name in _vectors(schema):
            continue
        values[name] = _value(model, name, info.annotation, info.metadata, number)
    for spec in schema.external:
        if spec.embedder is None and not spec.optional and spec.name not in fixed and not spec.inline:
            values[spec.name] = _vector(spec, number)
    inline = {each.name: _vector(each, number) for each in schema.inline_vectors if each.embedder is None}
    if inline and "vectors" not in values:
        values["vectors"] = inline
    return model(**values)


def build_many(model: type[M], count: int, /, **fixed: Any) -> list[M]:
    """As `build`, several; what is given is the same in all."""
    return [build(model, **fixed) for _ in range(count)]


def _vectors(schema: ModelSchema) -> set[str]:
    return {each.name for each in schema.attribute_vectors}


def _vector(spec: VectorProperty, number: int) -> Any:
    made = np.random.default_rng(number).standard_normal(spec.dims)
    array = (made / np.linalg.norm(made)).astype(np.float32)
    return array.tolist() if spec.as_list else array


def _value(model: type[Any], name: str, annotation: Any, metadata: list[Any], number: int) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    limits = _limits(metadata)
    if "pattern" in limits or "multiple_of" in limits:
        raise _unknown(model, name, "a value for its pattern or multiple_of")
    if origin in (Union, types.UnionType):
        member = next(each for each in arguments if each is not type(None))
        return _value(model, name, member, metadata, number)
    if origin is Literal:
        return arguments[number % len(arguments)]
    if origin is list:
        least = int(limits.get("min_length", 1))
        return [_value(model, name, arguments[0], [], number + at) for at in range(max(1, least))]
    kind = origin or annotation
    if isinstance(kind, type) and kind.__name__ in ("Field", "Annotated") and arguments:
        return _value(model, name, arguments[0], metadata, number)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        members = list(kind)
        return members[number % len(members)]
    if kind is str:
        return _text(model, name, limits, number)
    if kind is bool:
        return bool(number % 2)
    if kind in (int, float, Decimal):
        return kind(_number(model, name, limits, number, whole=kind is int))
    return _moment(model, name, kind, number)


def _text(model: type[Any], name: str, limits: dict[str, Any], number: int) -> str:
    least, most = int(limits.get("min_length", 0)), limits.get("max_length")
    text = f"{name} {number}"
    if most is not None and len(text) > most:
        text = str(number)[-int(most) :]
    return text.ljust(least, "x")


def _number(model: type[Any], name: str, limits: dict[str, Any], number: int, *, whole: bool) -> Any:
    step: Any = 1 if whole else 0.5
    low: Any = limits["gt"] + step if "gt" in limits else limits.get("ge")
    high: Any = limits["lt"] - step if "lt" in limits else limits.get("le")
    if low is None:
        return number if high is None else high - number
    span = math.inf if high is None else high - low
    if span < 0:
        raise _unknown(model, name, "a number between its bounds")
    return low + (number if span == math.inf else number % (int(span) + 1))


def _moment(model: type[Any], name: str, kind: Any, number: int) -> Any:
    if kind is datetime:
        return _EPOCH + timedelta(minutes=number)
    if kind is date:
        return (_EPOCH + timedelta(days=number)).date()
    if kind is time:
        return (_EPOCH + timedelta(seconds=number)).time()
    if kind is UUID:
        return UUID(int=number)
    raise _unknown(model, name, f"a value of {getattr(kind, '__name__', kind)}")


def _limits(metadata: list[Any]) -> dict[str, Any]:
    """The constraints of a field, by pydantic's names for them."""
    found: dict[str, Any] = {}
    for each in metadata:
        given = getattr(each, "__dict__", None) or {
            name: getattr(each, name) for name in getattr(each, "__slots__", ())
        }
        for name in ("ge", "gt", "le", "lt", "min_length", "max_length", "multiple_of", "pattern"):
            if given.get(name) is not None:
                found[name] = given[name]
    return found


def _unknown(model: type[Any], name: str, what: str) -> ModelError:
    return ModelError(
        f"build({model.__name__}): {what} cannot be guessed; give it: build({model.__name__}, {name}=...)",
        model=model,
        field=name,
    )
