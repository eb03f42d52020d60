"""Migrating: from the vectors that a field had to those that it is to have, while others read and write.

The state of a migration is one stored record, its marker, and otherwise what is there: the policies, and
the origins of the vectors. So whatever was interrupted goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..flow import Operation, ask
from ..plan import Migration
from ..port import (
    CountRecords,
    FindRecords,
    GetCoverage,
    ListPolicies,
    Policy,
    RecordQuery,
    RecordWrite,
    SaveRecords,
)
from ..schema import ModelSchema, VectorProperty
from .context import Context
from .embedding import unmade

LABEL = "RushModelMigration"
"""The label of markers: a record for each migration that is over."""

_KEY = "migration"
_STATE = "state"
_SWITCHED = "switched"


def serving(context: Context, spec: VectorProperty) -> Operation[VectorProperty]:
    """The field whose vectors searches use: what it was before, until the new ones are complete."""
    if spec.replaces is None or spec.migration in context.switched:
        return spec
    switched = spec.migration in (yield from marked([spec.migration]))
    if not switched:
        policies = yield from ask(ListPolicies(spec.label))
        switched = not _of_before(spec, policies)  # there is nothing to come from
    if not switched:
        return spec.replaces
    context.switched.add(spec.migration)
    return spec


def has_lost(context: Context) -> Operation[bool]:
    """Whether policies of before are gone that were there; what failed for that can be tried without them."""
    known = context.former - context.absent
    if not known:
        return False
    gone = known - {each.signature for each in (yield from ask(ListPolicies()))}
    context.absent |= gone
    return bool(gone)


def migrating(schemas: Iterable[ModelSchema]) -> Iterator[tuple[ModelSchema, VectorProperty]]:
    """The fields that replace others."""
    for schema in schemas:
        for spec in schema.vectors:
            if spec.replaces is not None:
                yield schema, spec


def migrations(schemas: Sequence[ModelSchema], policies: Sequence[Policy]) -> Operation[list[Migration]]:
    """How far each migration is."""
    found: list[Migration] = []
    several = list(migrating(schemas))
    switched = yield from marked([spec.migration for _, spec in several])
    for schema, spec in several:
        assert spec.replaces is not None
        label = schema.concrete_label()
        texts = yield from ask(CountRecords(_with_text(schema, spec)))
        remaining = yield from ask(
            CountRecords(RecordQuery((label,), scalars=schema.scalars, unmade=unmade([spec])))
        )
        batch = getattr(spec.embedder, "batch_size", None) or remaining or 1
        found.append(
            Migration(
                label,
                spec.name,
                tuple(each.signature for each in _of_before(spec, policies)),
                spec.signatures,
                is_switched=spec.migration in switched,
                records=texts,
                remaining=remaining,
                requests=-(-remaining // batch),
            )
        )
    return found


def switch(context: Context, spec: VectorProperty) -> Operation[None]:
    """From now on searches use the new vectors, in whatever process: one record says so."""
    yield from mark(context, spec.migration)


def mark(context: Context, migration: str) -> Operation[None]:
    """Leave the marker of a migration that is over."""
    write = RecordWrite({_KEY: migration, _STATE: _SWITCHED}, key=(_KEY,))
    yield from ask(SaveRecords(LABEL, (write,)))
    context.switched.add(migration)


def marked(migrations: Sequence[str]) -> Operation[set[str]]:
    """Those of the migrations that are over."""
    if not migrations:
        return set()
    where = {_KEY: {"$in": list(migrations)}, _STATE: _SWITCHED}
    found = yield from ask(FindRecords(RecordQuery((LABEL,), where, scalars=frozenset({_KEY, _STATE}))))
    return {each.data[_KEY] for each in found}


def is_complete(schema: ModelSchema, spec: VectorProperty) -> Operation[bool]:
    """Whether each of a field's policies has a vector for every text."""
    policies = yield from ask(ListPolicies(spec.label))
    ids = tuple(each.id for each in policies if each.signature in spec.signatures)
    coverages = yield from ask(GetCoverage(ids))
    texts = yield from ask(CountRecords(_with_text(schema, spec)))
    return len(ids) == len(spec.signatures) and all(each.vectors >= texts for each in coverages)


def _with_text(schema: ModelSchema, spec: VectorProperty) -> RecordQuery:
    assert spec.text_property is not None
    where = {spec.text_property: {"$exists": True}}
    return RecordQuery((schema.concrete_label(),), where, scalars=schema.scalars)


def _of_before(spec: VectorProperty, policies: Sequence[Policy]) -> list[Policy]:
    assert spec.replaces is not None
    return [each for each in policies if each.signature in spec.replaces.signatures]
