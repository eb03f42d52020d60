"""``rushmodel import`` and ``rushmodel export``: CSV, JSON and JSON Lines in and out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import click

from ..results import ExportReport, ImportReport
from . import Code
from .modelrows import save_rows
from .output import Column, Output
from .session import Session, with_embedder, with_models, with_session

Form: TypeAlias = Literal["csv", "json", "jsonl"]

_FORMS: dict[str, Form] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_SHOWN = 20
"""Rows that were refused which are named; the others are counted."""

_format = click.option(
    "--format", "form", type=click.Choice(["csv", "json", "jsonl"]), help="Else the file's suffix says it."
)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--model", metavar="MODEL", help="Rows become records of this class, checked and embedded by it."
)
@click.option("--label", help="Rows become records of this label as they are. Else each names its own.")
@click.option(
    "--merge-by",
    multiple=True,
    metavar="PROPERTY",
    help="Without --model: records with the same value are one. May be repeated.",
)
@click.option("--delimiter", help="Of CSV; else a comma, in .tsv a tab.")
@click.option("--skip-errors", is_flag=True, help="Leave out rows that are refused, and go on.")
@click.option("--batch", type=click.IntRange(1), default=1000, show_default=True, help="Records a write.")
@_format
@with_embedder
@with_models
@with_session
def import_command(
    session: Session,
    file: str,
    model: str | None,
    label: str | None,
    merge_by: tuple[str, ...],
    delimiter: str | None,
    skip_errors: bool,
    batch: int,
    form: Form | None,
) -> Code:
    """Create records from FILE: CSV, JSON (an array of objects) or JSON Lines (an object a line).

    Exit code 1 where a row was refused. Without --skip-errors nothing is imported then; with it, all
    others are.
    """
    if model is not None and (label is not None or merge_by):
        raise click.UsageError("--model has a label and a key of its own: no --label and no --merge-by")
    form = form or _form_of(file)
    if delimiter is None:
        delimiter = "\t" if Path(file).suffix.lower() == ".tsv" else ","
    settings: dict[str, Any] = {"batch": batch, "on_error": "skip" if skip_errors else "raise"}
    output = session.output
    if model is not None:
        saved = session.model(model)
        with session.database([saved], make=True), output.progress(f"importing {file}") as progress:
            report = save_rows(saved, file, form, delimiter=delimiter, progress=progress, **settings)
    else:
        settings |= {"label": label, "merge_by": list(merge_by) or None}
        with session.database(make=True) as database, output.progress(f"importing {file}") as progress:
            if form == "csv":
                report = database.import_csv(file, delimiter=delimiter, progress=progress, **settings)
            elif form == "json":
                report = database.import_json(file, progress=progress, **settings)
            else:
                report = database.import_jsonl(file, progress=progress, **settings)
    output.result(_plain(report), lambda: _draw(output, report))
    return Code.FINDINGS if report.skipped else Code.DONE


@click.command("export")
@click.argument("labels", nargs=-1, metavar="[LABEL]...")
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(dir_okay=False, allow_dash=True),
    default="-",
    help="Else stdout.",
)
@click.option("--with-vectors", is_flag=True, help="Also their vectors, and the policies that hold these.")
@click.option("--relationships", is_flag=True, help="Also the relationships among these records.")
@click.option("--overwrite", is_flag=True, help="The file may take the place of another one.")
@_format
@with_session
def export_command(
    session: Session,
    labels: tuple[str, ...],
    path: str,
    with_vectors: bool,
    relationships: bool,
    overwrite: bool,
    form: Form | None,
) -> Code:
    """Write the records of some labels, or all: CSV, JSON or JSON Lines, which import reads back."""
    to_stdout = path == "-"
    form = form or ("jsonl" if to_stdout else _form_of(path))
    if to_stdout and session.output.as_json:
        raise click.UsageError("--json tells of a file: name one with -o")
    if form == "csv" and (with_vectors or relationships):
        raise click.UsageError("CSV holds no vectors and no relationships: write .jsonl")
    if not to_stdout and not overwrite and Path(path).exists():
        raise click.UsageError(f"{path} is there already: choose another name, or add --overwrite")
    target = sys.stdout.buffer if to_stdout else path
    what = list(labels) or None
    with session.database() as database, session.output.progress("exporting") as progress:
        if form == "csv":
            report = database.export_csv(target, what, progress=progress, overwrite=overwrite)
        else:
            export = database.export_json if form == "json" else database.export_jsonl
            report = export(
                target,
                what,
                with_vectors=with_vectors,
                relationships=relationships,
                progress=progress,
                overwrite=overwrite,
            )
    if labels and not report.records:
        session.output.say(f"there are no records of {', '.join(labels)}")
    if not to_stdout:
        document = {"path": path, **_plain_export(report)}
        session.output.result(document, _told(path, report))
    return Code.DONE


def _form_of(path: str) -> Form:
    form = _FORMS.get(Path(path).suffix.lower())
    if form is None:
        raise click.UsageError(f"what {path} holds is not in its name: add --format csv, json or jsonl")
    return form


def _plain(report: ImportReport) -> dict[str, Any]:
    return {
        "rows": report.rows,
        "saved": report.saved,
        "linked": report.linked,
        "skipped": report.skipped,
        "failed": [{"row": each.row, "line": each.line, "error": str(each.error)} for each in report.failed],
    }


def _draw(output: Output, report: ImportReport) -> None:
    if report.failed:
        columns = [Column("row", number=True), Column("line", number=True), Column("refused")]
        output.table(columns, [(each.row, each.line, each.error) for each in report.failed[:_SHOWN]])
        if report.skipped > _SHOWN:
            output.line(f"... and {report.skipped - _SHOWN} more")
    said = f"{report.rows} rows, {report.saved} records saved"
    said += f", {report.linked} relationships" if report.linked else ""
    output.line(said + (f", {report.skipped} rows left out" if report.skipped else ""))


def _plain_export(report: ExportReport) -> dict[str, Any]:
    return {name: cast("int", getattr(report, name)) for name in ("records", "relationships", "left_out")}


def _told(path: str, report: ExportReport) -> str:
    said = f"{path}: {report.records} records"
    said += f", {report.relationships} relationships" if report.relationships else ""
    return said + (f"; {report.left_out} relationships lead elsewhere" if report.left_out else "")
