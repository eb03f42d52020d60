"""CSV as rows: what a file says, cell by cell, and where it says what no CSV can."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias, cast

import orjson

from ..codecs import LARGEST_INT
from ..errors import RowError
from ..port import StoredValue
from ..value import Value
from ..wire.proptypes import looks_like_datetime
from .raw_documents import shown

ColumnType: TypeAlias = Literal["string", "number", "boolean", "datetime", "json"]
COLUMN_TYPES: tuple[ColumnType, ...] = ("string", "number", "boolean", "datetime", "json")

LONGEST_CELL = 2**24
"""Characters. Past that a quote was not closed, rather than that a text is so long."""


class CsvFormat(Value):
    """How a CSV file is written, and how its cells become values.

    ``columns`` names them where there is no header. ``types`` tells numbers and booleans apart; else every
    cell is text. ``chosen`` are the types of single columns, whatever ``types`` says. With ``tame`` names
    become what a RushDB server makes of them: letters, digits and ``_``, one column a name.
    """

    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    """Before a quote in a cell; None: such a quote is doubled."""
    header: bool = True
    columns: tuple[str, ...] | None = None
    types: bool = True
    chosen: Mapping[str, ColumnType] = {}
    tame: bool = False


class CsvRow(NamedTuple):
    """A row: its values, or what is wrong with it. Empty cells are no values.

    ``number`` counts the rows from 1, without the header and without empty lines; ``line`` is where it
    begins. ``texts`` names values that are strings even where they look like a datetime (R14).
    """

    number: int
    line: int
    data: dict[str, StoredValue]
    texts: frozenset[str] = frozenset()
    error: RowError | None = None


class CsvRows:
    """The rows of a CSV, read as they are asked for. What is wrong with one row leaves the next readable.

    ``lines`` may raise `RowError` for a line that cannot be read, and go on after it.

    Raises:
        RowError: The header cannot be read, or names a column twice.
    """

    def __init__(self, lines: Iterable[str], form: CsvFormat) -> None:
        # The limit is the process's. It is only ever raised: a text of a megabyte is a cell like others.
        if csv.field_size_limit() < LONGEST_CELL:
            csv.field_size_limit(LONGEST_CELL)
        self._form = form
        self._lines = _Ended(iter(lines))
        self._reader = csv.reader(
            self._lines,
            delimiter=form.delimiter,
            quotechar=form.quote,
            escapechar=form.escape,
            doublequote=form.escape is None,
            strict=True,
        )
        self._number = 0
        self._names: list[str] | None = None if form.columns is None else list(form.columns)
        if form.header:
            header = self._header()
            self._names = header if form.columns is None else self._names
        unknown = form.chosen.keys() - (self._names if self._names is not None else form.chosen)
        if unknown:
            raise RowError(
                f"there is no column {shown(min(unknown))} to have a type; there are"
                f" {', '.join(filter(None, self._names or ()))}",
                row=0,
                line=1,
                column=min(unknown),
            )

    def __iter__(self) -> Iterator[CsvRow]:
        while True:
            line = self._lines.number + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except (csv.Error, RowError) as error:
                self._number += 1
                yield CsvRow(self._number, line, {}, error=self._unreadable(error, line))
                continue
            if cells:
                self._number += 1
                yield self._row(cells, line)

    def _header(self) -> list[str]:
        for cells in self._cells_of_header():
            if cells:
                return _tamed(cells) if self._form.tame else _checked(cells)
        return []

    def _cells_of_header(self) -> Iterator[list[str]]:
        try:
            yield from self._reader
        except (csv.Error, RowError) as error:
            raise self._unreadable(error, 1, "the header") from error

    def _row(self, cells: list[str], line: int) -> CsvRow:
        names = self._names
        if names is None:
            names = self._names = [str(place) for place in range(len(cells))]
        if len(cells) != len(names):
            few = "few" if len(cells) < len(names) else "many"
            return self._wrong(line, f"too {few} cells: expected {len(names)}, got {len(cells)}")
        form = self._form
        data: dict[str, StoredValue] = {}
        if not form.chosen and "" not in names:
            if form.types:
                data = {name: typed(cell) for name, cell in zip(names, cells, strict=True) if cell}
                return CsvRow(self._number, line, data)
            data = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
            return CsvRow(self._number, line, data, frozenset(data))
        texts: list[str] = []
        for place, (name, cell) in enumerate(zip(names, cells, strict=True), 1):
            if not cell:
                continue
            if not name:
                return self._wrong(line, f"column {place} has no name, and a cell that is not empty")
            kind = form.chosen.get(name)
            try:
                data[name] = _converted(cell, kind) if kind else typed(cell) if form.types else cell
            except ValueError as error:
                return self._wrong(line, f"column {shown(name)}: {error}", name)
            if kind == "string" or (kind is None and not form.types):
                texts.append(name)
        return CsvRow(self._number, line, data, frozenset(texts))

    def _wrong(self, line: int, reason: str, column: str | None = None) -> CsvRow:
        error = RowError(
            f"row {self._number} (line {line}): {reason}", row=self._number, line=line, column=column
        )
        return CsvRow(self._number, line, {}, error=error)

    def _unreadable(self, error: Exception, line: int, what: str | None = None) -> RowError:
        reason = str(error)
        if "unexpected end of data" in reason:
            reason = "the file ends inside of a quoted cell: it was cut off, or a quote is not closed"
        elif "field larger than" in reason:
            reason = f"a cell has more than {LONGEST_CELL:,} characters; is a quote not closed?"
        elif isinstance(error, csv.Error):
            reason = f"this is no CSV: {reason}"
        what = what or f"row {self._number}"
        return RowError(f"{what} (line {line}): {reason}", row=self._number, line=line, column=None)


def text_lines(text: str) -> Iterator[str]:
    """The lines of a text, ended in whatever way; a byte order mark is none of it."""
    return iter(io.StringIO(text.removeprefix("\ufeff"), newline=""))


def typed(cell: str) -> StoredValue:
    """A cell as a number or a boolean, where it is written as one; else its text.

    ``007`` and whole numbers past 2**53 stay texts: a number would not say the same.
    """
    if cell[0] in _BEGINS:
        if _NUMBER(cell):
            return _number(cell)
    elif cell in _BOOLEANS:
        return _BOOLEANS[cell]
    return cell


def cell_of(value: StoredValue | None) -> str:
    """A value as a cell: lists as JSON, nothing for none."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


