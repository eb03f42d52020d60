"""CSV as RushDB's client has it: records from a text, and a text from records."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from ..errors import PropertyError, QueryError
from ..flow import Operation, ask
from ..port import FindRecords, ImportRow, RecordQuery, StoredRecord, StoredValue
from .csv_rows import CsvFormat, CsvRows, cell_of, text_lines
from .raw_documents import Document, shown
from .raw_import import labelled, write_rows
from .raw_options import CLIENT, CSV_OPTIONS, Caller, WriteOptions, read_options
from .raw_queries import QUERY_KEYS, read_query
from .raw_values import read_data, read_vectors

PARSE_KEYS = (
    "delimiter",
    "header",
    "skipEmptyLines",
    "dynamicTyping",
    "quoteChar",
    "escapeChar",
    "newline",
)

_LINE_END = "\r\n"
_NEWLINES = ("\n", "\r\n", "\r")


def import_csv(
    label: object,
    data: object,
    options: object,
    parse_config: object,
    vectors: object,
    caller: Caller = CLIENT,
) -> Operation[list[StoredRecord]]:
    """A record of every row that says anything, all or none; ``vectors[i]`` are those of row ``i``.

    An empty cell is no value. With ``suggestTypes`` (for the client: always, unless it says otherwise)
    cells become numbers and booleans where they are written as such; else all are texts (R14). Names
    become what a server makes of them.

    Raises:
        QueryError: No label, an unknown option, more ``vectors`` than rows (R5).
        RowError: A row that is none, by number and line.
        PropertyError: A name no property can have, a row with vectors and no value.
        VectorError, PolicyMissing, AmbiguousSearch: As for creating one record.
    """
    types = options is None or not caller.rest
    chosen = read_options(options, "import_csv()", CSV_OPTIONS, types=types, caller=caller)
    name = chosen.label(labelled(label, "import_csv()"))
    if not isinstance(data, str) or not data:
        raise QueryError(
            f"import_csv(): data: expected the text of a CSV file that is not empty, got {shown(data)}",
            key="data",
        )
    form = _read_format(parse_config, chosen)
    given = _read_slots(vectors)
    rows: list[ImportRow] = []
    count = 0
    for row in CsvRows(text_lines(data), form):
        if row.error is not None:
            raise row.error
        slot = given[count] if count < len(given) else None
        inline = read_vectors(slot, f"vectors[{count}]", caller)
        count = row.number
        properties = _checked(row.data, f"row {row.number} (line {row.line})", chosen)
        if properties:
            texts = frozenset[str]() if chosen.types else frozenset(properties)
            rows.append(ImportRow(name, properties, inline, texts=texts))
        elif inline:
            raise PropertyError(
                f"row {row.number} (line {row.line}) has vectors and no value, and a record needs one",
                row=row.number,
                line=row.line,
            )
    if len(given) > count:
        raise QueryError(
            f"import_csv(): vectors: {len(given)} were given for {count} rows of data", key="vectors"
        )
    return (yield from write_rows(rows, chosen))


def export_csv(search_query: object) -> Operation[str]:
    """What a query finds as CSV: ``__id``, ``__label``, then every property by name; newest first.

    Without ``limit`` all of it. Lists are JSON in their cell. There is no line end after the last row.

    Raises:
        QueryError: A query that cannot be understood, or one that computes rows.
    """
    return csv_text((yield from ask(FindRecords(export_query(search_query)))))


def csv_text(records: Iterable[StoredRecord]) -> str:
    """Records as `export_csv` writes them."""
    held = list(records)
    names = sorted({name for record in held for name in record.data})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=_LINE_END)
    writer.writerow(["__id", "__label", *names])
    for record in held:
        cells = [cell_of(record.data.get(name)) for name in names]
        writer.writerow([record.id, record.label, *cells])
    return text.getvalue().removesuffix(_LINE_END)


def export_query(given: object) -> RecordQuery:
    """A search query of whole records, without a limit where it names none; `QueryError`."""
    document = Document("export()", {} if given is None else given, QUERY_KEYS, QueryError)
    for key in ("select", "groupBy"):
        if key in document:
            raise QueryError(f"export(): {key}: an export is of whole records", key=key)
    unlimited = "limit" not in document
    query = read_query(given)
    return query.replaced(limit=None) if unlimited else query


def _read_format(given: object, options: WriteOptions) -> CsvFormat:
    config = Document("import_csv() parse_config", {} if given is None else given, PARSE_KEYS, QueryError)
    quote = _letter(config, "quoteChar", '"')
    escape = _letter(config, "escapeChar", quote)
    delimiter = _letter(config, "delimiter", ",")
    if len({delimiter, quote, *_NEWLINES}) < 2 + len(_NEWLINES):
        raise config.wrong("delimiter", "a character that is neither quoteChar nor a line break", delimiter)
    # Lines may end in any of these ways, and empty ones are no rows: whatever is said here is so.
    config.choice("newline", _NEWLINES)
    if config.get("skipEmptyLines") != "greedy":
        config.flag("skipEmptyLines", True)
    return CsvFormat(
        delimiter,
        quote,
        None if escape == quote else escape,
        header=config.flag("header", True),
        types=config.flag("dynamicTyping", options.types),
        tame=True,
    )


def _letter(config: Document, key: str, default: str) -> str:
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, str) or len(value) != 1:
        raise config.wrong(key, "a text of one character")
    return value


def _read_slots(vectors: object) -> Sequence[object]:
    if vectors is None:
        return ()
    if not isinstance(vectors, (list, tuple)):
        raise QueryError(
            f"import_csv(): vectors: expected a list, one item a row, got {shown(vectors)}", key="vectors"
        )
    return cast("Sequence[object]", vectors)


def _checked(data: Mapping[str, StoredValue], place: str, options: WriteOptions) -> dict[str, Any]:
    """The properties of a row; their names are looked at, and without types they are texts."""
    properties = read_data(data, place, skip_empty=options.skip_empty)
    if options.types:
        return properties
    return {name: cell_of(value) for name, value in properties.items()}
