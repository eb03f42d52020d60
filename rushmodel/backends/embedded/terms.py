"""Parts of a SQL condition, and how they are put together.

Three-valued logic: a term is true, false, or neither (NULL). `Sense` names what
its SQL has to tell of the three.
"""

from __future__ import annotations

import enum
import heapq
from collections.abc import Callable
from typing import Final, NamedTuple


class Sense(enum.Enum):
    """What the SQL of a term has to tell."""

    HOLDS = enum.auto()  # true exactly where the condition is true
    FAILS = enum.auto()  # true exactly where the condition is false
    VALUE = enum.auto()  # 1, 0 or NULL, as the condition is true, false or neither


class Term(NamedTuple):
    """A part of the condition; ``depth`` is how much of SQLite's parser stack it takes."""

    sql: str
    params: tuple[object, ...] = ()
    depth: int = 20


ALWAYS: Final = Term("1")
NEVER: Final = Term("0")
DEEPEST: Final = 60  # of the 100 that SQLite's parser has, where it was built with a fixed stack


def combined(terms: list[Term], word: str, sense: Sense) -> Term:
    """All (AND) or any (OR) of the terms; by De Morgan, all fails where any fails."""
    if sense is Sense.FAILS:
        word = "OR" if word == "AND" else "AND"
    return joined(terms, word)


def negated(build: Callable[[Sense], Term], sense: Sense) -> Term:
    if sense is Sense.VALUE:
        term = build(sense)
        return Term(f"(NOT {term.sql})", term.params, term.depth + 2)
    return build(Sense.FAILS if sense is Sense.HOLDS else Sense.HOLDS)


def parity(terms: list[Term], sense: Sense) -> Term:
    """Whether an odd number of the terms, each of sense VALUE, is true; a NULL among them makes it NULL."""
    total = joined(terms, "+")
    wanted = 0 if sense is Sense.FAILS else 1
    return Term(f"({total.sql} % 2 = {wanted})", total.params, total.depth + 1)


def joined(terms: list[Term], operator: str) -> Term:
    """The terms under one operator.

    SQLite allows an expression tree of height 1,000 and a parser stack of 100. A
    long chain is high, nested pairs fill the stack. So it becomes a tree of
    eights, the shallow ones joined first, and in each the deepest stands in
    front, where little waits on the stack while it is parsed.
    """
    heap = [(term.depth, place, term) for place, term in enumerate(terms)]
    heapq.heapify(heap)
    place = len(heap)
    while len(heap) > 1:
        *others, deepest = [heapq.heappop(heap)[2] for _ in range(min(8, len(heap)))]
        group = [deepest, *others]
        sql = f"({f' {operator} '.join(term.sql for term in group)})"
        params = tuple(param for term in group for param in term.params)
        depth = max(deepest.depth, others[-1].depth + 2) + 1
        heapq.heappush(heap, (depth, place, Term(sql, params, depth)))
        place += 1
    return heap[0][2]
