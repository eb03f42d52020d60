"""``db.ai``: vector search and index policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import CapabilityError, QueryError
from ..flow import run
from ..operations import raw_catalog, raw_policies
from ..port import Backend
from ..wire.catalog import schema_document
from ..wire.documents import policy_document, stats_document
from ..wire.markdown import schema_markdown
from .results import ApiResponse, RecordSearchResult
from .transactions import TransactionTarget, within

if TYPE_CHECKING:
    from .rushdb import RushDB

PolicyDocument: TypeAlias = "dict[str, Any]"
"""``id projectId label propertyName modelKey sourceType similarityFunction dimensions
vectorPropertyName enabled status createdAt updatedAt`` (R1). ``dimensions`` is None for a managed
index that waits for an embedder; ``status`` "awaiting_vectors", "ready" or "pending" (R3, R28)."""


class IndexesAPI:
    """Index policies. Errors are documented in `rushmodel.operations.raw_policies`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def find(self) -> ApiResponse[list[PolicyDocument]]:
        """All policies, oldest first."""
        return ApiResponse([*map(policy_document, run(self._backend, raw_policies.list_policies()))])

    def create(self, params: Mapping[str, Any]) -> ApiResponse[PolicyDocument]:
        """Create a policy.

        Args:
            params: ``label`` and ``propertyName``; ``sourceType`` "managed" (default) or
                "external", the same as ``external: True``, which needs ``dimensions``;
                ``similarityFunction`` "cosine" (default) or "euclidean".
        """
        return ApiResponse(policy_document(run(self._backend, raw_policies.create_policy(params))))

    def delete(self, index_id: str) -> ApiResponse[dict[str, bool]]:
        """Delete a policy and its vectors: ``{"deleted": True, "queued": True}``."""
        run(self._backend, raw_policies.delete_policy(index_id))
        return ApiResponse(dict(DELETED))

    def stats(self, index_id: str) -> ApiResponse[dict[str, int]]:
        """``totalRecords`` of the label that have the property, and ``indexedRecords``, the vectors."""
        return ApiResponse(stats_document(run(self._backend, raw_policies.policy_coverage(index_id))))

    def upsert_vectors(self, index_id: str, params: Mapping[str, Any]) -> ApiResponse[dict[str, int]]:
        """Set the vectors of existing records, all or none; again is no change.

        Args:
            params: ``{"items": [{"recordId": id, "vector": numbers}]}``.
        """
        count = run(self._backend, raw_policies.upsert_vectors(index_id, params))
        return ApiResponse({"updated": count, "requested": count})


class AIAPI:
    """Vector search, and `indexes`."""

    def __init__(self, client: RushDB, backend: Backend) -> None:
        self._client = client
        self._backend = backend
        self.indexes = IndexesAPI(backend)

    def search(
        self,
        prompt: str | Mapping[str, Any],
        current_query: Mapping[str, Any] | None = None,
        transaction: TransactionTarget | None = None,
    ) -> RecordSearchResult:
        """As ``records.vector_search``; a prompt in words is a `CapabilityError`."""
        return self._client.records.vector_search(search_params(prompt, current_query), transaction)

    def get_schema(
        self, params: Mapping[str, Any] | None = None, transaction: TransactionTarget | None = None
    ) -> ApiResponse[list[dict[str, Any]]]:
        """What is in the store: of each label ``label``, ``count``, ``properties`` and ``relationships``.

        Args:
            params: ``labels`` to look at; ``force``, which servers need that keep their answer for an
                hour, is always meant.
        """
        return ApiResponse(
            schema_document(run(within(self._backend, transaction), raw_catalog.describe(params)))
        )

    def get_schema_markdown(
        self, params: Mapping[str, Any] | None = None, transaction: TransactionTarget | None = None
    ) -> ApiResponse[str]:
        """As `get_schema`, as tables in Markdown."""
        return ApiResponse(
            schema_markdown(run(within(self._backend, transaction), raw_catalog.describe(params)))
        )


DELETED = {"deleted": True, "queued": True}
"""What the deletion of a policy answers (trace 02). Nothing is queued here: it is done."""


def search_params(prompt: str | Mapping[str, Any], current_query: object) -> Mapping[str, Any]:
    """The parameters of a vector search; `CapabilityError` for a prompt that a language model would read."""
    if isinstance(prompt, str):
        raise CapabilityError(
            "ai.search(): no language model is connected that could read a prompt; use"
            " ai.search({'labels': [...], 'propertyName': ..., 'queryVector': [...]})",
            missing="language model",
        )
    if current_query is not None:
        raise QueryError("ai.search(): current_query goes with a prompt in words", key="current_query")
    return prompt
