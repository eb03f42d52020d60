"""Query expressions: what ``Article.year`` and ``Article.year > 2020`` are.

Values only. ``M`` is the model an expression is about, contravariant, because a
condition on a base model also holds for its subclasses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, cast, overload

from .arithmetic import Arithmetic, Expression
from .codecs import DATETIME, DECIMAL, DECIMAL_SEPARATOR, NAIVE_UTC, TEXT, Codec, canonical_decimal
from .errors import QueryError
from .names import Renamed
from .port import Order as StoredOrder
from .value import Value

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)
T = TypeVar("T")
E = TypeVar("E")


class Condition(Value, Generic[M_contra]):
    """What a record must satisfy; combine with ``&``, ``|`` and ``~``.

    ``where`` is its RushDB filter document (RushDB's search query language), ``labels`` the labels it
    speaks about (empty: any).
    """

    where: Mapping[str, Any]
    model: type[Any] | None = None

    def __and__(self: Condition[M], other: Condition[M]) -> Condition[M]:
        return Condition({"$and": [self.where, _condition(other).where]}, _narrower(self.model, other.model))

    def __or__(self: Condition[M], other: Condition[M]) -> Condition[M]:
        return Condition({"$or": [self.where, _condition(other).where]}, _narrower(self.model, other.model))

    def __invert__(self: Condition[M]) -> Condition[M]:
        return Condition({"$not": self.where}, self.model)

    def __bool__(self) -> bool:  # NoReturn would make mypy skip what follows an ``if``
        raise TypeError(
            "a condition has no truth value: combine conditions with & | ~ (in brackets), not and / or / "
            "not, and write between(low, high) for low < x < high"
        )


class Order(Value, Generic[M_contra]):
    """An order, from ``Article.year.asc()`` or ``.desc()``."""

    model: type[Any]
    stored: StoredOrder


class Column(Arithmetic, Value, Generic[M_contra, T], eq=False):
    """A field as seen on its class: compare it to get a `Condition`.

    ``name`` is the attribute, ``property`` the name in the store. Operands are
    encoded and checked at once.

    Raises:
        QueryError: An operand that the field could not hold, or an operator its type has not.
    """

    model: type[Any]
    name: str
    property: str
    codec: Codec

    def __eq__(self, other: T | None) -> Condition[M_contra]:  # type: ignore[override]
        if other is None:
            return self._where(None)
        if self._is_decimal(other):
            return Condition(self._decimal(other), self.model)
        return self._where(self._operand("==", other))

    def __ne__(self, other: T | None) -> Condition[M_contra]:  # type: ignore[override]
        if other is None:
            return self.exists()
        if self._is_decimal(other):
            return Condition({"$not": self._decimal(other)}, self.model)
        return self._where({"$ne": self._operand("!=", other)})

    def __hash__(self) -> int:
        return hash((self.model, self.name))

    def __gt__(self, other: T) -> Condition[M_contra]:
        return self._where({"$gt": self._bound(">", other)})

    def __ge__(self, other: T) -> Condition[M_contra]:
        return self._where({"$gte": self._bound(">=", other)})

    def __lt__(self, other: T) -> Condition[M_contra]:
        return self._where({"$lt": self._bound("<", other)})

    def __le__(self, other: T) -> Condition[M_contra]:
        return self._where({"$lte": self._bound("<=", other)})

    def between(self, low: T, high: T) -> Condition[M_contra]:
        """From ``low`` to ``high``, both included."""
        return self._where({"$gte": self._bound("between", low), "$lte": self._bound("between", high)})

    @overload
    def in_(self: Column[M, list[E]], values: Iterable[E]) -> Condition[M]: ...
    @overload
    def in_(self, values: Iterable[T]) -> Condition[M_contra]: ...
    def in_(self, values: Iterable[Any]) -> Condition[Any]:
        """One of ``values``; for a list field, any of its items is."""
        several = _several(self, values)
        if several and self._is_decimal(several[0]):
            return Condition({"$or": [self._decimal(value) for value in several]}, self.model)
        return self._where({"$in": [self._operand("in_", value) for value in several]})

    @overload
    def not_in(self: Column[M, list[E]], values: Iterable[E]) -> Condition[M]: ...
    @overload
    def not_in(self, values: Iterable[T]) -> Condition[M_contra]: ...
    def not_in(self, values: Iterable[Any]) -> Condition[Any]:
        """The field is there and none of ``values``; for a list field, none of its items is (R20)."""
        several = _several(self, values)
        if several and self._is_decimal(several[0]):
            return Condition({"$not": {"$or": [self._decimal(value) for value in several]}}, self.model)
        return self._where({"$nin": [self._operand("not_in", value) for value in several]})

    def is_none(self) -> Condition[M_contra]:
        """The field is None: the record has no such property."""
        return self._where(None)

    def exists(self) -> Condition[M_contra]:
        """The field is not None: the record has the property."""
        return self._where({"$exists": True})

    # Only on text: the annotated ``self`` makes other columns an error for type checkers. Overloads,
    # since mypy solves none of a union's type variables.
    @overload
    def contains(self: Column[M, str], text: str) -> Condition[M]: ...
    @overload
    def contains(self: Column[M, str | None], text: str) -> Condition[M]: ...
    @overload
    def contains(self: Column[M, list[str]], text: str) -> Condition[M]: ...
    def contains(self: Column[Any, Any], text: str) -> Condition[Any]:
        """Holds ``text`` somewhere, whatever its case; for a list field, any item does (R20)."""
        return self._where({"$contains": self._part("contains", text)})

    @overload
    def startswith(self: Column[M, str], text: str) -> Condition[M]: ...
    @overload
    def startswith(self: Column[M, str | None], text: str) -> Condition[M]: ...
    @overload
    def startswith(self: Column[M, list[str]], text: str) -> Condition[M]: ...
    def startswith(self: Column[Any, Any], text: str) -> Condition[Any]:
        """Begins with ``text``; case counts (R20)."""
        return self._where({"$startsWith": self._part("startswith", text)})

    @overload
    def endswith(self: Column[M, str], text: str) -> Condition[M]: ...
    @overload
    def endswith(self: Column[M, str | None], text: str) -> Condition[M]: ...
    @overload
    def endswith(self: Column[M, list[str]], text: str) -> Condition[M]: ...
    def endswith(self: Column[Any, Any], text: str) -> Condition[Any]:
        """Ends with ``text``; case counts (R20)."""
        return self._where({"$endsWith": self._part("endswith", text)})

    def asc(self) -> Order[M_contra]:
        """Smallest first, None last (R16)."""
        return Order(self.model, self._order(False))

    def desc(self) -> Order[M_contra]:
        """Largest first, None first (R16)."""
        return Order(self.model, self._order(True))

    def expression(self) -> Expression[T]:
        """The field's value, as something that queries compute with."""
        if not self.codec.filters:
            raise QueryError(
                f"{self!r} is stored as JSON text: the store computes nothing of it", field=self.name
            )
        name = "__id" if self.property == "$id" else self.property
        document = name.of("$record") if isinstance(name, Renamed) else f"$record.{name}"
        return Expression(document, self.model, False, self.codec, repr(self))

    def __repr__(self) -> str:
        return f"{self.model.__name__}.{self.name}"

    def __bool__(self) -> bool:  # NoReturn would make mypy skip what follows an ``if``
        raise TypeError(f"{self!r} is a field, not a value: compare it, as in {self!r} == ...")

    if not TYPE_CHECKING:  # checkers refuse these by themselves; a program without one gets the way out

        def __and__(self, other: object) -> NoReturn:
            raise TypeError(f"{self!r} & ...: put each comparison in brackets, as in (a == 1) & (b > 2)")

        __rand__ = __or__ = __ror__ = __and__

        def __contains__(self, value: object) -> NoReturn:
            raise TypeError(f"... in {self!r}: write {self!r}.in_([...]) or {self!r}.contains(...)")

        def __neg__(self) -> NoReturn:
            raise TypeError(f"-{self!r}: write {self!r}.desc()")

    def _where(self, operand: Any) -> Condition[Any]:
        if not self.codec.filters and operand is not None and operand != {"$exists": True}:
            raise QueryError(
                f"{self!r} is stored as JSON text and takes no conditions but is_none() and exists()",
                field=self.name,
            )
        return Condition({self.property: operand}, self.model)

    def _operand(self, operator: str, value: Any) -> Any:
        codec = self.codec
        if value is None:
            raise QueryError(
                f"{self!r}.{operator}(): for None there are is_none() and exists()", field=self.name
            )
        if codec.item is not None and not isinstance(value, list):
            codec = codec.item
        return self._encoded(codec, operator, value)

    def _bound(self, operator: str, value: Any) -> Any:
        codec = self.codec.item or self.codec
        if value is None:
            raise QueryError(
                f"{self!r} {operator} None: for None there are is_none() and exists()", field=self.name
            )
        if not codec.ordered:
            raise QueryError(
                f"{self!r} {operator} ...: values of {codec.name} have no order in the store; "
                + ("use field(as_number=True)" if codec is DECIMAL else "use ==, != or in_()"),
                field=self.name,
            )
        return self._encoded(codec, operator, value)

    def _encoded(self, codec: Codec, operator: str, value: Any) -> Any:
        try:
            return codec.encode(value)
        except ValueError as error:
            raise QueryError(f"{self!r} {operator} ...: {error}", field=self.name) from None

    def _part(self, operator: str, text: Any) -> str:
        if not self.codec.text:
            raise QueryError(
                f"{self!r}.{operator}() is for text, and the field is {self.codec.name}", field=self.name
            )
        try:
            part: str = TEXT.encode(text)
        except ValueError as error:
            raise QueryError(f"{self!r}.{operator}(): {error}", field=self.name) from None
        return part

    def _is_decimal(self, value: Any) -> bool:
        """Whether the operand is compared with decimals kept as text: of the field, or of its items."""
        if self.codec.item is DECIMAL and isinstance(value, list):
            raise QueryError(
                f"{self!r}: lists of Decimal are compared by their items: use in_()", field=self.name
            )
        return (self.codec.item or self.codec) is DECIMAL

    def _decimal(self, value: Any) -> dict[str, Any]:
        # 1.50 is stored as "1.5 1.50": equal decimals share the text up to the separator.
        try:
            canonical = canonical_decimal(value)
        except ValueError as error:
            raise QueryError(f"{self!r} == ...: {error}", field=self.name) from None
        starts = {"$startsWith": canonical + DECIMAL_SEPARATOR}
        return {"$or": [{self.property: canonical}, {self.property: starts}]}

    def _order(self, descending: bool) -> StoredOrder:
        if self.property != "$id" and (not self.codec.ordered or self.codec.item is not None):
            raise QueryError(f"{self!r}: values of {self.codec.name} have no order", field=self.name)
        return StoredOrder(self.property, descending, self.codec is DATETIME or self.codec is NAIVE_UTC)


class VectorColumn(Value, Generic[M_contra], eq=False):
    """A vector field as seen on its class: ``on=`` of a search; it is not compared."""

    model: type[Any]
    name: str

    def __repr__(self) -> str:
        return f"{self.model.__name__}.{self.name}"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(
                f"{self!r} is a vector: it takes no conditions and orders, and has no {name!r}"
            )


def _condition(value: Any) -> Condition[Any]:
    if not isinstance(value, Condition):
        raise TypeError(f"expected a condition such as Article.year > 2020, got {type(value).__name__}")
    return cast("Condition[Any]", value)


def _narrower(one: type[Any] | None, other: type[Any] | None) -> type[Any] | None:
    """The more derived of two models; conditions on unrelated ones do not combine."""
    if one is None or other is None:
        return one or other
    if issubclass(one, other):
        return one
    if issubclass(other, one):
        return other
    raise QueryError(f"a condition on {one.__name__} cannot be combined with one on {other.__name__}")


def _several(column: Column[Any, Any], values: Any) -> list[Any]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise QueryError(f"{column!r}.in_() takes several values, as in [1, 2]", field=column.name)
    return list(cast("Iterable[Any]", values))
