"""An export, step by step: pages of one snapshot are read and written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import IO, Any, TypeAlias, cast

import orjson

from .destinations import Write
from .errors import QueryError
from .ledger import Ledger
from .metaclass import schema_of
from .operations.exporting import (
    CsvTable,
    dumps,
    policy_line,
    record_line,
    relationship_line,
    relationships_from,
    signatures_of,
)
from .operations.raw_csv import export_query
from .port import RecordQuery, StoredRecord, StoredRelationship
from .progress import Told
from .results import ExportReport
from .steps import PAGE, Step, pages

Steps: TypeAlias = Generator[Step, Any, ExportReport]


def query_of(what: object) -> RecordQuery:
    """What is to be exported: nothing (all), labels, model classes, a query, or a search query document.

    Raises:
        QueryError: It is none of these.
    """
    stored: Callable[[], RecordQuery] | None = getattr(what, "__rush_query__", None)
    if what is None:
        return RecordQuery(())
    if isinstance(what, Mapping):
        return export_query(cast("Mapping[str, Any]", what))
    if stored is not None and not isinstance(what, type):
        return stored()
    if isinstance(what, (list, tuple, set, frozenset)):
        several = cast("Iterable[object]", what)
        labels = tuple(_label(each) for each in several)
        if not labels:
            raise QueryError("an export of no labels: name some, or give None for all")
        return RecordQuery(labels)
    return RecordQuery((_label(what),))


class JsonExport:
    """Rows of JSON: a line each, or the elements of an array."""

    def __init__(
        self,
        query: RecordQuery,
        write: Write,
        *,
        array: bool,
        vectors: bool,
        relationships: bool,
        progress: Told | None,
    ) -> None:
        self._query = query
        self._write = write
        self._array = array
        self._vectors = vectors
        self._relationships = relationships
        self._progress = progress
        self._begun = False
        self._count = 0

    def steps(self) -> Steps:
        """Everything, in order: policies, records, relationships; the `ExportReport`."""
        query = self._query
        if self._vectors:
            signatures = yield signatures_of(query.labels)
            query = query.replaced(vectors=signatures)
            yield lambda: self._rows(map(policy_line, signatures))
        found = left_out = 0
        with tempfile.TemporaryFile() as spool, closing(Ledger()) as ledger:
            yield from pages(query, lambda page: self._page(page, ledger, spool))
            if self._relationships:
                found, left_out = yield lambda: self._relate(spool, ledger)
        yield self._end
        return ExportReport(self._count, found, left_out)

    def _page(
        self, page: Sequence[StoredRecord], ledger: Ledger, spool: IO[bytes]
    ) -> Generator[Step, Any, None]:
        """Writes a page; and what is related to it, which has to wait for the records at the other ends."""
        related: Sequence[StoredRelationship] = ()
        if self._relationships:
            related = yield relationships_from([record.id for record in page])

        def write() -> None:
            self._rows(map(record_line, page))
            self._count += len(page)
            if self._relationships:
                ledger.name((record.id, record.id) for record in page)
                spool.writelines(dumps(relationship_line(each)) + b"\n" for each in related)
            if self._progress is not None:
                self._progress(self._count)

        yield write

    def _relate(self, spool: IO[bytes], ledger: Ledger) -> tuple[int, int]:
        """Write the relationships between exported records; how many, and how many others there are."""
        found = left_out = 0
        spool.seek(0)
        while lines := list(islice(spool, PAGE)):
            rows = [orjson.loads(line) for line in lines]
            there = ledger.find({row["$relationship"]["target"] for row in rows})
            kept = [row for row in rows if row["$relationship"]["target"] in there]
            self._rows(kept)
            found, left_out = found + len(kept), left_out + len(rows) - len(kept)
        return found, left_out

    def _rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            if self._array:
                self._write(b",\n" if self._begun else b"[\n")
                self._begun = True
                self._write(dumps(row))
            else:
                self._write(dumps(row) + b"\n")

    def _end(self) -> None:
        if self._array:
            self._write(b"\n]\n" if self._begun else b"[]\n")


class CsvExport:
    """CSV, with a column for every property that any record has."""

    def __init__(self, query: RecordQuery, write: Write, *, progress: Told | None) -> None:
        self._query = query
        self._write = write
        self._progress = progress
        self._table = CsvTable()
        self._count = 0

    def steps(self) -> Steps:
        """Everything, in order; the `ExportReport`."""
        with tempfile.TemporaryFile() as spool:
            yield from pages(self._query, lambda page: self._page(page, spool))
            yield lambda: self._finish(spool)
        return ExportReport(self._count)

    def _page(self, page: Sequence[StoredRecord], spool: IO[bytes]) -> Generator[Step, Any, None]:
        def write() -> None:
            spool.write(self._table.spooled(page))
            self._count += len(page)
            if self._progress is not None:
                self._progress(self._count)

        yield write

    def _finish(self, spool: IO[bytes]) -> None:
        spool.seek(0)
        self._write(self._table.header())
        while lines := list(islice(spool, PAGE)):
            self._write(self._table.rows(lines))


def _label(what: object) -> str:
    if isinstance(what, str) and what:
        return what
    if isinstance(what, type) and hasattr(what, "__rush_schema__"):
        return schema_of(what).concrete_label()
    raise QueryError(
        "expected a label, a model class, several of them, a query or None for all,"
        f" got {type(what).__name__}"
    )
