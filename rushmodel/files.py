"""``db.import_csv(...)``, ``db.export_jsonl(...)``: files in and out, for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from .destinations import Target, Write, writing
from .errors import QueryError
from .exports import CsvExport, JsonExport, query_of
from .imports import Import, Read, csv_reader, knows_texts, read_json, read_json_lines
from .operations.csv_rows import COLUMN_TYPES, ColumnType, CsvFormat
from .operations.importing import ImportSettings
from .port import DEFAULT_RELATIONSHIP
from .progress import Progress, Told, telling
from .results import ExportReport, ImportReport
from .sources import Source, opened
from .steps import acarry, carry
from .transactions import transaction_of

if TYPE_CHECKING:
    from .database import Database

OnError: TypeAlias = Literal["raise", "skip"]
Merge: TypeAlias = Literal["append", "rewrite"]
Vectors: TypeAlias = "Mapping[str, Iterable[Any]] | Iterable[Sequence[Mapping[str, Any]] | None]"

BATCH = 1000


class Files:
    """What a `Database` does with files."""

    def import_jsonl(
        self,
        source: Source,
        *,
        label: str | None = None,
        merge_by: Sequence[str] | None = None,
        merge: Merge = "append",
        relationship: str = DEFAULT_RELATIONSHIP,
        batch: int = BATCH,
        progress: Progress = None,
        on_error: OnError = "raise",
    ) -> ImportReport:
        """Create records from JSON Lines, an object a line; also what `export_jsonl` wrote.

        An object in an object is a record of its own, whose label is the key. ``$vectors`` of an object are
        its vectors, ``[{"propertyName", "vector", "similarityFunction"?}]``, for external policies.

        Args:
            source: A path, an open file, or lines. Never more than a batch is held.
            label: Of all objects; None: each names its own as ``__label``.
            merge_by: Properties that identify a record: one that is there already is changed. An empty list
                means all properties.
            merge: "append" merges into such a record, "rewrite" replaces all its properties.
            relationship: The type of the relationships from objects to those in them.
            batch: Records a write, about.
            progress: Called after every batch with the number of rows done so far.
            on_error: "raise" ends at the first row that cannot be imported and leaves nothing behind: on the
                embedded store all is one transaction, on a server what was made is taken back. Records that
                were merged on a server stay (``partly``). "skip" leaves such rows out and reports them.

        Raises:
            BulkError: On "raise": ``row`` says which, its one exception why.
            RowError, QueryError: The source cannot be read at all.
        """
        settings = _settings("import_jsonl()", label, merge_by, merge, relationship, on_error)
        return _import(cast("Database", self), source, read_json_lines, settings, batch, progress)

    def import_json(
        self,
        source: Source | Iterable[Mapping[str, Any]],
        *,
        label: str | None = None,
        merge_by: Sequence[str] | None = None,
        merge: Merge = "append",
        relationship: str = DEFAULT_RELATIONSHIP,
        batch: int = BATCH,
        progress: Progress = None,
        on_error: OnError = "raise",
    ) -> ImportReport:
        """Create records from an array of objects, or from one object; arguments as for `import_jsonl`.

        Without a label an object at the top is ``{"LABEL": [...], ...}``. ``source`` may also be an iterable
        of dicts. However long the array is, it is read an object at a time. Where the text stops being JSON
        nothing after it can be read: that is an error on "skip", too.
        """
        settings = _settings("import_json()", label, merge_by, merge, relationship, on_error)
        return _import(cast("Database", self), source, read_json, settings, batch, progress)

    def import_csv(
        self,
        source: Source,
        *,
        label: str | None = None,
        delimiter: str = ",",
        quote: str = '"',
        columns: Sequence[str] | None = None,
        header: bool = True,
        types: bool | Mapping[str, ColumnType] = True,
        vectors: Vectors | None = None,
        merge_by: Sequence[str] | None = None,
        merge: Merge = "append",
        batch: int = BATCH,
        progress: Progress = None,
        on_error: OnError = "raise",
    ) -> ImportReport:
        """Create a record of every row; the first one names the properties. Empty cells are no values.

        Columns ``__label`` and ``__id``, as `export_csv` writes them, are the label, and an id of the file.
        The other arguments are those of `import_jsonl`.

        Args:
            columns: The properties' names, where there is no header or in its place.
            header: Whether the first row is one; without one and without ``columns`` names are "0", "1" ...
            types: True: cells that are written as a number or a boolean become one. False: all are texts.
                A dict says it for single columns: "string", "number", "boolean", "datetime", "json" (lists).
            vectors: ``{property: vectors}``, an array or an iterable with a vector for each row, None for
                none; or for each row a list as ``$vectors`` of JSON Lines.
        """
        settings = _settings("import_csv()", label, merge_by, merge, DEFAULT_RELATIONSHIP, on_error)
        form = _format(delimiter, quote, columns, header, types)
        return _import(cast("Database", self), source, csv_reader(form, vectors), settings, batch, progress)

    def export_jsonl(
        self,
        target: Target,
        what: Any = None,
        *,
        with_vectors: bool = False,
        relationships: bool = False,
        progress: Progress = None,
        overwrite: bool = False,
    ) -> ExportReport:
        """Write records as JSON Lines, which `import_jsonl` reads back; one snapshot on the embedded store.

        Args:
            target: A path, where the file is at the end or not at all; or an open file.
            what: A label, a model class, a list of them, a query, or a search query of RushDB's; None: all
                records.
            with_vectors: Also their vectors, and before them the index policies that hold these.
            relationships: Also the relationships among these records, after them.
            progress: Called after every page with the number of records written so far.
            overwrite: Put the new file in the place of one that is there.

        Raises:
            FileExistsError: There is such a file.
            CapabilityError: ``with_vectors``, and the store does not give vectors back.
        """
        return self._export_json(
            target, what, with_vectors, relationships, progress, overwrite, "export_jsonl()"
        )

    def export_json(
        self,
        target: Target,
        what: Any = None,
        *,
        with_vectors: bool = False,
        relationships: bool = False,
        progress: Progress = None,
        overwrite: bool = False,
    ) -> ExportReport:
        """As `export_jsonl`, as one array of the same objects, which `import_json` reads back."""
        return self._export_json(
            target, what, with_vectors, relationships, progress, overwrite, "export_json()"
        )

    def export_csv(
        self,
        target: Target,
        what: Any = None,
        *,
        progress: Progress = None,
        overwrite: bool = False,
    ) -> ExportReport:
        """As `export_jsonl`, as CSV: ``__id``, ``__label``, a column for every property.

        CSV does not tell a text from a number that is written alike, nor an empty text from none; lists are
        JSON in their cell.
        """
        with (
            writing(target, "export_csv()", overwrite=overwrite) as write,
            telling(progress, "exporting") as told,
        ):
            export = CsvExport(query_of(what), write, progress=told)
            return carry(cast("Database", self), export.steps())

    def _export_json(
        self,
        target: Target,
        what: Any,
        with_vectors: bool,
        relationships: bool,
        progress: Progress,
        overwrite: bool,
        verb: str,
    ) -> ExportReport:
        with (
            writing(target, verb, overwrite=overwrite) as write,
            telling(progress, "exporting") as told,
        ):
            export = _json_export(write, what, with_vectors, relationships, told, verb)
            return carry(cast("Database", self), export.steps())


class AsyncFiles:
    """As `Files`, awaitable; files are read and written on a thread of their own."""

    _database: Database

    async def import_jsonl(
        self,
        source: Source,
        *,
        label: str | None = None,
        merge_by: Sequence[str] | None = None,
        merge: Merge = "append",
        relationship: str = DEFAULT_RELATIONSHIP,
        batch: int = BATCH,
        progress: Progress = None,
        on_error: OnError = "raise",
    ) -> ImportReport:
        """As `Files.import_jsonl`."""
        settings = _settings("import_jsonl()", label, merge_by, merge, relationship, on_error)
        return await _aimport(self._database, source, read_json_lines, settings, batch, progress)

    async def import_json(
        self,
        source: Source | Iterable[Mapping[str, Any]],
        *,
        label: str | None = None,
        merge_by: Sequence[str] | None = None,
        merge: Merge = "append",
        relationship: str = DEFAULT_RELATIONSHIP,
        batch: int = BATCH,
        progress: Progress = None,
        on_error: OnError = "raise",
    ) -> ImportReport:
        """As `Files.import_json`."""
        settings = _settings("import_json()", label, merge_by, merge, relationship, on_error)
        return await _aimport(self._database, source, read_json, settings, batch, progress)

    async def import_csv(
        self,
        source: Source,
        *,
        label: str | None = None,
        delimiter: str = ",",
        quote: str = '"',
        columns: Sequence[str] | None = None,
        header: bool = True,
        types: bool | Mapping[str, ColumnType] = True,
        vectors: Vectors | None = None,
        merge_by: Sequence[str] | None = None,
        merge: Merge = "append",
        batch: int = BATCH,
        progress: Progress = None,
        on_error: OnError = "raise",
    ) -> ImportReport:
        """As `Files.import_csv`."""
        settings = _settings("import_csv()", label, merge_by, merge, DEFAULT_RELATIONSHIP, on_error)
        form = _format(delimiter, quote, columns, header, types)
        return await _aimport(self._database, source, csv_reader(form, vectors), settings, batch, progress)

    async def export_jsonl(
        self,
        target: Target,
        what: Any = None,
        *,
        with_vectors: bool = False,
        relationships: bool = False,
        progress: Progress = None,
        overwrite: bool = False,
    ) -> ExportReport:
        """As `Files.export_jsonl`."""
        with (
            writing(target, "export_jsonl()", overwrite=overwrite) as write,
            telling(progress, "exporting") as told,
        ):
            export = _json_export(write, what, with_vectors, relationships, told, "export_jsonl()")
            return await acarry(self._database, export.steps())

    async def export_json(
        self,
        target: Target,
        what: Any = None,
        *,
        with_vectors: bool = False,
        relationships: bool = False,
        progress: Progress = None,
        overwrite: bool = False,
    ) -> ExportReport:
        """As `Files.export_json`."""
        with (
            writing(target, "export_json()", overwrite=overwrite) as write,
            telling(progress, "exporting") as told,
        ):
            export = _json_export(write, what, with_vectors, relationships, told, "export_json()")
            return await acarry(self._database, export.steps())

    async def export_csv(
        self,
        target: Target,
        what: Any = None,
        *,
        progress: Progress = None,
        overwrite: bool = False,
    ) -> ExportReport:
        """As `Files.export_csv`."""
        with (
            writing(target, "export_csv()", overwrite=overwrite) as write,
            telling(progress, "exporting") as told,
        ):
            export = CsvExport(query_of(what), write, progress=told)
            return await acarry(self._database, export.steps())


def _import(
    database: Database,
    source: Any,
    read: Read,
    settings: ImportSettings,
    batch: int,
    progress: Progress,
) -> ImportReport:
    embedded = database.run(knows_texts())
    # Inside of a transaction its end decides.
    alone = transaction_of(database) is None
    whole = embedded and alone and not settings.skip
    whole_or_not = database.transaction() if whole else nullcontext()
    with telling(progress, "importing") as told, opened(source, settings.what) as file, whole_or_not:
        done = Import(
            file,
            read,
            settings.replaced(marks=embedded),
            batch=_size(batch),
            progress=told,
            whole=whole or not alone,
        )
        return carry(database, done.steps())


async def _aimport(
    database: Database,
    source: Any,
    read: Read,
    settings: ImportSettings,
    batch: int,
    progress: Progress,
) -> ImportReport:
    embedded = await database.arun(knows_texts())
    alone = transaction_of(database) is None
    whole = embedded and alone and not settings.skip
    with telling(progress, "importing") as told, opened(source, settings.what) as file:
        async with database.transaction() if whole else nullcontext():
            done = Import(
                file,
                read,
                settings.replaced(marks=embedded),
                batch=_size(batch),
                progress=told,
                whole=whole or not alone,
            )
            return await acarry(database, done.steps())


def _json_export(
    write: Write, what: Any, with_vectors: bool, relationships: bool, progress: Told | None, verb: str
) -> JsonExport:
    return JsonExport(
        query_of(what),
        write,
        array=verb == "export_json()",
        vectors=with_vectors,
        relationships=relationships,
        progress=progress,
    )


def _settings(
    what: str,
    label: object,
    merge_by: object,
    merge: object,
    relationship: object,
    on_error: object,
) -> ImportSettings:
    for name, value, known in (
        ("merge", merge, ("append", "rewrite")),
        ("on_error", on_error, ("raise", "skip")),
    ):
        if value not in known:
            raise QueryError(f"{what}: {name} is {' or '.join(map(repr, known))}, got {value!r}", key=name)
    for name, value in (("label", label), ("relationship", relationship)):
        if (value is not None or name != "label") and (not isinstance(value, str) or not value):
            raise QueryError(f"{what}: {name} is a text that is not empty, got {value!r}", key=name)
    keys: tuple[str, ...] | None = None
    if merge_by is not None:
        if isinstance(merge_by, str) or not isinstance(merge_by, Iterable):
            raise QueryError(f"{what}: merge_by is a list of names, got {merge_by!r}", key="merge_by")
        keys = tuple(cast("Iterable[str]", merge_by))
        if not all(isinstance(key, str) and key for key in keys):
            raise QueryError(f"{what}: merge_by is a list of names, got {keys!r}", key="merge_by")
    return ImportSettings(
        what,
        cast("str | None", label),
        keys,
        merge == "rewrite",
        cast("str", relationship),
        on_error == "skip",
    )


def _format(
    delimiter: object, quote: object, columns: object, header: bool, types: bool | Mapping[str, ColumnType]
) -> CsvFormat:
    for name, value in (("delimiter", delimiter), ("quote", quote)):
        if not isinstance(value, str) or len(value) != 1 or value in "\r\n" or delimiter == quote:
            raise QueryError(
                f"import_csv(): {name} is one character, another one than delimiter and quote have,"
                f" got {value!r}",
                key=name,
            )
    chosen: Mapping[str, ColumnType] = types if isinstance(types, Mapping) else {}
    for name, kind in chosen.items():
        if kind not in COLUMN_TYPES:
            raise QueryError(
                f"import_csv(): types[{name!r}] is one of {', '.join(COLUMN_TYPES)}, got {kind!r}",
                key="types",
            )
    names: tuple[str, ...] | None = None
    if columns is not None:
        if isinstance(columns, str) or not isinstance(columns, Iterable):
            raise QueryError(f"import_csv(): columns is a list of names, got {columns!r}", key="columns")
        names = tuple(cast("Iterable[str]", columns))
        if len(set(names)) < len(names):
            raise QueryError(f"import_csv(): columns names one twice: {', '.join(names)}", key="columns")
    return CsvFormat(
        cast("str", delimiter),
        cast("str", quote),
        header=header,
        columns=names,
        types=types if isinstance(types, bool) else True,
        chosen=chosen,
    )


def _size(batch: object) -> int:
    if type(batch) is not int or batch < 1:
        raise QueryError(f"batch is a number of records from 1, got {batch!r}", key="batch")
    return batch
