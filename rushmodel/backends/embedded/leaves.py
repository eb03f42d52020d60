"""Comparisons of one property, as SQL on its column.

Each gives two terms: one that is true where the comparison is true, and one that
is true where it is false, both ranges that an index on the column can serve. How
cells lie in a column, and in which order, is said in `values`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import orjson

from ...wire.proptypes import looks_like_datetime
from .terms import NEVER, Term
from .values import FALSE, TRUE


class Column(NamedTuple):
    """A property's column: how SQL names it, whether it may hold lists, the id its name was interned as."""

    sql: str
    lists: bool
    name_id: int


Leaf: TypeAlias = Callable[[Column], tuple[Term, Term]]
"""Two terms for a column: true where the comparison is true, and true where it is false."""


def absent(column: Column) -> tuple[Term, Term]:
    return Term(f"({column.sql} IS NULL)"), Term(f"({column.sql} IS NOT NULL)")


def present(column: Column) -> tuple[Term, Term]:
    missing, there = absent(column)
    return there, missing


def equal(value: object, column: Column) -> tuple[Term, Term]:
    c = column.sql
    return _or_element(column, f"{c} = ?", f"{c} <> ?{_no_list(column)}", (_bound(value),), "eq", value)


def within(values: Sequence[object], column: Column) -> tuple[Term, Term]:
    if not values:
        return NEVER, present(column)[0]
    c, places = column.sql, marks(values)
    bound = tuple(map(_bound, values))
    outside = f"{c} NOT IN ({places}){_no_list(column)}"
    return _or_element(column, f"{c} IN ({places})", outside, bound, "in", values)


def equal_list(elements: Sequence[object], column: Column) -> tuple[Term, Term]:
    c, packed = column.sql, _json(elements)
    if all(isinstance(element, (str, bool)) for element in elements):
        return Term(f"({c} = ?)", (packed,)), Term(f"({c} <> ?)", (packed,))
    # JSON writes 1 and 1.0 differently, and they are equal.
    same = f"({lists(c)} AND rush_list_is({c}, ?))"
    return Term(same, (packed,)), Term(f"({c} IS NOT NULL AND NOT {same})", (packed,))


def compare(operator: str, value: object, column: Column) -> tuple[Term, Term]:
    """Numbers with numbers and text with text, by code point: '' is the first text, x'' the first blob."""
    if isinstance(value, str) and value.endswith("Z") and looks_like_datetime(value):
        return _compare_moment(operator, value, column)
    c = column.sql
    text = isinstance(value, str)

    def plain(operator: str) -> str:
        if operator.startswith("<"):
            return f"({c} >= '' AND {c} {operator} ?)" if text else f"{c} {operator} ?"
        return f"({c} {operator} ? AND {c} < {_NO_TEXT if text else _NO_NUMBER})"

    name, opposite = _RANGES[operator]
    return _or_element(column, plain(operator), plain(opposite), (value,), name, value)


def _compare_moment(operator: str, moment: str, column: Column) -> tuple[Term, Term]:
    """A range of moments in UTC, to the second or finer.

    By code point ``...00Z`` comes after ``...00.5Z``. So an index serves ranges of whole seconds,
    and within the one second the texts are compared without their ``Z``.
    """
    c, second = column.sql, moment[:19]
    past = second + "["  # follows "Z": every text of this second lies between the two

    def plain(operator: str) -> tuple[str, tuple[object, ...]]:
        within = f"rtrim({c}, 'Z') {operator} ?"
        if operator.startswith("<"):
            return f"({c} >= '' AND {c} < ? AND ({c} < ? OR {within}))", (past, second, moment[:-1])
        return f"({c} >= ? AND {c} < {_NO_TEXT} AND ({c} > ? OR {within}))", (second, past, moment[:-1])

    name, opposite = _RANGES[operator]
    (holds, bound), (fails, fail_bound) = plain(operator), plain(opposite)
    return _or_element(column, holds, fails, bound, f"moment_{name}", moment, fail_bound)


