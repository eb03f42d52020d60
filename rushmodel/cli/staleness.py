"""``rushmodel stale``, ``reembed`` and ``backfill``: vectors that are not of their texts, or not there."""

from __future__ import annotations

from typing import Any

import click

from ..errors import ConfigurationError
from ..metaclass import schema_of
from ..model import Model
from . import Code
from .output import Column
from .session import Session, with_embedder, with_models, with_session


@click.command()
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option("--check", is_flag=True, help="Exit code 1 where some vector is stale.")
@with_models
@with_session
def stale(session: Session, names: tuple[str, ...], check: bool) -> Code:
    """Count the records whose vectors are of another text, embedder or version, or are not there yet."""
    models = _embedded(session, names)
    found: list[dict[str, Any]] = []
    with session.database(models):
        for model in models:
            records = model.find().count()
            found += [
                {"model": model.__name__, "field": field, "records": records, "stale": count}
                for field in _fields(model)
                for count in [model.stale(on=field).count()]
            ]
    columns = [
        Column("model"),
        Column("field"),
        Column("records", number=True),
        Column("stale", number=True),
    ]
    session.output.result(
        {"stale": found},
        lambda: session.output.table(
            columns,
            [list(each.values()) for each in found],
            lambda row: "green" if row[-1] == "0" else "yellow",
        ),
    )
    return Code.FINDINGS if check and any(each["stale"] for each in found) else Code.DONE


@click.command()
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--batch", type=click.IntRange(1), default=200, show_default=True, help="Records embedded at a time."
)
@with_models
@with_session
def reembed(session: Session, names: tuple[str, ...], batch: int) -> Code:
    """Make all stale vectors anew, while others read and write. Called again it goes on where it ended."""
    models = _embedded(session, names)
    made: dict[str, int] = {}
    with session.database(models):
        for model in models:
            with session.output.progress(f"embedding {model.__name__}", model.stale().count()) as progress:
                made[model.__name__] = model.reembed(batch=batch, progress=progress)
    lines = [f"{name}: {count} records embedded" for name, count in made.items()]
    session.output.result({"made": made}, "\n".join(lines))
    return Code.DONE


@click.command()
@click.option(
    "--batch", type=click.IntRange(1), default=200, show_default=True, help="Records embedded at a time."
)
@with_embedder
@with_session
def backfill(session: Session, batch: int) -> Code:
    """Make the managed vectors that a file lacks, with the embedder that is named."""
    with (
        session.database(embeds=True) as database,
        session.output.progress("embedding") as progress,
    ):
        made = database.backfill(batch=batch, progress=progress)
    session.output.result({"made": made}, f"{made} records embedded")
    return Code.DONE


def _embedded(session: Session, names: tuple[str, ...]) -> list[type[Model]]:
    """The models that are named, or all that have an embedder."""
    models = [session.model(name) for name in names] if names else session.models
    embedded = [model for model in models if _fields(model)]
    if not embedded or (names and len(embedded) < len(models)):
        known = ", ".join(model.__name__ for model in models if model not in embedded)
        raise ConfigurationError(f"{known}: no field has an embedder, so nothing tells what is stale")
    return embedded


def _fields(model: type[Model]) -> list[str]:
    return [each.name for each in schema_of(model).external if each.embedder is not None]
