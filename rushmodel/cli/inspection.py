"""``rushmodel inspect``: model classes for what a database holds."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..inspecting import write_models
from . import Code
from .session import Session, with_session


@click.command()
@click.argument("labels", nargs=-1, metavar="[LABEL]...")
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(dir_okay=False, allow_dash=True),
    default="-",
    help="Else stdout.",
)
@click.option("--force", is_flag=True, help="The file may take the place of another one.")
@with_session
def inspect(session: Session, labels: tuple[str, ...], path: str, force: bool) -> Code:
    """Write model classes for the records, policies and relationships of some labels, or all.

    Every record loads with them, and plan is in sync. All records are read for it.
    """
    to_stdout = path == "-"
    if to_stdout and session.output.as_json:
        raise click.UsageError("--json tells of a file: name one with -o")
    if not to_stdout and not force and Path(path).exists():
        raise click.UsageError(f"{path} is there already: choose another name, or add --force")
    with session.database() as database, session.output.progress("reading") as progress:
        source = database.inspect(*labels, progress=progress)
    if to_stdout:
        sys.stdout.write(source)
        return Code.DONE
    write_models(source, path, force=force)
    count = sum(line.startswith("class ") for line in source.splitlines())
    session.output.result(
        {"path": path, "classes": count}, f"{path}: {count} {'class' if count == 1 else 'classes'}"
    )
    return Code.DONE