_RANGES = {">": ("gt", "<="), ">=": ("gte", "<"), "<": ("lt", ">="), "<=": ("lte", ">")}
_NO_NUMBER = "''"  # the first cell that is none
_NO_TEXT = "x''"


def prefix(prefix: str, column: Column) -> tuple[Term, Term]:
    c, after = column.sql, _successor(prefix)
    end, bounds = (_NO_TEXT, (prefix,)) if after is None else ("?", (prefix, after))
    inside = f"({c} >= ? AND {c} < {end})"
    outside = f"(({c} >= '' AND {c} < ?) OR ({c} >= {end} AND {c} < {_NO_TEXT}))"
    return _or_element(column, inside, outside, bounds, "starts", prefix)


def text_test(test: str, text: str, column: Column) -> tuple[Term, Term]:
    c = column.sql
    call = f"rush_{test}(CAST({c} AS BLOB), ?)"
    holds, fails = (f"(typeof({c}) = 'text' AND {call_})" for call_ in (call, f"NOT {call}"))
    return _or_element(column, holds, fails, (text.encode(),), test, text)


def typed(kind: str, texts: str, column: Column) -> tuple[Term, Term]:
    c = column.sql
    looks = f"rush_datetime(CAST({c} AS BLOB), {texts}, {column.name_id:d})"
    holds = {
        "number": f"({c} < {_NO_NUMBER})",
        "boolean": f"({c} IN (x'{FALSE.hex()}', x'{TRUE.hex()}'))",
        "datetime": f"({c} >= '0' AND {c} < ':' AND {looks})",
        "string": f"({c} >= '' AND {c} < {_NO_TEXT} AND NOT {looks})",
    }[kind]
    if column.lists:
        holds = f"({holds} OR ({lists(c)} AND rush_list_type({c}, {texts}, {column.name_id:d}) = '{kind}'))"
    return Term(holds), Term(f"({c} IS NOT NULL AND NOT {holds})")


def _or_element(
    column: Column,
    holds: str,
    fails: str,
    params: tuple[object, ...],
    test: str,
    operand: object,
    fail_params: tuple[object, ...] | None = None,
) -> tuple[Term, Term]:
    """A comparison of single values, widened to lists where the column may hold some (R20).

    It holds for a list when it does for any element, and fails when it does for
    none. Neither ``holds`` nor ``fails`` is true for the cell of a list. ``fail_params``
    where ``fails`` binds other values than ``holds``.
    """
    if fail_params is None:
        fail_params = params
    if not column.lists:
        return Term(f"({holds})", params), Term(f"({fails})", fail_params)
    a_list, call = lists(column.sql), f"rush_any_{test}({column.sql}, ?)"
    packed = _json(operand)
    return (
        Term(f"({holds} OR ({a_list} AND {call}))", (*params, packed)),
        Term(f"({fails} OR ({a_list} AND NOT {call}))", (*fail_params, packed)),
    )


def lists(c: str) -> str:
    """The cells that begin with ``[``."""
    return f"{c} >= x'5b' AND {c} < x'5c'"


def _no_list(column: Column) -> str:
    return f" AND NOT ({lists(column.sql)})" if column.lists else ""


def _successor(prefix: str) -> str | None:
    """The first text, by code point, after all that begin with the prefix; None: there is none."""
    for end in range(len(prefix), 0, -1):
        point = ord(prefix[end - 1])
        if point < 0x10FFFF:
            # Surrogates are no text, so U+D7FF is followed by U+E000.
            return prefix[: end - 1] + chr(0xE000 if point == 0xD7FF else point + 1)
    return None


def marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _bound(value: object) -> object:
    return (TRUE if value else FALSE) if isinstance(value, bool) else value


def _json(value: object) -> bytes:
    return orjson.dumps(value, default=float)
