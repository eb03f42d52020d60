"""`FindRows` over REST: queries with ``select``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ...errors import CapabilityError, ServerError
from ...port import FindRows, FoundRows, RecordQuery, RowQuery
from ...wire.bodies import Body
from ...wire.routes import FIND_NEAR_RECORD, FIND_RECORDS, LIMIT_ROWS
from .asking import query_as_written
from .calls import Answer, Exchange
from .conditions import Plain
from .paging import FARTHEST, MOST
from .server import Server

_BY_ID = "$id"


def find_rows(server: Server, command: FindRows) -> Exchange[FoundRows]:
    """In pages where there are many rows, which are no snapshot.

    A RushDB server cuts the records before it groups them unless it sorts by a key of ``select`` (query
    language, "select, groupBy"): unless that is what is meant, grouped rows are asked for in such an order.
    """
    query = command.query
    if _names_relations(query.select) and not (yield from server.extended()):
        raise CapabilityError(
            "select: on a RushDB server $collect by label cannot say by which relationship, and would take "
            "the records of every one; name an $alias in where, or read the relation along with with_="
        )
    wanted = RecordQuery(query.labels, query.where, related_to=query.related_to)
    plain = yield from query_as_written(server, wanted)
    extended = yield from server.extended()
    order = _order(query, late=bool(query.group_by) and not query.cut_roots and not extended)
    limit, offset = query.limit, query.offset
    rows: list[dict[str, Any]] = []
    while True:
        size = MOST if limit is None else min(MOST, limit - len(rows))
        skip = offset + len(rows)
        if skip >= FARTHEST:
            size = skip = 0  # there is nothing but the total
        body = _body(plain, query, order, max(size, 1), skip)
        if extended and not query.cut_roots:
            body[LIMIT_ROWS] = True
        what = f"finding rows of {', '.join(query.labels) or 'any label'}"
        route, ids = (
            (FIND_RECORDS, ()) if plain.related_to is None else (FIND_NEAR_RECORD, (plain.related_to,))
        )
        answer = yield from server.ask(route, *ids, what=what, body=body, repeatable=True)
        page = _rows(answer)[:size]
        rows += page
        one_page = query.cut_roots and query.group_by  # the next records would make other groups
        if len(page) < size or not size or len(rows) == limit or one_page:
            return FoundRows(rows, answer.total)


def _body(
    plain: Plain, query: RowQuery, order: Mapping[str, str] | str | None, limit: int, skip: int
) -> Body:
    body: Body = {"select": query.select, "limit": limit, "skip": skip}
    if plain.labels:
        body["labels"] = list(plain.labels)
    if plain.where:
        body["where"] = plain.where
    if query.group_by:
        body["groupBy"] = list(query.group_by)
    if order:
        body["orderBy"] = order
    return body


def _order(query: RowQuery, *, late: bool) -> Mapping[str, str] | str:
    """``orderBy``; ``late``: with a key of ``select`` in it. Rows without groups come by ascending id."""
    order = {
        "__id" if key == _BY_ID else key: "desc" if descending else "asc" for key, descending in query.order
    }
    if late:
        order.pop("__id", None)  # a group has none
    if late and query.select and not any(key in query.select for key in order):
        order[next(iter(query.select))] = "asc"
    if query.group_by:
        return order
    if list(order) in ([], ["__id"]):
        return order.get("__id", "asc")
    return order


def _names_relations(document: object) -> bool:
    """Whether something is collected along one kind of relationship, which only `serve` understands."""
    if isinstance(document, Mapping):
        given = cast("Mapping[str, object]", document)
        collected = given.get("$collect")
        if isinstance(collected, Mapping) and "$relation" in collected:
            return True
        return any(map(_names_relations, given.values()))
    return isinstance(document, (list, tuple)) and any(map(_names_relations, cast("list[object]", document)))


def _rows(answer: Answer) -> list[dict[str, Any]]:
    found: object = answer.data
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in cast("list[object]", found)):
        raise ServerError(f"{answer.place}: the server's answer has no rows", sent=True)
    return cast("list[dict[str, Any]]", found)
