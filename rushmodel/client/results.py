"""What methods answer: `ApiResponse`, and records with how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from typing_extensions import Self

from ..errors import QueryError
from .record import Record

if TYPE_CHECKING:
    from .rushdb import RushDB
    from .transactions import TransactionTarget

T = TypeVar("T")


@dataclass
class ApiResponse(Generic[T]):
    """An answer, as the server wraps it. Errors are raised, so ``success`` is always true."""

    data: T
    success: bool = True
    total: int | None = None


class SearchResult(Generic[T]):
    """Some of what a query found; a sequence.

    ``total`` is how many match in all, where the store counted them: a vector search does not.
    """

    def __init__(
        self, data: Sequence[T], total: int | None = None, search_query: Mapping[str, Any] | None = None
    ) -> None:
        self._data = list(data)
        self._total = total or len(self._data)
        self._search_query = None if search_query is None else dict(search_query)

    @property
    def data(self) -> list[T]:
        return self._data

    @property
    def total(self) -> int:
        return self._total

    @property
    def search_query(self) -> dict[str, Any]:
        """The query that found this, as it was given; empty where there was none."""
        return self._search_query or {}

    @property
    def skip(self) -> int:
        return self.search_query.get("skip") or 0

    @property
    def limit(self) -> int | None:
        """The limit that the query named."""
        return self.search_query.get("limit")

    @property
    def has_more(self) -> bool:
        """Whether more match than this and what it skipped."""
        return self._total > self.skip + len(self._data)

    def to_dict(self) -> dict[str, Any]:
        return {"total": self.total, "data": self.data, "search_query": self.search_query}

    def get_page_info(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "loaded": len(self._data),
            "has_more": self.has_more,
            "skip": self.skip,
            "limit": self.limit,
        }

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[T]:
        return iter(self._data)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        return self._data[index]

    def __bool__(self) -> bool:
        return bool(self._data)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(count={len(self._data)}, total={self._total})"

    def _next_query(self) -> dict[str, Any]:
        """The query of what comes after this; `QueryError` where no query found this."""
        if self._search_query is None:
            raise QueryError("next(): this result was not found by a search query that could be continued")
        return {**self._search_query, "skip": self.skip + len(self._data)}

    def _append(self, page: SearchResult[T]) -> None:
        """Take the records of the page that follows; the query, its ``skip`` too, stays that of the first."""
        self._data += page.data
        self._total = page.total


class RecordSearchResult(SearchResult[Record]):
    """Records that were found or made, and the client that found them."""

    def __init__(
        self,
        data: Sequence[Record],
        total: int | None = None,
        search_query: Mapping[str, Any] | None = None,
        client: RushDB | None = None,
    ) -> None:
        super().__init__(data, total, search_query)
        self._client = client
        self._record_id: str | None = None

    def among_related(self, record_id: str | None) -> Self:
        """The same result, whose next page is found among the records related to that one, too."""
        self._record_id = record_id
        return self

    def next(self, preserve_data: bool = False) -> RecordSearchResult:
        """The next page; with ``preserve_data`` its records are added to this one, which is the answer.

        Raises:
            QueryError: This was not found by a search query.
        """
        query = self._next_query()
        records = self._connected("next()").records
        vector = "queryVector" in query
        page = records.vector_search(query) if vector else records.find(query, self._record_id)
        if not preserve_data:
            return page
        self._append(page)
        return self

    def delete_all(self, transaction: TransactionTarget | None = None) -> dict[str, Any]:
        """Delete the records of this page, as ``records.delete_by_id`` does."""
        return self._connected("delete_all()").records.delete_by_id(self._data, transaction)

    def _connected(self, what: str) -> RushDB:
        if self._client is None:
            raise QueryError(f"{what}: this result was made without a client")
        return self._client
