"""`Row`: what an aggregation gives, a row at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from .codecs import Codec
from .errors import LoadError, QueryError
from .value import Value


class Row(BaseModel):
    """What an aggregation computed, as a value.

    Derive a class from it for typed rows; its fields are the keys of the aggregation::

        class ByYear(Row):
            year: int
            total: int
            mean: float | None

    A plain `Row` has all keys as attributes, None where a row has no value.
    """

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        defer_build=True,
    )


if TYPE_CHECKING:

    class PlainRow(Row):
        """A `Row` without a class of its own: type checkers let it have any attribute."""

        def __getattr__(self, name: str) -> Any: ...

else:
    PlainRow = Row

R = TypeVar("R", bound=Row)


class Key(Value):
    """A key of an aggregation: the row's attribute, the key in the store's answer, and how it is read."""

    name: str
    stored: str
    codec: Codec


class RowLoader(Generic[R]):
    """Makes rows of one class out of the store's answers.

    Raises:
        QueryError: The class has a field that is computed nowhere, or not one for a key.
    """

    def __init__(self, row: type[R], keys: Sequence[Key]) -> None:
        self._row = row
        self._keys = tuple(keys)
        if row is not Row:
            _check_fields(row, [key.name for key in keys])

    def load(self, found: Mapping[str, Any]) -> R:
        """The row of one answer; `LoadError` where a value is none that the class allows."""
        values: dict[str, Any] = {}
        for name, stored, codec in ((key.name, key.stored, key.codec) for key in self._keys):
            value = found.get(stored)
            try:
                values[name] = None if value is None else codec.decode(value)
            except ValueError as error:
                raise LoadError(f"a row is no {self._row.__name__}: {name}: {error}", field=name) from None
        return _made(self._row, values)


def read_row(row: type[R], found: Mapping[str, Any]) -> R:
    """The row of an answer to a raw query: its keys under their own names, values as they are stored."""
    if row is Row:
        return row.model_construct(**{key: each for key, each in found.items() if not key.startswith("__")})
    return _made(row, {name: found.get(name) for name in row.model_fields})


def _made(row: type[R], values: dict[str, Any]) -> R:
    if row is Row:
        return row.model_construct(**values)
    try:
        return row.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        hint = ""
        if values.get(name) is None and name in values:
            hint = "; a row may have no value there: declare it as optional"
        elif first["type"] == "model_type":
            hint = "; tell collect() the class of its rows, as in collect(Text.tags, TagRow, word=Tag.word)"
        raise LoadError(f"a row is no {row.__name__}: {name}: {first['msg']}{hint}", field=name) from None


def _check_fields(row: type[Row], names: Sequence[str]) -> None:
    fields = row.model_fields
    for name, info in fields.items():
        if name not in names and info.is_required():
            raise QueryError(
                f"{row.__name__}.{name} is computed nowhere; the aggregation gives {', '.join(names)}",
                field=name,
            )
    for name in names:
        if name not in fields:
            raise QueryError(
                f"{row.__name__} has no field {name!r} for what the aggregation computes; "
                f"its fields: {', '.join(fields) or 'none'}",
                field=name,
            )
