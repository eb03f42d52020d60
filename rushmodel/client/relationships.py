"""``db.relationships``: finding relationships, and making or removing many at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from ..flow import arun, run
from ..operations import raw_relationships
from ..port import AsyncBackend, Backend, FoundRelationships
from ..wire.relationships import relationship_document
from .results import SearchResult
from .transactions import AsyncTransactionTarget, TransactionTarget, awithin, within

RelationshipDocument: TypeAlias = "dict[str, Any]"
"""``sourceId sourceLabel type targetId targetLabel properties direction``; it leads out of its source."""


class RelationshipsAPI:
    """The relationships of a store; those of one record are made by ``records.attach``.

    Errors are documented in `rushmodel.operations.raw_relationships`.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def find(
        self,
        search_query: Mapping[str, Any] | None = None,
        pagination: Mapping[str, Any] | None = None,
        transaction: TransactionTarget | None = None,
    ) -> SearchResult[RelationshipDocument]:
        """Relationships, newest first: 100, or ``limit`` of them.

        Args:
            search_query: ``where`` with ``type`` and the relationship's own properties; ``source`` and
                ``target`` with ``labels`` and ``where`` of the records; ``limit`` and ``skip``.
            pagination: ``limit`` and ``skip`` that take the place of those of the query.
        """
        found = run(
            within(self._backend, transaction), raw_relationships.find_relationships(search_query, pagination)
        )
        return _shown(found, search_query, pagination)

    def create_many(
        self,
        *,
        source: Mapping[str, Any],
        target: Mapping[str, Any],
        type: str | None = None,
        direction: str | None = None,
        properties: Mapping[str, Any] | None = None,
        many_to_many: bool | None = None,
        transaction: TransactionTarget | None = None,
    ) -> dict[str, Any]:
        """Make a relationship wherever a source's value under its key is a target's under its.

        Args:
            source, target: ``label``, ``key``, and ``where`` for some of the label's records.
            many_to_many: Between all sources and all targets: both need a ``where`` and no ``key``.
        """
        given = _given(source, target, type, direction, properties, many_to_many)
        run(within(self._backend, transaction), raw_relationships.join(given, remove=False))
        return _answer("created")

    def delete_many(
        self,
        *,
        source: Mapping[str, Any],
        target: Mapping[str, Any],
        type: str | None = None,
        direction: str | None = None,
        many_to_many: bool | None = None,
        transaction: TransactionTarget | None = None,
    ) -> dict[str, Any]:
        """Take away what `create_many` makes; without ``type`` relationships of any."""
        given = _given(source, target, type, direction, None, many_to_many)
        run(within(self._backend, transaction), raw_relationships.join(given, remove=True))
        return _answer("deleted")


class AsyncRelationshipsAPI:
    """As `RelationshipsAPI`."""

    def __init__(self, backend: AsyncBackend) -> None:
        self._backend = backend

    async def find(
        self,
        search_query: Mapping[str, Any] | None = None,
        pagination: Mapping[str, Any] | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> SearchResult[RelationshipDocument]:
        """As `RelationshipsAPI.find`."""
        operation = raw_relationships.find_relationships(search_query, pagination)
        return _shown(await arun(awithin(self._backend, transaction), operation), search_query, pagination)

    async def create_many(
        self,
        *,
        source: Mapping[str, Any],
        target: Mapping[str, Any],
        type: str | None = None,
        direction: str | None = None,
        properties: Mapping[str, Any] | None = None,
        many_to_many: bool | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> dict[str, Any]:
        """As `RelationshipsAPI.create_many`."""
        given = _given(source, target, type, direction, properties, many_to_many)
        await arun(awithin(self._backend, transaction), raw_relationships.join(given, remove=False))
        return _answer("created")

    async def delete_many(
        self,
        *,
        source: Mapping[str, Any],
        target: Mapping[str, Any],
        type: str | None = None,
        direction: str | None = None,
        many_to_many: bool | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> dict[str, Any]:
        """As `RelationshipsAPI.delete_many`."""
        given = _given(source, target, type, direction, None, many_to_many)
        await arun(awithin(self._backend, transaction), raw_relationships.join(given, remove=True))
        return _answer("deleted")


def _given(
    source: object, target: object, type: object, direction: object, properties: object, everything: object
) -> dict[str, Any]:
    given = {
        "source": source,
        "target": target,
        "type": type,
        "direction": direction,
        "properties": properties,
        "manyToMany": everything,
    }
    return {key: held for key, held in given.items() if held is not None}


def _shown(
    found: FoundRelationships, query: Mapping[str, Any] | None, pagination: Mapping[str, Any] | None
) -> SearchResult[RelationshipDocument]:
    documents = [relationship_document(each) for each in found.relationships]
    return SearchResult(documents, found.total, {**(query or {}), **(pagination or {})})


def _answer(done: str) -> dict[str, Any]:
    return {"data": {"message": f"Relations have been successfully {done}"}, "success": True}
