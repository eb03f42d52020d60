"""The bodies of requests, written from what the port speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import orjson

from ..errors import PropertyError
from ..port import Float32, InlineVector, Order, Signature, StoredValue, Where
from .packing import is_vector, pack_vector

Body: TypeAlias = "dict[str, Any]"

_BY_ID = "$id"


def dumps(body: object, *, packed: bool = False) -> bytes:
    """A body as it is sent; float32 arrays are written as they lie in memory, in the shortest exact digits.

    ``packed``: as texts (`packing`), which a RushDB server does not understand.

    Raises:
        PropertyError: Text that UTF-8 cannot carry, a number that is none.
    """
    try:
        if packed:
            return orjson.dumps(body, default=_packed)
        return orjson.dumps(body, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        raise PropertyError(f"the request cannot be written as JSON: {error}") from error


def inline_vectors(vectors: Iterable[InlineVector]) -> list[Body]:
    """``vectors`` of a record, ``$vectors`` of a row (R5)."""
    written: list[Body] = []
    for each in vectors:
        body: Body = {"propertyName": each.property, "vector": each.vector}
        if each.similarity is not None:
            body["similarityFunction"] = each.similarity
        if each.dims is not None:
            body["dimensions"] = each.dims
        written.append(body)
    return written


def record_body(
    label: str | None,
    data: Mapping[str, StoredValue],
    vectors: Sequence[InlineVector] = (),
    *,
    merge_by: tuple[str, ...] | None = None,
    rewrite: bool = False,
    unique_by: tuple[str, ...] = (),
    types: bool = True,
) -> Body:
    """A record to create, upsert, merge into or replace.

    ``types``: tell them apart, which servers do only if asked to (R14). ``unique_by`` is for `serve`
    (an extension): values under it that no other record may have.
    """
    options: Body = {"suggestTypes": types, **_merging(merge_by, rewrite, unique_by)}
    body: Body = {"label": label, "data": data, "options": options}
    if vectors:
        body["vectors"] = inline_vectors(vectors)
    if label is None:
        del body["label"]
    return body


def import_body(
    label: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    merge_by: tuple[str, ...] | None = None,
    rewrite: bool = False,
    relationship: str | None = None,
    unique_by: tuple[str, ...] = (),
    types: bool = True,
) -> Body:
    """Rows of one label, which may hold children under their labels, and ``$vectors``."""
    options: Body = {"suggestTypes": types, "returnResult": True, **_merging(merge_by, rewrite, unique_by)}
    if relationship is not None:
        options["relationshipType"] = relationship
    return {"label": label, "data": rows, "options": options}


def query_body(
    labels: Sequence[str],
    where: Where,
    order: Sequence[Order] = (),
    *,
    limit: int | None = None,
    skip: int = 0,
) -> Body:
    """A search query; without an order, by ascending id, which also breaks ties."""
    body: Body = {"orderBy": order_by(order)}
    if labels:
        body["labels"] = list(labels)
    if where:
        body["where"] = where
    if limit is not None:
        body["limit"] = limit
    if skip:
        body["skip"] = skip
    return body


def order_by(order: Sequence[Order]) -> Body | str:
    """``orderBy``: what comes after the id cannot matter."""
    keys: dict[str, str] = {}
    for each in order:
        keys.setdefault("__id" if each.property == _BY_ID else each.property, _direction(each))
        if each.property == _BY_ID:
            break
    if list(keys) in ([], ["__id"]):
        return keys.get("__id", "asc")
    return {**keys, "__id": keys.get("__id", "asc")}


def search_body(
    label: str,
    signature: Signature,
    vector: Float32 | str,
    where: Where,
    *,
    limit: int | None,
    skip: int = 0,
) -> Body:
    """A vector search, with everything said that a server would otherwise take for granted (R12).

    A text in the vector's place is for the server to embed.
    """
    body: Body = {
        "labels": [label],
        "propertyName": signature.property,
        "sourceType": signature.source,
        "similarityFunction": signature.similarity,
        ("query" if isinstance(vector, str) else "queryVector"): vector,
        "where": where,
    }
    if signature.dims is not None:
        body["dimensions"] = signature.dims
    if limit is not None:
        body["limit"] = limit
    if skip:
        body["skip"] = skip
    return body


def upsert_body(record_ids: Sequence[str], vectors: Sequence[Float32]) -> Body:
    """Vectors of existing records."""
    pairs = zip(record_ids, vectors, strict=True)
    return {"items": [{"recordId": record_id, "vector": vector} for record_id, vector in pairs]}


def _merging(merge_by: tuple[str, ...] | None, rewrite: bool, unique_by: tuple[str, ...]) -> Body:
    options: Body = {"uniqueBy": list(unique_by)} if unique_by else {}
    if merge_by is not None:
        options |= {"mergeBy": list(merge_by), "mergeStrategy": "rewrite" if rewrite else "append"}
    return options


def _direction(order: Order) -> str:
    return "desc" if order.descending else "asc"


def _packed(value: object) -> object:
    """As `_plain`; the arrays of a body are vectors, since no property and no condition can be one."""
    return pack_vector(cast("Float32", value)) if is_vector(value) else _plain(value)


def _plain(value: object) -> object:
    """What orjson does not know: subclasses of float, mappings, arrays that do not lie in one piece."""
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return dict(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    copy = getattr(value, "tolist", None)
    if copy is not None:
        return copy()
    raise TypeError(f"{type(value).__name__} is no JSON value")
