"""Inline vectors: the policy is found by what RushDB's own clients give with a vector (R5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import AmbiguousSearch, PolicyMissing
from ...port import InlineVector
from .vectors import drop_vectors, put_vector

if TYPE_CHECKING:
    from .names import Table
    from .policies import StoredPolicy
    from .session import Session


def put_inline(session: Session, table: Table, row: int, vectors: Sequence[InlineVector]) -> None:
    """Set vectors of a record, also of a property that it lacks (R4), or take them away."""
    for inline in vectors:
        policy = _policy_for(session, table.label, inline)
        if inline.vector is None:
            drop_vectors(session, policy, [row])
        else:
            put_vector(session, policy, row, inline.vector)


def _policy_for(session: Session, label: str, inline: InlineVector) -> StoredPolicy:
    """The one external policy that fits: `PolicyMissing`, or `AmbiguousSearch` where several do."""
    dims = inline.dims if inline.vector is None else inline.vector.size
    candidates = [
        policy
        for policy in session.policies.of_property(label, inline.property)
        if policy.signature.source == "external"
        and dims in (None, policy.signature.dims)
        and inline.similarity in (None, policy.signature.similarity)
    ]
    if not candidates:
        similarity = f" and similarity {inline.similarity}" if inline.similarity else ""
        raise PolicyMissing(
            f"no external index policy found for label {label!r}, property {inline.property!r},"
            f" dimensions {dims}{similarity}{session.policies.known(label, inline.property)}",
            label=label,
            property=inline.property,
            dimensions=dims,
        )
    if len(candidates) > 1:
        raise AmbiguousSearch(
            f"several index policies fit the vector for {label}.{inline.property}:"
            f" {', '.join(str(policy.signature) for policy in candidates)}; similarityFunction decides",
            label=label,
            property=inline.property,
            candidates=tuple(policy.signature for policy in candidates),
        )
    return candidates[0]
