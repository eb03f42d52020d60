"""RushDB's ``where`` documents as SQL conditions on a label's table.

Three-valued logic throughout (rule R20): a comparison with an absent property
is neither true nor false, which is SQL's NULL. Negation moves down to the
leaves (De Morgan's laws hold for three values), so that a leaf is always asked
when it is *true*: "``c`` is greater than 3" or "``c`` is 3 or less", each a
range that an index on the column can serve. ``$xor`` alone needs the value
itself; `Sense` names the three questions.

How cells lie in a column, and in which order, is said in `values`. Values are
bound, never spliced; names are not even seen by SQL. SQLite's own text, JSON
and LIKE functions stop at NUL or fold ASCII only, so text is looked into by
functions registered here, which are given blobs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from ...errors import QueryError
from ...port import Where
from .across import OF_BLOCKS, Across
from .leaves import Leaf, absent, present
from .operands import is_list, is_object, listed, text, unknown, wrong
from .operators import COMPARISONS, IDENTITY, LOGICAL, Kind, kind_by_keys, kind_of
from .questions import read_question
from .relations import Relation
from .scopes import NOWHERE, Graph, Scope, Totals
from .terms import ALWAYS, DEEPEST, NEVER, Sense, Term, combined, negated, parity

MOST_LEVELS: Final = 64
MOST_CONDITIONS: Final = 10_000
"""SQLite prepares that many in a second, and takes four times as long for twice as many."""
MOST_VALUES: Final = 30_000
"""SQLite binds 32,766 values to a statement; the rest is left to the query around the filter."""
MOST_BLOCKS: Final = 500
"""Conditions across relationships, each as often as SQLite has to read it (`traversals.uses`)."""


class Filter(NamedTuple):
    """A condition that can stand beside others under AND, and the values it binds, in order."""

    sql: str
    params: tuple[object, ...]


def compile_where(where: Where, scope: Scope, graph: Graph) -> Filter:
    """The condition under which a row of the label's table matches.

    ``__label`` is decided here. Needs `functions.register` on the connection.

    Raises:
        QueryError: Anything that is no condition, by its place: an unknown operator (R13), an
            operand of a wrong type; more than 10,000 conditions, 30,000 values or 500 related
            records; more than 64 levels, or a nesting of AND in OR in AND ... (some 40) that
            SQLite could not parse.
    """
    totals = Totals()
    compiler = _Compiler(scope, graph, totals, None)
    term = compiler.document(where, "where", Sense.HOLDS, 0)
    if term.depth > DEEPEST:
        raise QueryError("where nests AND, OR and XOR in one another too deeply: split the query")
    if totals.conditions > MOST_CONDITIONS:
        raise QueryError(
            f"where has {totals.conditions:,} conditions; at most {MOST_CONDITIONS:,} are possible: "
            "split the query, or ask for many values of one property with a single $in"
        )
    if max(totals.values, len(term.params)) > MOST_VALUES:
        raise QueryError(
            f"where gives {totals.values:,} values, which take {len(term.params):,} parameters; "
            f"at most {MOST_VALUES:,} are possible: split the query"
        )
    if (blocks := compiler.across.blocks) > MOST_BLOCKS:
        raise QueryError(
            f"where asks {blocks:,} times for related records or cycles; at most {MOST_BLOCKS:,} times are"
            " possible (what several hops in either direction ask of records of the same label counts three"
            " times, inside another one nine times, and so on): split the query"
        )
    return Filter(term.sql, term.params)


def compile_relationships(relation: Relation, place: str, number: int, graph: Graph) -> Term | None:
    """The table ``e<number>`` of the relationships that count, for a WITH; None if there can be none."""
    compiler = _Compiler(NOWHERE, graph, Totals(), None)
    return compiler.across.edges(number, relation, f"{place}.$relation.where", 0)


# -- reading the document ---------------------------------------------------------


class _Compiler:
    """One document's compilation. Each method gives the term for ``sense``; its errors name ``place``."""

    def __init__(self, scope: Scope, graph: Graph, totals: Totals, tables: list[Term] | None) -> None:
        self.scope = scope
        self.graph = graph
        self.totals = totals
        self.across = Across(scope, graph, totals, tables, self._read)

    def _read(
        self, scope: Scope, tables: list[Term] | None, document: object, place: str, level: int
    ) -> tuple[Term, int]:
        """Another document, inside this one."""
        inner = _Compiler(scope, self.graph, self.totals, tables)
        return inner.document(document, place, Sense.HOLDS, level), inner.across.blocks

    def document(self, document: object, place: str, sense: Sense, level: int) -> Term:
        """An object whose entries are conditions, all of which must hold."""
        if not is_object(document):
            raise wrong(place, "an object", document)
        if not document:
            return NEVER if sense is Sense.FAILS else ALWAYS
        entries = [self._entry(key, value, f"{place}.{key}", sense, level) for key, value in document.items()]
        return combined(entries, "AND", sense)

    def _entry(self, key: object, value: object, place: str, sense: Sense, level: int) -> Term:
        if not isinstance(key, str):
            raise wrong(place, "text as key", key)
        if key in LOGICAL:
            return self._logical(self.document, key, value, place, sense, level)
        if key in ("$id", "__id", "__label"):
            return self._identity(key, value, place, sense)
        if key == "$cycle":
            return self.across.cycle(value, place, sense, level)
        if key in OF_BLOCKS:
            raise QueryError(
                f"{place}: {key} belongs into the block of a related record, as in {{LABEL: {{{key}: ...}}}}"
            )
        if key in COMPARISONS:
            raise QueryError(f"{place}: {key} belongs inside a property, as in {{name: {{{key}: ...}}}}")
        if key.startswith("$"):
            raise unknown(key, place, {*LOGICAL, "$id", "$cycle"})
        if key.startswith("__"):
            raise unknown(key, place, ("__id", "__label"))
        if is_object(value) and kind_of(value, place) is Kind.BLOCK:
            return self.across.block(key, value, place, sense, _deeper(level))
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
        level = _deeper(level)
        if operator == "$not":
            return negated(lambda turned: read(operand, place, turned, level), sense)
        if is_list(operand):
            parts = [(part, f"{place}[{i}]") for i, part in enumerate(operand)]
        elif is_object(operand):
            parts = [({key: part}, place) for key, part in operand.items()]
        else:
            raise wrong(place, "a list of conditions", operand)
        if not parts:
            raise QueryError(f"{place}: expected at least one condition, got none")
        if operator == "$xor":
            return parity([read(part, at, Sense.VALUE, level) for part, at in parts], sense)

        def combine(sense: Sense) -> Term:
            word = "AND" if operator == "$and" else "OR"
            return combined([read(part, at, sense, level) for part, at in parts], word, sense)

        return negated(combine, sense) if operator == "$nor" else combine(sense)

    def _condition(self, name: str, value: object, place: str, sense: Sense, level: int) -> Term:
        """What one property is asked: a literal or a datetime, or operators that must all hold."""
        if not is_object(value):
            return self._comparison(name, "$eq", value, place, sense)
        kind = kind_by_keys(value, place)
        if kind is Kind.MOMENT:
            return self._comparison(name, "$eq", value, place, sense)
        if kind is Kind.BLOCK:
            raise wrong(place, "what a property is asked: a value or operators", value)
        terms: list[Term] = []
        for key, operand in value.items():
            at = f"{place}.{key}"
            if key in LOGICAL:
                terms.append(self._logical(partial(self._condition, name), key, operand, at, sense, level))
            else:
                terms.append(self._comparison(name, key, operand, at, sense))
        return combined(terms, "AND", sense)

    def _comparison(self, name: str, operator: str, operand: object, place: str, sense: Sense) -> Term:
        if operator in ("$ne", "$nin"):
            positive = "$eq" if operator == "$ne" else "$in"
            return negated(lambda turned: self._comparison(name, positive, operand, place, turned), sense)
        leaf: Leaf = read_question(operator, operand, place, self.scope.texts)
        self.totals.conditions += 1
        self.totals.values += len(operand) if is_list(operand) else 1
        column = self.scope.column(name)
        if column is None:
            holds, fails = (ALWAYS if leaf is absent else NEVER, ALWAYS if leaf is present else NEVER)
        else:
            holds, fails = leaf(column)
        if sense is Sense.VALUE:
            sql = f"CASE WHEN {holds.sql} THEN 1 WHEN {fails.sql} THEN 0 END"
            return Term(f"({sql})", holds.params + fails.params)
        return holds if sense is Sense.HOLDS else fails

    def _identity(self, key: str, value: object, place: str, sense: Sense) -> Term:
        """Equality and membership of the record's id or label (R26); both are always there."""
        if self.scope.label is None:
            raise QueryError(f"{place}: a relationship is asked for its properties; it has no {key}")
        operators: Mapping[Any, Any] = value if is_object(value) else {"$eq": value}
        if not operators:
            raise wrong(place, f"text or one of {listed(IDENTITY)}", value)
        terms: list[Term] = []
        for operator, operand in operators.items():
            at = f"{place}.{operator}"
            if operator not in IDENTITY:
                raise unknown(operator, at, IDENTITY)
            if operator in ("$eq", "$ne"):
                names = [text(operand, at)]
            elif is_list(operand):
                names = [text(name, at) for name in operand]
            else:
                raise wrong(at, "a list of texts", operand)
            self.totals.conditions += 1
            self.totals.values += len(names)
            wanted = (operator in ("$eq", "$in")) == (sense is not Sense.FAILS)
            if key == "__label":
                terms.append(ALWAYS if (self.scope.label in names) == wanted else NEVER)
            else:
                terms.append(self.scope.is_one_of(names, wanted))
        return combined(terms, "AND", sense)


def _deeper(level: int) -> int:
    if level >= MOST_LEVELS:
        raise QueryError(f"where nests deeper than {MOST_LEVELS} levels")
    return level + 1
