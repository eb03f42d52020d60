"""RushDB's ``where`` documents, as a real server has to be asked them.

A server misreads some documents (R20, R25, R26): `server_queries` gives others, which it is known
to get right and which mean what the embedded store takes the document for. A document without
such parts is sent as it is. How negation gets to where it is understood is said in `normal`, what
a property can be asked in `leaves`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...errors import CapabilityError, QueryError
from ...port import RecordQuery
from ...value import Value
from .leaves import (
    COMPARISONS,
    COMPONENTS,
    LOGICAL,
    Fit,
    Read,
    compare,
    equal,
    every,
    identity,
    is_list,
    is_object,
    label_is,
    leaf,
    listed,
    odd,
    text,
    unknown,
    wrong,
)
from .normal import ALWAYS, NEVER, Alone, Document, Labels, all_of, alternatives, any_of

MOST_LEVELS: Final = 64


class Plain(Value):
    """One query that a server answers rightly; labels () are any, where {} is no condition."""

    labels: tuple[str, ...]
    where: dict[str, Any]
    related_to: str | None = None


def server_queries(query: RecordQuery) -> tuple[Plain, ...]:
    """The queries whose records, united by id, are those of ``query``; none where nothing can match.

    The input is not changed; the documents share parts with it.

    Raises:
        QueryError: Anything that is no condition, by its place: an unknown operator (R13), an
            operand of a wrong type; more than 64 levels; what takes more than 64 queries, or
            10,000 conditions once it is rewritten.
        CapabilityError: Labels excluded where none are given; a negation about related records
            that a server has no form for; a condition on relationships, which it passes over (R30).
    """
    where = query.where
    if is_object(where) and not where:
        return (Plain(query.labels, {}, query.related_to),)
    read = _Reader(query.scalars).document(where, "where", 0)
    if read.fit is not Fit.REWRITE:
        return (Plain(query.labels, where if isinstance(where, dict) else dict(where), query.related_to),)
    found = alternatives(read.holds, Labels(frozenset(query.labels), bool(query.labels)))
    return tuple(Plain(_labels(query.labels, one.labels), one.document(), query.related_to) for one in found)


def _labels(given: tuple[str, ...], allowed: Labels) -> tuple[str, ...]:
    if allowed.wanted:
        return tuple(label for label in given or sorted(allowed.names) if label in allowed.names)
    if allowed.names:
        raise CapabilityError(
            f"where excludes the label {listed(allowed.names)}, and a RushDB server cannot be asked for"
            " records of any label but some: give the labels that are wanted"
        )
    return ()


class _Reader:
    """Reads the conditions of records, of which ``scalars`` are properties that never hold a list.

    Each method names ``place`` in its errors.
    """

    def __init__(self, scalars: frozenset[str] = frozenset()) -> None:
        self.scalars = scalars

    def document(self, document: object, place: str, level: int) -> Read:
        """An object whose entries are conditions, all of which must hold."""
        if not is_object(document):
            raise wrong(place, "an object", document)
        return every([self._entry(key, value, f"{place}.{key}", level) for key, value in document.items()])

    def _entry(self, key: object, value: object, place: str, level: int) -> Read:
        if not isinstance(key, str):
            raise wrong(place, "text as key", key)
        if key.startswith(("$", "__")):
            return self._special(key, value, place, level)
        text(key, place)
        if is_object(value) and is_block(value):
            return self._block(key, value, place, level)
        return self._condition(key, value, place, level)

    def _special(self, key: str, value: object, place: str, level: int) -> Read:
        """An entry whose key is no property and no label."""
        if key in LOGICAL:
            return self._logical(None, key, value, place, level)
        if key in ("$id", "__id"):
            return identity(key, value, place)
        if key == "__label":
            return label_is(value, place)
        if key == "$cycle":
            self._path(value, place, level)
            return leaf({key: value}, None)
        if key in ABOUT_BLOCKS:
            raise QueryError(
                f"{place}: {key} belongs to the block of a related record, as in {{LABEL: {{{key}: ...}}}}"
            )
        if key in COMPARISONS:
            raise QueryError(f"{place}: {key} belongs inside a property, as in {{name: {{{key}: ...}}}}")
        if key.startswith("__"):
            raise unknown(key, place, ("__id", "__label"))
        raise unknown(key, place, {*LOGICAL, "$id", "$cycle"})

    def _logical(self, name: str | None, operator: str, operand: object, place: str, level: int) -> Read:
        """``$not`` of one condition, the others of a list, or of an object's entries (trace 12).

        The conditions are documents, or what the property ``name`` is asked.
        """
        level = _deeper(level)
        if operator == "$not":
            read = self._part(name, operand, place, level)
            # Around a property's operators it is a 500 (trace 12), around another $not nobody knows.
            return read.turned(Fit.TOP if name is None and read.fit is Fit.ANYWHERE else Fit.REWRITE)
        if is_list(operand):
            parts = [(part, f"{place}[{i}]") for i, part in enumerate(operand)]
        elif is_object(operand):
            parts = [({key: part}, place) for key, part in operand.items()]
        else:
            raise wrong(place, "a list of conditions", operand)
        if not parts:
            raise QueryError(f"{place}: expected at least one condition, got none")
        reads = [self._part(name, part, at, level) for part, at in parts]
        known = all(read.fit is Fit.ANYWHERE for read in reads)
        if name is None:
            as_written = known and (is_list(operand) or operator == "$or")
        else:
            as_written = known = known and all(_is_simple(part) for part, _ in parts)
        fit = Fit.ANYWHERE if as_written else Fit.REWRITE
        if operator == "$and":
            return every(reads, fit)
        if operator == "$xor":
            return odd(reads, [_about(name, part) for part, _ in parts] if known else None, fit)
        holds, fails = any_of(read.holds for read in reads), all_of(read.fails for read in reads)
        if operator == "$or":
            return Read(holds, fails, fit)
        if fit is Fit.REWRITE:
            return Read(fails, holds, fit)
        # A negation that is understood in lists, too, whatever it is about.
        return leaf(_about(name, {operator: operand}), _about(name, {"$or": operand}))

    def _part(self, name: str | None, part: object, place: str, level: int) -> Read:
        if name is None:
            return self.document(part, place, level)
        return self._condition(name, part, place, level)

    def _condition(self, name: str, value: object, place: str, level: int) -> Read:
        """What one property is asked: a literal, or operators that must all hold."""
        if not is_object(value) or (value and value.keys() <= COMPONENTS):
            return equal(name, value, place)
        _refuse_mixture(value, place)
        reads: list[Read] = []
        for key, operand in value.items():
            at = f"{place}.{key}"
            if key in LOGICAL:
                reads.append(self._logical(name, key, operand, at, level))
            else:
                reads.append(compare(name, key, operand, at, name in self.scalars))
        # A $type with others beside it is a 400 (trace 09); logic with others is nowhere seen.
        known = len(reads) == 1 or value.keys() <= _SIDE_BY_SIDE
        return every(reads, Fit.ANYWHERE if known else Fit.REWRITE)

    def _block(self, label: str, block: Mapping[Any, Any], place: str, level: int) -> Read:
        """Whether a related record of the label meets the conditions: true or false, never neither."""
        level = _deeper(level)
        about = {key: block[key] for key in ABOUT_BLOCKS if key in block}
        conditions = {key: value for key, value in block.items() if key not in ABOUT_BLOCKS}
        if "$relation" in about:
            self._path(about["$relation"], f"{place}.$relation", level)
        if "$alias" in about:
            text(about["$alias"], f"{place}.$alias")
        # Which properties hold lists is known of the query's own records only.
        read = _Reader().document(conditions, place, level)
        if not conditions or read.fit is Fit.ANYWHERE:
            return leaf({label: block}, None)
        found = alternatives(read.holds, Labels(frozenset((label,)), True))
        if not found:
            return Read(NEVER, ALWAYS, Fit.REWRITE)
        if len(found) > 1:
            raise CapabilityError(
                f"{place}: this takes {len(found)} conditions on related records, since a RushDB server"
                " misreads a negation inside a list (R25): ask in several queries"
            )
        written = {label: about | found[0].document()}
        if found[0].negates:
            return Read(Alone(written, place), Alone(None, place), read.fit)
        return leaf(written, None)._replace(fit=read.fit)

    def _path(self, value: object, place: str, level: int) -> None:
        """Refuse a path that is none, and conditions on its edges, which a server passes over (R30)."""
        if isinstance(value, str) and not place.endswith("$cycle"):
            text(value, place)
            return
        if not is_object(value):
            raise wrong(place, "an object", value)
        edges = value.get("where")
        if edges is None or (is_object(edges) and not edges):
            return
        _Reader().document(edges, f"{place}.where", level)
        raise CapabilityError(
            f"{place}.where: a RushDB server passes conditions on relationships over; ask for the"
            " relationships themselves, or keep what you ask for in a record between the two",
            missing=EDGES,
        )


EDGES: Final = "conditions on relationships"
ABOUT_BLOCKS: Final = ("$relation", "$alias")
_SIDE_BY_SIDE: Final = COMPARISONS - {"$type"}
_RECORDS_HAVE: Final = frozenset(("$id", "$cycle", *ABOUT_BLOCKS))


def _deeper(level: int) -> int:
    if level == MOST_LEVELS:
        raise QueryError(f"where nests deeper than {MOST_LEVELS} levels")
    return level + 1


def _about(name: str | None, condition: Any) -> Document:
    return condition if name is None else {name: condition}


def is_block(value: Mapping[Any, Any]) -> bool:
    """Whether an object holds the conditions of a related record, not what a property is asked.

    Logic alone can be either, and is what its first part is.
    """
    asked: object = value
    while is_object(asked):
        keys = {str(key) for key in asked}
        if not keys or not COMPARISONS.isdisjoint(keys):
            return not keys
        if any(not key.startswith("$") or key in _RECORDS_HAVE for key in keys):
            return True
        if not keys <= LOGICAL:
            return False
        asked = next(iter(asked.values()))
        if is_list(asked):
            asked = asked[0] if asked else None
    return False


def _is_simple(asked: object) -> bool:
    """Whether a part of a property's logic is of a kind that the recorded server was given."""
    if is_object(asked):
        return asked.keys() <= COMPARISONS
    return asked is not None and not is_list(asked)


def _refuse_mixture(value: Mapping[Any, Any], place: str) -> None:
    names = {key for key in value if not str(key).startswith("$") or key in _RECORDS_HAVE}
    operators = value.keys() - names
    if not operators:
        raise wrong(place, "operators", value)
    if names:
        raise QueryError(
            f"{place} mixes operators ({listed(operators)}) with names ({listed(names)}): "
            "an object is either what a property is asked, or the conditions of a related record"
        )
