"""What a store can be asked: a command each, with the type of its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from ..value import Value
from .values import (
    DEFAULT_RELATIONSHIP,
    Capabilities,
    Coverage,
    Float32,
    FoundPage,
    ImportRow,
    InlineVector,
    Policy,
    RecordQuery,
    RecordWrite,
    Signature,
    Similarity,
    Source,
    StoredRecord,
    StoredValue,
    VectorGuard,
    Written,
)

R_co = TypeVar("R_co", covariant=True)


class Command(Value, Generic[R_co]):
    """Something a store can be asked; ``R_co`` is what it answers."""


class GetCapabilities(Command[Capabilities]):
    """What the store can do. A server may have to be asked, so only operations that depend on it do."""


class ListPolicies(Command[list[Policy]]):
    """All policies, or a label's; oldest first."""

    label: str | None = None


class CreatePolicy(Command[Policy]):
    """`PolicyExists` on the same signature, `PolicyConflict` where the property is not text (R2)."""

    signature: Signature


class DeletePolicy(Command[None]):
    """Removes a policy and the vectors it holds; `PolicyMissing`.

    With ``only_empty``, `PolicyError` where it holds vectors: the check and the
    removal are one step.
    """

    policy_id: str
    only_empty: bool = False


class SetDimensions(Command[None]):
    """Gives a managed policy the dimensions of its embedder, which it was made without (R28).

    `PolicyMissing`; `PolicyError` where it has them, `PolicyExists` where another one is the same then.
    """

    policy_id: str
    dims: int


class GetCoverage(Command[list[Coverage]]):
    """The coverage of each policy, in the order asked; `PolicyMissing`."""

    policy_ids: tuple[str, ...]


class UpsertVectors(Command[int], eq=False):
    """Sets the vectors of existing records, all or nothing (R7); the number of items.

    ``vectors`` are float32 rows, one for each id; the last one wins. `PolicyMissing`,
    `VectorError` on a length, `NotFound` on an id without label and property.
    """

    policy_id: str
    record_ids: tuple[str, ...]
    vectors: Sequence[Float32]

    def __repr__(self) -> str:
        return f"UpsertVectors({self.policy_id!r}, {len(self.record_ids)} vectors)"


class EnsureIndexes(Command[None]):
    """Makes the property indexes (one tuple of properties each) that are not there yet."""

    label: str
    indexes: tuple[tuple[str, ...], ...]


class SaveRecords(Command[list[Written]], eq=False):
    """Writes records of one label, in one transaction: all of them or none.

    An error about one of them carries its place in ``writes`` as ``index``.
    """

    label: str
    writes: Sequence[RecordWrite]


class ImportRecords(Command[list[StoredRecord]], eq=False):
    """Creates rows as RushDB's clients do, in one transaction; parents come before children.

    With ``merge_by``, rows whose label and values match a record update it, all that match
    (R18); ``rewrite`` replaces their properties. An empty tuple merges by all of a row's
    properties. Children are related to parents by ``relationship``. ``unique``: `MultipleFound`
    where several match.
    """

    rows: Sequence[ImportRow]
    merge_by: tuple[str, ...] | None = None
    rewrite: bool = False
    relationship: str = DEFAULT_RELATIONSHIP
    unique: bool = False


class PatchRecord(Command[StoredRecord], eq=False):
    """Merges into one record (PATCH), or with ``replace`` puts new data in its place (PUT); `NotFound`.

    Vectors that are not given stay (R6, store side). ``version``: `ConflictError` unless it is
    still the stored one, or where another record of the label has its values under
    ``unique_by`` afterwards. ``texts`` as in `RecordWrite`.
    """

    record_id: str
    data: Mapping[str, StoredValue]
    label: str | None = None
    vectors: tuple[InlineVector, ...] = ()
    replace: bool = False
    version: int | None = None
    texts: frozenset[str] = frozenset()
    unique_by: tuple[str, ...] = ()


