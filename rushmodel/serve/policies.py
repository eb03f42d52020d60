"""Endpoints of index policies and their vectors."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..operations import raw_policies
from ..wire import routes
from ..wire.documents import policy_document, stats_document
from .answers import answer
from .front import Front, caller_of, kept
from .refusals import Refusal

_POLICY_KEYS = ("label", "propertyName", "sourceType", "external", "dimensions", "similarityFunction")


async def list_policies(front: Front, request: Request) -> Response:
    policies = await front.run(raw_policies.list_policies())
    return answer([policy_document(policy) for policy in policies])


async def create_policy(front: Front, request: Request) -> Response:
    body = kept(await front.body(request), _POLICY_KEYS)
    for key, value in body.items():
        if value is None:  # what may be left out is not null (trace 01)
            raise Refusal(400, f"{key}: expected a value, got null; leave the key out")
    policy = await front.run(raw_policies.create_policy(body))
    return answer(policy_document(policy), status=routes.CREATE_POLICY.status)


async def delete_policy(front: Front, request: Request) -> Response:
    """Nothing is queued: the vectors are gone when the answer comes."""
    await front.run(raw_policies.delete_policy(request.path_params["id"]))
    return answer({"deleted": True, "queued": True}, status=routes.DELETE_POLICY.status)


async def policy_stats(front: Front, request: Request) -> Response:
    coverage = await front.run(raw_policies.policy_coverage(request.path_params["id"]))
    return answer(stats_document(coverage))


async def upsert_vectors(front: Front, request: Request) -> Response:
    body = kept(await front.body(request), ("items",))
    if isinstance(body.get("items"), list):
        body["items"] = [kept(item, ("recordId", "vector")) for item in body["items"]]
    count = await front.run(raw_policies.upsert_vectors(request.path_params["id"], body, caller_of(request)))
    return answer({"updated": count, "requested": count})