_BEGINS = frozenset("-0123456789")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII).fullmatch
_BOOLEANS = {"true": True, "TRUE": True, "false": False, "FALSE": False}
_MOST_DIGITS = 17


def _number(cell: str) -> StoredValue:
    if cell.lstrip("-").isdecimal():
        if len(cell) > _MOST_DIGITS:
            return cell
        whole = int(cell)
        return whole if abs(whole) <= LARGEST_INT else cell
    number = float(cell)
    return number if math.isfinite(number) else cell


def _converted(cell: str, kind: ColumnType) -> StoredValue:
    if kind == "string":
        return cell
    value: object = cell
    if kind == "json":
        try:
            value = orjson.loads(cell)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"this is no JSON: {error}") from None
        if isinstance(value, dict) or value is None:
            raise ValueError("expected a list or a single value as JSON")
        return cast("StoredValue", value)
    if kind == "datetime":
        fits = looks_like_datetime(cell)
    else:
        value = typed(cell)
        fits = isinstance(value, bool) if kind == "boolean" else type(value) in (int, float)
    if not fits:
        raise ValueError(f"expected a {kind}, got {shown(cell)}")
    return value  # type: ignore[return-value]


def _checked(names: Sequence[str]) -> list[str]:
    """Names as they are; no two columns may have one."""
    first: dict[str, int] = {}
    for place, name in enumerate(names, 1):
        if name and first.setdefault(name, place) != place:
            raise RowError(
                f"the header names two columns {shown(name)}: {first[name]} and {place}",
                row=0,
                line=1,
                column=name,
            )
    return list(names)


def _tamed(names: Sequence[str]) -> list[str]:
    """Names as a server makes them (trace 15): ``first_name``, ``_1st``, a second ``a`` is ``a_1``."""
    tamed: list[str] = []
    for name in names:
        plain = re.sub(r"\W", "_", name)
        plain = f"_{plain}" if plain[:1].isdigit() else plain
        unique, number = plain, 0
        while unique and unique in tamed:
            number += 1
            unique = f"{plain}_{number}"
        tamed.append(unique)
    return tamed


class _Ended:
    """Lines that all end, or a cell over several would lose its line breaks; NUL is refused (in 3.10, too).

    An iterator of its own rather than a generator, which would be over after the first error.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.number = 0
        """Lines read so far; the reader's own count leaves those out that it could not read."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number += 1
        line = next(self._lines)
        if "\0" in line:
            raise RowError(
                "a NUL character, which no CSV holds; is the file UTF-16?", line=self.number, row=None
            )
        return line if line.endswith(("\n", "\r")) else line + "\n"
