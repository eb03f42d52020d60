"""The endpoint of vector search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from ..errors import CapabilityError, PolicyMissing, QueryError, VectorError
from ..flow import Operation, ask
from ..operations.raw_documents import shown
from ..operations.raw_options import Caller
from ..operations.raw_search import vector_search
from ..port import ListPolicies, Signature, StoredRecord
from ..wire.documents import record_document
from ..wire.packing import unpack_vector
from .answers import answer
from .front import Body, Front, caller_of, check_skip, extended, kept
from .refusals import Refusal

_KEYS = (
    "labels propertyName queryVector query sourceType similarityFunction dimensions where limit skip".split()
)


async def search_vectors(front: Front, request: Request) -> Response:
    """The nearest records, best first; there is no ``total`` (R13)."""
    body = kept(await front.body(request), _KEYS)
    for key in ("limit", "skip"):
        if key in body:
            body[key] = _whole(body[key])
    check_skip(body)
    limit = body.get("limit")
    if isinstance(limit, int) and limit > front.limits.hits:
        raise Refusal(400, f"limit: expected at most {front.limits.hits:,}, got {limit:,}")
    hits = await front.run(search(body, caller_of(request)))
    return answer([record_document(hit, versions=extended(request)) for hit in hits])


def search(params: Body, caller: Caller) -> Operation[list[StoredRecord]]:
    """As `vector_search`, but a policy that is missing is said before all else that may be wrong.

    A server answers 404 even where the label has no records to search, or where the query vector is
    none (trace 09). What is wrong with a request without labels or property is said as it is.
    """
    try:
        found = yield from vector_search(params, caller)
    except (CapabilityError, QueryError, VectorError):
        if (yield from _is_policy_missing(params, caller)):
            raise _missing(params) from None
        raise
    if not found and (yield from _is_policy_missing(params, caller)):
        raise _missing(params)
    return found


def _is_policy_missing(params: Body, caller: Caller) -> Operation[bool]:
    labels: object = params.get("labels")
    named: Sequence[object] = [labels] if isinstance(labels, str) else cast("Any", labels)
    if not isinstance(named, list) or not named or not isinstance(params.get("propertyName"), str):
        return False
    for policy in (yield from ask(ListPolicies())):
        if policy.signature.label in named and _could_be_meant(policy.signature, params, caller):
            return False
    return True


def _could_be_meant(signature: Signature, params: Body, caller: Caller) -> bool:
    dims = params.get("dimensions")
    if dims is None:
        dims = _length(params.get("queryVector"), caller)
    pairs = (
        (params["propertyName"], signature.property),
        (params.get("sourceType"), signature.source),
        (params.get("similarityFunction"), signature.similarity),
        (dims, signature.dims),
    )
    return all(given is None or given == there for given, there in pairs)


def _length(vector: object, caller: Caller) -> int | None:
    """How many numbers a query vector has; None where it is none."""
    if isinstance(vector, list):
        return len(cast("list[object]", vector))
    if caller.extended and isinstance(vector, str):
        try:
            return int(unpack_vector(vector).size)
        except ValueError:
            return None
    return None


def _missing(params: Body) -> PolicyMissing:
    labels = params["labels"]
    named = labels if isinstance(labels, str) else ", ".join(map(str, labels))
    return PolicyMissing(
        f"no index policy of that source, similarity and length found for label {shown(named)}"
        f" and property {shown(params['propertyName'])}"
    )


def _whole(count: object) -> object:
    """A number of records as a server takes it: 1.5 as 1, and "2" as 2 (trace 09)."""
    if isinstance(count, float):
        return math.floor(count)
    if isinstance(count, str) and count.isascii() and count.isdecimal() and len(count) < 19:
        return int(count)
    return count
