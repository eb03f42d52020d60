"""``rushmodel stats``, ``check``, ``backup`` and ``vacuum``: what a file needs now and then."""

from __future__ import annotations

import os
from typing import Any

import click

from ..errors import StoreError
from ..port import Stats
from . import Code
from .output import Column, Output, size
from .session import Session, with_session


@click.command()
@with_session
def stats(session: Session) -> Code:
    """Show how many records, relationships and vectors there are, and how many bytes they take."""
    with session.database() as database:
        found = database.stats()
    session.output.result(_plain(found), lambda: _draw(session.output, found))
    return Code.DONE


@click.command()
@with_session
def check(session: Session) -> Code:
    """Look at everything in the file: is it whole? Exit code 1 where something is wrong with it."""
    with session.database() as database:
        health = database.check()
    findings = [{"kind": each.kind, "message": each.message} for each in health.findings]
    session.output.result({"ok": health.ok, "findings": findings}, str(health))
    return Code.DONE if health.ok else Code.FINDINGS


@click.command()
@click.argument("path", type=click.Path(dir_okay=False))
@click.option("--overwrite", is_flag=True, help="It may take the place of another backup.")
@with_session
def backup(session: Session, path: str, overwrite: bool) -> Code:
    """Copy the store to PATH as it is at this moment, while others read and write."""
    with session.database() as database:
        if os.path.exists(path) and not overwrite:
            raise StoreError(f"{path} is there already: choose another name, or add --overwrite")
        database.backup(path, overwrite=overwrite)
    count = os.path.getsize(path)
    session.output.result({"path": path, "bytes": count}, f"{path}: {size(count)}")
    return Code.DONE


@click.command()
@with_session
def vacuum(session: Session) -> Code:
    """Make the file as small as it can be. Who writes waits; there must be room for a second one."""
    with session.database() as database:
        done = database.vacuum()
    document = {"bytes_before": done.bytes_before, "bytes_after": done.bytes_after, "removed": done.removed}
    session.output.result(document, f"{size(done.bytes_before)} before, {size(done.bytes_after)} now")
    return Code.DONE


def _plain(found: Stats) -> dict[str, Any]:
    return {
        "records": dict(found.records),
        "relationships": found.relationships,
        "vectors": [
            {
                "label": signature.label,
                "property": signature.property,
                "source": signature.source,
                "similarity": signature.similarity,
                "dims": signature.dims,
                "held": count.held,
                "taken_away": count.taken_away,
            }
            for signature, count in found.vectors.items()
        ],
        "file_bytes": found.file_bytes,
        "wal_bytes": found.wal_bytes,
        "sidecar_bytes": found.sidecar_bytes,
        "free_bytes": found.free_bytes,
        "format": found.format,
        "sqlite_version": found.sqlite_version,
    }


def _draw(output: Output, found: Stats) -> None:
    records = [Column("label"), Column("records", number=True)]
    output.table(records, [*found.records.items(), ("all", found.total_records)])
    if found.vectors:
        output.line("")
        vectors = [Column("policy"), Column("vectors", number=True), Column("taken away", number=True)]
        rows = ((str(each), count.held, count.taken_away) for each, count in found.vectors.items())
        output.table(vectors, rows)
    output.line("")
    output.line(f"{found.relationships} relationships")
    output.line(
        f"{size(found.file_bytes)} in the file, {size(found.free_bytes)} of them free; "
        f"{size(found.wal_bytes)} not yet moved into it; {size(found.sidecar_bytes)} of caches"
    )
    output.line(f"format {found.format}, SQLite {found.sqlite_version}")
