"""Endpoints of labels, properties and the schema."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..operations import raw_catalog
from ..operations.raw_catalog import SCHEMA_KEYS, SELECTION_KEYS, VALUES_KEYS
from ..wire.catalog import property_document, schema_document, values_document
from ..wire.markdown import schema_markdown
from .answers import answer
from .front import Front, check_skip, kept


async def count_labels(front: Front, request: Request) -> Response:
    body = kept(await front.body(request), SELECTION_KEYS)
    return answer(await front.run(raw_catalog.count_labels(body)))


async def find_properties(front: Front, request: Request) -> Response:
    """Of the records that match; RushDB passes labels and condition over."""
    body = kept(await front.body(request), SELECTION_KEYS)
    found = await front.run(raw_catalog.find_properties(body))
    return answer([property_document(each) for each in found])


async def get_property(front: Front, request: Request) -> Response:
    found = await front.run(raw_catalog.find_property(request.path_params["id"]))
    return answer(property_document(found))


async def list_values(front: Front, request: Request) -> Response:
    body = kept(await front.body(request), VALUES_KEYS)
    check_skip(body)
    found = await front.run(raw_catalog.property_values(request.path_params["id"], body))
    return answer(values_document(found))


async def delete_property(front: Front, request: Request) -> Response:
    """Also of an id that no property has (trace 16)."""
    property_id = request.path_params["id"]
    await front.run(raw_catalog.delete_property(property_id))
    return answer({"message": f"Property ({property_id}) has been successfully deleted."})


async def get_schema(front: Front, request: Request) -> Response:
    """As it is now: nothing is kept for an hour, as RushDB does without ``force``."""
    body = kept(await front.body(request), SCHEMA_KEYS)
    return answer(schema_document(await front.run(raw_catalog.describe(body))))


async def get_schema_markdown(front: Front, request: Request) -> Response:
    body = kept(await front.body(request), SCHEMA_KEYS)
    return answer(schema_markdown(await front.run(raw_catalog.describe(body))))
