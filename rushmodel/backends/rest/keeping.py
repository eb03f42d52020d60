"""Vectors that stay: a server forgets those of a record on every PATCH and PUT without them (R6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ...errors import PropertyError, StaleVector, VectorError, VectorsNotLoaded
from ...port import Float32, InlineVector, RecordWrite, Signature, StoredRecord, VectorGuard
from ...wire.proptypes import looks_like_datetime
from .calls import Exchange
from .searching import has_vector
from .server import Server

Vectors: TypeAlias = "Mapping[Signature, Float32 | None]"
"""What is known of a record's vectors; None: that it has none, or is to have none."""


def to_send_along(
    server: Server, label: str, record_id: str, known: Vectors, what: str
) -> Exchange[tuple[InlineVector, ...]]:
    """All vectors of a record, for a write that would drop those which it does not carry.

    The label's policies are read for this, now: some may be none of the class's.

    Raises:
        VectorsNotLoaded: The record has a vector that is not known here.
    """
    there = [policy.signature for policy in (yield from server.policies(what))]
    held = [each for each in there if each.label == label and each.source == "external"]
    for signature in held:
        if signature not in known and (yield from has_vector(server, [record_id], signature)):
            raise VectorsNotLoaded(
                f"{what}: a RushDB server forgets a record's vectors on this write unless they are sent"
                f" again, and the one of {signature} is not loaded. Assign it, or give the class a merge key:"
                " updates by key keep vectors",
                record_id=record_id,
                signature=signature,
            )
    return inline({signature: known[signature] for signature in held if known.get(signature) is not None})


def takes_vectors(write: RecordWrite) -> bool:
    """Whether a write takes a vector away."""
    return any(vector is None for _, vector in write.vectors)


def given(write: RecordWrite) -> tuple[InlineVector, ...]:
    """The vectors that a write sets."""
    return inline({signature: vector for signature, vector in write.vectors if vector is not None})


def inline(vectors: Vectors) -> tuple[InlineVector, ...]:
    """Vectors as records carry them; the policy is named in full."""
    return tuple(
        InlineVector(
            signature.property, vector, signature.similarity, signature.dims if vector is None else None
        )
        for signature, vector in vectors.items()
    )


def stale_signatures(
    server: Server,
    label: str,
    guards: Sequence[VectorGuard],
    stored: StoredRecord,
    fresh: frozenset[Signature],
) -> Exchange[tuple[Signature, ...]]:
    """Before the texts of a record are written: `StaleVector`, or the signatures whose vectors are to go.

    ``fresh`` signatures get a new vector in the same write.
    """
    dropped: list[Signature] = []
    for guard in guards:
        if stored.data.get(guard.property) == guard.text:
            continue
        for signature in guard.signatures:
            if signature in fresh or not (yield from has_vector(server, [stored.id], signature)):
                continue
            if guard.action == "raise":
                raise StaleVector(
                    f"{label} {stored.id}: {guard.property!r} changes and its vector {guard.field!r} does"
                    " not; give the new vector with the text, or say on_stale='keep' or 'drop'",
                    field=guard.field,
                    record_id=stored.id,
                    property=guard.property,
                )
            dropped.append(signature)
    return tuple(dict.fromkeys(dropped))


def check_texts(server: Server, label: str, write: RecordWrite) -> Exchange[None]:
    """Refuse an indexed text that a server would not take for text (R14).

    Raises:
        PropertyError: It looks like a datetime; the policy could no longer be made, nor made again.
    """
    doubtful = {name: text for name in write.texts if _looks_like_datetime(text := write.data.get(name))}
    if not doubtful:
        return
    signatures = yield from server.known_policies(f"saving a record of {label}")
    for name, text in doubtful.items():
        if any((each.label, each.property) == (label, name) for each in signatures):
            raise PropertyError(
                f"{label}.{name}: {text!r} is an indexed text, and a RushDB server takes it for a datetime;"
                " write it in another way",
                label=label,
                property=name,
            )


def check_present(label: str, write: RecordWrite, stored: Mapping[str, object]) -> None:
    """Refuse a vector whose record would lack the indexed property: a server ignores it silently (R4)."""
    for signature, vector in write.vectors:
        name = signature.property
        if vector is not None and (
            name in write.remove or (name not in write.data and stored.get(name) is None)
        ):
            raise without_text(label, name, signature=signature)


def check_carried(label: str, carried: Sequence[InlineVector], data: Mapping[str, object]) -> None:
    """As `check_present`, of vectors that go with ``data``, all that the record will have."""
    for each in carried:
        if each.vector is not None and data.get(each.property) is None:
            raise without_text(label, each.property)


def without_text(label: str, name: str, **details: object) -> VectorError:
    """The error for a vector that a server would ignore (R4)."""
    return VectorError(
        f"{label}: the record has no {name!r}, and a RushDB server ignores a vector without the text"
        " that it indexes; give the text with it",
        label=label,
        property=name,
        **details,
    )


def _looks_like_datetime(text: object) -> bool:
    return isinstance(text, str) and looks_like_datetime(text)
