"""Answers, in the shape that a RushDB server gives them."""

from __future__ import annotations

import logging
from typing import Any, cast

import orjson
from starlette.responses import Response

from ..errors import (
    CapabilityError,
    PropertyError,
    RushModelError,
    StoreBusy,
    StoreClosed,
    StoreError,
    StoreTimeout,
)
from ..wire.routes import CODE, DETAILS
from .refusals import Refusal

_log = logging.getLogger("rushmodel.serve")

_RETRY_AFTER = "1"


def answer(data: object, *, status: int = 200, total: int | None = None) -> Response:
    """``{"data", "success": true}``, of a page with its ``total``. Arrays become lists of numbers."""
    document: dict[str, Any] = {"data": data, "success": True}
    if total is not None:
        document["total"] = total
    return _json(document, status)


def failure(status: int, message: str | list[str]) -> Response:
    """``{"message", "error", "statusCode"}`` (R23)."""
    return _json(Refusal(status, message).document, status)


def failed(error: RushModelError, *, coded: bool = False) -> Response:
    """The answer to an error of the store or of an operation: what a server would answer in its place.

    Where the store itself is the trouble it is 503, or 408 for what took too long; the log says more
    than the answer then, which does not tell where the file lies. ``coded``: name the error's class,
    and tell its attributes.
    """
    if isinstance(error, StoreTimeout):
        return failure(408, str(error))
    if isinstance(error, StoreError):
        return _out_of_order(error)
    status = error.status
    if isinstance(error, PropertyError) and "status" not in vars(error):
        status = 400  # a server checks properties before anything else does (trace 10)
    elif isinstance(error, CapabilityError):
        status = 422  # 501 is for methods that a server does not know: here it is the request
    if not coded:
        return failure(status, str(error))
    details = {name: value for name, value in vars(error).items() if _is_plain(value)}
    return _json(
        {**Refusal(status, str(error)).document, CODE: type(error).__name__, DETAILS: details}, status
    )


def _out_of_order(error: StoreError) -> Response:
    _log.error("the store failed: %s", error)
    if isinstance(error, StoreClosed):
        return failure(503, "the store is closed")
    if not isinstance(error, StoreBusy):
        return failure(503, "the store cannot be used; the log of the server says why")
    response = failure(503, "another process keeps the store busy; try again")
    response.headers["retry-after"] = _RETRY_AFTER
    return response


def _is_plain(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, cast("list[object]", value)))
    return value is None or isinstance(value, (str, int, float))


def _json(document: object, status: int) -> Response:
    return Response(
        orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY), status, media_type="application/json"
    )
