"""Saves of several labels with their relationships, as `serve` takes them: an extension of RushDB's REST.

Here they are written, and the answers read; what a request says is read by `rushmodel.operations.raw_graphs`,
which trusts nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from ..errors import ServerError
from ..port import (
    FindRelated,
    Link,
    RecordWrite,
    Related,
    Signature,
    Unlink,
    VectorGuard,
    VectorWrite,
    Written,
)
from .bodies import Body, order_by
from .documents import Document, read_records, record_document, signature_document


def graph_body(
    writes: Iterable[tuple[str, RecordWrite]], links: Iterable[Link], unlinks: Iterable[Unlink]
) -> Body:
    """A save: what is absent from a document of it is what the port's value has by default."""
    return {
        "writes": [_write_body(label, write) for label, write in writes],
        "links": [_filled(link) for link in links],
        "unlinks": [_filled(unlink) for unlink in unlinks],
    }


def written_document(written: Written) -> Document:
    """What became of a write."""
    document = _filled(written)
    if written.dropped:
        document["dropped"] = [signature_document(each) for each in written.dropped]
    return document


def read_written(documents: object) -> list[Written]:
    """What became of each write; `ServerError` where that is not what the answer says."""
    try:
        return [
            Written(
                str(each["id"]),
                each.get("version"),
                bool(each["created"]),
                dict(each.get("kept") or {}),
                tuple(map(_signature, each.get("dropped") or ())),
            )
            for each in cast("Sequence[Mapping[str, Any]]", documents)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ServerError(
            f"the server's answer does not say what became of each record: {type(error).__name__}", sent=True
        ) from error


def related_body(command: FindRelated) -> Body:
    """The request for records that are one relationship away. Vectors are asked for by themselves."""
    body: Body = {"ids": list(command.record_ids), "label": command.label, "orderBy": order_by(command.order)}
    if command.type is not None:
        body["type"] = command.type
    if command.direction is not None:
        body["direction"] = command.direction
    if command.where:
        body["where"] = command.where
    return body


def related_document(related: Related) -> Document:
    """Records, and what leads to them."""
    return {
        "records": [record_document(each, versions=True) for each in related.records],
        "links": [[record_id, place, dict(data)] for record_id, place, data in related.links],
    }


def read_related(document: object) -> Related:
    """Records and what leads to them; `ServerError` where the document has no such things."""
    try:
        given = cast("Mapping[str, Any]", document)
        records = read_records(given["records"])
        links: list[tuple[str, int, Mapping[str, Any]]] = [
            (str(record_id), int(place), dict(data)) for record_id, place, data in given["links"]
        ]
        if any(not 0 <= place < len(records) for _, place, _ in links):
            raise ValueError("a place without a record")
        return Related(records, links)
    except (KeyError, TypeError, ValueError) as error:
        raise ServerError(f"the server's answer has no related records: {error}") from error


def _write_body(label: str, write: RecordWrite) -> Body:
    body: Body = {"label": label, "data": write.data}
    if write.record_id is not None:
        body["id"] = write.record_id
    if write.version is not None:
        body["version"] = write.version
    for name, values in (("key", write.key), ("remove", write.remove), ("texts", sorted(write.texts))):
        if values:
            body[name] = list(values)
    if write.vectors:
        body["vectors"] = [_vector_body(each) for each in write.vectors]
    if write.guards:
        body["guards"] = [_guard_body(each) for each in write.guards]
    return body


def _vector_body(write: VectorWrite) -> Body:
    return {**signature_document(write.signature), "vector": write.vector}


def _guard_body(guard: VectorGuard) -> Body:
    return {**guard._asdict(), "signatures": [signature_document(each) for each in guard.signatures]}


def _filled(value: Link | Unlink | Written) -> Body:
    """The fields of a named tuple that are not None; an empty tuple says something else than none."""
    return {name: held for name, held in value._asdict().items() if held is not None}


def _signature(document: Mapping[str, Any]) -> Signature:
    return Signature(
        document["label"],
        document["propertyName"],
        document["sourceType"],
        document["similarityFunction"],
        document["dimensions"],
    )
