"""Finding, changing and deleting records as RushDB's client does."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import MultipleFound, NotFound, QueryError, UnboundedQuery
from ..flow import Operation, ask
from ..port import (
    DeleteRecords,
    FindPage,
    FindRecords,
    GetRecords,
    PatchRecord,
    RecordQuery,
    StoredRecord,
)
from .raw_documents import Document, shown
from .raw_options import CHANGE_OPTIONS, CLIENT, Caller, read_options
from .raw_queries import QUERY_KEYS, read_query, read_selection
from .raw_values import as_texts, read_data, read_vectors

_DELETE_SIZE = 1000
"""Ids named in one deletion."""


def find_one(search_query: object) -> Operation[StoredRecord | None]:
    """The first record that matches, or None; a limit in the query is of no account."""
    found = yield from ask(FindRecords(_limited(search_query, 1)))
    return found[0] if found else None


def find_uniq(search_query: object) -> Operation[StoredRecord | None]:
    """The only record that matches, or None; `MultipleFound` (``count``) where several do."""
    found, count = yield from ask(FindPage(_limited(search_query, 2)))
    if len(found) > 1:
        raise MultipleFound(
            f"find_uniq(): {count} records match; narrow the query, or use find()",
            count=count,
            record_ids=[each.id for each in found],
        )
    return found[0] if found else None


def find_by_id(record_id: str) -> Operation[StoredRecord]:
    """The record with that id; `NotFound`."""
    found = yield from ask(GetRecords((record_id,)))
    if not found:
        raise NotFound(f"there is no record with id {shown(record_id)}", record_id=record_id)
    return found[0]


def find_by_ids(record_ids: Sequence[str]) -> Operation[list[StoredRecord]]:
    """Those of the records that there are, in the order asked, each once."""
    return (yield from ask(GetRecords(tuple(dict.fromkeys(record_ids)))))


def change(
    record_id: str,
    data: object,
    label: object,
    vectors: object,
    *,
    replace: bool,
    options: object = None,
    version: int | None = None,
    caller: Caller = CLIENT,
) -> Operation[StoredRecord]:
    """Merge into a record, or with ``replace`` put new data in its place; the record as it is then.

    No vector is dropped that is not replaced (R6), and None removes nothing (R15).

    Raises:
        NotFound: No record has that id.
        ConflictError: It is not at ``version`` any more.
        PropertyError, VectorError, PolicyMissing, AmbiguousSearch: As for creating one.
    """
    what = "set()" if replace else "update()"
    if label is not None and (not isinstance(label, str) or not label):
        raise QueryError(f"{what}: label: expected a text that is not empty, got {shown(label)}", key="label")
    chosen = read_options(options, what, CHANGE_OPTIONS, caller=caller)
    properties = read_data(data, "data", skip_empty=chosen.skip_empty)
    inline = read_vectors(vectors, "vectors", caller)
    texts: frozenset[str] = frozenset()
    if not chosen.types:
        properties, texts = as_texts(properties), frozenset(properties)
    return (
        yield from ask(
            PatchRecord(
                record_id,
                properties,
                label,
                inline,
                replace,
                version=version,
                texts=texts,
                unique_by=chosen.unique_by,
            )
        )
    )


def delete(search_query: object) -> Operation[int]:
    """Delete every record that matches; how many.

    Raises:
        UnboundedQuery: Neither labels nor a condition: that would be every record (R17).
        QueryError: A key that would not narrow the deletion, such as ``limit``.
    """
    query = Document("delete()", {} if search_query is None else search_query, QUERY_KEYS, QueryError)
    for key in QUERY_KEYS:
        if key not in ("labels", "where") and key in query:
            raise QueryError(
                f"delete(): {key}: a deletion takes labels and where, all that match go", key=key
            )
    labels, where = read_selection(query)
    if not labels and not where:
        raise UnboundedQuery(
            "delete(): without labels or where this would delete every record; name the labels to delete"
        )
    return (yield from ask(DeleteRecords(RecordQuery(labels, where))))


def delete_by_ids(record_ids: Sequence[str]) -> Operation[int]:
    """Delete the records with these ids; how many there were. Unknown ids are passed over (R16)."""
    count = 0
    for start in range(0, len(record_ids), _DELETE_SIZE):
        chosen = list(record_ids[start : start + _DELETE_SIZE])
        count += yield from ask(DeleteRecords(RecordQuery((), {"$id": {"$in": chosen}})))
    return count


def _limited(search_query: object, limit: int) -> RecordQuery:
    query = read_query(search_query)
    return RecordQuery(query.labels, query.where, query.order, limit, query.offset)
