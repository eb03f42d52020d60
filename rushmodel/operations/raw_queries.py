"""Search queries as RushDB's client writes them (its search query language), and as the port has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from ..errors import CapabilityError, QueryError
from ..port import Order, RecordQuery, Where
from .raw_documents import Document

QUERY_KEYS = ("labels", "where", "orderBy", "limit", "skip", "select", "groupBy")
DEFAULT_LIMIT = 100
MOST_RECORDS = 1000

NEWEST_FIRST = (Order("$id", descending=True),)


def read_query(given: object) -> RecordQuery:
    """A search query; None finds everything, newest first.

    Raises:
        QueryError: By key: unknown, of another type, ``limit`` outside 1..1000 (R16).
        CapabilityError: ``select`` and ``groupBy``.
    """
    query = Document("the search query", {} if given is None else given, QUERY_KEYS, QueryError)
    for key in ("select", "groupBy"):
        if key in query:
            raise CapabilityError(f"the search query: {key}: this version finds whole records only", key=key)
    labels, where = read_selection(query)
    return RecordQuery(
        labels,
        where,
        read_order(query),
        limit=query.count("limit", DEFAULT_LIMIT, 1, MOST_RECORDS),
        offset=query.count("skip", 0, 0),
    )


def read_selection(query: Document) -> tuple[tuple[str, ...], Where]:
    """Labels (no one: any) and condition of a query.

    A plain ``__label`` at the top of ``where`` means the label (R26): it becomes one, so that
    other labels' records are not even looked at.
    """
    labels = (query.text("labels"),) if isinstance(query.get("labels"), str) else query.texts("labels")
    where = query.mapping("where")
    label = where.get("__label")
    if not labels and isinstance(label, str):
        return (label,), {key: value for key, value in where.items() if key != "__label"}
    return labels, where


def read_order(query: Document) -> tuple[Order, ...]:
    """``"asc"`` / ``"desc"`` by id, or ``{property: "asc" | "desc"}``, the first entry first."""
    given = query.get("orderBy")
    if given is None:
        return NEWEST_FIRST
    entries: Sequence[tuple[object, object]]
    if isinstance(given, Mapping):
        entries = list(cast("Mapping[object, object]", given).items())
    else:
        entries = [("$id", given)]
    order: list[Order] = []
    for name, direction in entries:
        if direction not in ("asc", "desc"):
            raise query.wrong("orderBy", "'asc', 'desc' or {property: 'asc' | 'desc'}", direction)
        if not isinstance(name, str) or (name.startswith(("$", "__")) and name not in ("$id", "__id")):
            raise query.wrong("orderBy", "the name of a property, or $id", name)
        by_id = name in ("$id", "__id")
        order.append(Order("$id" if by_id else name, direction == "desc", False if by_id else None))
    return tuple(order) or NEWEST_FIRST
