"""The port: everything a store can be asked, as values.

Operations yield these commands and are sent the replies; a backend carries
them out. They speak of records and policies, never of HTTP or SQL, so a store
is one class with one method, `Backend.execute`.

Property values in commands are *stored* values: ``str | int | float | bool`` or
a list of one of them. Names are stored names. Vectors are one-dimensional
float32 arrays. ``where`` is a RushDB filter document (`query.md`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar, Union

from .value import Value, shown_short

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Similarity: TypeAlias = Literal["cosine", "euclidean"]
Source: TypeAlias = Literal["external", "managed"]
Float32: TypeAlias = "npt.NDArray[np.float32]"
StoredValue: TypeAlias = Union[str, int, float, bool, "list[str]", "list[int]", "list[float]", "list[bool]"]
Where: TypeAlias = Mapping[str, Any]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


# -- values -------------------------------------------------------------------


class Signature(Value):
    """The five fields that make a policy what it is (guide, "Index signature uniqueness").

    ``dims`` is None for a managed policy whose embedder is not known yet (R28).
    """

    label: str
    property: str
    source: Source
    similarity: Similarity
    dims: int | None

    def __str__(self) -> str:
        dims = "?" if self.dims is None else self.dims
        return f"{self.label}.{self.property} {self.source} {self.similarity} {dims}"


class Policy(Value):
    """An index policy as the store keeps it. Times are ISO 8601 UTC texts (R1)."""

    id: str
    signature: Signature
    status: str
    created_at: str
    updated_at: str


class Coverage(Value):
    """How far a policy reaches: records of the label that have the property, and vectors held."""

    records: int
    vectors: int


class StoredRecord(NamedTuple):
    """A record as the store gives it.

    ``version`` counts its writes (None where the store does not tell);
    ``vectors`` holds what was asked for with the read, by signature;
    ``texts`` names properties whose text looks like a datetime and is a string (R14).
    """

    id: str
    label: str
    version: int | None
    data: dict[str, Any]
    vectors: Mapping[Signature, Float32] | None = None
    score: float | None = None
    texts: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        vectors = ", ".join(map(str, self.vectors or ()))
        return (
            f"StoredRecord({self.id!r}, {self.label!r}, {self.data!r}, vectors of [{vectors}], {self.score})"
        )


class VectorWrite(NamedTuple):
    """A vector for the policy of that signature; None takes the stored one away."""

    signature: Signature
    vector: Float32 | None

    def __repr__(self) -> str:
        return f"VectorWrite({self.signature}, {shown_short(self.vector)})"


class VectorGuard(NamedTuple):
    """What becomes of vectors whose text changes in this write.

    Applies where the stored text of ``property`` differs from ``text`` and one
    of ``signatures`` holds a vector for the record: "raise" refuses the write
    with `StaleVector`, "drop" removes those vectors. ``field`` is for the message.
    """

    field: str
    property: str
    text: str | None
    signatures: tuple[Signature, ...]
    action: Literal["raise", "drop"]


class RecordWrite(NamedTuple):
    """One record to write, with its vectors: all of it or nothing.

    With ``record_id`` that record is changed (`RecordGone` if it is not there);
    else with ``key`` the record with those property values is changed, or
    created; else a record is created. With both, the record is changed and
    `ConflictError` says so where another one has that key already.
    ``data`` is merged, ``remove`` is removed. ``texts`` names properties that are
    strings even where their text looks like a datetime (R14). ``version``:
    `ConflictError` unless it is still the stored one.
    """

    data: Mapping[str, StoredValue]
    record_id: str | None = None
    key: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    vectors: tuple[VectorWrite, ...] = ()
    guards: tuple[VectorGuard, ...] = ()
    version: int | None = None
    texts: frozenset[str] = frozenset()


class Written(NamedTuple):
    """The answer to a `RecordWrite`.

    ``kept`` are stored properties of a record found by key which the write
    neither set nor removed; empty otherwise. ``dropped`` are the signatures
    whose vectors a guard removed.
    """

    id: str
    version: int | None
    created: bool
    kept: Mapping[str, StoredValue] = {}
    dropped: tuple[Signature, ...] = ()


class InlineVector(NamedTuple):
    """A vector as RushDB's own clients write it: the policy is found by what is given (R5)."""

    property: str
    vector: Float32
    similarity: str | None = None

    def __repr__(self) -> str:
        return f"InlineVector({self.property!r}, {shown_short(self.vector)}, {self.similarity!r})"


