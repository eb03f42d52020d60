"""Vector search over REST."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import AmbiguousSearch, CapabilityError, PolicyMissing, QueryError, VectorError
from ...port import (
    CountRecords,
    Float32,
    RecordQuery,
    SearchMany,
    SearchVectors,
    SearchWords,
    Signature,
    StoredRecord,
    Where,
)
from ...wire.bodies import search_body
from ...wire.documents import read_records
from ...wire.routes import SEARCH_VECTORS
from .asking import queries_for
from .calls import Exchange
from .paging import FARTHEST, MOST
from .reading import count_records, finished
from .server import Server


def search_vectors(server: Server, command: SearchVectors) -> Exchange[list[StoredRecord]]:
    query = command.query
    if query.order:
        raise QueryError("a search is ordered by nearness; leave the order out, or sort what it answers")
    if query.related_to is not None:
        raise CapabilityError("a search has no related_to; name the related records in where")
    if not query.labels:
        raise QueryError("a search on a RushDB server needs the labels to search", key="labels")
    signatures = yield from _signatures(server, command)
    _check_vector(command, signatures)
    most = None if query.limit is None else query.limit + query.offset
    hits: dict[str, StoredRecord] = {}
    several = len(signatures) > 1
    for signature in signatures:
        narrowed = query.replaced(labels=(signature.label,), where=_without(query.where, command.without))
        queries = yield from queries_for(server, narrowed)
        several = several or len(queries) > 1
        for plain in queries:
            where = yield from _exact(server, command, signature, plain.where)
            skip, limit = (0, most) if several else (query.offset, query.limit)
            for hit in (yield from _search(server, command.vector, signature, where, skip, limit)):
                hits.setdefault(hit.id, hit)
    found = list(hits.values())
    if several:  # the sort is stable, so equal scores stay as the server had them
        found.sort(key=lambda hit: -(hit.score or 0.0))
        found = found[query.offset : most]
    if command.min_score is not None:
        found = [hit for hit in found if (hit.score or 0.0) >= command.min_score]
    return (yield from finished(server, query, found))


def search_many(server: Server, command: SearchMany) -> Exchange[list[list[StoredRecord]]]:
    """One search after the other: a server takes one vector at a time."""
    singles = [command.single(place) for place in range(len(command.vectors))]
    found: list[list[StoredRecord]] = []
    for single in singles:
        hits = yield from search_vectors(server, single)
        found.append(hits)
    return found


def search_words(server: Server, command: SearchWords) -> Exchange[list[StoredRecord]]:
    """The server embeds the words, by the model it has for its managed policies."""
    query = command.query
    (label,) = query.labels
    if (yield from server.extended()):
        raise CapabilityError(
            "rushmodel serve embeds no words: give the field factory=..., and the words are embedded here"
        )
    signature = Signature(label, command.property, "managed", command.similarity, None)
    hits: dict[str, StoredRecord] = {}
    queries = yield from queries_for(server, query)
    several = len(queries) > 1
    most = None if query.limit is None else query.limit + query.offset
    for plain in queries:
        where = yield from _exact(server, command, signature, plain.where)
        skip, limit = (0, most) if several else (query.offset, query.limit)
        for hit in (yield from _search(server, command.words, signature, where, skip, limit)):
            hits.setdefault(hit.id, hit)
    found = sorted(hits.values(), key=lambda hit: -(hit.score or 0.0))
    if several:
        found = found[query.offset : most]
    if command.min_score is not None:
        found = [hit for hit in found if (hit.score or 0.0) >= command.min_score]
    return (yield from finished(server, query, found))


def has_vector(server: Server, record_ids: Sequence[str], signature: Signature) -> Exchange[list[str]]:
    """Those of the records that have a vector under a policy, which no read tells: a search finds them."""
    assert signature.dims is not None
    anywhere = np.zeros(signature.dims, dtype=np.float32)
    anywhere[0] = 1.0
    ids = list(record_ids)
    try:
        answer = yield from server.ask(
            SEARCH_VECTORS,
            what=f"looking for vectors of {signature}",
            body=search_body(signature.label, signature, anywhere, {"$id": {"$in": ids}}, limit=len(ids)),
            repeatable=True,
        )
    except PolicyMissing:
        return []
    return [record.id for record in read_records(answer.data)]


def _search(
    server: Server,
    sought: Float32 | str,
    signature: Signature,
    where: Where,
    skip: int,
    limit: int | None,
) -> Exchange[list[StoredRecord]]:
    """One search, in pages where it is for many hits."""
    hits: list[StoredRecord] = []
    while True:
        size = MOST if limit is None else min(MOST, limit - len(hits))
        if size <= 0 or skip >= FARTHEST:
            return hits
        body = search_body(signature.label, signature, sought, where, limit=size, skip=skip + len(hits))
        what = f"searching {signature.label} by {signature.property}"
        try:
            answer = yield from server.ask(SEARCH_VECTORS, what=what, body=body, repeatable=True)
        except PolicyMissing:
            yield from _refuse_unless_empty(server, signature.label, policy=str(signature))
            return []
        page = read_records(answer.data)
        hits += page
        if len(page) < size:
            return hits


def _signatures(server: Server, command: SearchVectors) -> Exchange[list[Signature]]:
    """The policy that is meant, of each label; what was left open is looked up (R12, R28)."""
    labels = tuple(dict.fromkeys(command.query.labels))
    dims = command.vector.size
    source, similarity = command.source, command.similarity
    if source is not None and similarity is not None:
        return [Signature(label, command.property, source, similarity, dims) for label in labels]
    fitting: list[Signature] = []
    for fresh in (False, True):  # a policy may be newer than what is known
        known = yield from server.known_policies("looking for the index policy to search", fresh=fresh)
        fitting = [
            each
            for each in known
            if each.label in labels
            and (each.property, each.dims) == (command.property, dims)
            and source in (None, each.source)
            and similarity in (None, each.similarity)
        ]
        if fitting:
            break
    external = [each for each in fitting if each.source == "external"]
    fitting = external or fitting
    if len({each.similarity for each in fitting}) > 1:
        shown = ", ".join(map(str, fitting))
        raise AmbiguousSearch(
            f"several index policies fit the query vector: {shown}; similarityFunction decides",
            property=command.property,
            candidates=tuple(fitting),
        )
    if not fitting:
        yield from _refuse_unless_empty(server, *labels, property=command.property, dimensions=dims)
    return fitting


def _check_vector(command: SearchVectors, signatures: Sequence[Signature]) -> None:
    """R9: what a server takes, and later fails on."""
    vector = command.vector
    if vector.ndim != 1 or vector.dtype != np.float32:
        raise VectorError(
            f"a search takes one float32 vector, got {vector.dtype} of shape {vector.shape}",
            given=vector.shape,
        )
    square = float(np.vdot(vector, vector))
    if not np.isfinite(vector).all():
        raise VectorError("the query vector holds NaN or infinite values", property=command.property)
    cosine = any(signature.similarity == "cosine" for signature in signatures)
    if cosine and not 0.0 < square < float("inf"):
        raise VectorError(
            "the query vector's norm is zero or not finite in float32, so that it has no direction",
            property=command.property,
        )


def _exact(
    server: Server, command: SearchVectors | SearchWords, signature: Signature, where: Where
) -> Exchange[dict[str, Any]]:
    """The condition, or one that always holds: without any a server's answer is approximate (R11)."""
    if where or not command.exact or (yield from server.extended()):
        return dict(where)
    return {signature.property: {"$exists": True}}


def _without(where: Where, record_id: str | None) -> Where:
    if record_id is None:
        return where
    other = {"$id": {"$ne": record_id}}
    return {"$and": [where, other]} if where else other


def _refuse_unless_empty(server: Server, *labels: str, **details: Any) -> Exchange[None]:
    """`PolicyMissing` if there are records to search and no policy to search by (promise 7)."""
    server.forget_policies()
    if (yield from count_records(server, CountRecords(RecordQuery(labels)))):
        wanted = "".join(f", {name} {value!r}" for name, value in details.items())
        raise PolicyMissing(
            f"no index policy found for label {', '.join(labels)}{wanted}", labels=labels, **details
        )
