"""``db.labels`` and ``db.properties``: what is in a store.

Errors are documented in `rushmodel.operations.raw_catalog`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..flow import arun, run
from ..operations import raw_catalog
from ..port import AsyncBackend, Backend
from ..wire.catalog import property_document, values_document
from .records import answer
from .transactions import AsyncTransactionTarget, TransactionTarget, awithin, within


class LabelsAPI:
    """The labels that records have."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def find(
        self, search_query: Mapping[str, Any] | None = None, transaction: TransactionTarget | None = None
    ) -> dict[str, Any]:
        """How many records of each label match ``labels`` and ``where``.

        Answers ``{"data": {label: count}, "success": True}``.
        """
        return answer(dict(run(within(self._backend, transaction), raw_catalog.count_labels(search_query))))


class PropertiesAPI:
    """The properties that records have: a name with values of two types is two.

    Each is ``{"id", "name", "type", "recordsCount", "metadata"}``, ``type`` one of "string", "number",
    "boolean" and "datetime". All methods answer ``{"data": ..., "success": True}``.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def find(
        self, search_query: Mapping[str, Any] | None = None, transaction: TransactionTarget | None = None
    ) -> dict[str, Any]:
        """The properties of the records that match ``labels`` and ``where``, and how many have each."""
        found = run(within(self._backend, transaction), raw_catalog.find_properties(search_query))
        return answer([property_document(each) for each in found])

    def find_by_id(self, property_id: str, transaction: TransactionTarget | None = None) -> dict[str, Any]:
        """One property; `NotFound`."""
        return answer(
            property_document(run(within(self._backend, transaction), raw_catalog.find_property(property_id)))
        )

    def delete(self, property_id: str, transaction: TransactionTarget | None = None) -> dict[str, Any]:
        """Take a property away from every record that has it.

        Raises:
            PolicyError: An index policy is on it, whose vectors would stand for nothing.
        """
        return deleted_property(
            run(within(self._backend, transaction), raw_catalog.delete_property(property_id))
        )

    def values(
        self,
        property_id: str,
        search_query: Mapping[str, Any] | None = None,
        transaction: TransactionTarget | None = None,
    ) -> dict[str, Any]:
        """Distinct values: ``{"values": [...], "type": ...}``, with ``min`` and ``max`` of what has an order.

        Args:
            search_query: ``labels`` and ``where`` of the records to look at; ``query``, a text that
                values must contain; ``orderBy`` "asc" (default) or "desc"; ``limit``, ``skip``.
        """
        operation = raw_catalog.property_values(property_id, search_query)
        return answer(values_document(run(within(self._backend, transaction), operation)))


class AsyncLabelsAPI:
    """As `LabelsAPI`."""

    def __init__(self, backend: AsyncBackend) -> None:
        self._backend = backend

    async def find(
        self, search_query: Mapping[str, Any] | None = None, transaction: AsyncTransactionTarget | None = None
    ) -> dict[str, Any]:
        """As `LabelsAPI.find`."""
        return answer(
            dict(await arun(awithin(self._backend, transaction), raw_catalog.count_labels(search_query)))
        )


class AsyncPropertiesAPI:
    """As `PropertiesAPI`."""

    def __init__(self, backend: AsyncBackend) -> None:
        self._backend = backend

    async def find(
        self, search_query: Mapping[str, Any] | None = None, transaction: AsyncTransactionTarget | None = None
    ) -> dict[str, Any]:
        """As `PropertiesAPI.find`."""
        found = await arun(awithin(self._backend, transaction), raw_catalog.find_properties(search_query))
        return answer([property_document(each) for each in found])

    async def find_by_id(
        self, property_id: str, transaction: AsyncTransactionTarget | None = None
    ) -> dict[str, Any]:
        """As `PropertiesAPI.find_by_id`."""
        return answer(
            property_document(
                await arun(awithin(self._backend, transaction), raw_catalog.find_property(property_id))
            )
        )

    async def delete(
        self, property_id: str, transaction: AsyncTransactionTarget | None = None
    ) -> dict[str, Any]:
        """As `PropertiesAPI.delete`."""
        return deleted_property(
            await arun(awithin(self._backend, transaction), raw_catalog.delete_property(property_id))
        )

    async def values(
        self,
        property_id: str,
        search_query: Mapping[str, Any] | None = None,
        transaction: AsyncTransactionTarget | None = None,
    ) -> dict[str, Any]:
        """As `PropertiesAPI.values`."""
        operation = raw_catalog.property_values(property_id, search_query)
        return answer(values_document(await arun(awithin(self._backend, transaction), operation)))


def deleted_property(count: int) -> dict[str, Any]:
    """What the deletion of a property answers."""
    had = "record had" if count == 1 else "records had"
    return answer({"message": f"The property was deleted; {count} {had} it"})
