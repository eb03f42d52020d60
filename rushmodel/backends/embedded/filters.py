"""RushDB's ``where`` documents as SQL conditions on a label's table.

Three-valued logic throughout (rule R20): a comparison with an absent property
is neither true nor false, which is SQL's NULL. Negation moves down to the
leaves (De Morgan's laws hold for three values), so that a leaf is always asked
when it is *true*: "``c`` is greater than 3" or "``c`` is 3 or less", each a
range that an index on the column can serve. ``$xor`` alone needs the value
itself; `_Sense` names the three questions.

How cells lie in a column, and in which order, is said in `values`. Values are
bound, never spliced; names are not even seen by SQL. SQLite's own text, JSON
and LIKE functions stop at NUL or fold ASCII only, so text is looked into by
functions registered here, which are given blobs.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeGuard

from ...errors import CapabilityError, QueryError
from ...port import Where
from .leaves import (
    Column,
    Leaf,
    absent,
    compare,
    equal,
    equal_list,
    marks,
    prefix,
    present,
    text_test,
    typed,
    within,
)
from .terms import ALWAYS, DEEPEST, NEVER, Sense, Term, combined, negated, parity
from .values import well_formed

MOST_LEVELS: Final = 64
MOST_CONDITIONS: Final = 10_000
"""SQLite prepares that many in a second, and takes four times as long for twice as many."""
MOST_VALUES: Final = 30_000
"""SQLite binds 32,766 values to a statement; the rest is left to the query around the filter."""


class Filter(NamedTuple):
    """A condition that can stand beside others under AND, and the values it binds, in order."""

    sql: str
    params: tuple[object, ...]


def compile_where(
    where: Where, column: Callable[[str], Column | None], *, label: str, id_sql: str, texts_sql: str
) -> Filter:
    """The condition under which a row of the label's table matches.

    ``column`` is None for a property that the label does not have: it is absent
    in every row. ``__label`` is decided here. Needs `functions.register` on the connection.

    Raises:
        QueryError: Anything that is no condition, by its place: an unknown operator (R13), an
            operand of a wrong type; more than 10,000 conditions or 30,000 values; more than 64
            levels, or a nesting of AND in OR in AND ... (some 40) that SQLite could not parse.
        CapabilityError: Conditions across relationships; datetimes given by components.
    """
    compiler = _Compiler(column, label, id_sql, texts_sql)
    term = compiler.document(where, "where", Sense.HOLDS, 0)
    if term.depth > DEEPEST:
        raise QueryError("where nests AND, OR and XOR in one another too deeply: split the query")
    if compiler.conditions > MOST_CONDITIONS:
        raise QueryError(
            f"where has {compiler.conditions:,} conditions; at most {MOST_CONDITIONS:,} are possible: "
            "split the query, or ask for many values of one property with a single $in"
        )
    if max(compiler.values, len(term.params)) > MOST_VALUES:
        raise QueryError(
            f"where gives {compiler.values:,} values, which take {len(term.params):,} parameters; "
            f"at most {MOST_VALUES:,} are possible: split the query"
        )
    return Filter(term.sql, term.params)


# -- reading the document ---------------------------------------------------------


_LOGICAL = frozenset(("$and", "$or", "$not", "$nor", "$xor"))
_RANGES = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_TEXTUAL = frozenset(("$contains", "$startsWith", "$endsWith"))
_IDENTITY = frozenset(("$eq", "$ne", "$in", "$nin"))
_COMPARISONS = frozenset(("$exists", "$type")) | _IDENTITY | _TEXTUAL | set(_RANGES)
_ACROSS = frozenset(("$relation", "$alias", "$cycle"))
_TYPES = ("string", "number", "boolean", "datetime")
_COMPONENTS = frozenset(
    ("$year", "$month", "$day", "$hour", "$minute", "$second", "$millisecond", "$microsecond", "$nanosecond")
)


class _Compiler:
    """One compilation. Each method gives the term for ``sense``, and names ``place`` in its errors."""

    def __init__(
        self, column: Callable[[str], Column | None], label: str, id_sql: str, texts_sql: str
    ) -> None:
        self.column = column
        self.label = label
        self.id_sql = id_sql
        self.texts_sql = texts_sql
        self.conditions = 0
        self.values = 0

    def document(self, document: object, place: str, sense: Sense, level: int) -> Term:
        """An object whose entries are conditions, all of which must hold."""
        if not _is_object(document):
            raise _wrong(place, "an object", document)
        if not document:
            return NEVER if sense is Sense.FAILS else ALWAYS
        entries = [self._entry(key, value, f"{place}.{key}", sense, level) for key, value in document.items()]
        return combined(entries, "AND", sense)

    def _entry(self, key: object, value: object, place: str, sense: Sense, level: int) -> Term:
        if not isinstance(key, str):
            raise _wrong(place, "text as key", key)
        if key in _LOGICAL:
            return self._logical(self.document, key, value, place, sense, level)
        if key in ("$id", "__id", "__label"):
            return self._identity(key, value, place, sense)
        if key in _ACROSS:
            raise _relationships(place)
        if key in _COMPARISONS:
            raise QueryError(f"{place}: {key} belongs inside a property, as in {{name: {{{key}: ...}}}}")
        if key.startswith("$"):
            raise _unknown(key, place, {*_LOGICAL, "$id"})
        if key.startswith("__"):
            raise _unknown(key, place, ("__id", "__label"))
        return self._condition(key, value, place, sense, level)

    def _logical(
        self,
        read: Callable[[object, str, Sense, int], Term],
        operator: str,
        operand: object,
        place: str,
        sense: Sense,
        level: int,
    ) -> Term:
        """``$not`` of one condition, the others of a list, or of an object's entries (trace 12)."""
        level += 1
        if level > MOST_LEVELS:
            raise QueryError(f"where nests deeper than {MOST_LEVELS} levels")
        if operator == "$not":
            return negated(lambda turned: read(operand, place, turned, level), sense)
        if _is_list(operand):
            parts = [(part, f"{place}[{i}]") for i, part in enumerate(operand)]
        elif _is_object(operand):
            parts = [({key: part}, place) for key, part in operand.items()]
        else:
            raise _wrong(place, "a list of conditions", operand)
        if not parts:
            raise QueryError(f"{place}: expected at least one condition, got none")
        if operator == "$xor":
            return parity([read(part, at, Sense.VALUE, level) for part, at in parts], sense)

        def combine(sense: Sense) -> Term:
            word = "AND" if operator == "$and" else "OR"
            return combined([read(part, at, sense, level) for part, at in parts], word, sense)

        return negated(combine, sense) if operator == "$nor" else combine(sense)

    def _condition(self, name: str, value: object, place: str, sense: Sense, level: int) -> Term:
        """What one property is asked: a literal, or operators that must all hold."""
        if not _is_object(value):
            return self._comparison(name, "$eq", value, place, sense)
        _refuse_other_objects(value, place)
        terms: list[Term] = []
        for key, operand in value.items():
            at = f"{place}.{key}"
            if key in _LOGICAL:
                terms.append(self._logical(partial(self._condition, name), key, operand, at, sense, level))
            else:
                terms.append(self._comparison(name, key, operand, at, sense))
        return combined(terms, "AND", sense)

    def _comparison(self, name: str, operator: str, operand: object, place: str, sense: Sense) -> Term:
        if operator in ("$ne", "$nin"):
            positive = "$eq" if operator == "$ne" else "$in"
            return negated(lambda turned: self._comparison(name, positive, operand, place, turned), sense)
        leaf = self._leaf(operator, operand, place)
        self.conditions += 1
        self.values += len(operand) if _is_list(operand) else 1
        column = self.column(name)
        if column is None:
            holds, fails = (ALWAYS if leaf is absent else NEVER, ALWAYS if leaf is present else NEVER)
        else:
            holds, fails = leaf(column)
        if sense is Sense.VALUE:
            sql = f"CASE WHEN {holds.sql} THEN 1 WHEN {fails.sql} THEN 0 END"
            return Term(f"({sql})", holds.params + fails.params)
        return holds if sense is Sense.HOLDS else fails

    def _leaf(self, operator: str, operand: object, place: str) -> Leaf:
        """What an operator asks of a column, once its operand is known to be fit."""
        if operator not in _COMPARISONS:
            raise _unknown(operator, place, _COMPARISONS | _LOGICAL)
        if operator == "$eq":
            if _is_list(operand):
                return partial(equal_list, _scalars(operand, place))
            return absent if operand is None else partial(equal, _scalar(operand, place))
        if operator == "$in":
            if not _is_list(operand):
                raise _wrong(place, "a list of values", operand)
            return partial(within, _scalars(operand, place))
        if operator == "$exists":
            if not isinstance(operand, bool):
                raise _wrong(place, "true or false", operand)
            return present if operand else absent
        if operator == "$type":
            if operand not in _TYPES:
                raise _wrong(place, f"one of {', '.join(_TYPES)}", operand)
            return partial(typed, str(operand), self.texts_sql)
        if operator in _TEXTUAL:
            text = _text(operand, place)
            if operator == "$contains":
                return partial(text_test, "contains", text.casefold())
            return partial(text_test, "ends", text) if operator == "$endsWith" else partial(prefix, text)
        if isinstance(operand, bool) or not isinstance(operand, (str, int, float)):
            raise _wrong(place, "a number or text", operand)
        return partial(compare, _RANGES[operator], _scalar(operand, place))

    def _identity(self, key: str, value: object, place: str, sense: Sense) -> Term:
        """Equality and membership of the record's id or label (R26); both are always there."""
        operators: Mapping[Any, Any] = value if _is_object(value) else {"$eq": value}
        if not operators:
            raise _wrong(place, f"text or one of {_listed(_IDENTITY)}", value)
        terms: list[Term] = []
        for operator, operand in operators.items():
            at = f"{place}.{operator}"
            if operator not in _IDENTITY:
                raise _unknown(operator, at, _IDENTITY)
            if operator in ("$eq", "$ne"):
                names = [_text(operand, at)]
            elif _is_list(operand):
                names = [_text(name, at) for name in operand]
            else:
                raise _wrong(at, "a list of texts", operand)
            self.conditions += 1
            self.values += len(names)
            wanted = (operator in ("$eq", "$in")) == (sense is not Sense.FAILS)
            if key == "__label":
                terms.append(ALWAYS if (self.label in names) == wanted else NEVER)
            else:
                word = "IN" if wanted else "NOT IN"
                terms.append(Term(f"({self.id_sql} {word} ({marks(names)}))", tuple(names)))
        return combined(terms, "AND", sense)


