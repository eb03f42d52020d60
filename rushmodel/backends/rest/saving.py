"""`SaveRecords` over REST: what the embedded store does in one transaction, in as few requests as are safe.

A record of its own is created. One with a merge key is upserted, which keeps vectors (R6). What
neither can say (a property or a vector taken away, a record without a key) goes by PATCH and
PUT, with all the record's vectors; `rushmodel serve` keeps them by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import (
    ConflictError,
    MultipleFound,
    NotFound,
    PropertyError,
    RecordGone,
    RushModelError,
    StoreError,
)
from ...port import RecordQuery, RecordWrite, SaveRecords, Signature, StoredRecord, StoredValue, Written
from ...wire.bodies import record_body
from ...wire.documents import read_record
from ...wire.routes import CREATE_RECORD, PATCH_RECORD, PUT_RECORD
from .calls import Answer, Exchange
from .keeping import (
    Vectors,
    check_carried,
    check_present,
    check_texts,
    given,
    inline,
    stale_signatures,
    takes_vectors,
    to_send_along,
)
from .reading import find_all, get_record
from .server import Server
from .strays import check_identity
from .upserting import set_vectors

_TRIES = 5
"""Of a read and a write that belong together, where the server can tell that somebody wrote in between."""


def save_records(server: Server, command: SaveRecords) -> Exchange[list[Written]]:
    """All of the writes; an error tells by ``index`` which one it is about.

    One record is one write of the server's, all or nothing. Of many, new ones and upserts go by
    the thousand (`bulk`), the others one by one.
    """
    from .bulk import save_many  # it falls back on what is here

    if len(command.writes) == 1:
        return [(yield from save_one(server, command.label, command.writes[0], 0))]
    return (yield from save_many(server, command.label, command.writes))


def save_one(server: Server, label: str, write: RecordWrite, index: int) -> Exchange[Written]:
    """One record; the index is for the error."""
    try:
        yield from check_texts(server, label, write)
        if write.record_id is not None:
            return (yield from _change(server, label, write))
        if write.key:
            return (yield from _upsert(server, label, write))
        return (yield from _create(server, label, write))
    except StoreError:
        raise  # the server is the trouble, not this record
    except RushModelError as error:
        error.__dict__["index"] = index
        raise


def key_of(label: str, write: RecordWrite) -> dict[str, StoredValue]:
    """The merge key's values of a new record; `PropertyError` where one is not given."""
    key = {name: write.data[name] for name in write.key if name in write.data}
    if len(key) < len(write.key):
        missing = next(name for name in write.key if name not in key)
        raise PropertyError(
            f"{label} is saved by {', '.join(write.key)}, and the write gives no {missing!r}",
            label=label,
            property=missing,
        )
    return key


def needs_reading(server: Server, write: RecordWrite) -> Exchange[bool]:
    """Whether a new record with a key can only be written once it is known what is stored under the key."""
    if write.guards or write.remove or takes_vectors(write):
        return True
    if any(signature.property not in write.data for signature, _ in write.vectors):
        return not (yield from server.extended())
    return False


def written_by_key(write: RecordWrite, record: StoredRecord) -> Written:
    """What an upsert did: a record that has more than was sent was there before."""
    kept = {name: value for name, value in record.data.items() if name not in write.data}
    return Written(record.id, record.version, created=not kept, kept=kept)


def several(label: str, key: Mapping[str, StoredValue], found: list[StoredRecord]) -> MultipleFound:
    """R18: nothing on a server keeps merge keys unique."""
    ids = tuple(sorted(each.id for each in found))
    return MultipleFound(
        f"several records of {label} have the key {', '.join(key)} of the one to save: {', '.join(ids[:3])}",
        label=label,
        record_ids=ids,
    )


def _create(server: Server, label: str, write: RecordWrite) -> Exchange[Written]:
    if any(signature.property not in write.data for signature, _ in write.vectors) and not (
        yield from server.extended()
    ):
        check_present(label, write, {})
    body = record_body(label, write.data, given(write))
    answer = yield from server.ask(CREATE_RECORD, what=f"creating a record of {label}", body=body)
    record = read_record(answer.data)
    return Written(record.id, record.version, created=True)


def _upsert(server: Server, label: str, write: RecordWrite) -> Exchange[Written]:
    key = key_of(label, write)
    if not (yield from needs_reading(server, write)):
        answer = yield from _merge(server, label, write, write.data, write.key)
        return written_by_key(write, read_record(answer.data))
    found = yield from find_all(server, RecordQuery((label,), dict(key), limit=2))
    if len(found) > 1:
        raise several(label, key, found)
    return (yield from upsert_over(server, label, write, found[0] if found else None))


def upsert_over(
    server: Server, label: str, write: RecordWrite, stored: StoredRecord | None
) -> Exchange[Written]:
    """Write a record by its key, over the stored one that has it."""
    data = {} if stored is None else stored.data
    if not (yield from server.extended()):
        check_present(label, write, data)
    if stored is None:
        answer = yield from _merge(server, label, write, write.data, write.key)
        return written_by_key(write, read_record(answer.data))
    fresh = frozenset(signature for signature, _ in write.vectors)
    dropped = yield from stale_signatures(server, label, write.guards, stored, fresh)
    gone = dropped or takes_vectors(write)
    remove = tuple(name for name in write.remove if name in data)
    if gone or remove:
        vectors = {**dict(write.vectors), **dict.fromkeys(dropped)}
        record = yield from _rewrite(server, label, stored, write.data, remove, vectors, {}, None)
    else:
        record = read_record((yield from _merge(server, label, write, write.data, write.key)).data)
    written = {*write.data, *write.remove}
    kept = {name: value for name, value in record.data.items() if name not in written}
    return Written(record.id, record.version, False, kept, dropped)


