"""Rows created or merged by an import, and `ImportRecords`, as RushDB's own clients write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from ...errors import AmbiguousSearch, CapabilityError, PolicyMissing, RushModelError, ServerError, StoreError
from ...port import (
    Float32,
    ImportRecords,
    ImportRow,
    InlineVector,
    RecordQuery,
    Signature,
    StoredRecord,
    StoredValue,
    VectorWrite,
    Written,
)
from ...vectors import fingerprint
from ...wire.bodies import import_body, inline_vectors, record_body
from ...wire.documents import read_record, read_records
from ...wire.routes import CREATE_RECORD, DELETE_RECORDS, IMPORT_JSON
from .calls import Exchange
from .keeping import without_text
from .reading import find_all
from .server import Server, ids_condition
from .trees import MOST_ROWS, import_trees, trees_of
from .upserting import set_vectors

Row: TypeAlias = "Mapping[str, StoredValue]"

MOST_BYTES = 24 * 2**20
"""Of a request, about: `rushmodel serve` takes 64 MiB, and text may double where it is escaped."""

_GRACE = 10.0
"""Seconds to take records back, also where the verb has no time left."""


def import_records(server: Server, command: ImportRecords) -> Exchange[list[StoredRecord]]:
    """One record as such; flat rows with their vectors after them; a tree with its vectors in it.

    More rows than a request may have go in several; what was made by the earlier ones is taken
    back where a later one fails, unless it was merged.
    """
    if any(row.id is not None for row in command.rows):
        raise CapabilityError("a server gives records ids of its own, and takes none")
    rows, merge_by = (yield from _with_texts(server, command)), command.merge_by
    if len(rows) == 1:
        row = rows[0]
        answer = yield from server.ask(
            CREATE_RECORD,
            what=f"creating a record of {row.label}",
            body=record_body(
                row.label,
                row.data,
                row.vectors,
                merge_by=merge_by,
                rewrite=command.rewrite,
                types=not row.texts,
            ),
            repeatable=merge_by is not None and all(name in row.data for name in merge_by),
        )
        return [read_record(answer.data)]
    made: list[StoredRecord] = []
    try:
        if all(row.parent is None for row in rows):
            for start, end in _runs(rows):
                part = rows[start:end]
                made += yield from import_rows(
                    server,
                    part[0].label,
                    [row.data for row in part],
                    [row.vectors for row in part],
                    merge_by=merge_by,
                    rewrite=command.rewrite,
                    types=not any(row.texts for row in part),
                )
        else:
            for label, trees in trees_of(rows):
                made += yield from import_trees(server, label, trees, command)
    except RushModelError as error:
        if merge_by is None:
            yield from take_back(server, made, error)
        raise
    return made


def weight(row: Row, vectors: Iterable[InlineVector | VectorWrite]) -> int:
    """About how many bytes a row takes in a request; vectors go packed, at 16 letters for 3 numbers."""
    texts = sum(len(value) for value in row.values() if isinstance(value, (str, list)))
    numbers = sum(each.vector.size for each in vectors if each.vector is not None)
    return texts + 32 * len(row) + 6 * numbers


def import_rows(
    server: Server,
    label: str,
    rows: Sequence[Row],
    vectors: Sequence[Sequence[InlineVector]],
    *,
    merge_by: tuple[str, ...] | None,
    rewrite: bool = False,
    unique: bool = False,
    types: bool = True,
) -> Exchange[list[StoredRecord]]:
    """Import at most `MOST_ROWS` flat rows of one label with their vectors; the records, row by row.

    To `rushmodel serve` it is one request, all or nothing. To a RushDB server the vectors go after
    the rows (R8). Where they cannot be set, new records are taken back; merged ones stay, and
    saving them again is harmless. Rows that are too much for a request go in several.
    """
    extended = yield from server.extended()
    half = len(rows) // 2
    if half and sum(map(weight, rows, vectors if extended else [()] * len(rows))) > MOST_BYTES:
        settings: dict[str, Any] = {
            "merge_by": merge_by,
            "rewrite": rewrite,
            "unique": unique,
            "types": types,
        }
        first = yield from import_rows(server, label, rows[:half], vectors[:half], **settings)
        try:
            return first + (yield from import_rows(server, label, rows[half:], vectors[half:], **settings))
        except RushModelError as error:
            if "index" in vars(error):  # of the row in this half
                vars(error)["index"] += half
            if merge_by is None:
                yield from take_back(server, first, error)
            else:
                error.__dict__["sent"] = True
            raise
    what = f"saving {len(rows)} records of {label}"
    by_policy = yield from _by_policy(server, label, vectors, what)
    written: Sequence[Mapping[str, Any]] = rows
    if extended:
        written = [
            {**row, "$vectors": inline_vectors(held)} if held else row
            for row, held in zip(rows, vectors, strict=True)
        ]
        by_policy = {}
    elif any(each.vector is None for held in vectors for each in held):
        raise CapabilityError(f"{what}: a RushDB server cannot be told in an import to take a vector away")
    unique_by = merge_by if unique and merge_by and extended else ()
    try:
        answer = yield from server.ask(
            IMPORT_JSON,
            what=what,
            body=import_body(
                label, written, merge_by=merge_by, rewrite=rewrite, unique_by=unique_by, types=types
            ),
            repeatable=merge_by is not None and all(name in row for row in rows for name in merge_by),
        )
    except StoreError as error:
        if by_policy and merge_by is None and getattr(error, "sent", False):
            error.args = (f"{error}; if it was carried out, the new records are without their vectors",)
        raise
    records = _row_by_row(rows, read_records(answer.data), merge_by, what)
    try:
        for signature, held in by_policy.items():
            ids = [records[place].id for place in held]
            yield from set_vectors(server, signature, ids, list(held.values()))
    except RushModelError as error:
        error.__dict__["sent"] = True  # of the rows, whatever became of the vectors
        if merge_by is None:
            yield from take_back(server, records, error)
        raise
    return records


def take_back(
    server: Server, records: Sequence[StoredRecord | Written], error: RushModelError
) -> Exchange[None]:
    """Delete records that were made by a write which could not be finished.

    Where that fails, too, the error says so: ``left`` are their ids.
    """
    for start in range(0, len(records), MOST_ROWS):
        ids = [record.id for record in records[start : start + MOST_ROWS]]
        body = {"where": ids_condition(ids)}
        what = f"taking back {len(ids)} new records"
        try:
            yield from server.ask(DELETE_RECORDS, what=what, body=body, repeatable=True, grace=_GRACE)
        except RushModelError as failure:
            error.args = (f"{error}; and {len(records) - start} new records are left of it: {failure}",)
            error.__dict__["left"] = [record.id for record in records[start:]]
            return


def _with_texts(server: Server, command: ImportRecords) -> Exchange[Sequence[ImportRow]]:
    """The rows, with a text wherever a vector stands for one that is not there (R4).

    A server ignores the vector of a record without the indexed property, silently. The guide gives
    such vectors, so the property gets a fingerprint of the vector (promise 2).

    Raises:
        VectorError: Some of the records that a row is merged into have the text, and some do not; or
            rows are merged by all their properties, of which the fingerprint would be one.
    """
    rows: list[ImportRow] = []
    for row in command.rows:
        lacking = [each for each in row.vectors if row.data.get(each.property) is None]
        if not lacking or (yield from server.extended()):
            rows.append(row)
            continue
        stored: list[StoredRecord] = []
        if command.merge_by is not None and not command.rewrite:
            names = command.merge_by or tuple(row.data)
            if all(name in row.data for name in names):
                key = {name: row.data[name] for name in names}
                stored = yield from find_all(server, RecordQuery((row.label,), key))
        data = dict(row.data)
        for each in lacking:
            have = [each.property in record.data for record in stored]
            if (any(have) and not all(have)) or (command.merge_by == () and not any(have)):
                raise without_text(row.label, each.property)
            if not any(have) and each.vector is not None:
                data[each.property] = fingerprint(each.vector)
        rows.append(row._replace(data=data))
    return rows


def _by_policy(
    server: Server, label: str, vectors: Sequence[Sequence[InlineVector]], what: str
) -> Exchange[dict[Signature, dict[int, Float32]]]:
    """The vectors by policy and row; that it is there is found before anything is written."""
    chosen: dict[tuple[str, str | None, int], Signature] = {}
    for place, row in enumerate(vectors):
        for kind in [(each.property, each.similarity, _dims(each)) for each in row]:
            if kind in chosen:
                continue
            try:
                chosen[kind] = yield from policy_for(server, label, *kind, what=what)
            except (AmbiguousSearch, PolicyMissing) as error:
                error.__dict__["index"] = place
                raise
    by_policy: dict[Signature, dict[int, Float32]] = {}
    for place, row in enumerate(vectors):
        for each in row:
            if each.vector is not None:
                signature = chosen[each.property, each.similarity, _dims(each)]
                by_policy.setdefault(signature, {})[place] = each.vector
    return by_policy


def policy_for(
    server: Server, label: str, name: str, similarity: str | None, dims: int, *, what: str
) -> Exchange[Signature]:
    """The one external policy that fits a vector (R5): `PolicyMissing`, or `AmbiguousSearch`."""
    for fresh in (False, True):
        fitting = [
            each
            for each in (yield from server.known_policies(what, fresh=fresh))
            if (each.label, each.property, each.source, each.dims) == (label, name, "external", dims)
            and similarity in (None, each.similarity)
        ]
        if len(fitting) == 1:
            return fitting[0]
    shown = f"label {label!r}, property {name!r}, dimensions {dims}"
    if fitting:
        raise AmbiguousSearch(
            f"several index policies fit the vector for {shown}; similarityFunction decides",
            label=label,
            property=name,
            candidates=tuple(fitting),
        )
    raise PolicyMissing(
        f"no external index policy found for {shown}{f' and {similarity}' if similarity else ''}",
        label=label,
        property=name,
        dimensions=dims,
    )


def _row_by_row(
    rows: Sequence[Row], records: list[StoredRecord], merge_by: tuple[str, ...] | None, what: str
) -> list[StoredRecord]:
    """The record of each row. Servers answer in the rows' order; it is not taken on trust."""
    if len(records) == len(rows) and all(
        all(record.data.get(name) == value for name, value in row.items())
        for row, record in zip(rows, records, strict=True)
    ):
        return records
    names = tuple(dict.fromkeys(name for row in rows for name in row)) if merge_by is None else merge_by
    found: dict[bytes, list[StoredRecord]] = {}
    for record in records:
        found.setdefault(_content(record.data, names), []).append(record)
    placed: list[StoredRecord] = []
    for row in rows:
        candidates = found.get(_content(row, names))
        if not candidates:
            raise ServerError(f"{what}: the server's answer lacks one of them", sent=True)
        placed.append(candidates.pop(0) if len(candidates) > 1 or merge_by is None else candidates[0])
    return placed


def _content(data: Row, names: Sequence[str]) -> bytes:
    """What rows and records are known by: a server makes 5 of 5.0."""
    return orjson.dumps([_plain(data.get(name)) for name in names])


def _plain(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _runs(rows: Sequence[ImportRow]) -> list[tuple[int, int]]:
    """Where flat rows can be cut: of one label each, and not too many."""
    runs: list[tuple[int, int]] = []
    start = 0
    for at in range(1, len(rows) + 1):
        if at == len(rows) or rows[at].label != rows[start].label or at - start == MOST_ROWS:
            runs.append((start, at))
            start = at
    return runs


def _dims(vector: InlineVector) -> int:
    if vector.vector is not None:
        return int(vector.vector.size)
    assert vector.dims is not None  # of a vector that is taken away it is always told
    return vector.dims
