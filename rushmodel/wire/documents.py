"""What a store gives, as the documents of RushDB's answers, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from ..errors import ServerError
from ..port import Coverage, Float32, Policy, Signature, StoredRecord
from .packing import pack_vector, unpack_vector
from .proptypes import looks_like_datetime, value_type

Document: TypeAlias = "dict[str, Any]"

VERSION = "__version"
"""A record's version, for clients that understand the extensions."""


def record_document(record: StoredRecord, *, versions: bool = False) -> Document:
    """Properties by name; ``__id``, ``__label``, ``__proptypes`` (R14), after a search ``__score`` (R10)."""
    texts = record.texts
    types = {name: "string" if name in texts else value_type(value) for name, value in record.data.items()}
    document = {"__id": record.id, "__label": record.label, **record.data, "__proptypes": types}
    if record.score is not None:
        document["__score"] = record.score
    if versions:
        document[VERSION] = record.version
    return document


def read_record(document: object) -> StoredRecord:
    """A record out of its document; `ServerError` where it is none.

    Names that begin with ``__`` are the server's own, and absent values are left out.
    """
    if not isinstance(document, dict):
        raise ServerError(f"the server's answer has a {type(document).__name__} where a record should be")
    given = cast("Document", document)
    record_id, label = given.get("__id"), given.get("__label", "")
    types = given.get("__proptypes")
    if not isinstance(record_id, str) or not isinstance(label, str) or not isinstance(types, dict):
        raise ServerError("the server's answer has a record without __id, __label and __proptypes")
    data = {name: value for name, value in given.items() if not name.startswith("__") and value is not None}
    # R14: what looks like a datetime and is of type string was given as a string.
    texts = frozenset(
        name
        for name, kind in cast("dict[str, object]", types).items()
        if kind == "string" and _looks_like_datetimes(data.get(name))
    )
    return StoredRecord(record_id, label, given.get(VERSION), data, None, given.get("__score"), texts)


def read_records(documents: object) -> list[StoredRecord]:
    """The records of a list of documents; `ServerError`."""
    if not isinstance(documents, list):
        raise ServerError(f"the server's answer has a {type(documents).__name__} where records should be")
    return [read_record(each) for each in cast("list[object]", documents)]


def policy_document(policy: Policy) -> Document:
    """A policy as the server describes it (R1); a store of its own is no project and has no models."""
    signature = policy.signature
    vector_property = ("_emb", signature.source, signature.similarity, signature.dims)
    return {
        "id": policy.id,
        "projectId": "",
        "label": signature.label,
        "propertyName": signature.property,
        "modelKey": "",
        "sourceType": signature.source,
        "similarityFunction": signature.similarity,
        "dimensions": signature.dims,
        "vectorPropertyName": "_".join(str(part) for part in vector_property if part is not None),
        "enabled": True,
        "status": policy.status,
        "createdAt": policy.created_at,
        "updatedAt": policy.updated_at,
    }


def read_policy(document: object) -> Policy:
    """A policy out of its document; `ServerError` where it is none."""
    try:
        given = cast("Mapping[str, Any]", document)
        signature = Signature(
            given["label"],
            given["propertyName"],
            given["sourceType"],
            given["similarityFunction"],
            given["dimensions"],
        )
        return Policy(given["id"], signature, given["status"], given["createdAt"], given["updatedAt"])
    except (KeyError, TypeError) as error:
        raise ServerError(f"the server's answer has an index policy that is none: {error}") from error


def stats_document(coverage: Coverage) -> dict[str, int]:
    """How far a policy reaches (R3)."""
    return {"totalRecords": coverage.records, "indexedRecords": coverage.vectors}


def read_stats(document: object) -> Coverage:
    """A coverage out of its document; `ServerError` where it is none."""
    try:
        given = cast("Mapping[str, Any]", document)
        return Coverage(int(given["totalRecords"]), int(given["indexedRecords"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ServerError(f"the server's answer has no statistics of an index policy: {error}") from error


def signature_document(signature: Signature) -> Document:
    """The five fields of a policy, as in the requests about one."""
    return {
        "label": signature.label,
        "propertyName": signature.property,
        "sourceType": signature.source,
        "similarityFunction": signature.similarity,
        "dimensions": signature.dims,
    }


def vectors_document(record: StoredRecord, *, packed: bool = False) -> Document:
    """The vectors of a record, those that were asked for and that it has (an extension)."""
    held = (record.vectors or {}).items()
    return {
        "__id": record.id,
        "vectors": [
            {**signature_document(signature), "vector": pack_vector(vector) if packed else vector}
            for signature, vector in held
        ],
    }


def read_vectors(document: object) -> tuple[str, dict[Signature, Float32]]:
    """A record's id and its vectors, packed or not; `ServerError` where the document is no such thing."""
    import numpy as np

    try:
        record = cast("Mapping[str, Any]", document)
        held: dict[Signature, Float32] = {}
        for each in cast("Sequence[Mapping[str, Any]]", record["vectors"]):
            signature = Signature(
                each["label"],
                each["propertyName"],
                each["sourceType"],
                each["similarityFunction"],
                each["dimensions"],
            )
            given = each["vector"]
            vector = unpack_vector(given) if isinstance(given, str) else np.array(given, dtype=np.float32)
            vector.flags.writeable = False
            held[signature] = vector
        return str(record["__id"]), held
    except (KeyError, TypeError, ValueError) as error:
        raise ServerError(
            f"the server's answer has no vectors of a record: {type(error).__name__}"
        ) from error


def _looks_like_datetimes(value: object) -> bool:
    if isinstance(value, list):
        items = cast("list[object]", value)
        return bool(items) and all(isinstance(item, str) and looks_like_datetime(item) for item in items)
    return isinstance(value, str) and looks_like_datetime(value)
