"""What a search query finds, as documents: whole records, or with ``select`` what it computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ..errors import QueryError
from ..flow import Operation, ask
from ..port import FindPage, FindRows, FoundRows, Order, RowQuery
from ..wire.documents import record_document
from .raw_documents import Document
from .raw_queries import QUERY_KEYS, read_query


def find(
    search_query: object, record_id: str | None = None, *, versions: bool = False, cut_roots: bool = True
) -> Operation[FoundRows]:
    """A page of what matches: documents of records, or rows (R31).

    ``record_id``: only records that a relationship connects with that one; an unknown one has none.
    ``versions``: documents of records tell them. ``cut_roots``: as in `RowQuery`.

    Raises:
        QueryError: A query that cannot be understood, by its key; ``aggregate``, an older form of
            ``select``.
    """
    query = _document(search_query)
    computed = next((key for key in ("select", "groupBy") if key in query), None)
    if computed is None:
        page = yield from ask(FindPage(read_query(search_query).replaced(related_to=record_id)))
        return FoundRows([record_document(each, versions=versions) for each in page.records], page.total)
    rows = read_row_query(search_query).replaced(cut_roots=cut_roots, related_to=record_id)
    return (yield from ask(FindRows(rows)))


def read_row_query(search_query: object) -> RowQuery:
    """A search query with ``select``; its limit is of the root records unless rows are ordered by a key.

    Raises:
        QueryError: As `raw_queries.read_query`; ``select`` is no dict, ``groupBy`` no list of texts or
            without ``select``.
    """
    query = _document(search_query)
    given = cast("Mapping[str, Any]", search_query)
    plain = read_query({key: held for key, held in given.items() if key not in ("select", "groupBy")})
    select: object = query.get("select")
    if not isinstance(select, Mapping) or not select:
        raise query.wrong("select", "a dict of keys and expressions, which groupBy goes with")
    keys: object = query.get("groupBy")
    keys = [keys] if isinstance(keys, str) else keys or ()
    if not isinstance(keys, (list, tuple)) or not all(
        isinstance(each, str) and each for each in cast("Sequence[object]", keys)
    ):
        raise query.wrong("groupBy", "a list of references such as '$record.year', or keys of select")
    return RowQuery(
        plain.labels,
        plain.where,
        cast("Mapping[str, Any]", select),
        tuple(cast("Sequence[str]", keys)),
        _order(plain.order),
        plain.limit,
        plain.offset,
        cut_roots=True,
    )


def _document(search_query: object) -> Document:
    given: object = {} if search_query is None else search_query
    if isinstance(given, Mapping) and "aggregate" in cast("Mapping[str, object]", given):
        raise QueryError(
            "the search query: aggregate is an older form of select: {'total': {'$sum': '$record.price'}}",
            key="aggregate",
        )
    return Document("the search query", cast("object", given), QUERY_KEYS, QueryError)


def _order(order: Sequence[Order]) -> tuple[tuple[str, bool], ...]:
    return tuple((each.property, each.descending) for each in order)
