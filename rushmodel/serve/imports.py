"""The endpoints of imports."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ..operations import raw_csv, raw_import
from ..operations.raw_options import CSV_OPTIONS, JSON_OPTIONS
from ..port import StoredRecord
from ..wire import routes
from ..wire.documents import record_document
from .answers import answer
from .front import Front, caller_of, extended, kept, kept_options
from .refusals import Refusal

MOST_RETURNED = 1000
"""Records that an import gives back; of more it tells the number (R19)."""


async def import_json(front: Front, request: Request) -> Response:
    """Records from nested JSON, or from a text that holds it; the records only where they are asked for."""
    body = await front.body(request)
    if "vectors" in body:
        raise Refusal(400, "vectors: an import takes the vectors of a row in the row, as $vectors")
    data = body.get("data")
    if isinstance(data, str):
        data = _parsed(data, body.get("format"))
    options: Any = kept_options(request, body, JSON_OPTIONS)
    made = await front.run(raw_import.import_json(data, body.get("label"), options, caller_of(request)))
    return _imported(request, made, options)


async def import_csv(front: Front, request: Request) -> Response:
    """Records from the text of a CSV file, with the vectors of row ``i`` in ``vectors[i]`` (R5)."""
    body = await front.body(request)
    options = kept_options(request, body, CSV_OPTIONS)
    config = kept(body.get("parseConfig"), raw_csv.PARSE_KEYS)
    label, vectors = body.get("label"), body.get("vectors")
    operation = raw_csv.import_csv(label, body.get("data"), options, config, vectors, caller_of(request))
    return _imported(request, await front.run(operation), options)


def _imported(request: Request, made: list[StoredRecord], options: Any) -> Response:
    """The records, where they are asked for and not too many; of none at all ``true`` (trace 15)."""
    status = routes.IMPORT_JSON.status
    if not made or not (options and options.get("returnResult")):
        return answer(True, status=status)
    if len(made) > MOST_RETURNED:
        message = f"{len(made)} records were imported, too many to be returned: use /records/search"
        return answer({"message": message, "count": len(made)}, status=status)
    versions = extended(request)
    return answer([record_document(record, versions=versions) for record in made], status=status)


def _parsed(text: str, form: object) -> Any:
    """JSON in a text, or one object a line: what is no JSON as a whole is read by lines (trace 15)."""
    if form != "jsonl":
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            if form == "json":
                raise Refusal(400, "data: the text is no JSON") from None
    rows: list[Any] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            raise Refusal(400, f"data: line {number} of the text is no JSON") from None
    return rows
