"""Endpoints of records."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from ..operations import raw_import, raw_records, raw_rows
from ..operations.raw_options import CHANGE_OPTIONS, RECORD_OPTIONS
from ..operations.raw_queries import QUERY_KEYS
from ..port import StoredRecord
from ..wire import routes
from ..wire.documents import record_document
from ..wire.routes import LIMIT_ROWS
from .answers import answer
from .front import Body, Front, caller_of, check_skip, expected_version, extended, kept, kept_options
from .properties import read_properties
from .refusals import Refusal

_CHANGE_KEYS = ("label", "data", "vectors", "options")
_FIND_KEYS = (*QUERY_KEYS, "aggregate")
"""Of ``aggregate`` is said that it is ``select`` now; it is not passed over."""


async def create_record(front: Front, request: Request) -> Response:
    body = await front.body(request)
    data, texts = body.get("data"), frozenset[str]()
    if "data" not in body:
        data, texts = read_properties(body.get("properties"))
    options = kept_options(request, body, RECORD_OPTIONS)
    vectors, caller = body.get("vectors"), caller_of(request)
    operation = raw_import.create(body.get("label"), data, options, vectors, caller, texts)
    return _record(request, await front.run(operation), routes.CREATE_RECORD.status)


async def get_record(front: Front, request: Request) -> Response:
    return _record(request, await front.run(raw_records.find_by_id(request.path_params["id"])))


async def patch_record(front: Front, request: Request) -> Response:
    """Merge, null and all that is not mentioned left alone (R15, R6)."""
    return await _change(front, request, replace=False)


async def put_record(front: Front, request: Request) -> Response:
    """Put new properties in the place of the old ones."""
    return await _change(front, request, replace=True)


async def delete_record(front: Front, request: Request) -> Response:
    """Also of an id that no record has (R16)."""
    record_id = request.path_params["id"]
    await front.run(raw_records.delete_by_ids([record_id]))
    return answer({"message": f"Record {record_id} was successfully deleted"})


async def find_records(front: Front, request: Request) -> Response:
    """Records or rows; with an id in the path of those that a relationship connects with that record."""
    given = await front.body(request)
    body = kept(given, _FIND_KEYS)
    check_skip(body)
    known = extended(request)
    cut_roots = not (known and given.get(LIMIT_ROWS) is True)
    near = request.path_params.get("id")
    operation = raw_rows.find(body, near, versions=known, cut_roots=cut_roots)
    found = await front.run(operation)
    return answer(found.rows, total=found.total)


async def delete_records(front: Front, request: Request) -> Response:
    """What would not narrow the deletion, such as ``limit``, is refused rather than passed over (R17).

    The official SDKs send ``limit`` 1000 with the ids to delete: where it leaves none out, it is taken.
    """
    body = kept(await front.body(request), QUERY_KEYS)
    if _names_at_most(body.get("where"), body.get("limit")):
        del body["limit"]
    await front.run(raw_records.delete(body))
    return answer({"message": "Records were successfully deleted"}, status=routes.DELETE_RECORDS.status)


def _names_at_most(where: object, limit: object) -> bool:
    """Whether a condition is a list of ids, no longer than that."""
    if not isinstance(limit, int) or not isinstance(where, dict):
        return False
    chosen = cast("Body", where).get("$id") if len(cast("Body", where)) == 1 else None
    ids = cast("Body", chosen).get("$in") if isinstance(chosen, dict) else None
    return isinstance(ids, list) and len(cast("list[object]", ids)) <= limit


async def _change(front: Front, request: Request, *, replace: bool) -> Response:
    body = _nested(await front.body(request))
    vectors, label = body.get("vectors"), body.get("label")
    if vectors and label is None:  # R5: the label is what a policy is found by
        raise Refusal(404, "label: no index policy is found for vectors without the label of the record")
    operation = raw_records.change(
        request.path_params["id"],
        body.get("data"),
        label,
        vectors,
        replace=replace,
        options=kept_options(request, body, CHANGE_OPTIONS),
        version=expected_version(request),
        caller=caller_of(request),
    )
    return _record(request, await front.run(operation), routes.PATCH_RECORD.status)


def _nested(body: Body) -> Body:
    """The body with its properties under ``data``: the official Python SDK writes them beside (R24)."""
    if "data" in body:
        return body
    named = {key: body[key] for key in _CHANGE_KEYS if key in body}
    return {**named, "data": {key: value for key, value in body.items() if key not in named}}


def _record(request: Request, record: StoredRecord, status: int = 200) -> Response:
    return answer(record_document(record, versions=extended(request)), status=status)
