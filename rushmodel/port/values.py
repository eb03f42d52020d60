"""What commands are about: records, policies and queries, as values."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, Union

from ..value import Value, shown_short

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Similarity: TypeAlias = Literal["cosine", "euclidean"]
Source: TypeAlias = Literal["external", "managed"]
Float32: TypeAlias = "npt.NDArray[np.float32]"
StoredValue: TypeAlias = Union[str, int, float, bool, "list[str]", "list[int]", "list[float]", "list[bool]"]
Where: TypeAlias = Mapping[str, Any]

DEFAULT_RELATIONSHIP = "__RUSHDB__RELATION__DEFAULT__"
"""The type of a relationship where none is given (R19)."""

DEFAULT_RELATIONSHIP_NAMES = (DEFAULT_RELATIONSHIP, "RUSHDB_DEFAULT_RELATION")
"""Either name finds that type; servers show the second."""


class Capabilities(Value):
    """What a store can do, as data; operations ask for it before they send anything that depends on it."""

    store: str
    reads_vectors: bool
    """Gives vectors back."""
    versions: bool
    """Tells a record's version, and can refuse a write by it."""
    managed: bool
    """Embeds text itself."""
    keywords: bool = False
    """Searches words."""
    excludes: bool = False
    """A transaction keeps others from writing."""


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


class FoundPage(NamedTuple):
    """Some of the records that a query finds, and how many it finds without limit and offset."""

    records: list[StoredRecord]
    total: int


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

    The rest is for servers that forget vectors on a write (R6). Of a record that is
    changed by its id ``known`` are the properties as the caller last saw them; those
    named in ``merge_by`` identify it. ``held`` are vectors that stay as they are, with
    None where the caller knows that the record has none.
    """

    data: Mapping[str, StoredValue]
    record_id: str | None = None
    key: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    vectors: tuple[VectorWrite, ...] = ()
    guards: tuple[VectorGuard, ...] = ()
    version: int | None = None
    texts: frozenset[str] = frozenset()
    known: Mapping[str, StoredValue] = {}
    merge_by: tuple[str, ...] = ()
    held: tuple[VectorWrite, ...] = ()


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
    """A vector as RushDB's own clients write it: the policy is found by what is given (R5).

    Without a vector, the one that the record has is taken away, and ``dims`` says of which policy.
    """

    property: str
    vector: Float32 | None
    similarity: str | None = None
    dims: int | None = None

    def __repr__(self) -> str:
        return f"InlineVector({self.property!r}, {shown_short(self.vector)}, {self.similarity!r})"


class ImportRow(NamedTuple):
    """A row of an import; ``parent`` is the index of an earlier row (nested JSON, R19).

    ``texts`` as in `RecordWrite`. ``id``: that of the record which the row is about; where there is none,
    the new one gets it. Stores that give out ids of their own cannot do that: `CapabilityError`.
    """

    label: str
    data: Mapping[str, StoredValue]
    vectors: tuple[InlineVector, ...] = ()
    parent: int | None = None
    texts: frozenset[str] = frozenset()
    id: str | None = None


class Order(NamedTuple):
    """Sort by a stored property, or by record id where ``property`` is ``"$id"``.

    ``moments``: the texts are datetimes in UTC, some with a fraction of a second and some without;
    None: where they look like it.
    """

    property: str
    descending: bool = False
    moments: bool | None = False


class Unmade(Value):
    """Records whose text has no vector by that embedder: see `origins`.

    ``property`` is the text, ``origin`` the property that says what the vector was made of, ``maker`` the
    embedder's ``<name>@<version>``. A store that can look does so, too, whether each of ``signatures`` has
    a vector.
    """

    property: str
    origin: str
    maker: str
    signatures: tuple[Signature, ...]


class RecordQuery(Value):
    """Which records, in what order, and how much of each.

    ``labels`` empty means any. ``order`` empty means by ascending id; ids break
    ties. ``properties`` None means all. ``vectors`` are read along, by signature.
    ``scalars`` are properties that never hold a list; a server needs to know (R25).
    ``related_to`` is the id of a record: only those that a relationship, of any type and either way,
    connects with it. ``unmade``: only those of which any of these says that a vector has to be made.
    """

    labels: tuple[str, ...]
    where: Where = MappingProxyType({})
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    properties: tuple[str, ...] | None = None
    vectors: tuple[Signature, ...] = ()
    scalars: frozenset[str] = frozenset()
    related_to: str | None = None
    unmade: tuple[Unmade, ...] = ()
