"""Endpoints of relationships."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from ..operations import raw_relationships
from ..operations.raw_relationships import ATTACH_KEYS, DETACH_KEYS, FIND_KEYS, JOIN_KEYS
from ..wire import routes
from ..wire.relationships import relationship_document
from .answers import answer
from .front import Body, Front, check_skip, kept
from .refusals import Refusal

_SIDES = ("source", "target")
_SIDE_KEYS = ("label", "key", "where")
_END_KEYS = ("labels", "where")


async def attach(front: Front, request: Request) -> Response:
    """Relationships between a record and others; 404 where one of them is not there (R21)."""
    body = await front.body(request)
    source, targets = request.path_params["id"], _targets(body)
    await front.run(raw_relationships.attach(source, targets, kept(body, ATTACH_KEYS)))
    message = f"Relations to Record {source} have been successfully created"
    return answer({"message": message}, status=routes.ATTACH.status)


async def detach(front: Front, request: Request) -> Response:
    """Relationships taken away; what is not there is taken away already."""
    body = await front.body(request)
    source, targets = request.path_params["id"], _targets(body)
    await front.run(raw_relationships.detach(source, targets, kept(body, DETACH_KEYS)))
    return answer({"message": f"Relations to Record {source} have been successfully deleted"})


async def find_relationships(front: Front, request: Request) -> Response:
    """A page of the relationships that match."""
    body = kept(await front.body(request), FIND_KEYS)
    check_skip(body)
    for side in _SIDES:
        if side in body:
            body[side] = kept(body[side], _END_KEYS)
    found = await front.run(raw_relationships.find_relationships(body))
    return answer([relationship_document(each) for each in found.relationships], total=found.total)


async def create_relationships(front: Front, request: Request) -> Response:
    """Relationships between records that have the same value, or between all of two kinds."""
    await front.run(raw_relationships.join(_sides(await front.body(request)), remove=False))
    message = "Relations have been successfully created"
    return answer({"message": message}, status=routes.CREATE_RELATIONSHIPS.status)


async def delete_relationships(front: Front, request: Request) -> Response:
    """As `create_relationships`, taken away."""
    body = _sides(await front.body(request))
    body.pop("properties", None)
    await front.run(raw_relationships.join(body, remove=True))
    return answer({"message": "Relations have been successfully deleted"})


def _targets(body: Body) -> list[str]:
    given = body.get("targetIds")
    targets = cast("list[object]", given if isinstance(given, list) else [given])
    if not all(isinstance(each, str) and each for each in targets):
        raise Refusal(
            400,
            'Request validation of body failed, because: "targetIds" does not match any of the allowed types:'
            " an id, or a list of ids",
        )
    return cast("list[str]", targets)


def _sides(body: Body) -> Body:
    given: Body = kept(body, JOIN_KEYS)
    for side in _SIDES:
        if side in given:
            given[side] = kept(given[side], _SIDE_KEYS)
    return given
