"""The endpoint that gives vectors back, an extension of RushDB's REST."""

from __future__ import annotations

from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from ..errors import QueryError
from ..flow import Operation, ask
from ..operations.raw_documents import Document
from ..operations.raw_search import SOURCES
from ..operations.raw_values import SIMILARITIES
from ..port import GetRecords, Signature, StoredRecord
from ..wire.documents import vectors_document
from .answers import answer
from .front import Front
from .refusals import Refusal

_KEYS = ("ids", "policies", "packed")
_SIGNATURE_KEYS = ("label", "propertyName", "sourceType", "similarityFunction", "dimensions")


async def get_vectors(front: Front, request: Request) -> Response:
    """``{"ids", "policies"}``: of each record that there is, the vectors that it has under those policies.

    With ``"packed": true`` they are texts (`rushmodel.wire.packing`).
    """
    given = Document("the request", await front.body(request), _KEYS, QueryError)
    ids, packed = given.texts("ids"), given.flag("packed", False)
    policies: Any = given.get("policies")
    if not isinstance(policies, list):
        raise given.wrong("policies", "a list of policies, each by its five fields")
    signatures = tuple(_signature(each, index) for index, each in enumerate(cast("list[object]", policies)))
    most = front.limits.vectors
    if len(ids) * len(signatures) > most:
        asked = f"{len(ids):,} records under {len(signatures)} policies"
        raise Refusal(413, f"an answer holds at most {most:,} vectors, and {asked} were asked for")
    found = await front.run(_read(ids, signatures))
    return answer([vectors_document(record, packed=packed) for record in found])


def _read(ids: tuple[str, ...], signatures: tuple[Signature, ...]) -> Operation[list[StoredRecord]]:
    return (yield from ask(GetRecords(tuple(dict.fromkeys(ids)), vectors=signatures)))


def _signature(given: object, index: int) -> Signature:
    fields = Document(f"policies[{index}]", given, _SIGNATURE_KEYS, QueryError)
    source = fields.choice("sourceType", SOURCES)
    similarity = fields.choice("similarityFunction", SIMILARITIES)
    if source is None or similarity is None:
        key = "sourceType" if source is None else "similarityFunction"
        raise fields.wrong(key, "a value: a policy is named by all five fields")
    dims = fields.count("dimensions", 0, 1) or None
    return Signature(fields.text("label"), fields.text("propertyName"), source, similarity, dims)
