"""What an error is about, in the words of the class: model, verb and field."""

from __future__ import annotations

from typing import TypeVar

from ..errors import RushModelError
from ..flow import Operation
from ..port import Signature
from ..schema import ModelSchema

R = TypeVar("R")


def named(schema: ModelSchema, verb: str, operation: Operation[R]) -> Operation[R]:
    """The operation; its errors carry ``model`` and ``verb``, and ``field`` where they tell a property."""
    try:
        return (yield from operation)
    except RushModelError as error:
        error.__dict__.setdefault("verb", verb)
        about(schema, error)
        raise


def about(schema: ModelSchema, error: RushModelError) -> None:
    """Name model, if the error does not yet, and ``field`` where it tells a property."""
    details = error.__dict__
    if details.setdefault("model", schema.model) is not schema.model:
        return
    field = _field(schema, details.get("property"), details.get("signature"))
    if field is not None:
        details.setdefault("field", field)


def _field(schema: ModelSchema, name: object, signature: object) -> str | None:
    """The field that a stored property or a policy belongs to."""
    if isinstance(signature, Signature):
        for spec in schema.vectors:
            if signature in spec.signatures:
                return spec.name
    for each in schema.properties:
        if each.property == name:
            return each.name
    return None
