"""What a server refuses, as our errors."""

from __future__ import annotations

from typing import Any, cast

from ... import errors
from ...errors import (
    AmbiguousSearch,
    CapabilityError,
    ConflictError,
    NotFound,
    PolicyConflict,
    PolicyError,
    PolicyExists,
    PolicyMissing,
    PropertyError,
    QueryError,
    RushModelError,
    ServerError,
    StoreTimeout,
    TransactionClosed,
    VectorError,
)
from ...wire import routes
from .calls import Answer, Call

_WRITES = {
    routes.CREATE_RECORD,
    routes.PATCH_RECORD,
    routes.PUT_RECORD,
    routes.IMPORT_JSON,
    routes.UPSERT_VECTORS,
    routes.ATTACH,
    routes.SAVE_GRAPH,
}
_POLICIES = {
    routes.LIST_POLICIES,
    routes.CREATE_POLICY,
    routes.DELETE_POLICY,
    routes.POLICY_STATS,
}

_TRANSACTIONS = {
    routes.COMMIT,
    routes.GET_TRANSACTION,
    routes.ROLLBACK,
}


def failure(call: Call, answer: Answer) -> RushModelError:
    """The error for an answer of 400 and above; it carries the server's message and status.

    ``server_message`` is what the server said, ``doing`` what it was asked to do; ``repeated``: it was
    asked before, and may refuse because it did it then.
    """
    said = answer.remark
    details: dict[str, Any] = {"server_message": said, "doing": call.what, "repeated": answer.repeated}
    if call.route in (routes.GET_RECORD, routes.PATCH_RECORD, routes.PUT_RECORD):
        details["record_id"] = call.ids[0]
    kind = _named(answer)
    if kind is not None:
        details |= cast("dict[str, Any]", answer.document).get(routes.DETAILS) or {}
    else:
        kind = _kind(call, answer.status, said)
        details["status"] = answer.status
    hint = "; is the URL right? RushDB's ends in /api/v1" if kind is ServerError else ""
    return kind(
        f"{call.what}: the server answered {answer.status}: {said or 'nothing more'}{hint}", **details
    )


def _named(answer: Answer) -> type[RushModelError] | None:
    """The class that `rushmodel serve` names: both ends have the same tree."""
    document: object = answer.document
    if not answer.extensions or not isinstance(document, dict):
        return None
    kind = getattr(errors, str(cast("dict[str, Any]", document).get(routes.CODE)), None)
    # A bulk error takes the errors it is made of.
    if isinstance(kind, type) and issubclass(kind, RushModelError) and kind is not errors.BulkError:
        return kind
    return None


def _kind(call: Call, status: int, said: str) -> type[RushModelError]:
    """By status, by what was asked, and where that is not enough by the words (recorded in the traces)."""
    route, words = call.route, said.lower()
    if status == 408:
        return StoreTimeout
    if status == 409:
        return PolicyExists if route == routes.CREATE_POLICY else ConflictError
    if status == 404 and said.startswith("Cannot "):
        return ServerError  # no such address: the URL is another's
    if status == 404 and (route in _TRANSACTIONS or words.startswith("transaction with id")):
        return TransactionClosed
    if status == 404:
        missing = "index" in words and ("no " in words or "not found" in words)
        return PolicyMissing if missing or route in _POLICIES or route == routes.SEARCH_VECTORS else NotFound
    if status == 413:
        return PropertyError if route in _WRITES else QueryError
    if status == 422:
        return _unprocessable(call, words)
    if status == 400:
        if route in _POLICIES:
            return PolicyError
        return PropertyError if route in _WRITES else QueryError
    if status == 501:
        return CapabilityError
    return ServerError


def _unprocessable(call: Call, words: str) -> type[RushModelError]:
    if call.route == routes.CREATE_POLICY:
        return PolicyError if "dimensions" in words or "configured" in words else PolicyConflict
    if "multiple" in words or "several" in words:
        return AmbiguousSearch
    if "record ids" in words or (call.route == routes.UPSERT_VECTORS and "there is no" in words):
        return NotFound
    return VectorError if call.route in _WRITES else QueryError
