"""The endpoints of transactions."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..errors import CapabilityError, QueryError
from ..opening import is_number
from .answers import answer
from .bodies import read_object
from .front import Front


async def begin(front: Front, request: Request) -> Response:
    """``{"ttl": milliseconds}``, all of it optional: at most a minute is granted, 55 seconds by default."""
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    body = await read_object(request, front.limits) if has_body else {}
    if body.get("autocommit"):
        raise CapabilityError("autocommit: a transaction that nobody commits is rolled back here")
    ttl = body.get("ttl")
    if ttl is not None and not (is_number(ttl) and ttl > 0):
        raise QueryError("ttl: expected a number of milliseconds above 0", key="ttl")
    limits = front.limits
    granted = limits.transaction_default if ttl is None else min(ttl / 1000, limits.transaction_seconds)
    return answer({"id": front.transactions.begin(granted)})


async def get(front: Front, request: Request) -> Response:
    transaction_id = request.path_params["id"]
    front.transactions.find(transaction_id)
    return answer({"id": transaction_id})


async def commit(front: Front, request: Request) -> Response:
    """404 of one that is over, whatever ended it (R22)."""
    transaction_id = request.path_params["id"]
    await front.transactions.commit(transaction_id)
    return answer({"message": f"Transaction ({transaction_id}) has been successfully committed."})


async def rollback(front: Front, request: Request) -> Response:
    """Of one that is over as well (trace 17)."""
    transaction_id = request.path_params["id"]
    done = await front.transactions.rollback(transaction_id)
    how = "has been rolled back." if done else "not found (already closed?)"
    return answer({"message": f"Transaction ({transaction_id}) {how}"})