def _merge(
    server: Server, label: str, write: RecordWrite, data: Mapping[str, StoredValue], key: tuple[str, ...]
) -> Exchange[Answer]:
    """An upsert that merges; it may be sent twice."""
    unique_by = key if (yield from server.extended()) else ()
    return (
        yield from server.ask(
            CREATE_RECORD,
            what=f"saving a record of {label}",
            body=record_body(label, data, given(write), merge_by=key, unique_by=unique_by),
            repeatable=True,
        )
    )


def _change(server: Server, label: str, write: RecordWrite) -> Exchange[Written]:
    """Change a record by its id."""
    record_id = write.record_id
    assert record_id is not None
    extended = yield from server.extended()
    if not extended:
        check_present(label, write, {**write.known, **write.data})
    if write.key and not extended:
        yield from _check_key(server, label, write, record_id)
    takes = takes_vectors(write)
    for attempt in range(_TRIES):
        stored: StoredRecord | None = None
        if write.guards or write.remove:
            stored = yield from _still_there(server, label, record_id)
        fresh = frozenset(signature for signature, _ in write.vectors)
        dropped: tuple[Signature, ...] = ()
        if stored is not None and write.guards:
            dropped = yield from stale_signatures(server, label, write.guards, stored, fresh)
        if not (extended or dropped or write.remove or takes):
            return (yield from _change_plainly(server, label, write, record_id))
        vectors = {**dict(write.vectors), **dict.fromkeys(dropped)}
        held = dict(write.held)
        version = write.version
        if version is None and stored is not None:
            version = stored.version  # what was read is what is written over
        basis = stored or StoredRecord(record_id, label, version, dict(write.known))
        try:
            record = yield from _rewrite(
                server, label, basis, write.data, write.remove, vectors, held, version, write.key
            )
        except ConflictError:
            if write.version is not None or attempt == _TRIES - 1:
                raise
        else:
            return Written(record.id, record.version, False, {}, dropped)
    raise AssertionError("the last attempt returns or raises")


def _change_plainly(server: Server, label: str, write: RecordWrite, record_id: str) -> Exchange[Written]:
    """Properties set and vectors given, nothing else, on a server that forgets vectors."""
    if not write.data:
        yield from _set_vectors(server, label, write, record_id)
        return Written(record_id, None, False)
    identity = {name: write.known[name] for name in write.merge_by if name in write.known}
    if write.key or not identity or len(identity) < len(write.merge_by):
        basis = StoredRecord(record_id, label, None, dict(write.known))
        record = yield from _rewrite(
            server, label, basis, write.data, (), dict(write.vectors), dict(write.held), None
        )
    else:
        data = {**identity, **write.data}
        answer = yield from _merge(server, label, write, data, write.merge_by)
        record = read_record(answer.data)
        yield from check_identity(server, label, record, record_id, data, answer.date)
    return Written(record.id, None, False)


def _set_vectors(server: Server, label: str, write: RecordWrite, record_id: str) -> Exchange[None]:
    """New vectors and nothing else: the request that leaves the others alone."""
    for signature, vector in write.vectors:
        assert vector is not None
        try:
            yield from set_vectors(server, signature, [record_id], [vector])
        except NotFound as error:
            yield from _still_there(server, label, record_id)
            raise error from None


def _rewrite(
    server: Server,
    label: str,
    stored: StoredRecord,
    data: Mapping[str, StoredValue],
    remove: tuple[str, ...],
    vectors: Vectors,
    held: Vectors,
    version: int | None,
    key: tuple[str, ...] = (),
) -> Exchange[StoredRecord]:
    """PATCH, or where a property goes PUT (R15), of one record with its vectors; `RecordGone`."""
    what = f"saving {label} {stored.id}"
    extended = yield from server.extended()
    if extended:
        carried = inline(vectors)
    else:
        carried = yield from to_send_along(server, label, stored.id, {**held, **vectors}, what)
    values: dict[str, Any] = dict(data)
    if remove:
        kept = {name: value for name, value in stored.data.items() if name not in remove}
        values = {**kept, **values}
        if not extended:
            check_carried(label, carried, values)
    try:
        answer = yield from server.ask(
            PUT_RECORD if remove else PATCH_RECORD,
            stored.id,
            what=what,
            body=record_body(label, values, carried, unique_by=key if extended else ()),
            # PATCH sets the same once more; PUT could take back what others have written meanwhile.
            repeatable=not remove and (version is None or not extended),
            version=version if extended else None,
        )
    except NotFound as error:
        raise _gone(label, stored.id) from error
    return read_record(answer.data)


def _still_there(server: Server, label: str, record_id: str) -> Exchange[StoredRecord]:
    stored = yield from get_record(server, record_id)
    if stored is None or stored.label != label:
        raise _gone(label, record_id)
    return stored


def _check_key(server: Server, label: str, write: RecordWrite, record_id: str) -> Exchange[None]:
    """`ConflictError` where another record has the key that this one is to have."""
    key = key_of(label, write)
    where = {"$and": [dict(key), {"$id": {"$ne": record_id}}]}
    found = yield from find_all(server, RecordQuery((label,), where, limit=1))
    if found:
        raise ConflictError(
            f"{label} {found[0].id} has that {', '.join(key)} already; {record_id} cannot have it as well",
            record_id=record_id,
            other_id=found[0].id,
            key=write.key,
        )


def _gone(label: str, record_id: str) -> RecordGone:
    return RecordGone(f"{label} {record_id} is not there: it was deleted, or never was", record_id=record_id)
