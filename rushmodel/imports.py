"""An import, step by step: rows are read, written a batch at a time, and taken back where one fails."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

from .errors import BulkError, QueryError, RowError, RushModelError
from .flow import Operation, ask
from .ledger import Ledger
from .operations.csv_rows import CsvFormat, CsvRows
from .operations.importing import (
    Entry,
    Imported,
    ImportSettings,
    batches,
    csv_entry,
    delete_made,
    ends_of,
    import_batch,
    json_entry,
    refusal,
)
from .operations.json_rows import JsonRow, read_lines, read_text
from .operations.raw_values import read_numbers, read_vectors
from .port import GetCapabilities, InlineVector
from .progress import Told
from .results import FailedRow, ImportReport
from .sources import Lines, chunks
from .steps import Step

Steps: TypeAlias = Generator[Step, Any, ImportReport]
Read: TypeAlias = "Callable[[Any, ImportSettings], Iterator[Entry]]"

MOST_FAILED = 1000
"""Rows that a report names; of others it tells the number."""

_BACK = 1000


def knows_texts() -> Operation[bool]:
    """Whether the store is an embedded one: it has transactions of any length, and is told of texts (R14)."""
    return (yield from ask(GetCapabilities())).store == "embedded"


class Import:
    """One import: what it reads, how far it is, and what it made."""

    def __init__(
        self,
        source: Any,
        read: Read,
        settings: ImportSettings,
        *,
        batch: int,
        progress: Told | None,
        whole: bool,
    ) -> None:
        self._batches = batches(read(source, settings), batch)
        self._settings = settings
        self._progress = progress
        self._whole = whole
        self._report = ImportReport()
        self._ledger = Ledger()

    def steps(self) -> Steps:
        """Everything, in order; the `ImportReport`."""
        settings = self._settings
        try:
            while several := (yield self._next):
                known = self._ledger.find(ends_of(several))
                self._took(several, (yield import_batch(several, settings, known)))
        except GeneratorExit:
            raise
        except BaseException as error:
            if settings.skip:
                state = f"{self._report.saved} records of rows before it are imported"
            else:
                state = yield from self._taken_back(error)
            explained = self._explained(error, state)
            if explained is error:
                raise
            raise explained from error
        finally:
            self._ledger.close()
        return self._report

    def _next(self) -> list[Entry]:
        return next(self._batches, list[Entry]())

    def _took(self, several: Sequence[Entry], done: Imported) -> None:
        before, failed = self._report, done.failed
        self._report = ImportReport(
            before.rows + len(several),
            before.saved + len(done.ids),
            before.linked + done.linked,
            before.skipped + len(failed),
            (*before.failed, *failed[: MOST_FAILED - len(before.failed)]),
        )
        if not self._whole and not self._settings.skip and self._settings.merge_by is None:
            self._ledger.add(done.ids)
        self._ledger.name(done.keys)
        if self._progress is not None:
            self._progress(self._report.rows)

    def _taken_back(self, error: BaseException) -> Generator[Step, Any, str]:
        """What is left of the import, which ends here: nothing, if it can be so."""
        saved = self._report.saved
        if self._whole or not saved:
            self._report = ImportReport()
            return "nothing was imported"
        if self._settings.merge_by is not None:
            error.__dict__["partly"] = True
            return f"{saved} records of rows before it were merged, and that cannot be taken back"
        left = saved
        try:
            for ids in self._ledger.made(_BACK):
                yield delete_made(ids)
                left -= len(ids)
        except RushModelError as failure:
            error.__dict__["partly"] = True
            return f"{left} records of rows before it are left, as they could not be taken back: {failure}"
        self._report = ImportReport()
        return "the records of rows before it were taken back"

    def _explained(self, error: BaseException, state: str) -> BaseException:
        """The error with the report of the whole import."""
        if isinstance(error, BulkError):
            failed: FailedRow = error.report.failed[0]
            report = self._report.replaced(skipped=1, failed=(failed,))
            fresh = refusal(failed, self._settings, report, state)
            fresh.__dict__.update({key: value for key, value in vars(error).items() if key == "partly"})
            return fresh
        if isinstance(error, RushModelError):
            error.__dict__.setdefault("report", self._report)
            error.args = (f"{self._settings.what}: {error}; {state}",)
        return error


def csv_reader(form: CsvFormat, vectors: object) -> Read:
    """Reads the rows of CSV with the vectors that belong to them."""

    def read(source: Any, settings: ImportSettings) -> Iterator[Entry]:
        slots = _slots(vectors, settings.what)
        rows = CsvRows(Lines(source), form)
        count = 0
        for row in rows:
            count = row.number
            try:
                inline = next(slots, ())
            except RushModelError as error:
                yield Entry(row.number, row.line, error=error)
            else:
                yield csv_entry(row, inline, settings)
        if next(slots, None) is not None:
            raise QueryError(f"vectors: there are more than the {count} rows of data", key="vectors")

    return read


def read_json_lines(source: Any, settings: ImportSettings) -> Iterator[Entry]:
    """Reads JSON Lines."""
    return (json_entry(row, settings) for row in read_lines(Lines(source)))


def read_json(source: Any, settings: ImportSettings) -> Iterator[Entry]:
    """Reads one JSON text, or objects out of an iterable."""
    if hasattr(source, "read"):
        rows = read_text(chunks(source), labelled=settings.label is None)
        return (json_entry(row, settings) for row in rows)
    return _objects(source, settings)


def _objects(source: Iterable[Any], settings: ImportSettings) -> Iterator[Entry]:
    for number, value in enumerate(source, 1):
        if isinstance(value, (str, bytes)):
            raise RowError(
                "expected objects, got text; lines of JSON are for import_jsonl()", row=number, line=number
            )
        yield json_entry(JsonRow(number, number, value), settings)


class _Slots:
    """The vectors of one row after the other. What is wrong with one leaves the next readable."""

    def __init__(self, vectors: Iterator[Any]) -> None:
        self._vectors = vectors
        self._number = -1

    def __iter__(self) -> Iterator[Sequence[InlineVector]]:
        return self

    def __next__(self) -> Sequence[InlineVector]:
        given = next(self._vectors)
        self._number += 1
        return read_vectors(given, f"vectors[{self._number}]")


class _Columns:
    """As `_Slots`, of vectors that are given by property, a column each."""

    def __init__(self, columns: Mapping[str, Iterable[Any]]) -> None:
        self._columns = {name: iter(values) for name, values in columns.items()}
        self._number = -1

    def __iter__(self) -> Iterator[Sequence[InlineVector]]:
        return self

    def __next__(self) -> Sequence[InlineVector]:
        self._number += 1
        given = [(name, next(values, _END)) for name, values in self._columns.items()]
        if all(value is _END for _, value in given):
            raise StopIteration
        return [
            InlineVector(name, read_numbers(value, f"vectors[{name!r}][{self._number}]"))
            for name, value in given
            if value is not None and value is not _END
        ]


_END = object()


def _slots(vectors: object, what: str) -> Iterator[Sequence[InlineVector]]:
    if vectors is None:
        return iter(())
    if isinstance(vectors, Mapping):
        return _Columns(cast("Mapping[str, Iterable[Any]]", vectors))
    if isinstance(vectors, Iterable) and not isinstance(vectors, (str, bytes)):
        return _Slots(iter(cast("Iterable[Any]", vectors)))
    raise QueryError(
        f"{what}: vectors: expected a list with the vectors of each row, or {{property: vectors}},"
        f" got {type(vectors).__name__}",
        key="vectors",
    )
