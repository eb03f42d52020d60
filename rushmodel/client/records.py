"""``db.records``: creating, finding, changing and deleting records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from ..flow import run
from ..operations import raw_csv, raw_import, raw_records, raw_relationships, raw_rows, raw_search
from ..port import Backend, StoredRecord
from ..wire.documents import record_document
from .record import Record, RecordTarget, RelationTarget, relation_ids, target_id, target_ids
from .results import RecordSearchResult
from .transactions import TransactionTarget, within

if TYPE_CHECKING:
    from .rushdb import RushDB


class RecordsAPI:
    """The records of a store. Errors are documented with the operations of the same names.

    A write is one transaction with its vectors. Values are text, numbers, booleans, datetimes
    (with a time zone), dates, and lists of one of them; None is dropped.
    """

    def __init__(self, client: RushDB, backend: Backend) -> None:
        self._client = client
        self._backend = backend

    def create(
        self,
        label: str,
        data: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        vectors: Sequence[Mapping[str, Any]] | None = None,
        transaction: TransactionTarget | None = None,
    ) -> Record:
        """Create a record.

        Args:
            options: ``skipEmptyValues``; ``mergeBy`` and ``mergeStrategy`` as in `upsert`.
            vectors: ``[{"propertyName", "vector", "similarityFunction"?}]``, for external indexes;
                with the similarity where several indexes fit.
        """
        return self._one(
            run(within(self._backend, transaction), raw_import.create(label, data, options, vectors))
        )

    def upsert(
        self,
        data: Mapping[str, Any],
        label: str | None = None,
        options: Mapping[str, Any] | None = None,
        vectors: Sequence[Mapping[str, Any]] | None = None,
        transaction: TransactionTarget | None = None,
    ) -> Record:
        """Change the record with the same values under ``mergeBy`` (default: all), or create it.

        ``mergeStrategy``: "append" merges, "rewrite" replaces what was there. Vectors stay.
        """
        return self._one(
            run(within(self._backend, transaction), raw_import.upsert(data, label, options, vectors))
        )

    def create_many(
        self,
        label: str,
        data: Sequence[Mapping[str, Any]],
        options: Mapping[str, Any] | None = None,
        vectors: Sequence[Sequence[Mapping[str, Any]] | None] | None = None,
        transaction: TransactionTarget | None = None,
    ) -> RecordSearchResult:
        """Create flat records, all or none; ``vectors[i]`` are those of ``data[i]``, None for no vectors."""
        return self._made(
            run(within(self._backend, transaction), raw_import.create_many(label, data, options, vectors)),
            options,
        )

    def import_json(
        self,
        data: Any,
        label: str | None = None,
        options: Mapping[str, Any] | None = None,
        transaction: TransactionTarget | None = None,
    ) -> RecordSearchResult:
        """Create records from nested JSON; an object in an object becomes a related record of that label.

        Without a label ``data`` is ``{"LABEL": ...}``. Rows may hold ``$vectors``.
        """
        return self._made(
            run(within(self._backend, transaction), raw_import.import_json(data, label, options)), options
        )

    def import_csv(
        self,
        label: str,
        data: str,
        options: Mapping[str, Any] | None = None,
        parse_config: Mapping[str, Any] | None = None,
        vectors: Sequence[Sequence[Mapping[str, Any]] | None] | None = None,
        transaction: TransactionTarget | None = None,
    ) -> RecordSearchResult:
        """Create a record of every row of a CSV text, all or none; its first row names the properties.

        Args:
            parse_config: ``delimiter``, ``quoteChar``, ``escapeChar``, ``header``, ``dynamicTyping``, and
                ``newline`` and ``skipEmptyLines``, which change nothing here.
            vectors: ``vectors[i]`` are those of row ``i``, None for no vectors.
        """
        operation = raw_csv.import_csv(label, data, options, parse_config, vectors)
        return self._made(run(within(self._backend, transaction), operation), options)

    def export(
        self, search_query: Mapping[str, Any] | None = None, transaction: TransactionTarget | None = None
    ) -> str:
        """What a query finds as CSV, without ``limit`` all of it; for more, see ``Database.export_csv``."""
        return run(within(self._backend, transaction), raw_csv.export_csv(search_query))

    def set(
        self,
        target: RecordTarget,
        data: Mapping[str, Any],
        label: str | None = None,
        vectors: Sequence[Mapping[str, Any]] | None = None,
        transaction: TransactionTarget | None = None,
    ) -> dict[str, Any]:
        """Put ``data`` in the place of a record's properties: ``{"data": the record, "success": True}``."""
        operation = raw_records.change(target_id(target), data, label, vectors, replace=True)
        return answer(record_document(run(within(self._backend, transaction), operation)))

    def update(
        self,
        target: RecordTarget,
        data: Mapping[str, Any],
        transaction: TransactionTarget | None = None,
        label: str | None = None,
    ) -> dict[str, Any]:
        """Merge ``data`` into a record: ``{"data": the record, "success": True}``."""
        operation = raw_records.change(target_id(target), data, label, None, replace=False)
        return answer(record_document(run(within(self._backend, transaction), operation)))

    def find(
        self,
        search_query: Mapping[str, Any] | None = None,
        record_id: RecordTarget | None = None,
        transaction: TransactionTarget | None = None,
    ) -> RecordSearchResult:
        """The records that match ``labels`` and ``where``: 100, or ``limit`` of them, newest first.

        With ``select`` and ``groupBy`` they hold what those compute. ``record_id``: only records that a
        relationship connects with that one.
        """
        near = None if record_id is None else target_id(record_id)
        found = run(within(self._backend, transaction), raw_rows.find(search_query, near))
        records = [Record(self._client, row) for row in found.rows]
        result = RecordSearchResult(records, found.total, search_query or {}, self._client)
        return result.among_related(near)

    def find_one(
        self, search_query: Mapping[str, Any] | None = None, transaction: TransactionTarget | None = None
    ) -> Record | None:
        """The first record that matches, or None."""
        found = run(within(self._backend, transaction), raw_records.find_one(search_query))
        return None if found is None else self._one(found)

    def find_uniq(
        self, search_query: Mapping[str, Any] | None = None, transaction: TransactionTarget | None = None
    ) -> Record | None:
        """The only record that matches, or None; `MultipleFound` where several do."""
        found = run(within(self._backend, transaction), raw_records.find_uniq(search_query))
        return None if found is None else self._one(found)

    @overload
    def find_by_id(self, target: RecordTarget, transaction: TransactionTarget | None = None) -> Record: ...
    @overload
    def find_by_id(
        self, target: list[Any], transaction: TransactionTarget | None = None
    ) -> RecordSearchResult: ...
    def find_by_id(
        self, target: RecordTarget | list[Any], transaction: TransactionTarget | None = None
    ) -> Record | RecordSearchResult:
        """The record with that id (`NotFound`), or of a list those that there are, in its order."""
        ids = target_ids(target)
        if ids is None:
            return self._one(
                run(within(self._backend, transaction), raw_records.find_by_id(target_id(target)))
            )
        found = run(within(self._backend, transaction), raw_records.find_by_ids(ids))
        return self._found(found, len(found), None)

    def attach(
        self,
        source: RecordTarget,
        target: RelationTarget,
        options: Mapping[str, Any] | None = None,
        transaction: TransactionTarget | None = None,
    ) -> dict[str, Any]:
        """Make a relationship from a record to each of others.

        Args:
            options: ``type``; ``direction``: "in" makes them lead to ``source``; ``properties``, which
                take the place of those of a relationship that is there.
        """
        origin = target_id(source)
        run(
            within(self._backend, transaction),
            raw_relationships.attach(origin, relation_ids(target), options),
        )
        return related(origin, "created")

    def detach(
        self,
        source: RecordTarget,
        target: RelationTarget,
        options: Mapping[str, Any] | None = None,
        transaction: TransactionTarget | None = None,
    ) -> dict[str, Any]:
        """Take the relationships between a record and others away.

        Args:
            options: ``typeOrTypes`` and ``direction`` of those that are meant; by default all.
        """
        origin = target_id(source)
        run(
            within(self._backend, transaction),
            raw_relationships.detach(origin, relation_ids(target), options),
        )
        return related(origin, "deleted")

    def delete(
        self, search_query: Mapping[str, Any], transaction: TransactionTarget | None = None
    ) -> dict[str, Any]:
        """Delete every record that matches ``labels`` and ``where``; `UnboundedQuery` without both."""
        return deleted(run(within(self._backend, transaction), raw_records.delete(search_query)))

    def delete_by_id(
        self, target: RecordTarget | list[Any], transaction: TransactionTarget | None = None
    ) -> dict[str, Any]:
        """Delete a record or a list of them; one that is gone already is no error."""
        ids = target_ids(target)
        chosen = [target_id(target)] if ids is None else ids
        return deleted(run(within(self._backend, transaction), raw_records.delete_by_ids(chosen)))

    def vector_search(
        self, params: Mapping[str, Any], transaction: TransactionTarget | None = None
    ) -> RecordSearchResult:
        """The records nearest to a vector, best first, each with its ``score``.

        Args:
            params: ``labels``, ``propertyName``, ``queryVector``; optional ``where``, ``limit``
                (default 20), ``skip``, ``dimensions``, and where several indexes fit
                ``sourceType`` or ``similarityFunction``.
        """
        found = run(within(self._backend, transaction), raw_search.vector_search(params))
        return self._found(found, len(found), params)

    def _one(self, record: StoredRecord) -> Record:
        return Record(self._client, record_document(record))

    def _found(
        self, records: Iterable[StoredRecord], total: int, query: Mapping[str, Any] | None
    ) -> RecordSearchResult:
        return RecordSearchResult([self._one(each) for each in records], total, query, self._client)

    def _made(self, records: list[StoredRecord], options: Mapping[str, Any] | None) -> RecordSearchResult:
        shown = records if wants_result(options) else []
        return self._found(shown, len(shown), None)


def wants_result(options: Mapping[str, Any] | None) -> bool:
    """Whether the records that were made are to be returned: ``returnResult``, by default so."""
    return (options or {}).get("returnResult") is not False


def answer(data: Any) -> dict[str, Any]:
    """An answer as the server gives it, where the SDK passes that on."""
    return {"data": data, "success": True}


def related(record_id: str, done: str) -> dict[str, Any]:
    """What `RecordsAPI.attach` and `RecordsAPI.detach` answer."""
    return answer({"message": f"Relations to Record {record_id} have been successfully {done}"})


def deleted(count: int) -> dict[str, Any]:
    """What a deletion answers."""
    return answer({"message": f"{count} {'record was' if count == 1 else 'records were'} deleted"})
