"""Rows of a file as instances of a model: checked by the class, embedded and saved as it says."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from typing import IO, Any, Literal, NamedTuple, cast

import orjson
from pydantic import ValidationError

from ..errors import BulkError, QueryError, RowError, RushModelError
from ..metaclass import schema_of
from ..model import Model
from ..operations.csv_rows import CsvFormat, CsvRows
from ..operations.json_rows import read_lines, read_text
from ..results import BulkReport, FailedRow, ImportReport
from ..schema import ModelSchema
from ..sources import Lines, chunks, opened

MOST_FAILED = 1000
"""Rows that a report names; of others it tells the number."""

_OF_EXPORTS = ("__id", "__label")
"""Columns that exports write; `_record` sees to them."""


class Row(NamedTuple):
    """A row of a file, or what is wrong with it; number and line count from 1."""

    number: int
    line: int
    value: Any
    error: Exception | None


def save_rows(
    model: type[Model],
    file: str,
    form: Literal["csv", "json", "jsonl"],
    *,
    delimiter: str,
    batch: int,
    on_error: Literal["raise", "skip"],
    progress: Callable[[int], object],
) -> ImportReport:
    """Save each row as an instance of the model, by its merge key where it has one.

    Columns are the class's fields, by their names there or in the store; lists and vectors are JSON in a
    cell of CSV. Without "skip" all rows are looked at before the first is saved.

    Raises:
        RowError: A row does not fit the class, or cannot be read; nothing was saved.
        BulkError: The store refused one; the message says what was saved before.
    """
    read = _Rows(model, file, form, delimiter)
    if on_error == "raise":
        for row in read:
            if row.error is not None:
                raise RowError(
                    f"row {row.number} (line {row.line}): {row.error}; nothing was imported",
                    row=row.number,
                    line=row.line,
                )
    failed: list[FailedRow] = []
    skipped = 0
    numbers, lines = array("q"), array("q")

    def instances() -> Iterator[Model]:
        nonlocal skipped
        for row in read:
            if row.error is not None:
                skipped += 1
                if len(failed) < MOST_FAILED:
                    failed.append(FailedRow(row.number, row.line, row.error))
            else:
                numbers.append(row.number)
                lines.append(row.line)
                yield row.value

    try:
        report: BulkReport = model.save_many(instances(), batch=batch, progress=progress, on_error=on_error)
    except BulkError as error:
        first = error.report.failed[0]
        raise BulkError(
            f"row {numbers[first.position]} (line {lines[first.position]}): {first.error}; "
            f"{error.report.saved} rows before it were saved",
            error.exceptions,
            report=error.report,
        ) from error
    refused = [FailedRow(numbers[each.position], lines[each.position], each.error) for each in report.failed]
    named = sorted([*failed, *refused], key=lambda each: each.row)[:MOST_FAILED]
    skipped += len(refused)
    return ImportReport(len(numbers) + skipped - len(refused), report.saved, 0, skipped, tuple(named))


class _Rows:
    """The rows of a file; each time it is gone through, the file is read."""

    def __init__(
        self, model: type[Model], file: str, form: Literal["csv", "json", "jsonl"], delimiter: str
    ) -> None:
        self._model = model
        self._schema = schema_of(model)
        self._file = file
        self._form = form
        self._delimiter = delimiter
        self._names = {each.property: each.name for each in self._schema.properties}
        self._in_json = _in_json(self._schema)
        optional = {each.name for each in self._schema.properties if each.optional}
        optional |= {each.name for each in self._schema.attribute_vectors if each.optional}
        # What has a default, or an embedder, is better left out.
        fields = model.model_fields
        self._absent = [name for name in fields if name in optional and fields[name].is_required()]

    def __iter__(self) -> Iterator[Row]:
        with opened(self._file, "import") as file:
            for number, line, value, error in self._read(cast("IO[bytes]", file)):
                if error is None:
                    try:
                        value = self._record(value)
                    except ValidationError as invalid:
                        error = _first(invalid)
                    except (RushModelError, orjson.JSONDecodeError) as refused:
                        error = refused
                yield Row(number, line, value, error)

    def _read(self, file: IO[bytes]) -> Iterator[tuple[int, int, Any, Exception | None]]:
        if self._form == "csv":
            for cells in CsvRows(Lines(file), CsvFormat(self._delimiter, types=False)):
                yield cells.number, cells.line, cells.data, cells.error
            return
        rows = read_lines(Lines(file)) if self._form == "jsonl" else read_text(chunks(file), labelled=False)
        for row in rows:
            yield row.number, row.line, row.value, row.error

    def _record(self, given: Any) -> Model:
        if not isinstance(given, dict):
            raise RowError(f"expected an object, got {type(given).__name__}", row=None)
        row = cast("dict[str, Any]", given)
        label = row.get("__label", self._schema.label)
        if label != self._schema.label:
            raise RowError(
                f"its __label is {label!r}, and {self._schema.name} has {self._schema.label!r}", row=None
            )
        if "$vectors" in row:
            raise QueryError("$vectors is read without --model")
        # As when a record is loaded: what is absent is None, where the type allows it.
        values: dict[str, Any] = dict.fromkeys(self._absent)
        given_fields = set[str]()
        for name, value in row.items():
            if name in _OF_EXPORTS:
                continue
            field = self._names.get(name, name)
            if field in given_fields:
                raise RowError(f"{field} is there twice, as {name!r} and under another name", row=None)
            given_fields.add(field)
            read = self._form == "csv" and field in self._in_json
            values[field] = orjson.loads(value) if read else value
        return self._model(**values)


def _in_json(schema: ModelSchema) -> frozenset[str]:
    """The fields that are JSON in a cell of CSV."""
    several = [
        each.name for each in schema.properties if each.codec.item is not None or not each.codec.filters
    ]
    return frozenset([*several, *(each.name for each in schema.attribute_vectors), "vectors"])


def _first(invalid: ValidationError) -> RowError:
    """What is wrong first, without the value, which may be anything."""
    found = invalid.errors(include_url=False, include_input=False, include_context=False)
    first = found[0]
    field = ".".join(map(str, first["loc"])) or "the row"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return RowError(f"{field}: {first['msg']}{more}", row=None)
