"""What verbs answer: hits of a search, reports of a bulk save."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, cast, overload

from typing_extensions import TypeVar

from .value import Value

M_co = TypeVar("M_co", covariant=True, default=Any)


class Part(NamedTuple):
    """What one side of a search made of a hit: its place there, from 1, and its score."""

    rank: int
    score: float


class Hit(Value, Generic[M_co]):
    """One record that a search found, and how well it matched.

    ``score`` is between 0 and 1, best 1 (rule R10): ``(1 + cos) / 2`` for cosine,
    ``1 / (1 + d**2)`` for euclidean. Of a keyword search it is BM25's, above 0, and of a search by both
    that of the fusion: ``parts`` then tells where it comes from, by "vector", "text" and "rerank".
    """

    record: M_co
    score: float
    parts: Mapping[str, Part] = MappingProxyType({})

    def __iter__(self) -> Iterator[Any]:
        """``for record, score in hits``."""
        return iter((self.record, self.score))

    def __repr__(self) -> str:
        parts = f", parts={dict(self.parts)}" if self.parts else ""
        return f"Hit(record={self.record!r}, score={self.score!r}{parts})"


class Hits(Sequence[Hit[M_co]]):
    """The hits of a search, best first."""

    __slots__ = ("_hits",)

    def __init__(self, hits: Sequence[Hit[M_co]]) -> None:
        self._hits = tuple(hits)

    @property
    def records(self) -> list[M_co]:
        """The records alone, best first."""
        return [hit.record for hit in self._hits]

    @overload
    def __getitem__(self, index: int) -> Hit[M_co]: ...
    @overload
    def __getitem__(self, index: slice) -> Hits[M_co]: ...
    def __getitem__(self, index: int | slice) -> Hit[M_co] | Hits[M_co]:
        return Hits(self._hits[index]) if isinstance(index, slice) else self._hits[index]

    def __len__(self) -> int:
        return len(self._hits)

    def __eq__(self, other: object) -> bool:
        return self._hits == cast("Hits[Any]", other)._hits if isinstance(other, Hits) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{hit.score:.4f} {hit.record!r}" for hit in self._hits[:3])
        return f"<{len(self)} hits: {shown}{', ...' if len(self) > 3 else ''}>"


class Failed(Value):
    """A record that a bulk save could not write, its place in the iterable, and why."""

    position: int
    item: Any
    error: Exception


class BulkReport(Value):
    """How a bulk save went: how many records are stored, and which are not."""

    saved: int
    failed: tuple[Failed, ...] = ()


class FailedRow(Value):
    """A row of a file that was not imported, and why; row and line count from 1."""

    row: int
    line: int
    error: Exception


class ImportReport(Value):
    """How an import went.

    ``rows``: read from the file. ``saved``: records made or changed, nested ones included. ``linked``:
    relationships made. ``skipped``: rows that were left out; ``failed`` are the first thousand of them.
    """

    rows: int = 0
    saved: int = 0
    linked: int = 0
    skipped: int = 0
    failed: tuple[FailedRow, ...] = ()


class PushReport(Value):
    """How a push or a pull went.

    ``records``: how many there are. ``unchanged``: of them, those that were at the target as they are, and
    were not sent. ``vectors``: sent along. ``relationships``: how many there are; ``left_out``: those with a
    record that was not moved. ``policies``: created. ``checked``: records that were compared at the end, with
    their vectors and relationships.
    """

    records: int = 0
    unchanged: int = 0
    vectors: int = 0
    relationships: int = 0
    left_out: int = 0
    policies: int = 0
    checked: int = 0


class ExportReport(Value):
    """How much an export wrote.

    ``left_out``: relationships with a record that was not exported.
    """

    records: int = 0
    relationships: int = 0
    left_out: int = 0
