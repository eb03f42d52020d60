"""The endpoint of exports."""

from __future__ import annotations

import datetime as dt

from starlette.requests import Request
from starlette.responses import Response

from ..operations import raw_csv
from ..operations.raw_queries import QUERY_KEYS
from .answers import answer
from .front import Front, check_skip, kept


async def export_csv(front: Front, request: Request) -> Response:
    """What a query finds as CSV. Its ``labels`` and ``limit`` count, as they do not on a RushDB server."""
    body = kept(await front.body(request), QUERY_KEYS)
    check_skip(body)
    content = await front.run(raw_csv.export_csv(body))
    moment = dt.datetime.now(dt.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return answer({"fileContent": content, "dateTime": moment})
