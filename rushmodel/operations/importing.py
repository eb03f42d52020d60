"""Importing files: rows as they were read become records, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from ..errors import (
    BulkError,
    ConflictError,
    MultipleFound,
    NotFound,
    PolicyError,
    PropertyError,
    QueryError,
    RowError,
    RushModelError,
    VectorError,
)
from ..flow import Operation, ask
from ..port import (
    DEFAULT_RELATIONSHIP,
    CreatePolicy,
    DeleteRecords,
    ImportRecords,
    ImportRow,
    InlineVector,
    Link,
    LinkRecords,
    ListPolicies,
    RecordQuery,
    Signature,
    StoredValue,
)
from ..results import FailedRow, ImportReport
from ..value import Value
from ..wire.proptypes import looks_like_datetime
from .csv_rows import CsvRow
from .json_rows import JsonRow
from .raw_documents import Document, shown
from .raw_import import labelled, rows_of
from .raw_options import WriteOptions
from .raw_values import SIMILARITIES, read_data

RELATIONSHIP = "$relationship"
"""A row with this alone is a relationship between two records of the same file, by their ids there."""

INDEX = "$index"
"""A row with this alone is an index policy that vectors of the file need."""

_SOURCES = ("external", "managed")
_PASSED = frozenset({"__score", "__version"})
"""What documents of records tell, and no file has to."""


class ImportSettings(Value):
    """How the rows of a file become records.

    ``label`` None: each row names its own, as ``__label``. ``merge_by`` as in `ImportRecords`.
    ``marks``: the store can be told of single texts that they are no datetimes (R14).
    """

    what: str
    label: str | None = None
    merge_by: tuple[str, ...] | None = None
    rewrite: bool = False
    relationship: str = DEFAULT_RELATIONSHIP
    skip: bool = False
    marks: bool = False


class LinkRow(NamedTuple):
    """A relationship of a file; the ids are those of the file."""

    source: str
    target: str
    type: str
    data: Mapping[str, StoredValue]


class Entry(NamedTuple):
    """A row of a file, understood: records (the first one, and its children), or something else, or an error.

    ``key`` is the id that the first record has in the file.
    """

    number: int
    line: int
    rows: Sequence[ImportRow] = ()
    key: str | None = None
    link: LinkRow | None = None
    policy: Signature | None = None
    error: RushModelError | None = None


class Imported(NamedTuple):
    """What became of a batch: ids of the records, (id in the file, id here) of those that have one there."""

    ids: list[str]
    keys: list[tuple[str, str]]
    linked: int
    failed: list[FailedRow]


def csv_entry(row: CsvRow, vectors: Sequence[InlineVector], settings: ImportSettings) -> Entry:
    """A row of a CSV with its vectors. Columns ``__id`` and ``__label`` are what an export made of them."""
    if row.error is not None:
        return Entry(row.number, row.line, error=row.error)
    try:
        data, key, label = row.data, None, settings.label
        if "__id" in data or "__label" in data:
            data = dict(data)
            key, named = data.pop("__id", None), data.pop("__label", None)
            label = label or (None if named is None else labelled(named, settings.what))
        if not data and not vectors:
            return Entry(row.number, row.line)  # a row that says nothing
        if not data:
            raise PropertyError("vectors without any value: a record needs one")
        texts = _kept(row.texts & data.keys(), data, settings)
        checked = read_data(data, f"row {row.number}")
        made = ImportRow(_named(label, settings), checked, tuple(vectors), texts=texts)
        return Entry(row.number, row.line, (made,), None if key is None else str(key))
    except RushModelError as error:
        return Entry(row.number, row.line, error=error)


def json_entry(row: JsonRow, settings: ImportSettings) -> Entry:
    """A row of JSON: a record with its children, a relationship, or an index policy."""
    if row.error is not None:
        return Entry(row.number, row.line, error=row.error)
    try:
        given = row.value
        if not isinstance(given, dict):
            raise RowError(f"expected an object, got {shown(given)}", row=row.number, line=row.line)
        document = cast("dict[str, Any]", given)
        if RELATIONSHIP in document and len(document) == 1:
            return Entry(row.number, row.line, link=_read_link(document[RELATIONSHIP]))
        if INDEX in document and len(document) == 1:
            return Entry(row.number, row.line, policy=_read_policy(document[INDEX]))
        return _record(row, document, settings)
    except RushModelError as error:
        return Entry(row.number, row.line, error=error)


def import_batch(
    entries: Sequence[Entry], settings: ImportSettings, ids: Mapping[str, str]
) -> Operation[Imported]:
    """Write a batch; all of it or none, but for what is left out with ``skip``.

    ``ids`` are the ids here by those in the file, for the ends of relationships.

    Raises:
        BulkError: Without ``skip``, for the first row that cannot be imported.
        RushModelError: Whatever is not about one row.
    """
    failed: list[FailedRow] = []
    good: list[Entry] = []
    for entry in entries:
        if entry.error is None:
            good.append(entry)
        else:
            failed.append(_refused(entry, entry.error, settings))
    yield from _create_policies([entry.policy for entry in good if entry.policy is not None])
    made, keys = yield from _write([entry for entry in good if entry.rows], settings, failed)
    known = {**ids, **dict(keys)}
    linked = yield from _link([entry for entry in good if entry.link is not None], known, settings, failed)
    return Imported(made, keys, linked, sorted(failed, key=lambda each: each.row))


def delete_made(ids: Sequence[str]) -> Operation[int]:
    """Take records back that an import made, before it failed; how many there were."""
    return (yield from ask(DeleteRecords(RecordQuery((), {"$id": {"$in": list(ids)}}))))


def ends_of(entries: Iterable[Entry]) -> set[str]:
    """The ids, as the file has them, between which there are relationships."""
    return {end for entry in entries if entry.link is not None for end in entry.link[:2]}


def batches(entries: Iterable[Entry], size: int) -> Iterator[list[Entry]]:
    """Entries in lists that make about ``size`` records each.

    Relationships come after the records before them: those of one list may be between records of another.
    """
    several: list[Entry] = []
    count = 0
    links = False
    source = iter(entries)
    broken: RushModelError | None = None
    while True:
        try:
            entry = next(source, None)
        except RushModelError as error:
            entry, broken = None, error  # what was read before it comes first
        if entry is None:
            break
        # So the ids of a list's records are known when its relationships are looked up.
        if count >= size or (several and links != (entry.link is not None)):
            yield several
            several, count = [], 0
        links = entry.link is not None
        several.append(entry)
        count += max(1, len(entry.rows))
    if several:
        yield several
    if broken is not None:
        raise broken


def refusal(
    failed: FailedRow, settings: ImportSettings, report: ImportReport, state: str = "nothing was imported"
) -> BulkError:
    """The error of an import that ends at a row."""
    reason = str(failed.error)
    place = f"row {failed.row} (line {failed.line})"
    shown_reason = reason if reason.startswith("row ") else f"{place}: {reason}"
    return BulkError(
        f"{settings.what}: {shown_reason}; {state}", [failed.error], report=report, row=failed.row
    )


def _record(row: JsonRow, document: dict[str, Any], settings: ImportSettings) -> Entry:
    label, key, texts = settings.label or row.label, None, frozenset[str]()
    if any(name.startswith("__") for name in document):
        document = {name: value for name, value in document.items() if name not in _PASSED}
        key, named = document.pop("__id", None), document.pop("__label", None)
        types = document.pop("__proptypes", None)
        label = label or (None if named is None else labelled(named, settings.what))
        if isinstance(types, dict):
            strings = {name for name, kind in cast("dict[str, Any]", types).items() if kind == "string"}
            texts = _kept(frozenset(strings) & document.keys(), document, settings)
    options = WriteOptions(settings.merge_by, settings.rewrite)
    rows = rows_of(document, _named(label, settings), options, f"row {row.number}")
    if rows and texts:
        rows[0] = rows[0]._replace(texts=texts)
    return Entry(row.number, row.line, rows, key if isinstance(key, str) else None)


def _kept(texts: frozenset[str], data: Mapping[str, Any], settings: ImportSettings) -> frozenset[str]:
    """Those of the texts that would be taken for datetimes, where the store can be told."""
    if not settings.marks:
        return frozenset()
    return frozenset(name for name in texts if _looks_like_datetime(data[name]))


def _looks_like_datetime(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_looks_like_datetime, cast("list[object]", value)))
    return isinstance(value, str) and looks_like_datetime(value)


def _named(label: str | None, settings: ImportSettings) -> str:
    if label is None:
        raise QueryError(f"the row has no __label, and {settings.what} was given no label", key="label")
    return label


def _read_link(given: object) -> LinkRow:
    link = Document(RELATIONSHIP, given, ("source", "target", "type", "properties"), PropertyError, 422)
    data = read_data(link.mapping("properties"), f"{RELATIONSHIP}.properties")
    return LinkRow(link.text("source"), link.text("target"), link.text("type"), data)


def _read_policy(given: object) -> Signature:
    keys = ("label", "propertyName", "sourceType", "similarityFunction", "dimensions")
    policy = Document(INDEX, given, keys, PropertyError, 422)
    source = policy.choice("sourceType", _SOURCES) or "external"
    similarity = policy.choice("similarityFunction", SIMILARITIES) or "cosine"
    dims = policy.count("dimensions", 0, 1) or None
    return Signature(policy.text("label"), policy.text("propertyName"), source, similarity, dims)  # type: ignore[arg-type]


def _create_policies(wanted: Sequence[Signature]) -> Operation[None]:
    if not wanted:
        return
    there = {policy.signature for policy in (yield from ask(ListPolicies()))}
    for signature in dict.fromkeys(wanted):
        if signature not in there:
            yield from ask(CreatePolicy(signature))


def _write(
    entries: Sequence[Entry], settings: ImportSettings, failed: list[FailedRow]
) -> Operation[tuple[list[str], list[tuple[str, str]]]]:
    """The ids of the records, and those of records that have one in the file."""
    waiting = list(entries)
    while waiting:
        rows, owners = _together(waiting)
        try:
            made = yield from ask(
                ImportRecords(
                    rows,
                    merge_by=settings.merge_by,
                    rewrite=settings.rewrite,
                    relationship=settings.relationship,
                    unique=settings.merge_by is not None,
                )
            )
        except RushModelError as error:
            index: int | None = getattr(error, "index", None)
            if not isinstance(error, _OF_ROWS) or getattr(error, "partly", False):
                raise
            if index is None and len(waiting) > 1:
                if not settings.skip:
                    raise
                # A server does not tell which row it refused: the halves will.
                half = len(waiting) // 2
                first_ids, first_keys = yield from _write(waiting[:half], settings, failed)
                ids, keys = yield from _write(waiting[half:], settings, failed)
                return first_ids + ids, first_keys + keys
            entry = waiting.pop(0 if index is None else owners[index])
            failed.append(_refused(entry, error, settings))
        else:
            if len(made) != len(rows):  # a server may merge one row into several records (R18)
                return [record.id for record in made], []
            first = {owner: record.id for owner, record in zip(reversed(owners), reversed(made), strict=True)}
            keys = [(entry.key, first[at]) for at, entry in enumerate(waiting) if entry.key is not None]
            return [record.id for record in made], keys
    return [], []


_OF_ROWS = (PropertyError, VectorError, PolicyError, QueryError, MultipleFound, ConflictError, NotFound)
"""Errors about what was to be written; any other one would be the same for every row."""


def _together(entries: Sequence[Entry]) -> tuple[list[ImportRow], list[int]]:
    """The rows of all entries, and to which of them each belongs."""
    rows: list[ImportRow] = []
    owners: list[int] = []
    for at, entry in enumerate(entries):
        start = len(rows)
        if len(entry.rows) == 1 or not start:
            rows += entry.rows
        else:
            rows += [
                row if row.parent is None else row._replace(parent=row.parent + start) for row in entry.rows
            ]
        owners += [at] * len(entry.rows)
    return rows, owners


def _link(
    entries: Sequence[Entry], ids: Mapping[str, str], settings: ImportSettings, failed: list[FailedRow]
) -> Operation[int]:
    links: list[Link] = []
    for entry in entries:
        assert entry.link is not None
        source, target, kind, data = entry.link
        unknown = next((end for end in (source, target) if end not in ids), None)
        if unknown is None:
            links.append(Link(ids[source], ids[target], kind, data))
        else:
            error = RowError(
                f"no record before it has the __id {shown(unknown)}", row=entry.number, line=entry.line
            )
            failed.append(_refused(entry, error, settings))
    return (yield from ask(LinkRecords(links))) if links else 0


def _refused(entry: Entry, error: RushModelError, settings: ImportSettings) -> FailedRow:
    failed = FailedRow(entry.number, entry.line, error)
    if not settings.skip:
        raise refusal(failed, settings, ImportReport(failed=(failed,), skipped=1))
    return failed
