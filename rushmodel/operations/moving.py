"""Moving records to another store: what each is there, which are there already, and whether all are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from ..errors import PropertyError, QueryError
from ..flow import Operation, ask
from ..names import MOVED_ID, MOVED_TEXTS
from ..port import (
    DEFAULT_RELATIONSHIP,
    DEFAULT_RELATIONSHIP_NAMES,
    CountRecords,
    CreatePolicy,
    FindRecords,
    FindRelationships,
    Float32,
    GetCapabilities,
    GetRecords,
    ImportRecords,
    ImportRow,
    InlineVector,
    Link,
    LinkRecords,
    ListPolicies,
    RecordQuery,
    Signature,
    StoredRecord,
    StoredRelationship,
    StoredValue,
)
from ..value import Value
from ..vectors import same_vector


class Side(Value):
    """A store that records are moved from or to.

    ``keeps_ids``: it takes the ids that records have; else they have theirs as a property.
    """

    keeps_ids: bool
    reads_vectors: bool
    policies: tuple[Signature, ...]

    @property
    def external(self) -> tuple[Signature, ...]:
        """The policies whose vectors are given."""
        return tuple(each for each in self.policies if each.source == "external")

    @property
    def readable(self) -> tuple[Signature, ...]:
        """The policies whose vectors can be read."""
        return self.external if self.reads_vectors else ()


class Moved(NamedTuple):
    """A record as it is wherever it goes: ``key`` is the id of the one that it once was."""

    key: str
    label: str
    data: Mapping[str, StoredValue]
    texts: frozenset[str]
    vectors: Mapping[Signature, Float32]


def look(labels: Sequence[str] = ()) -> Operation[Side]:
    """What a store can do, and its policies (of these labels)."""
    capabilities = yield from ask(GetCapabilities())
    policies = yield from ask(ListPolicies())
    signatures = (each.signature for each in policies)
    return Side(
        capabilities.store == "embedded",
        capabilities.reads_vectors,
        tuple(each for each in signatures if not labels or each.label in labels),
    )


def create_policies(wanted: Iterable[Signature], there: Side) -> Operation[int]:
    """Create the policies that are not there; how many."""
    made = 0
    for signature in wanted:
        if signature not in there.policies:
            yield from ask(CreatePolicy(signature))
            made += 1
    return made


def moved(record: StoredRecord) -> Moved:
    """A record as it was read.

    Raises:
        PropertyError: `MOVED_ID` or `MOVED_TEXTS` holds what no push has put there.
    """
    data = dict(record.data)
    key, texts = data.pop(MOVED_ID, record.id), data.pop(MOVED_TEXTS, [])
    if not isinstance(key, str) or not key:
        raise _not_ours(record, MOVED_ID, "an id")
    if not isinstance(texts, list):
        raise _not_ours(record, MOVED_TEXTS, "a list of names")
    names = (name for name in cast("list[object]", texts) if isinstance(name, str))
    marked = record.texts.union(names) & data.keys()
    vectors = {
        signature: vector
        for signature, vector in (record.vectors or {}).items()
        if signature.label == record.label
    }
    return Moved(key, record.label, data, frozenset(marked), vectors)


def row_of(one: Moved, before: Moved | None, side: Side) -> ImportRow:
    """How it is written to a store, where it is as ``before``: all of it, and nothing else stays."""
    vectors = [
        InlineVector(signature.property, vector, signature.similarity)
        for signature, vector in one.vectors.items()
    ]
    gone = () if before is None else before.vectors.keys() - one.vectors.keys()
    vectors += [InlineVector(each.property, None, each.similarity, each.dims) for each in gone]
    if side.keeps_ids:
        return ImportRow(one.label, one.data, tuple(vectors), texts=one.texts, id=one.key)
    data: dict[str, StoredValue] = {**one.data, MOVED_ID: one.key}
    if one.texts:
        data[MOVED_TEXTS] = sorted(one.texts)
    return ImportRow(one.label, data, tuple(vectors))


def find_moved(
    side: Side, wanted: Sequence[Moved], *, vectors: bool
) -> Operation[dict[str, tuple[str, Moved]]]:
    """Those of them that are at a store: by key, the id there and what it is (with its vectors)."""
    asked = side.readable if vectors else ()
    found: list[StoredRecord] = []
    if side.keeps_ids:
        found = yield from ask(GetRecords(tuple(each.key for each in wanted), vectors=asked))
    else:
        by_label: dict[str, list[str]] = {}
        for each in wanted:
            by_label.setdefault(each.label, []).append(each.key)
        for label, keys in by_label.items():
            where = {MOVED_ID: {"$in": keys}}
            of_label = tuple(each for each in asked if each.label == label)
            query = RecordQuery((label,), where, vectors=of_label, scalars=frozenset({MOVED_ID}))
            found += yield from ask(FindRecords(query))
    return {each.key: (record.id, each) for record in found for each in [moved(record)]}


def write(side: Side, rows: Sequence[ImportRow]) -> Operation[list[str]]:
    """Write rows; the ids there, in their order."""
    merge_by = None if side.keeps_ids else (MOVED_ID,)
    command = ImportRecords(rows, merge_by=merge_by, rewrite=True, unique=merge_by is not None)
    made = yield from ask(command)
    return [record.id for record in made]


def same(one: Moved, other: Moved, *, vectors: bool) -> bool:
    """Whether nothing of it would have to be sent; ``vectors``: those of both are known."""
    return (
        (one.label, one.texts) == (other.label, other.texts)
        and same_data(one.data, other.data)
        and (not vectors or _same_vectors(one.vectors, other.vectors))
    )


def same_data(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether properties are equal; 1 is 1.0, which a server may not tell apart, and not True."""
    return one.keys() == other.keys() and all(_same_value(one[name], other[name]) for name in one)


