"""``db.aio``: the async face of the client. The same names, awaitable; the same operations underneath."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

from typing_extensions import Self

from ..errors import QueryError, StoreError
from ..flow import arun
from ..operations import (
    raw_catalog,
    raw_csv,
    raw_import,
    raw_policies,
    raw_records,
    raw_relationships,
    raw_rows,
    raw_search,
)
from ..port import AsyncBackend, StoredRecord
from ..wire.catalog import schema_document
from ..wire.documents import policy_document, record_document, stats_document
from ..wire.markdown import schema_markdown
from .ai import DELETED, PolicyDocument, search_params
from .catalog import AsyncLabelsAPI, AsyncPropertiesAPI
from .record import RecordData, RecordTarget, RelationTarget, relation_ids, target_id, target_ids
from .records import answer, deleted, related, wants_result
from .relationships import AsyncRelationshipsAPI
from .results import ApiResponse, SearchResult
from .transactions import AsyncTransactionsAPI, AsyncTransactionTarget, awithin

if TYPE_CHECKING:
    from .rushdb import RushDB


class AsyncRushDB:
    """The async face of a `RushDB`, for any event loop. ``async with`` closes the store."""

    def __init__(self, client: RushDB, backend: AsyncBackend) -> None:
        self._client = client
        self._backend = backend
        self.records = AsyncRecordsAPI(self, backend)
        self.relationships = AsyncRelationshipsAPI(backend)
        self.tx = self.transactions = AsyncTransactionsAPI(backend)
        self.ai = AsyncAIAPI(self, backend)
        self.labels = AsyncLabelsAPI(backend)
        self.properties = AsyncPropertiesAPI(backend)

    async def ping(self) -> bool:
        """As `RushDB.ping`."""
        try:
            await arun(self._backend, raw_policies.list_policies())
        except StoreError:
            return False
        return True

    async def close(self) -> None:
        """As `RushDB.close`."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncRushDB {self._client.url}>"


