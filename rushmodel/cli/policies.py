"""``rushmodel plan``, ``sync`` and ``migrate``: the policies that the models want, and those of the store."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..plan import Plan, PolicyChange
from . import Code
from .output import Column, Output, in_shell
from .session import Session, with_models, with_session

_COLUMNS = (
    *(Column(name) for name in ("change", "label", "property", "source", "similarity")),
    *(Column(name, number=True) for name in ("dims", "records", "vectors", "coverage")),
)
_STYLES = {
    "create": "green",
    "conflict": "bold red",
    "replaced": "yellow",
    "undeclared": "yellow",
    "drop": "red",
}


@click.command()
@click.option("--check", is_flag=True, help="Exit code 1 unless every declared policy is there.")
@click.option(
    "--min-coverage",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Exit code 1 where, of the records with an indexed property, fewer have their vector: 0.9 is 90 %.",
)
@with_models
@with_session
def plan(session: Session, check: bool, min_coverage: float | None) -> Code:
    """Show which policies the models want, which there are, and what sync would do. Changes nothing."""
    models = session.models
    with session.database(models, pretend=True) as database:
        found = database.plan()
    short = [] if min_coverage is None else _short(found, min_coverage)
    document = found.as_dict()
    if min_coverage is not None:
        document["covered"] = not short
    session.output.result(document, lambda: _draw(session.output, found, _summary(found)))
    for each in short:
        session.output.say(f"{each.signature} covers {_share(each)}, less than {min_coverage:.0%}")
    return Code.FINDINGS if short or (check and not found.in_sync) else Code.DONE


@click.command()
@click.option("--prune", is_flag=True, help="Also drop policies of the models' labels that no model wants.")
@click.option("--drop-vectors", is_flag=True, help="With --prune: also those that hold vectors. Asks first.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_models
@with_session
def sync(session: Session, prune: bool, drop_vectors: bool, yes: bool) -> Code:
    """Create the policies and property indexes that the models want and the store lacks."""
    if drop_vectors and not prune:
        raise click.UsageError("--drop-vectors goes with --prune")
    models, output = session.models, session.output
    with session.database(models, make=True) as database:
        if drop_vectors and not yes and not _confirmed(output, database.plan()):
            output.say("nothing was changed")
            return Code.FINDINGS
        done = database.sync(prune=prune, drop_vectors=drop_vectors)
    made, dropped = len(done.of("create")), len(done.of("drop"))
    output.result(done.as_dict(), lambda: _draw(output, done, f"Done: {made} created, {dropped} dropped."))
    return Code.DONE


@click.command()
@click.option(
    "--batch", type=click.IntRange(1), default=200, show_default=True, help="Records embedded at a time."
)
@with_models
@with_session
def migrate(session: Session, batch: int) -> Code:
    """Bring fields with replaces= or renamed_from= to what they are now: new vectors, new names.

    Others read and write meanwhile, by the old ones until the new ones are complete. Interrupted, it goes on
    from there when it is called again.
    """
    models, output = session.models, session.output
    with session.database(models) as database:
        before = database.plan()
        total = sum(each.remaining for each in before.migrations)
        total += sum(each.remaining for each in before.renames)
        with output.progress("migrating", total) as progress:
            done = database.migrate(batch=batch, progress=progress)
    output.result(done.as_dict(), lambda: _draw(output, done, _summary(done)))
    return Code.DONE if done.is_over else Code.FINDINGS


def _confirmed(output: Output, seen: Plan) -> bool:
    """Whether vectors may be dropped: somebody typed how many."""
    going = [each for each in seen.of("undeclared") if each.coverage.vectors]
    if not going:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("--drop-vectors asks before it drops any: add --yes where nobody can answer")
    for each in going:
        output.say(f"{each.signature} goes, with {each.coverage.vectors} vectors")
    phrase = f"drop {sum(each.coverage.vectors for each in going)} vectors"
    typed = click.prompt(
        f"They cannot be brought back. Type {phrase!r} to go on", err=True, default="", show_default=False
    )
    return str(typed).strip() == phrase


def _draw(output: Output, shown: Plan, summary: str) -> None:
    if shown.changes:
        output.table(_COLUMNS, map(_row, shown.changes), lambda row: _STYLES.get(row[0], ""))
    for line in summary.splitlines():
        output.line(line)


def _row(change: PolicyChange) -> list[Any]:
    cells = change.as_dict()
    return [*(cells[column.name] for column in _COLUMNS[:-1]), _share(change)]


def _share(change: PolicyChange) -> str:
    records = change.coverage.records
    # Rounded down: 99.99 % is not all.
    return f"{100 * change.coverage.vectors // records}%" if records else "-"


def _short(found: Plan, least: float) -> list[PolicyChange]:
    """The declared policies that cover less than they should; one that is not there covers nothing."""
    declared = [each for each in found.changes if each.kind in ("keep", "create", "conflict")]
    return [each for each in declared if each.coverage.vectors < least * each.coverage.records]


def _summary(found: Plan) -> str:
    said = _of_policies(found)
    return "\n".join([said, *(in_shell(str(each)) for each in (*found.migrations, *found.renames))])


def _of_policies(found: Plan) -> str:
    if not found.changes:
        return "No index policies are declared, and none are there."
    missing, spare, conflicts = (len(found.of(kind)) for kind in ("create", "undeclared", "conflict"))
    if conflicts:
        said = f"{conflicts} cannot be created: records hold values of that property that are not text."
    elif missing:
        said = f"{missing} to create: rushmodel sync"
    else:
        said = "In sync." if found.in_sync else "All policies are there."
    if spare:
        said += f" {spare} undeclared, left alone without --prune."
    return said
