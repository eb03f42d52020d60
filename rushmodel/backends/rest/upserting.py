"""`UpsertVectors` over REST."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import PolicyMissing, VectorError
from ...port import Float32, Signature, UpsertVectors
from ...wire.bodies import upsert_body
from ...wire.routes import UPSERT_VECTORS
from .calls import Exchange
from .server import Server

_MOST_ITEMS = 1000


def upsert_vectors(server: Server, command: UpsertVectors) -> Exchange[int]:
    """All vectors are checked first: a server takes some that it later fails on (R9).

    By the thousand, each all or nothing; sending one again is harmless (R7).
    """
    record_ids, vectors = command.record_ids, command.vectors
    what = f"setting {len(record_ids)} vectors"
    if len(record_ids) != len(vectors):
        raise VectorError(f"{what}: {len(vectors)} were given; an id takes one vector")
    signature = yield from _signature(server, command.policy_id, what)
    for record_id, vector in zip(record_ids, vectors, strict=True):
        if vector.dtype != np.float32 or vector.shape != (signature.dims,):
            raise VectorError(
                f"{signature} takes float32 vectors of shape ({signature.dims},),"
                f" got {vector.dtype} {vector.shape}",
                record_id=record_id,
                signature=signature,
                expected=signature.dims,
                given=vector.shape,
            )
        if not np.isfinite(vector).all():
            raise VectorError(
                f"{signature} cannot hold the vector of {record_id}: it has NaN or infinite values",
                record_id=record_id,
                signature=signature,
            )
        if signature.similarity == "cosine" and not 0.0 < float(np.vdot(vector, vector)) < float("inf"):
            raise VectorError(
                f"{signature} cannot hold the vector of {record_id}: its norm is zero or not finite in"
                " float32, so that it has no direction",
                record_id=record_id,
                signature=signature,
            )
    for start in range(0, len(record_ids), _MOST_ITEMS):
        end = start + _MOST_ITEMS
        body = upsert_body(record_ids[start:end], vectors[start:end])
        yield from server.ask(UPSERT_VECTORS, command.policy_id, what=what, body=body, repeatable=True)
    return len(record_ids)


def set_vectors(
    server: Server, signature: Signature, record_ids: Sequence[str], vectors: Sequence[Float32]
) -> Exchange[None]:
    """Set the vectors of existing records under a policy, whose id is looked up where it is another by now.

    Raises:
        PolicyMissing: There is none of that signature.
        NotFound: A record is not there, or lacks the property.
    """
    what = f"setting {len(record_ids)} vectors of {signature.label}"
    body = upsert_body(record_ids, vectors)
    ids = yield from server.policy_ids([signature], what)
    try:
        yield from server.ask(UPSERT_VECTORS, ids[signature], what=what, body=body, repeatable=True)
    except PolicyMissing:
        server.forget_policies()
        ids = yield from server.policy_ids([signature], what)
        yield from server.ask(UPSERT_VECTORS, ids[signature], what=what, body=body, repeatable=True)


def _signature(server: Server, policy_id: str, what: str) -> Exchange[Signature]:
    for fresh in (False, True):
        found = yield from server.signature_of(policy_id, what, fresh=fresh)
        if found is not None:
            return found
    raise PolicyMissing(f"there is no index policy with id {policy_id}", policy_id=policy_id)
