"""Conditions in a form that a server gets right: negation in the leaves, or in one ``$not`` at the top (R25).

Three truth values (R20). A `Form` stands for the records of which something is *true*; what is
false of them is another form, the same tree with AND for OR and each leaf turned around. A leaf
that has no document for one of its sides without ``$not`` is *hard*. What a tree with hard leaves
takes:

- no hard leaf is negative: one document as it is;
- none is positive: the whole, negated, is such a document, and stands under the top's ``$not``:
  ``not a or n > 1`` is ``not (a and n <= 1)``, for three values, too;
- both, under an OR: a query for each of the two, whose records are united.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import orjson

from ...errors import CapabilityError, QueryError
from ...value import Value

Document: TypeAlias = dict[str, Any]

MOST_QUERIES: Final = 64
MOST_CONDITIONS: Final = 10_000


class Leaf(NamedTuple):
    """A comparison; ``sayable`` when it has a document, ``deniable`` when its negation has one.

    ``no`` is false exactly where ``yes`` is true, and the other way round. Neither holds a ``$not``.
    """

    yes: Document | None
    no: Document | None

    @property
    def sayable(self) -> bool:
        return self.yes is not None

    @property
    def deniable(self) -> bool:
        return self.no is not None

    @property
    def size(self) -> int:
        return 1


class Labels(Value):
    """The records that have one of these labels, or with ``wanted`` False none of them."""

    names: frozenset[str]
    wanted: bool

    sayable = False
    deniable = False
    size = 1

    @property
    def turned(self) -> Labels:
        return Labels(self.names, not self.wanted)

    @property
    def impossible(self) -> bool:
        return self.wanted and not self.names

    def also(self, other: Labels) -> Labels:
        """Those that both allow."""
        if self.wanted and other.wanted:
            return Labels(self.names & other.names, True)
        if self.wanted:
            return Labels(self.names - other.names, True)
        return other.also(self) if other.wanted else Labels(self.names | other.names, False)

    def either(self, other: Labels) -> Labels:
        """Those that one of them allows."""
        return self.turned.also(other.turned).turned


class Alone(Value):
    """A related record's block with a ``$not`` of its own: a key of the top document or nothing.

    Its negation, ``document`` None, cannot be said at all. ``place`` is for the message.
    """

    document: Document | None
    place: str

    sayable = False
    deniable = False
    size = 1


class Group:
    """All (``$and``) or any (``$or``) of several forms."""

    __slots__ = ("deniable", "parts", "sayable", "size", "word")

    def __init__(self, word: Literal["$and", "$or"], parts: tuple[Form, ...]) -> None:
        self.word: Final = word
        self.parts: Final = parts
        self.sayable: Final[bool] = all(part.sayable for part in parts)
        self.deniable: Final[bool] = all(part.deniable for part in parts)
        self.size: Final[int] = sum(part.size for part in parts)


Form: TypeAlias = Leaf | Labels | Alone | Group

ALWAYS: Final = Group("$and", ())
NEVER: Final = Group("$or", ())
ANY_LABEL: Final = Labels(frozenset(), False)


def all_of(forms: Iterable[Form]) -> Form:
    return _grouped("$and", forms, neutral=ALWAYS, decisive=NEVER)


def any_of(forms: Iterable[Form]) -> Form:
    return _grouped("$or", forms, neutral=NEVER, decisive=ALWAYS)


def _grouped(word: Literal["$and", "$or"], forms: Iterable[Form], neutral: Group, decisive: Group) -> Form:
    parts: list[Form] = []
    for form in forms:
        if form is decisive:
            return decisive
        if isinstance(form, Group) and form.word == word:
            parts += form.parts
        else:
            parts.append(form)
    if not parts:
        return neutral
    return parts[0] if len(parts) == 1 else Group(word, tuple(parts))


# -- queries ----------------------------------------------------------------------


class Alternative(NamedTuple):
    """One query: ``said`` documents that hold, ``denied`` ones that are false, blocks that stand `Alone`."""

    said: tuple[Document, ...] = ()
    denied: tuple[Document, ...] = ()
    alone: tuple[tuple[str, Document], ...] = ()  # each with its place
    labels: Labels = ANY_LABEL

    @property
    def negates(self) -> bool:
        """Whether its document has a ``$not`` somewhere."""
        return bool(self.denied or self.alone)

    def document(self) -> Document:
        """Its ``where``; the only ``$not`` is at the top, apart from those of blocks, which are at theirs."""
        merged: Document = {}
        for place, block in self.alone:
            if not merged.keys().isdisjoint(block):
                raise CapabilityError(
                    f"{place}: a RushDB server takes one condition with a negation about related records of"
                    " one label: ask in several queries"
                )
            merged |= block
        merged = _conjunction(self.said, merged)
        if self.denied:
            merged["$not"] = self.denied[0] if len(self.denied) == 1 else {"$or": list(self.denied)}
        return merged


def alternatives(form: Form, labels: Labels) -> list[Alternative]:
    """Queries whose records, united, are those of the form that have these labels.

    Raises:
        QueryError: More than 64 queries, or 10,000 conditions.
        CapabilityError: A negated block that holds a negation itself.
    """
    if form.size > MOST_CONDITIONS:
        raise QueryError(
            f"where, as a server can read it, has {form.size:,} conditions; "
            f"at most {MOST_CONDITIONS:,} are sent: split the query"
        )
    if form is NEVER:
        return []
    return _united(_all(form, labels))


def _all(form: Form, labels: Labels) -> list[Alternative]:
    parts = form.parts if isinstance(form, Group) and form.word == "$and" else (form,)
    said = tuple(_document(part, True) for part in parts if part.sayable)
    denied = tuple(_document(part, False) for part in parts if part.deniable and not part.sayable)
    found = [Alternative(said, denied, (), labels)]
    for part in parts:
        if not (part.sayable or part.deniable):
            others = _cases(part, labels)
            together = (_both(one, other) for one in found for other in others)
            found = _few([one for one in together if not one.labels.impossible])
    return found


def _cases(form: Form, labels: Labels) -> list[Alternative]:
    """The queries of what no single document says."""
    if isinstance(form, Labels):
        return [Alternative(labels=form)]
    if isinstance(form, Group):
        return _any(form, labels)
    assert isinstance(form, Alone)
    if form.document is None:
        raise CapabilityError(
            f"{form.place}: a RushDB server has no form for the negation of a block that holds a negation"
            " itself: ask in several queries"
        )
    return [Alternative(alone=((form.place, form.document),))]


def _any(form: Group, labels: Labels) -> list[Alternative]:
    """At most one query for what can be said, one for what can be denied, and those of each other part."""
    only_said = any(part.sayable and not part.deniable for part in form.parts)
    only_denied = any(part.deniable and not part.sayable for part in form.parts)
    said: list[Form] = []
    denied: list[Form] = []
    found: list[Alternative] = []
    for part in form.parts:
        if part.sayable and (only_said or not (only_denied and part.deniable)):
            said.append(part)
        elif part.deniable:
            denied.append(part)
        else:
            found += _all(part, labels)
            _few(found)
    if said:
        found.append(Alternative(said=(_document(any_of(said), True),)))
    if denied:
        found.append(Alternative(denied=(_document(any_of(denied), False),)))
    return _few(found)


def _both(one: Alternative, other: Alternative) -> Alternative:
    return Alternative(
        one.said + other.said,
        one.denied + other.denied,
        one.alone + other.alone,
        one.labels.also(other.labels),
    )


def _few(found: list[Alternative]) -> list[Alternative]:
    if len(found) > MOST_QUERIES:
        raise QueryError(
            f"where takes more than {MOST_QUERIES} queries to a RushDB server, which misreads a negation"
            " inside a list (R25): split the query"
        )
    return found


def _united(found: list[Alternative]) -> list[Alternative]:
    """Queries that differ in nothing but their labels become one."""
    if len(found) == 1:
        return found
    by_document: dict[bytes, Alternative] = {}
    for one in found:
        # As JSON, since Python holds 1, 1.0 and True for equal.
        key = orjson.dumps(one.document())
        same = by_document.get(key)
        by_document[key] = one if same is None else one._replace(labels=one.labels.either(same.labels))
    return list(by_document.values())


# -- documents --------------------------------------------------------------------


def _document(form: Form, wanted: bool) -> Document:
    """A document without ``$not``: true where the form is, or unless ``wanted`` where the form is false.

    What is denied stays a list of one word, and is never merged into one object: under ``$not``,
    lists and single conditions are what a server is known to read rightly.
    """
    if isinstance(form, Leaf):
        document = form.yes if wanted else form.no
        assert document is not None
        return document
    assert isinstance(form, Group)
    documents = [_document(part, wanted) for part in form.parts]
    if (form.word == "$and") is not wanted:
        return {"$or": documents}
    return _conjunction(documents, {}) if wanted else {"$and": documents}


def _conjunction(documents: Sequence[Document], beside: Document) -> Document:
    """The documents as one object ``beside`` others; a list where two would need the same key."""
    merged = dict(beside)
    for document in documents:
        if not merged.keys().isdisjoint(document):
            return {**beside, "$and": list(documents)}
        merged |= document
    return merged
