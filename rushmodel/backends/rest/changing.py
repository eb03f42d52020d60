"""Changing and deleting records over REST: one by its id, or all that a query finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import NotFound, RushModelError, StaleVector, VectorsNotLoaded
from ...port import (
    DeleteRecords,
    Float32,
    InlineVector,
    PatchRecord,
    RecordQuery,
    RecordWrite,
    Signature,
    StoredRecord,
    UpdateRecords,
    VectorWrite,
)
from ...wire.bodies import record_body
from ...wire.documents import read_record
from ...wire.routes import DELETE_RECORDS, PATCH_RECORD, PUT_RECORD
from .bulk import save_many
from .calls import Exchange
from .importing import policy_for
from .keeping import check_carried, to_send_along
from .paging import MOST
from .reading import find_all, get_record
from .searching import has_vector
from .server import Server, ids_condition


def patch_record(server: Server, command: PatchRecord) -> Exchange[StoredRecord]:
    """PATCH or PUT, with the vectors that a RushDB server would forget; `VectorsNotLoaded`."""
    what = f"{'replacing' if command.replace else 'changing'} record {command.record_id}"
    extended = yield from server.extended()
    label, vectors = command.label, command.vectors
    if not extended or (vectors and label is None):
        stored = yield from get_record(server, command.record_id)
        if stored is None:
            raise NotFound(f"there is no record with id {command.record_id}", record_id=command.record_id)
        label = label or stored.label
        if not extended:
            known = yield from _known(server, label, vectors, what)
            vectors = yield from to_send_along(server, stored.label, command.record_id, known, what)
            vectors += tuple(each for each in command.vectors if label != stored.label)
            check_carried(
                label, vectors, command.data if command.replace else {**stored.data, **command.data}
            )
    answer = yield from server.ask(
        PUT_RECORD if command.replace else PATCH_RECORD,
        command.record_id,
        what=what,
        body=record_body(label, command.data, vectors, types=not command.texts),
        version=command.version if extended else None,
    )
    return read_record(answer.data)


def update_records(server: Server, command: UpdateRecords) -> Exchange[int]:
    """Everything is read and checked before the first record is written; then they are, by the thousand.

    Records with a merge key keep their vectors by it. Of others, and where a property goes, a
    RushDB server would forget them: `VectorsNotLoaded`.
    """
    records = yield from find_all(server, command.query)
    taken = yield from _stale(server, command, records)
    held: dict[str, tuple[VectorWrite, ...]] = {}
    if (command.remove or not command.merge_by or taken) and not (yield from server.extended()):
        held = yield from _without_vectors(server, records, taken)
    changed = 0
    for label, of_label in _by_label(records).items():
        for start in range(0, len(of_label), MOST):
            writes = [
                RecordWrite(
                    command.data,
                    record_id=record.id,
                    remove=tuple(name for name in command.remove if name in record.data),
                    vectors=tuple(VectorWrite(each, None) for each in taken.get(record.id, ())),
                    texts=command.texts,
                    known=record.data,
                    merge_by=command.merge_by,
                    held=held.get(label, ()),
                )
                for record in of_label[start : start + MOST]
            ]
            try:
                yield from save_many(server, label, writes)
            except RushModelError as error:
                error.__dict__["changed"] = changed  # at least so many are as they are to be
                raise
            changed += len(writes)
    return changed


def delete_records(server: Server, command: DeleteRecords) -> Exchange[int]:
    """By ids alone (R17): a condition that a server misreads would take the wrong ones with it."""
    query = command.query
    named = None if query.unmade else _named(query)
    ids = [record.id for record in (yield from find_all(server, query))] if named is None else named
    for start in range(0, len(ids), MOST):
        chunk = ids[start : start + MOST]
        body: dict[str, Any] = {"where": ids_condition(chunk)}
        if query.labels:
            body["labels"] = list(query.labels)
        yield from server.ask(
            DELETE_RECORDS, what=f"deleting {len(chunk)} records", body=body, repeatable=True
        )
    return len(ids)


def _stale(
    server: Server, command: UpdateRecords, records: Sequence[StoredRecord]
) -> Exchange[dict[str, list[Signature]]]:
    """The vectors that a guard takes away, by record; `StaleVector` where one refuses."""
    taken: dict[str, list[Signature]] = {}
    for guard in command.guards:
        ids = [each.id for each in records if each.data.get(guard.property) != guard.text]
        for signature in guard.signatures:
            for record_id in (yield from _holders(server, ids, signature)):
                if guard.action == "raise":
                    raise StaleVector(
                        f"{signature.label} {record_id}: {guard.property!r} changes and its vector"
                        f" {guard.field!r} does not",
                        field=guard.field,
                        record_id=record_id,
                        property=guard.property,
                    )
                taken.setdefault(record_id, []).append(signature)
    return taken


def _without_vectors(
    server: Server, records: Sequence[StoredRecord], taken: Mapping[str, Sequence[Signature]]
) -> Exchange[dict[str, tuple[VectorWrite, ...]]]:
    """What is known then: that the records have no vectors but those to be taken; `VectorsNotLoaded`."""
    known: dict[str, tuple[VectorWrite, ...]] = {}
    policies = [each.signature for each in (yield from server.policies("updating records"))]
    for label, of_label in _by_label(records).items():
        signatures = [each for each in policies if (each.label, each.source) == (label, "external")]
        for signature in signatures:
            ids = [each.id for each in of_label if signature not in taken.get(each.id, ())]
            holders = yield from _holders(server, ids, signature)
            if holders:
                raise VectorsNotLoaded(
                    f"updating records: a RushDB server would forget the vector of {signature} that {label}"
                    f" {holders[0]} has. Give the class a merge key, or save such records with their vectors",
                    record_id=holders[0],
                    signature=signature,
                )
        known[label] = tuple(VectorWrite(signature, None) for signature in signatures)
    return known


def _holders(server: Server, ids: Sequence[str], signature: Signature) -> Exchange[list[str]]:
    """Those of the records that have a vector under the policy."""
    found: list[str] = []
    for start in range(0, len(ids), MOST):
        found += yield from has_vector(server, ids[start : start + MOST], signature)
    return found


def _by_label(records: Sequence[StoredRecord]) -> dict[str, list[StoredRecord]]:
    by_label: dict[str, list[StoredRecord]] = {}
    for record in records:
        by_label.setdefault(record.label, []).append(record)
    return by_label


def _named(query: RecordQuery) -> list[str] | None:
    """The id, where a query is about one record: there is nothing to look up, and no count to wait for."""
    named = query.where.get("$id") if len(query.where) == 1 else None
    return [named] if isinstance(named, str) and named and query.limit is None and not query.offset else None


def _known(
    server: Server, label: str, vectors: Sequence[InlineVector], what: str
) -> Exchange[Mapping[Signature, Float32 | None]]:
    """Inline vectors by the policies they are meant for."""
    known: dict[Signature, Float32 | None] = {}
    for each in vectors:
        assert each.vector is not None
        dims = int(each.vector.size)
        signature = yield from policy_for(server, label, each.property, each.similarity, dims, what=what)
        known[signature] = each.vector
    return known
