"""Expressions: what a query computes of each record, or of many.

An `Expression` is a document of RushDB's search query language ("select, groupBy") with the type of what
it gives. Columns and expressions are added, subtracted, multiplied and divided.
"""

from __future__ import annotations

import math
from typing import Any, Generic, TypeAlias, TypeVar

from .codecs import DECIMAL_NUMBER, FLOAT, INT, NUMBER, Codec
from .errors import QueryError
from .value import Value

T_co = TypeVar("T_co", covariant=True)

Number: TypeAlias = int | float
Path: TypeAlias = "tuple[Any, ...]"
"""Relations (`relationcolumns.RelationSpec`), one after the other."""

Operand: TypeAlias = "Arithmetic | int | float"

_NUMBERS = (INT, FLOAT, DECIMAL_NUMBER, NUMBER)


class Arithmetic:
    """Something that a query can compute with; the four operations make an `Expression`.

    Raises:
        QueryError: An operand that is no number.
    """

    __slots__ = ()

    def expression(self) -> Expression[Any]:
        """What is computed, as a value."""
        raise NotImplementedError

    def __add__(self, other: Operand) -> Expression[float]:
        return _combined("$add", self, other)

    def __radd__(self, other: Number) -> Expression[float]:
        return _combined("$add", other, self)

    def __sub__(self, other: Operand) -> Expression[float]:
        return _combined("$subtract", self, other)

    def __rsub__(self, other: Number) -> Expression[float]:
        return _combined("$subtract", other, self)

    def __mul__(self, other: Operand) -> Expression[float]:
        return _combined("$multiply", self, other)

    def __rmul__(self, other: Number) -> Expression[float]:
        return _combined("$multiply", other, self)

    def __truediv__(self, other: Operand) -> Expression[float]:
        """Divided; by zero there is no value."""
        return _combined("$divide", self, other)

    def __rtruediv__(self, other: Number) -> Expression[float]:
        return _combined("$divide", other, self)


class Expression(Arithmetic, Value, Generic[T_co], eq=False):
    """What a query computes, and the type it gives.

    ``document`` is the expression in RushDB's search query language. ``model`` is the one it reads
    records of, None where it reads none. ``aggregate``: it is of many records, not of one (None: of
    whatever is beside it, as a number is). ``shown`` is how messages name it. ``paths`` are the
    relations, from the model on, that lead to the records it reads.
    """

    document: Any
    model: type[Any] | None
    aggregate: bool | None
    codec: Codec
    shown: str
    paths: frozenset[Path] = frozenset()

    def expression(self) -> Expression[Any]:
        return self

    def __repr__(self) -> str:
        return self.shown

    def __bool__(self) -> bool:
        raise TypeError(f"{self.shown} is computed by the store and has no truth value here")


def read_operand(value: object, what: str) -> Expression[Any]:
    """A column, an expression or a number as an expression.

    Raises:
        QueryError: Anything else.
    """
    if isinstance(value, Arithmetic):
        return value.expression()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return Expression(value, None, None, NUMBER, repr(value))
    raise QueryError(
        f"{what} takes a field such as Article.year, an expression or a number, got {value!r:.60}"
    )


def check_number(operand: Expression[Any], what: str) -> None:
    """`QueryError` unless the operand is a number."""
    if operand.codec not in _NUMBERS:
        raise QueryError(f"{what} is for numbers, and {operand.shown} is {operand.codec.name}")


def common_model(one: type[Any] | None, other: type[Any] | None) -> type[Any] | None:
    """The model whose records two expressions are about; `QueryError` where there is none."""
    if one is None or other is None or issubclass(one, other):
        return one or other
    if issubclass(other, one):
        return other
    raise QueryError(f"fields of {one.__name__} and {other.__name__} cannot be computed with each other")


def _combined(operator: str, left: object, right: object) -> Expression[float]:
    first, second = (read_operand(each, f"{operator[1:]}ing") for each in (left, right))
    shown = f"({first.shown} {_SIGNS[operator]} {second.shown})"
    for each in (first, second):
        check_number(each, f"arithmetic, as in {shown},")
    levels = {each.aggregate for each in (first, second)} - {None}
    if len(levels) > 1:
        raise QueryError(
            f"{shown}: one side is of a single record and the other of many; aggregate both, as in "
            "sum(Article.price) / count()"
        )
    return Expression(
        {operator: [first.document, second.document]},
        common_model(first.model, second.model),
        levels.pop() if levels else None,
        NUMBER,
        shown,
        first.paths | second.paths,
    )


_SIGNS = {"$add": "+", "$subtract": "-", "$multiply": "*", "$divide": "/"}