class AsyncRecord(RecordData):
    """As `Record`; what changes it is awaited."""

    def __init__(self, client: AsyncRushDB, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        self._client = client

    async def set(
        self,
        data: Mapping[str, Any],
        label: str | None = None,
        vectors: Sequence[Mapping[str, Any]] | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> dict[str, Any]:
        """As `Record.set`."""
        return await self._client.records.set(self, data, label, vectors, transaction)

    async def update(
        self,
        data: Mapping[str, Any],
        transaction: AsyncTransactionTarget | None = None,
        label: str | None = None,
    ) -> dict[str, Any]:
        """As `Record.update`."""
        return await self._client.records.update(self, data, transaction, label)

    async def attach(
        self,
        target: RelationTarget,
        options: Mapping[str, Any] | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> dict[str, Any]:
        """As `Record.attach`."""
        return await self._client.records.attach(self, target, options, transaction)

    async def detach(
        self,
        target: RelationTarget,
        options: Mapping[str, Any] | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> dict[str, Any]:
        """As `Record.detach`."""
        return await self._client.records.detach(self, target, options, transaction)

    async def delete(self, transaction: AsyncTransactionTarget | None = None) -> dict[str, Any]:
        """As `Record.delete`."""
        return await self._client.records.delete_by_id(self, transaction)


class AsyncRecordSearchResult(SearchResult[AsyncRecord]):
    """As `RecordSearchResult`; what asks the store is awaited."""

    def __init__(
        self,
        data: Sequence[AsyncRecord],
        total: int | None = None,
        search_query: Mapping[str, Any] | None = None,
        client: AsyncRushDB | None = None,
    ) -> None:
        super().__init__(data, total, search_query)
        self._client = client
        self._record_id: str | None = None

    def among_related(self, record_id: str | None) -> Self:
        """The same result, whose next page is found among the records related to that one, too."""
        self._record_id = record_id
        return self

    async def next(self, preserve_data: bool = False) -> AsyncRecordSearchResult:
        """As `RecordSearchResult.next`."""
        query = self._next_query()
        records = self._connected("next()").records
        vector = "queryVector" in query
        page = await (records.vector_search(query) if vector else records.find(query, self._record_id))
        if not preserve_data:
            return page
        self._append(page)
        return self

    async def delete_all(self, transaction: AsyncTransactionTarget | None = None) -> dict[str, Any]:
        """As `RecordSearchResult.delete_all`."""
        return await self._connected("delete_all()").records.delete_by_id(self._data, transaction)

    def _connected(self, what: str) -> AsyncRushDB:
        if self._client is None:
            raise QueryError(f"{what}: this result was made without a client")
        return self._client


class AsyncRecordsAPI:
    """As `RecordsAPI`."""

    def __init__(self, client: AsyncRushDB, backend: AsyncBackend) -> None:
        self._client = client
        self._backend = backend

    async def create(
        self,
        label: str,
        data: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        vectors: Sequence[Mapping[str, Any]] | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> AsyncRecord:
        """As `RecordsAPI.create`."""
        return self._one(
            await arun(awithin(self._backend, transaction), raw_import.create(label, data, options, vectors))
        )

    async def upsert(
        self,
        data: Mapping[str, Any],
        label: str | None = None,
        options: Mapping[str, Any] | None = None,
        vectors: Sequence[Mapping[str, Any]] | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> AsyncRecord:
        """As `RecordsAPI.upsert`."""
        return self._one(
            await arun(awithin(self._backend, transaction), raw_import.upsert(data, label, options, vectors))
        )

    async def create_many(
        self,
        label: str,
        data: Sequence[Mapping[str, Any]],
        options: Mapping[str, Any] | None = None,
        vectors: Sequence[Sequence[Mapping[str, Any]] | None] | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> AsyncRecordSearchResult:
        """As `RecordsAPI.create_many`."""
        operation = raw_import.create_many(label, data, options, vectors)
        return self._made(await arun(awithin(self._backend, transaction), operation), options)

    async def import_json(
        self,
        data: Any,
        label: str | None = None,
        options: Mapping[str, Any] | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> AsyncRecordSearchResult:
        """As `RecordsAPI.import_json`."""
        return self._made(
            await arun(awithin(self._backend, transaction), raw_import.import_json(data, label, options)),
            options,
        )

    async def import_csv(
        self,
        label: str,
        data: str,
        options: Mapping[str, Any] | None = None,
        parse_config: Mapping[str, Any] | None = None,
        vectors: Sequence[Sequence[Mapping[str, Any]] | None] | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> AsyncRecordSearchResult:
        """As `RecordsAPI.import_csv`."""
        operation = raw_csv.import_csv(label, data, options, parse_config, vectors)
        return self._made(await arun(awithin(self._backend, transaction), operation), options)

    async def export(
        self, search_query: Mapping[str, Any] | None = None, transaction: AsyncTransactionTarget | None = None
    ) -> str:
        """As `RecordsAPI.export`."""
        return await arun(awithin(self._backend, transaction), raw_csv.export_csv(search_query))

    async def set(
        self,
        target: RecordTarget,
        data: Mapping[str, Any],
        label: str | None = None,
        vectors: Sequence[Mapping[str, Any]] | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> dict[str, Any]:
        """As `RecordsAPI.set`."""
        operation = raw_records.change(target_id(target), data, label, vectors, replace=True)
        return answer(record_document(await arun(awithin(self._backend, transaction), operation)))

    async def update(
        self,
        target: RecordTarget,
        data: Mapping[str, Any],
        transaction: AsyncTransactionTarget | None = None,
        label: str | None = None,
    ) -> dict[str, Any]:
        """As `RecordsAPI.update`."""
        operation = raw_records.change(target_id(target), data, label, None, replace=False)
        return answer(record_document(await arun(awithin(self._backend, transaction), operation)))

    async def find(
        self,
        search_query: Mapping[str, Any] | None = None,
        record_id: RecordTarget | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> AsyncRecordSearchResult:
        """As `RecordsAPI.find`."""
        near = None if record_id is None else target_id(record_id)
        found = await arun(awithin(self._backend, transaction), raw_rows.find(search_query, near))
        records = [AsyncRecord(self._client, row) for row in found.rows]
        result = AsyncRecordSearchResult(records, found.total, search_query or {}, self._client)
        return result.among_related(near)

    async def find_one(
        self, search_query: Mapping[str, Any] | None = None, transaction: AsyncTransactionTarget | None = None
    ) -> AsyncRecord | None:
        """As `RecordsAPI.find_one`."""
        found = await arun(awithin(self._backend, transaction), raw_records.find_one(search_query))
        return None if found is None else self._one(found)

    async def find_uniq(
        self, search_query: Mapping[str, Any] | None = None, transaction: AsyncTransactionTarget | None = None
    ) -> AsyncRecord | None:
        """As `RecordsAPI.find_uniq`."""
        found = await arun(awithin(self._backend, transaction), raw_records.find_uniq(search_query))
        return None if found is None else self._one(found)

    @overload
    async def find_by_id(
        self, target: RecordTarget, transaction: AsyncTransactionTarget | None = None
    ) -> AsyncRecord: ...
    @overload
    async def find_by_id(
        self, target: list[Any], transaction: AsyncTransactionTarget | None = None
    ) -> AsyncRecordSearchResult: ...
    async def find_by_id(
        self, target: RecordTarget | list[Any], transaction: AsyncTransactionTarget | None = None
    ) -> AsyncRecord | AsyncRecordSearchResult:
        """As `RecordsAPI.find_by_id`."""
        ids = target_ids(target)
        if ids is None:
            return self._one(
                await arun(awithin(self._backend, transaction), raw_records.find_by_id(target_id(target)))
            )
        found = await arun(awithin(self._backend, transaction), raw_records.find_by_ids(ids))
        return self._found(found, len(found), None)

    async def attach(
        self,
        source: RecordTarget,
        target: RelationTarget,
        options: Mapping[str, Any] | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> dict[str, Any]:
        """As `RecordsAPI.attach`."""
        origin = target_id(source)
        await arun(
            awithin(self._backend, transaction),
            raw_relationships.attach(origin, relation_ids(target), options),
        )
        return related(origin, "created")

    async def detach(
        self,
        source: RecordTarget,
        target: RelationTarget,
        options: Mapping[str, Any] | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> dict[str, Any]:
        """As `RecordsAPI.detach`."""
        origin = target_id(source)
        await arun(
            awithin(self._backend, transaction),
            raw_relationships.detach(origin, relation_ids(target), options),
        )
        return related(origin, "deleted")

    async def delete(
        self, search_query: Mapping[str, Any], transaction: AsyncTransactionTarget | None = None
    ) -> dict[str, Any]:
        """As `RecordsAPI.delete`."""
        return deleted(await arun(awithin(self._backend, transaction), raw_records.delete(search_query)))

    async def delete_by_id(
        self, target: RecordTarget | list[Any], transaction: AsyncTransactionTarget | None = None
    ) -> dict[str, Any]:
        """As `RecordsAPI.delete_by_id`."""
        ids = target_ids(target)
        chosen = [target_id(target)] if ids is None else ids
        return deleted(await arun(awithin(self._backend, transaction), raw_records.delete_by_ids(chosen)))

    async def vector_search(
        self, params: Mapping[str, Any], transaction: AsyncTransactionTarget | None = None
    ) -> AsyncRecordSearchResult:
        """As `RecordsAPI.vector_search`."""
        found = await arun(awithin(self._backend, transaction), raw_search.vector_search(params))
        return self._found(found, len(found), params)

    def _one(self, record: StoredRecord) -> AsyncRecord:
        return AsyncRecord(self._client, record_document(record))

    def _found(
        self, records: Iterable[StoredRecord], total: int, query: Mapping[str, Any] | None
    ) -> AsyncRecordSearchResult:
        return AsyncRecordSearchResult([self._one(each) for each in records], total, query, self._client)

    def _made(
        self, records: list[StoredRecord], options: Mapping[str, Any] | None
    ) -> AsyncRecordSearchResult:
        shown = records if wants_result(options) else []
        return self._found(shown, len(shown), None)


class AsyncIndexesAPI:
    """As `IndexesAPI`."""

    def __init__(self, backend: AsyncBackend) -> None:
        self._backend = backend

    async def find(self) -> ApiResponse[list[PolicyDocument]]:
        """As `IndexesAPI.find`."""
        return ApiResponse([*map(policy_document, await arun(self._backend, raw_policies.list_policies()))])

    async def create(self, params: Mapping[str, Any]) -> ApiResponse[PolicyDocument]:
        """As `IndexesAPI.create`."""
        return ApiResponse(policy_document(await arun(self._backend, raw_policies.create_policy(params))))

    async def delete(self, index_id: str) -> ApiResponse[dict[str, bool]]:
        """As `IndexesAPI.delete`."""
        await arun(self._backend, raw_policies.delete_policy(index_id))
        return ApiResponse(dict(DELETED))

    async def stats(self, index_id: str) -> ApiResponse[dict[str, int]]:
        """As `IndexesAPI.stats`."""
        return ApiResponse(stats_document(await arun(self._backend, raw_policies.policy_coverage(index_id))))

    async def upsert_vectors(self, index_id: str, params: Mapping[str, Any]) -> ApiResponse[dict[str, int]]:
        """As `IndexesAPI.upsert_vectors`."""
        count = await arun(self._backend, raw_policies.upsert_vectors(index_id, params))
        return ApiResponse({"updated": count, "requested": count})


class AsyncAIAPI:
    """As `AIAPI`."""

    def __init__(self, client: AsyncRushDB, backend: AsyncBackend) -> None:
        self._client = client
        self._backend = backend
        self.indexes = AsyncIndexesAPI(backend)

    async def search(
        self,
        prompt: str | Mapping[str, Any],
        current_query: Mapping[str, Any] | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> AsyncRecordSearchResult:
        """As `AIAPI.search`."""
        return await self._client.records.vector_search(search_params(prompt, current_query), transaction)

    async def get_schema(
        self, params: Mapping[str, Any] | None = None, transaction: AsyncTransactionTarget | None = None
    ) -> ApiResponse[list[dict[str, Any]]]:
        """As `AIAPI.get_schema`."""
        return ApiResponse(
            schema_document(await arun(awithin(self._backend, transaction), raw_catalog.describe(params)))
        )

    async def get_schema_markdown(
        self, params: Mapping[str, Any] | None = None, transaction: AsyncTransactionTarget | None = None
    ) -> ApiResponse[str]:
        """As `AIAPI.get_schema_markdown`."""
        return ApiResponse(
            schema_markdown(await arun(awithin(self._backend, transaction), raw_catalog.describe(params)))
        )