class ImportRow(NamedTuple):
    """A row of an import; ``parent`` is the index of an earlier row (nested JSON, R19)."""

    label: str
    data: Mapping[str, StoredValue]
    vectors: tuple[InlineVector, ...] = ()
    parent: int | None = None


class Order(NamedTuple):
    """Sort by a stored property, or by record id where ``property`` is ``"$id"``.

    ``moments``: the texts are datetimes in UTC, some with a fraction of a second and some without.
    """

    property: str
    descending: bool = False
    moments: bool = False


class RecordQuery(Value):
    """Which records, in what order, and how much of each.

    ``labels`` empty means any. ``order`` empty means by ascending id; ids break
    ties. ``properties`` None means all. ``vectors`` are read along, by signature.
    """

    labels: tuple[str, ...]
    where: Where = MappingProxyType({})
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    properties: tuple[str, ...] | None = None
    vectors: tuple[Signature, ...] = ()


class Capabilities(Value):
    """What a store can do, as data; operations read it before they send anything."""

    store: str
    reads_vectors: bool
    """Gives vectors back."""
    versions: bool
    """Tells a record's version, and can refuse a write by it."""
    managed: bool
    """Embeds text itself."""


# -- commands -----------------------------------------------------------------


class Command(Value, Generic[R_co]):
    """Something a store can be asked; ``R_co`` is what it answers."""


class ListPolicies(Command["list[Policy]"]):
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


class GetCoverage(Command["list[Coverage]"]):
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


class SaveRecords(Command["list[Written]"], eq=False):
    """Writes records of one label, in one transaction: all of them or none.

    An error about one of them carries its place in ``writes`` as ``index``.
    """

    label: str
    writes: Sequence[RecordWrite]


class ImportRecords(Command["list[StoredRecord]"], eq=False):
    """Creates rows as RushDB's clients do, in one transaction; parents come before children.

    With ``merge_by``, rows whose label and values match a record update it, all that match
    (R18); ``rewrite`` replaces their properties. An empty tuple merges by all of a row's
    properties. Children are related to parents by ``relationship``.
    """

    rows: Sequence[ImportRow]
    merge_by: tuple[str, ...] | None = None
    rewrite: bool = False
    relationship: str = "__RUSHDB__RELATION__DEFAULT__"


class PatchRecord(Command[StoredRecord], eq=False):
    """Merges into one record (PATCH), or with ``replace`` puts new data in its place (PUT); `NotFound`.

    Vectors that are not given stay (R6, store side).
    """

    record_id: str
    data: Mapping[str, StoredValue]
    label: str | None = None
    vectors: tuple[InlineVector, ...] = ()
    replace: bool = False


class GetRecords(Command["list[StoredRecord]"]):
    """Those of the ids that exist (and have the label, if given), in the order asked."""

    record_ids: tuple[str, ...]
    label: str | None = None
    vectors: tuple[Signature, ...] = ()


class FindRecords(Command["list[StoredRecord]"]):
    """The records a query finds, of one snapshot. `QueryError` on what it cannot understand."""

    query: RecordQuery


class CountRecords(Command[int]):
    """How many records match; order, limit and offset of the query do not count."""

    query: RecordQuery


class OpenCursor(Command[str]):
    """Begins to read a query page by page, from one snapshot; the cursor's name."""

    query: RecordQuery


class ReadCursor(Command["list[StoredRecord]"]):
    """The next records of a cursor, at most ``size``; an empty list at the end."""

    cursor: str
    size: int


class CloseCursor(Command[None]):
    """Gives the cursor up; one that is unknown or closed is no error."""

    cursor: str


class UpdateRecords(Command[int]):
    """Sets and removes properties of every record that matches; how many.

    ``guards`` as in `RecordWrite`.
    """

    query: RecordQuery
    data: Mapping[str, StoredValue]
    remove: tuple[str, ...] = ()
    guards: tuple[VectorGuard, ...] = ()
    texts: frozenset[str] = frozenset()


class DeleteRecords(Command[int]):
    """Deletes every record that matches, with vectors and relationships; how many.

    The caller has made sure that the query is meant to be as wide as it is.
    """

    query: RecordQuery


class SearchVectors(Command["list[StoredRecord]"], eq=False):
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


# -- backends -----------------------------------------------------------------


class Backend(Protocol):
    """A store, used from the calling thread."""

    @property
    def capabilities(self) -> Capabilities: ...

    def execute(self, command: Command[R]) -> R: ...

    def close(self) -> None: ...


class AsyncBackend(Protocol):
    """The same store, used from an event loop."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def execute(self, command: Command[R]) -> R: ...

    def close(self) -> None: ...