def link(links: Sequence[Link]) -> Operation[int]:
    """Make relationships; how many were made, or got other properties."""
    return (yield from ask(LinkRecords(links)))


def check_labels(labels: Sequence[str], side: Side) -> Operation[None]:
    """Whether there is anything of these labels.

    Raises:
        QueryError: Of one there are no records and no index policies.
    """
    for label in labels:
        if not any(each.label == label for each in side.policies) and not (
            yield from ask(CountRecords(RecordQuery((label,))))
        ):
            raise QueryError(f"there are no records and no index policies of {label!r}", label=label)


def count(side: Side, label: str) -> Operation[int]:
    """How many records of a label there are that may have been moved there."""
    where = {} if side.keeps_ids else {MOVED_ID: {"$exists": True}}
    return (yield from ask(CountRecords(RecordQuery((label,), where))))


def count_relationships() -> Operation[int]:
    """How many relationships a store has."""
    return (yield from ask(FindRelationships(limit=1))).total


def lacking(wanted: Iterable[Link], found: Iterable[StoredRelationship]) -> list[str]:
    """Which relationships are not there, or have other properties, in words."""
    there = {(each.source, _plain_type(each.type), each.target): each.data for each in found}
    said: list[str] = []
    for each in wanted:
        data = there.get((str(each.source), _plain_type(each.type), str(each.target)))
        if data is None or not same_data(data, each.data or {}):
            is_there = "is not there" if data is None else "has other properties there"
            said.append(f"the relationship {each.type} from {each.source} to {each.target} {is_there}")
    return said


def _plain_type(name: str) -> str:
    """A relationship's type by one name, where two mean the same."""
    return DEFAULT_RELATIONSHIP if name in DEFAULT_RELATIONSHIP_NAMES else name


def _same_vectors(one: Mapping[Signature, Float32], other: Mapping[Signature, Float32]) -> bool:
    return one.keys() == other.keys() and all(same_vector(one[key], other[key]) for key in one)


def _same_value(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        items, others = cast("list[object]", one), cast("list[object]", other)
        return len(items) == len(others) and all(map(_same_value, items, others))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _not_ours(record: StoredRecord, name: str, expected: str) -> PropertyError:
    return PropertyError(
        f"{record.label} {record.id} has a property {name!r} that is not {expected}: that name belongs to "
        "db.push(). Rename it",
        label=record.label,
        property=name,
    )