class GetRecords(Command[list[StoredRecord]]):
    """Those of the ids that exist (and have the label, if given), in the order asked."""

    record_ids: tuple[str, ...]
    label: str | None = None
    vectors: tuple[Signature, ...] = ()


class FindRecords(Command[list[StoredRecord]]):
    """The records a query finds, of one snapshot. `QueryError` on what it cannot understand."""

    query: RecordQuery


class FindPage(Command[FoundPage]):
    """As `FindRecords`, and how many records match: of one snapshot, too."""

    query: RecordQuery


class CountRecords(Command[int]):
    """How many records match; order, limit and offset of the query do not count."""

    query: RecordQuery


class OpenCursor(Command[str]):
    """Begins to read a query page by page, from one snapshot; the cursor's name."""

    query: RecordQuery


class ReadCursor(Command[list[StoredRecord]]):
    """The next records of a cursor, at most ``size``; an empty list at the end."""

    cursor: str
    size: int


class CloseCursor(Command[None]):
    """Gives the cursor up; one that is unknown or closed is no error."""

    cursor: str


class UpdateRecords(Command[int]):
    """Sets and removes properties of every record that matches; how many.

    ``guards`` and ``merge_by`` as in `RecordWrite`.
    """

    query: RecordQuery
    data: Mapping[str, StoredValue]
    remove: tuple[str, ...] = ()
    guards: tuple[VectorGuard, ...] = ()
    texts: frozenset[str] = frozenset()
    merge_by: tuple[str, ...] = ()


class DeleteRecords(Command[int]):
    """Deletes every record that matches, with vectors and relationships; how many.

    The caller has made sure that the query is meant to be as wide as it is.
    """

    query: RecordQuery


class SearchVectors(Command[list[StoredRecord]], eq=False):
    """The records nearest to ``vector``, best first, each with its score (R10).

    ``query`` says which labels and what condition; its limit and offset page
    through the neighbours. ``source`` and ``similarity`` None: the one policy
    that fits is meant (R12, the guide's way); several are `AmbiguousSearch`.
    `PolicyMissing` where none fits, unless the label has no records.
    ``exact`` False permits an approximate index.
    """

    query: RecordQuery
    property: str
    vector: Float32
    source: Source | None = None
    similarity: Similarity | None = None
    exact: bool = True
    min_score: float | None = None
    without: str | None = None
    """The id of a record to leave out ("more like this")."""


class EnsureKeywords(Command[None]):
    """Makes the keyword index of a label, unless there is one over these properties."""

    label: str
    properties: tuple[str, ...]


class DropKeywords(Command[bool]):
    """Removes the keyword index of a label; whether there was one."""

    label: str


class SearchText(Command[list[StoredRecord]]):
    """The records of a label that have any of the words, best first, with their BM25 scores.

    Words in double quotes are a phrase. `PolicyMissing` without a keyword index over the properties.
    """

    query: RecordQuery
    text: str
    properties: tuple[str, ...]


class SearchWords(Command[list[StoredRecord]], eq=False):
    """As `SearchVectors`, for a text that the server itself embeds, by its managed policy.

    `CapabilityError` where the server has no embedder.
    """

    query: RecordQuery
    property: str
    words: str
    similarity: Similarity
    exact: bool = True
    min_score: float | None = None


class SearchMany(Command[list[list[StoredRecord]]], eq=False):
    """As `SearchVectors`, for each of several vectors, (m, dims) float32: their answers in that order.

    All of them are of one moment where the store can look at one.
    """

    query: RecordQuery
    property: str
    vectors: Float32
    source: Source | None = None
    similarity: Similarity | None = None
    exact: bool = True
    min_score: float | None = None

    def single(self, place: int) -> SearchVectors:
        """The search for one of the vectors."""
        return SearchVectors(
            self.query,
            self.property,
            self.vectors[place],
            source=self.source,
            similarity=self.similarity,
            exact=self.exact,
            min_score=self.min_score,
        )
