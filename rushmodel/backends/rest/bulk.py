"""Many records at once: an import of up to a thousand rows, then their vectors by policy (R8, R19).

A thousand rows with their vectors in them cost a server 53 ms each, and end in a timeout; the two
requests take a second and a half. What an import cannot say goes one by one (`saving`).

A server has no transaction around all of it. So everything is checked and read before anything
is written; what may be repeated goes first and new records last; and an error that comes after
a part was written says so (``partly``).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ...errors import RecordGone, RushModelError, StoreError
from ...port import RecordQuery, RecordWrite, StoredRecord, Written
from .begun import Begun
from .calls import Exchange
from .importing import import_rows, take_back
from .keeping import check_texts, given, takes_vectors
from .reading import find_all, get_records_by_id
from .saving import key_of, save_one, several, upsert_over, written_by_key
from .server import Server
from .trees import MOST_ROWS

_KEYS_A_QUERY = 200
_ONE_BY_ONE = "one by one"


def save_many(server: Server, label: str, writes: Sequence[RecordWrite]) -> Exchange[list[Written]]:
    """The answers, in the order of the writes; an error about one of them has its ``index``."""
    extended = yield from server.extended()
    groups: dict[str | tuple[str, ...], list[int]] = {}
    for index, write in enumerate(writes):
        with _about(index):
            yield from check_texts(server, label, write)
            groups.setdefault(_group(label, write, extended), []).append(index)
    single = groups.pop(_ONE_BY_ONE, [])
    new = groups.pop((), [])
    stored: dict[int, StoredRecord] = {}
    for key, indexes in groups.items():
        assert isinstance(key, tuple)
        stored.update((yield from _read_before(server, label, writes, indexes, key)))
    first, later = _first_of_each(writes, single)
    begun = {index: Begun(save_one(server, label, writes[index], index)) for index in first}
    for indexes in groups.values():
        for index in [each for each in indexes if _is_special(writes[each], stored.get(each))]:
            indexes.remove(index)
            begun[index] = Begun(upsert_over(server, label, writes[index], stored[index]))
    for index, each in begun.items():
        with _about(index):
            yield from each.begin()
    answers: dict[int, Written] = {}
    try:
        for index, each in begun.items():
            if not _is_new(writes[index]):
                with _about(index):
                    answers[index] = yield from each.finish()
        for index in later:
            answers[index] = yield from save_one(server, label, writes[index], index)
        for key, indexes in groups.items():
            assert isinstance(key, tuple)
            for part in _without_repeats(writes, indexes, key):
                answers.update((yield from _import(server, label, writes, part, key)))
        apart = {index: each for index, each in begun.items() if _is_new(writes[index])}
        answers.update((yield from _create(server, label, writes, apart, new)))
    except RushModelError as error:
        error.__dict__.setdefault("partly", bool(answers))
        if answers and isinstance(error, StoreError):
            error.__dict__["sent"] = True
        raise
    return [answers[index] for index in range(len(writes))]


def _is_new(write: RecordWrite) -> bool:
    """Whether a write makes a record whatever is stored, and so another one if it is made again."""
    return write.record_id is None and not write.key


def _create(
    server: Server,
    label: str,
    writes: Sequence[RecordWrite],
    apart: Mapping[int, Begun[Written]],
    together: Sequence[int],
) -> Exchange[dict[int, Written]]:
    """New records without a key, one by one and by import; none is left where not all can be made."""
    answers: dict[int, Written] = {}
    try:
        for index, each in apart.items():
            with _about(index):
                answers[index] = yield from each.finish()
        for start in range(0, len(together), MOST_ROWS):
            part = together[start : start + MOST_ROWS]
            answers.update((yield from _import(server, label, writes, part, ())))
    except RushModelError as error:
        yield from take_back(server, list(answers.values()), error)
        if "left" in vars(error):
            error.__dict__["partly"] = True
            error.__dict__.pop("index", None)  # who sends the others again would make what is left twice
        raise
    return answers


def _group(label: str, write: RecordWrite, extended: bool) -> str | tuple[str, ...]:
    """The merge key by which a write can be imported, () for a new record; or that it cannot be."""
    if write.record_id is not None:
        plain = (
            not (takes_vectors(write) or write.remove or write.guards or write.key) and write.version is None
        )
        identified = write.merge_by and all(name in write.known for name in write.merge_by)
        present = all(
            signature.property in write.data or signature.property in write.known
            for signature, _ in write.vectors
        )
        return write.merge_by if plain and identified and present and write.data else _ONE_BY_ONE
    lacking = any(signature.property not in write.data for signature, _ in write.vectors)
    if write.key:
        key_of(label, write)
        return _ONE_BY_ONE if lacking else write.key
    return _ONE_BY_ONE if lacking else ()


def _first_of_each(writes: Sequence[RecordWrite], indexes: Sequence[int]) -> tuple[list[int], list[int]]:
    """The first writes of each record, and those that come after another one of the same record."""
    first: list[int] = []
    later: list[int] = []
    seen: set[object] = set()
    for index in indexes:
        write = writes[index]
        names = write.record_id or (_key(write, write.key) if write.key else index)
        (later if names in seen else first).append(index)
        seen.add(names)
    return first, later


def _read_before(
    server: Server, label: str, writes: Sequence[RecordWrite], indexes: Sequence[int], key: tuple[str, ...]
) -> Exchange[dict[int, StoredRecord]]:
    """The stored records of writes that depend on them; `RecordGone` for one that must be there."""
    changed = {writes[index].record_id: index for index in indexes if writes[index].record_id is not None}
    if changed:
        there = yield from get_records_by_id(server, [each for each in changed if each is not None])
        for record_id, index in changed.items():
            if record_id not in there or there[record_id].label != label:
                with _about(index):
                    raise RecordGone(
                        f"{label} {record_id} is not there: it was deleted, or never was",
                        record_id=record_id,
                    )
    asked = [index for index in indexes if _depends(writes[index])]
    found: dict[tuple[object, ...], list[StoredRecord]] = {}
    for start in range(0, len(asked), _KEYS_A_QUERY):
        keys = [_key(writes[index], key) for index in asked[start : start + _KEYS_A_QUERY]]
        if len(key) == 1:
            where: dict[str, object] = {key[0]: {"$in": [each for (each,) in keys]}}
        else:
            where = {"$or": [dict(zip(key, each, strict=True)) for each in keys]}
        for record in (yield from find_all(server, RecordQuery((label,), where))):
            found.setdefault(tuple(record.data.get(name) for name in key), []).append(record)
    stored: dict[int, StoredRecord] = {}
    for index in asked:
        records = found.get(_key(writes[index], key), [])
        if len(records) > 1:
            with _about(index):
                raise several(label, dict(zip(key, _key(writes[index], key), strict=True)), records)
        if records:
            stored[index] = records[0]
    return stored


def _depends(write: RecordWrite) -> bool:
    """Whether what an upsert does depends on what is stored."""
    return write.record_id is None and bool(write.guards or write.remove or takes_vectors(write))


def _is_special(write: RecordWrite, stored: StoredRecord | None) -> bool:
    """Whether an upsert of a stored record is more than merging properties and setting vectors."""
    if stored is None:
        return False
    if takes_vectors(write):
        return True
    if any(name in stored.data for name in write.remove):
        return True
    return any(stored.data.get(guard.property) != guard.text for guard in write.guards)


def _without_repeats(
    writes: Sequence[RecordWrite], indexes: Sequence[int], key: tuple[str, ...]
) -> Iterator[list[int]]:
    """Parts that can be imported one after another, each with a key once: a server would make two of them."""
    part: list[int] = []
    keys: set[tuple[object, ...]] = set()
    for index in indexes:
        value = _key(writes[index], key)
        if value in keys or len(part) == MOST_ROWS:
            yield part
            part, keys = [], set()
        part.append(index)
        keys.add(value)
    if part:
        yield part


def _import(
    server: Server, label: str, writes: Sequence[RecordWrite], indexes: Sequence[int], key: tuple[str, ...]
) -> Exchange[dict[int, Written]]:
    """Import some of the writes; what became of each."""
    rows = [
        {**{name: writes[index].known[name] for name in key}, **writes[index].data}
        if writes[index].record_id is not None
        else writes[index].data
        for index in indexes
    ]
    vectors = [given(writes[index]) for index in indexes]
    try:
        records = yield from import_rows(server, label, rows, vectors, merge_by=key or None, unique=True)
    except RushModelError as error:
        if "index" in vars(error):  # of the row
            vars(error)["index"] = indexes[vars(error)["index"]]
        raise
    answers: dict[int, Written] = {}
    for index, record in zip(indexes, records, strict=True):
        write = writes[index]
        if write.record_id is not None and record.id != write.record_id:
            with _about(index):
                raise several(label, dict(zip(key, _key(write, key), strict=True)), [record])
        if not key:
            answers[index] = Written(record.id, record.version, created=True)
        elif write.record_id is None:
            answers[index] = written_by_key(write, record)
        else:
            answers[index] = Written(record.id, record.version, created=False)
    return answers


def _key(write: RecordWrite, key: tuple[str, ...]) -> tuple[Any, ...]:
    source = write.known if write.record_id is not None else write.data
    return tuple(source[name] for name in key)


@contextmanager
def _about(index: int) -> Generator[None]:
    """Errors tell which of the writes they are about."""
    try:
        yield
    except StoreError:
        raise  # the server is the trouble, not this record
    except RushModelError as error:
        error.__dict__.setdefault("index", index)
        raise
