"""``rushmodel push`` and ``pull``: what one store holds, brought to another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..operations.moving import look
from ..results import PushReport
from . import Code
from .session import Session, with_session

C = TypeVar("C", bound=Callable[..., Any])


def _with_choices(command: C) -> C:
    labels = click.option("--label", "labels", multiple=True, help="Only records of it. May be repeated.")
    vectors = click.option("--without-vectors", is_flag=True, help="Policies, and no vectors.")
    embedder = click.option(
        "--embedder",
        "maker",
        metavar="NAME",
        help="app.models:minilm makes the vectors again that a RushDB server does not give back.",
    )
    return labels(vectors(embedder(command)))


@click.command()
@click.option("--from", "source", metavar="URL", help="Where from; else the database.")
@click.option("--to", "target", metavar="URL", required=True, help="Where to: a file is made if need be.")
@_with_choices
@with_session
def push(
    session: Session,
    source: str | None,
    target: str,
    labels: tuple[str, ...],
    without_vectors: bool,
    maker: str | None,
) -> Code:
    """Bring records, vectors, relationships and policies to another store, and check them there.

    Interrupted, it goes on when it is called again: what is there as it is here is not sent twice.
    """
    return _move(session.at(source), session.at(target), labels, without_vectors, maker)


@click.command()
@click.option("--from", "source", metavar="URL", required=True, help="Where from.")
@click.option("--to", "target", metavar="URL", help="Where to; else the database.")
@_with_choices
@with_session
def pull(
    session: Session,
    source: str,
    target: str | None,
    labels: tuple[str, ...],
    without_vectors: bool,
    maker: str | None,
) -> Code:
    """Bring to this store what another one holds, and check it here: push, seen from the other end."""
    return _move(session.at(source), session.at(target), labels, without_vectors, maker)


def _move(
    source: Session, target: Session, labels: tuple[str, ...], without_vectors: bool, maker: str | None
) -> Code:
    output, embedder = source.output, source.embedder(maker)
    with source.database() as here:
        here.run(look(labels))  # before a file is made for what cannot be read
        with target.database(make=True) as there, output.progress("moving") as told:
            report = here.push(
                there, labels or None, without_vectors=without_vectors, embedder=embedder, progress=told
            )
    output.result({"from": here.url, "to": there.url, **_plain(report)}, _told(report, there.url))
    return Code.DONE


def _plain(report: PushReport) -> dict[str, int]:
    names = ("records", "unchanged", "vectors", "relationships", "left_out", "policies", "checked")
    return {name: getattr(report, name) for name in names}


def _told(report: PushReport, url: str) -> str:
    said = f"{url}: {report.records} records, {report.relationships} relationships"
    if report.unchanged:
        said += f"; {report.unchanged} records were there already"
    if report.left_out:
        said += f"; {report.left_out} relationships lead elsewhere"
    return f"{said}; {report.checked} compared"