def _refuse_other_objects(value: Mapping[Any, Any], place: str) -> None:
    """Tell an object of operators from a traversal and from the components of a datetime."""
    operators = {key for key in value if str(key).startswith("$")} - _ACROSS - {"$id"}
    names = set(value) - operators
    if not value or (names and not operators & _COMPARISONS):
        raise _relationships(place)
    if names:
        raise QueryError(
            f"{place} mixes operators ({_listed(operators)}) with names ({_listed(names)}): "
            "an object is either what a property is asked, or the conditions of a related record"
        )
    if operators <= _COMPONENTS:
        raise _components(place)


# -- operands ---------------------------------------------------------------------


def _is_object(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _is_list(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    return isinstance(value, (list, tuple))


def _scalar(value: object, place: str) -> str | int | float | bool:
    if isinstance(value, str):
        return _text(value, place)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise QueryError(f"{place}: expected an integer of at most 64 bits, got {value}")
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise _wrong(place, "text, a finite number, true or false", value)


def _scalars(values: Sequence[object], place: str) -> list[str | int | float | bool]:
    return [_scalar(value, place) for value in values]


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise _wrong(place, "text", value)
    if not well_formed(value):
        raise QueryError(f"{place}: the text holds a lone surrogate, which no stored text does")
    return value


def _wrong(place: str, expected: str, given: object) -> QueryError | CapabilityError:
    if _is_object(given) and given and set(given) <= _COMPONENTS:
        return _components(place)
    return QueryError(f"{place}: expected {expected}, got {reprlib.repr(given)}")


def _unknown(operator: object, place: str, known: Iterable[str]) -> QueryError:
    return QueryError(f"{place}: unknown operator {operator!r}; known here: {_listed(known)}")


def _relationships(place: str) -> CapabilityError:
    return CapabilityError(f"{place}: the embedded store has no conditions across relationships yet")


def _components(place: str) -> CapabilityError:
    return CapabilityError(
        f"{place}: the embedded store compares datetimes as ISO text, not by components yet"
    )


def _listed(names: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, names)))
